"""Kernel distance: the unbiased squared MMD with the polynomial kernel of KID (Binkowski et al. 2018, eq. 4).

k(x, y) = (x.y / d + 1)^3; the mean over subsets drawn without replacement. It is unbiased, so it can be slightly
negative and needs no large n: prefer it to FD if there are few examples.
"""

from __future__ import annotations

import numpy as np

from ganworks.metrics.estimate import Estimate, around


def _cubed(values: np.ndarray) -> np.ndarray:
    return values * values * values


def unbiased_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased squared MMD of x [n, d] and y [m, d], kernel (x.y / d + 1)^3 (Gretton et al. 2012, eq. 3)."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    d, n, m = x.shape[1], len(x), len(y)
    xx, yy, xy = (_cubed(a @ b.T / d + 1) for a, b in ((x, x), (y, y), (x, y)))
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float(within - 2 * xy.mean())


def kernel_distance(
    features: np.ndarray, reference: np.ndarray, *, subsets: int = 100, size: int = 1000, seed: int = 2020
) -> Estimate:
    """KID of features [n, d] to reference [m, d]: the mean over `subsets` pairs of subsets of `size` rows (at most
    half).

    The random state is its own. Subsets overlap, so the standard error counts only as many as could be disjoint: the
    deviation over the subsets divided by sqrt(min(n, m) / size). Raises ValueError below 4 rows.
    """
    smaller = min(len(features), len(reference))
    if smaller < 4:
        raise ValueError(f"Kernel distance needs at least 4 examples on each side; there are {smaller}.")
    size = min(size, smaller // 2)
    random = np.random.RandomState(seed)
    values = []
    for _ in range(subsets):
        x = features[random.choice(len(features), size, replace=False)]
        y = reference[random.choice(len(reference), size, replace=False)]
        values.append(unbiased_mmd(x, y))
    independent = min(subsets, smaller / size)
    return around(float(np.mean(values)), float(np.std(values, ddof=1)) / independent**0.5)
