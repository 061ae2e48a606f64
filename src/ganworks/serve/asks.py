"""What a request asks of a model, whichever protocol it came by: checked values, no HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ganworks.core.errors import UsageError, show
from ganworks.core.limits import check_count, check_index, check_seed, check_truncation

_LONGEST = 3600.0  # seconds; whoever waits longer asks for a job


def check_deadline(seconds: Any) -> float:
    """Seconds from now within which an answer is of use: above 0 and up to an hour, else UsageError."""
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or not 0 < seconds <= _LONGEST:
        raise UsageError(f"deadline_s must be a number of seconds above 0 and up to {_LONGEST:g}, not {show(seconds)}.")
    return float(seconds)


@dataclass(frozen=True)
class SampleAsk:
    """Samples `start` to `start + n - 1` of a seed.

    model: its name in the service. labels, truncation: as for `Model.sample`. options: those of the model's domain,
    e.g. where or temperature. deadline_s: seconds from now within which the answer is of use; of a stream, within which
    each further part is. Raises UsageError for values out of range.
    """

    model: str
    n: int = 1
    seed: int = 0
    start: int = 0
    labels: Any = None
    truncation: float = 1.0
    options: dict[str, Any] = field(default_factory=dict)
    deadline_s: float = 30.0

    def __post_init__(self) -> None:
        check_count(self.n)
        check_seed(self.seed)
        check_index(self.start)
        check_truncation(self.truncation)
        check_deadline(self.deadline_s)


@dataclass(frozen=True)
class DecodeAsk:
    """Samples of the caller's own latents [n, z_dim]: a list of lists, an array or a tensor of floats.

    The other fields are as for `SampleAsk`. Raises UsageError for values out of range.
    """

    model: str
    latents: Any
    labels: Any = None
    truncation: float = 1.0
    options: dict[str, Any] = field(default_factory=dict)
    deadline_s: float = 30.0

    def __post_init__(self) -> None:
        check_truncation(self.truncation)
        check_deadline(self.deadline_s)


@dataclass(frozen=True)
class WalkAsk:
    """A walk from sample 0 of each seed to that of the next: `steps` samples a leg, both ends included.

    The other fields are as for `SampleAsk`. Raises UsageError for values out of range.
    """

    model: str
    seeds: tuple[int, ...]
    steps: int = 9
    labels: Any = None
    truncation: float = 1.0
    options: dict[str, Any] = field(default_factory=dict)
    deadline_s: float = 30.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "seeds", tuple(check_seed(seed) for seed in self.seeds))
        if len(self.seeds) < 2:
            raise UsageError(f"A walk needs two seeds or more, not {list(self.seeds)}.")
        check_count(self.steps, "steps")
        check_truncation(self.truncation)
        check_deadline(self.deadline_s)


@dataclass(frozen=True)
class ApplyAsk:
    """One file through a translator, a restorer or another network that changes files.

    content, name: the file and its name, whose suffix says what it is. mask: a picture as bytes, white where there is
    to be filled. form: the form of the answer ("png", ...), "" that of the input. options: those of the model's domain.
    mark: whether the answer says that it was made. reverse: the network of the other direction, where there is one.
    """

    model: str
    content: bytes
    name: str
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    mask: bytes | None = None
    form: str = ""
    mark: bool = True
    reverse: bool = False
    deadline_s: float = 120.0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_deadline(self.deadline_s)


@dataclass(frozen=True)
class PredictAsk:
    """The classes of pictures. files: (name, content) of each, in the order of the answer."""

    model: str
    files: tuple[tuple[str, bytes], ...]
    deadline_s: float = 60.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", tuple((str(name), bytes(content)) for name, content in self.files))
        if not self.files:
            raise UsageError("There is no picture to classify.")
        check_deadline(self.deadline_s)
