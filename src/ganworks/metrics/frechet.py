"""Frechet distance between Gaussians fitted to features (Heusel et al. 2017, eq. 6), in float64.

It is called FD and always names its extractor; the name FID is reserved for the verified Inception weights. FD of a
finite sample is biased upwards, the more so the smaller n is, so that values compare only at equal n: `sample_distance`
averages over groups of n and never mixes sizes.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ganworks.core.console.text import counted
from ganworks.metrics.estimate import Estimate, around


@dataclass(frozen=True)
class Moments:
    """Mean [d] and covariance [d, d] (divided by n - 1) of `count` feature vectors, float64."""

    mean: np.ndarray
    cov: np.ndarray
    count: int

    @cached_property
    def root(self) -> np.ndarray:
        """The symmetric square root of the covariance [d, d]; negative eigenvalues from rounding count as 0."""
        values, vectors = np.linalg.eigh(self.cov)
        return (vectors * np.sqrt(values.clip(min=0))) @ vectors.T


def moments(features: np.ndarray, weights: np.ndarray | None = None) -> Moments:
    """Moments of features [n, d]. weights [n]: how often each row counts (for a bootstrap sample), default 1.

    Two passes in float64: one-pass float32 sums are wrong by up to 0.04 per entry for data with an offset. Warns if n <
    d + 1, because the covariance is then singular and FD is mostly bias.
    """
    x = np.asarray(features, np.float64)
    n, d = x.shape
    if weights is None:
        if n < d + 1:
            warnings.warn(
                f"{counted(n, 'example is', 'examples are')} too few for {d} features: FD needs {d + 1}.", stacklevel=2
            )
        centre = x.mean(axis=0)
        x = x - centre
        return Moments(centre, x.T @ x / max(n - 1, 1), n)
    total = float(weights.sum())
    centre = weights @ x / total
    x = x - centre
    return Moments(centre, (x * weights[:, None]).T @ x / max(total - 1, 1), n)


def distance(a: Moments, b: Moments) -> float:
    """|mean_a - mean_b|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2): the squared 2-Wasserstein distance of the Gaussians.

    The symmetric form needs only eigenvalues of a symmetric matrix: no complex numbers, and no matrix root that fails.
    """
    values = np.linalg.eigvalsh(a.root @ b.cov @ a.root)
    cross = np.sqrt(values.clip(min=0)).sum()
    return float(((a.mean - b.mean) ** 2).sum() + np.trace(a.cov) + np.trace(b.cov) - 2 * cross)


def sample_distance(
    features: np.ndarray, reference: Moments, size: int | None = None, *, seed: int = 0, repeats: int = 50
) -> Estimate:
    """FD of features [n, d] to `reference`: the mean over n // size disjoint groups of `size` rows (default n).

    The interval treats the reference as fixed: the standard error is the deviation over `repeats` bootstrap samples of
    `size` rows, divided by the square root of the number of groups.
    """
    size = min(size or len(features), len(features))
    groups = len(features) // size
    value = np.mean([distance(reference, moments(g)) for g in np.split(features[: groups * size], groups)])
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(repeats):
        times = np.bincount(random.integers(len(features), size=size), minlength=len(features))
        kept = times > 0
        drawn.append(distance(reference, moments(features[kept], times[kept].astype(np.float64))))
    found = around(float(value), float(np.std(drawn, ddof=1)) / groups**0.5)
    return Estimate(found.value, max(0.0, found.low), found.high)
