"""Games of two stages: G first learns alone from distances to the targets; D joins at a fraction of the budget."""

from __future__ import annotations


def phases(start: float) -> tuple[float, ...]:
    """The fractions of the budget at which a stage begins, for D joining at `start`."""
    return (0.0, start) if 0 < start < 1 else (0.0,)


def alone(progress: float, start: float) -> bool:
    """Whether G still learns alone at this fraction of the budget; with start = 1 it always does."""
    return progress < start or start == 1
