"""How probable what a detector saw is without a watermark.

A detector computes x, a vector that depends on the file alone, and t = <s, x> / |x| with the signs s of the key. Over
keys drawn at random, whatever the file, P(t >= T) <= exp(-T^2 / 2) (Hoeffding 1963, for independent signs). Of several
places that are looked at, each gets a share of the probability (Bonferroni).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

LIMIT = 1e-6  # at or below this, a watermark is said to be there


@dataclass(frozen=True)
class Finding:
    """What a detector found. p: an upper bound of the probability of this or more without a watermark. t: standard
    deviations. place: where it was found.
    """

    p: float
    t: float
    place: str = ""

    @property
    def found(self) -> bool:
        """Whether the watermark is there."""
        return self.p <= LIMIT


def bound(t: float, places: float = 1.0) -> float:
    """The p-value of the largest t of so many places."""
    return min(1.0, places * math.exp(-t * t / 2)) if t > 0 else 1.0


def best(*findings: Finding) -> Finding:
    """The one of least p."""
    return min(findings, key=lambda finding: finding.p)
