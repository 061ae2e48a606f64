"""Values with their uncertainty (`Estimate`), intervals of shares and means, and the KS distance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Z95 = 1.959963984540054


@dataclass(frozen=True)
class Estimate:
    """A measured value with the limits of its 95 % confidence interval, all in the unit of the value."""

    value: float
    low: float
    high: float


def around(value: float, error: float) -> Estimate:
    """The 95 % normal interval of a value whose standard error is `error`."""
    return Estimate(float(value), float(value - Z95 * error), float(value + Z95 * error))


def mean(values: np.ndarray) -> Estimate:
    """Mean of independent values [n] with its normal interval, whose limits are nan if n is 1."""
    error = values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return around(float(values.mean()), float(error))


def wilson(share: float, count: int) -> Estimate:
    """A share in 0..1 of `count` trials with Wilson's score interval (1927), which also holds near 0 and 1."""
    if not count:
        return Estimate(math.nan, math.nan, math.nan)
    z2 = Z95 * Z95 / count
    centre, half = share + z2 / 2, Z95 * math.sqrt(share * (1 - share) / count + z2 / (4 * count))
    return Estimate(float(share), max(0.0, (centre - half) / (1 + z2)), min(1.0, (centre + half) / (1 + z2)))


def ks(a: np.ndarray, b: np.ndarray) -> float:
    """Kolmogorov-Smirnov distance of two samples [n], [m]: the largest difference of their distribution functions, 0 to
    1.

    Values that are not finite are ignored. If one sample has no values the distance is 1, if neither has any it is 0.
    """
    a, b = np.sort(a[np.isfinite(a)]), np.sort(b[np.isfinite(b)])
    if not len(a) or not len(b):
        return float(len(a) != len(b))
    at = np.concatenate([a, b])
    gap = np.searchsorted(a, at, "right") / len(a) - np.searchsorted(b, at, "right") / len(b)
    return float(np.abs(gap).max())
