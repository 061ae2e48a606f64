"""What a training yields. The caller (progress bar, page, test, notebook) decides what to do with an event."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Started:
    """Training begins or goes on: `total` is the budget in examples, `notes` say what was chosen and why."""

    seen: int
    total: int
    notes: tuple[str, ...] = ()
    run: str = ""


@dataclass(frozen=True)
class Round:
    """A summary of the steps since the last round: mean losses, examples per second, seconds of training so far."""

    seen: int
    total: int
    seconds: float
    speed: float
    losses: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Shown:
    """A sample grid, or another file to look at, was written to `path` in the run folder."""

    seen: int
    path: str


@dataclass(frozen=True)
class Saved:
    """The state was saved; a kill from here on loses nothing before `seen`."""

    seen: int
    path: str


@dataclass(frozen=True)
class Scored:
    """Scores of the averaged generator beside those of held-out real data (`floor`)."""

    seen: int
    scores: dict[str, float]
    floor: dict[str, float]
    best: bool
    extractor: str
    half_life: float = 0.0


@dataclass(frozen=True)
class Alarm:
    """Something looks wrong: what was seen and what to try. Training goes on unless `fatal`."""

    seen: int
    kind: str
    message: str
    advice: str
    fatal: bool = False


@dataclass(frozen=True)
class Finished:
    """Training ended: reason is "budget", "target", "interrupted" or "stopped"."""

    seen: int
    seconds: float
    reason: str


Event = Started | Round | Shown | Saved | Scored | Alarm | Finished


def to_line(event: Event) -> dict[str, Any]:
    """The event as one line of metrics.jsonl."""
    return {"event": type(event).__name__.lower(), **asdict(event)}
