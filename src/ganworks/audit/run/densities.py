"""Density ratios: where a generator puts more mass than the world does, it may have seen the example.

Van Breugel et al. 2023 (DOMIAS, arXiv 2302.12580): an example is taken for a member when the density of generated
examples at it, over the density of other real ones, is large. Densities are sums of Gaussians (KDE) in a few whitened
principal components of the real reference; the bandwidth of each side is the one under which its own points, each left
out in turn, are the most likely, so that a generator of copies gets a narrow one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

DIRECTIONS = 8  # most principal components
TRIED = 400  # points on which a bandwidth is chosen
STEPS = np.geomspace(0.05, 2.0, 10)  # bandwidths that are tried, in units of Scott's rule
CHUNK = 1024


@dataclass(frozen=True)
class Plane:
    """The first principal components of real examples, scaled to variance 1. centre [D], axes [D, d]."""

    centre: np.ndarray
    axes: np.ndarray

    @staticmethod
    def of(real: np.ndarray, most: int = DIRECTIONS) -> Plane:
        """Fitted to real examples [n, D]; components with less than 1e-4 of the largest spread are left out."""
        x = np.asarray(real, np.float64)
        centre = x.mean(0)
        values, vectors = np.linalg.eigh(np.cov(x - centre, rowvar=False).reshape(x.shape[1], -1))
        order = np.argsort(values)[::-1][:most]
        order = order[values[order] > max(1e-8 * values.max(), 1e-24)]
        return Plane(centre, vectors[:, order] / np.sqrt(values[order]))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Examples [n, D] -> [n, d]."""
        return (np.asarray(x, np.float64) - self.centre) @ self.axes


def log_density(x: np.ndarray, points: np.ndarray, width: float) -> np.ndarray:
    """The logarithm of a sum of Gaussians of this standard deviation around points [m, d], at x [n, d]: [n]."""
    base = _tensor(points)
    parts = [_log_sums(_squared(part, base), width) for part in _tensor(x).split(CHUNK)]
    return torch.cat(parts).numpy() - _constant(len(points), points.shape[1], width)


def _tensor(x: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x))


def _squared(x: Tensor, points: Tensor) -> Tensor:
    """Squared distances [n, m], exact for equal points."""
    return torch.cdist(x, points, compute_mode="donot_use_mm_for_euclid_dist").square_()


def _log_sums(squared: Tensor, width: float) -> Tensor:
    return (squared / (-2 * width * width)).logsumexp(1)


def _constant(count: int, d: int, width: float) -> float:
    return float(np.log(count) + d * (np.log(width) + 0.5 * np.log(2 * np.pi)))


def bandwidth(points: np.ndarray, seed: int = 0) -> float:
    """The width under which points [m, d], each left out in turn, are the most likely."""
    m, d = points.shape
    rows = torch.from_numpy(np.random.default_rng(seed).permutation(m)[:TRIED])
    base = _tensor(points)
    squared = _squared(base[rows], base)
    squared[torch.arange(len(rows)), rows] = torch.inf
    widths = m ** (-1 / (d + 4)) * STEPS
    likely = [
        float((_log_sums(squared, float(w)) - _constant(m - 1, d, float(w))).clamp_min(-1e4).mean()) for w in widths
    ]
    return float(widths[int(np.argmax(likely))])


def log_ratio(x: np.ndarray, made: np.ndarray, real: np.ndarray, plane: Plane | None = None) -> np.ndarray:
    """log p_made(x) - log p_real(x) of examples x [n, D], estimated from made [m, D] and real ones [r, D]: [n].

    plane: in which densities are taken; None: that of the real examples.
    """
    plane = plane or Plane.of(real)
    x, made, real = plane(x), plane(made), plane(real)
    return log_density(x, made, bandwidth(made)) - log_density(x, real, bandwidth(real))
