"""Games of two stages: G alone on distances to the truth; from a fraction of the budget on, D as well."""

from __future__ import annotations


def phases(start: float) -> tuple[float, ...]:
    """Fractions of the budget where the turns change."""
    return (0.0, start) if 0 < start < 1 else (0.0,)


def alone(progress: float, start: float) -> bool:
    """Whether G still plays alone."""
    return progress < start or start == 1
