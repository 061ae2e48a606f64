"""What a request asks of a model, whichever protocol it came by: checked values, no HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ganworks.core.limits import check_count, check_index, check_seed, check_truncation


@dataclass(frozen=True)
class SampleAsk:
    """Samples `start` to `start + n - 1` of a seed.

    model: its name in the service. labels, truncation: as for `Model.sample`. options: those of the model's domain,
    e.g. where or temperature. deadline_s: seconds from now within which the answer is of use. Raises UsageError for
    values out of range.
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
