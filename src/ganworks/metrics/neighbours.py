"""Metrics from nearest neighbours in feature space: fidelity, diversity and copying.

precision, recall   Kynkaanniemi et al. 2019, eq. 2, k = 3
density, coverage   Naeem et al. 2020, eq. 5 and 6, k = 5 (their `prdc`: radii exclude the point itself, `<`)
authenticity        Alaa et al. 2022, section 3.3, as a share in 0..1 (1 = nothing looks copied)
copied              share of samples nearer to a training example than 1 % of held-out real examples are

Distances are Euclidean. Large searches run in float32 on centred features; what they find is measured again in
float64 from the differences, so an exact copy has distance 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

CHUNK = 1024


@dataclass(frozen=True)
class Neighbours:
    """For each query its k nearest base rows, nearest first: indices [n, k] int64, distances [n, k] float64."""

    index: np.ndarray
    distance: np.ndarray


def _squared(queries: Tensor, base: Tensor, base_norms: Tensor) -> Tensor:
    """Squared distances [q, b] up to rounding; not clipped at zero."""
    return torch.addmm(base_norms[None], queries, base.T, alpha=-2).add_(queries.square().sum(1, keepdim=True))


def nearest(queries: np.ndarray, base: np.ndarray, k: int = 1, *, own: np.ndarray | None = None) -> Neighbours:
    """The k nearest rows of base [m, d] for every row of queries [n, d], exact up to float32 ties.

    own [n]: the row of base that query i is itself, to be left out (another row with equal values is kept).
    k is lowered to the number of rows there are.
    """
    k = min(k, len(base) - (own is not None))
    if k < 1:
        raise ValueError(f"No neighbour to find: the base has {len(base)} row(s).")
    centre = np.asarray(base, np.float64).mean(axis=0)
    exact = torch.from_numpy(np.asarray(base, np.float64) - centre)
    asked = torch.from_numpy(np.asarray(queries, np.float64) - centre)
    rough, norms = exact.float(), exact.float().square().sum(1)
    shortlist = min(k + 3, len(base) - (own is not None))
    index, found = [], []
    for start in range(0, len(asked), CHUNK):
        part = asked[start : start + CHUNK]
        squared = _squared(part.float(), rough, norms)
        if own is not None:
            squared[torch.arange(len(part)), torch.from_numpy(own[start : start + CHUNK])] = torch.inf
        candidates = squared.topk(shortlist, largest=False).indices
        true = (exact[candidates] - part[:, None]).square().sum(-1)
        values, order = true.sort(dim=1, stable=True)
        index.append(candidates.gather(1, order)[:, :k])
        found.append(values[:, :k].sqrt())
    return Neighbours(torch.cat(index).numpy(), torch.cat(found).numpy())


def radii(features: np.ndarray, k: int) -> np.ndarray:
    """Distance [n] of every row to its k-th nearest other row."""
    return nearest(features, features, k, own=np.arange(len(features))).distance[:, -1]


@dataclass(frozen=True)
class Manifold:
    """Real features [n, d] with the radii of their 3rd and 5th neighbour; made once, compared many times."""

    features: np.ndarray
    radius3: np.ndarray
    radius5: np.ndarray

    @staticmethod
    def of(features: np.ndarray, k: int = 3, wide: int = 5) -> Manifold:
        """Radii to the k-th neighbour (precision, recall) and the wide-th (density, coverage)."""
        found = nearest(features, features, wide, own=np.arange(len(features))).distance
        return Manifold(features, found[:, min(k, found.shape[1]) - 1], found[:, -1])


@dataclass(frozen=True)
class Overlap:
    """What every example says; the mean of each field is the metric of that name.

    precise [f]: the sample lies in the ball of a real example. recalled [r]: the real example lies in the ball of a
    sample. dense [f]: real balls (k = 5) that hold the sample, divided by k. covered [r]: the ball (k = 5) of the
    real example holds a sample. gap [r]: distance from the real example to its nearest sample over its ball's radius.
    """

    precise: np.ndarray
    recalled: np.ndarray
    dense: np.ndarray
    covered: np.ndarray
    gap: np.ndarray


def overlap(real: Manifold, fake: np.ndarray, k: int = 3, wide: int = 5) -> Overlap:
    """Compare samples [f, d] with a real manifold of r rows; the metrics mean most at f = r."""
    fake_radius = torch.from_numpy(radii(fake, k)).square()
    centre = np.asarray(real.features, np.float64).mean(axis=0)
    a = torch.from_numpy(np.asarray(real.features, np.float64) - centre)
    b = torch.from_numpy(np.asarray(fake, np.float64) - centre)
    norms, small, large = b.square().sum(1), torch.from_numpy(real.radius3), torch.from_numpy(real.radius5)
    precise, dense = torch.zeros(len(b), dtype=torch.bool), torch.zeros(len(b), dtype=torch.int64)
    recalled, closest = [], []
    for start in range(0, len(a), CHUNK):
        rows = slice(start, start + CHUNK)
        squared = _squared(a[rows], b, norms).clamp_(min=0)
        precise |= (squared < small[rows, None].square()).any(0)
        dense += (squared < large[rows, None].square()).sum(0)
        recalled.append((squared < fake_radius).any(1))
        closest.append(squared.min(1).values.sqrt())
    gap = torch.cat(closest).numpy()
    return Overlap(precise.numpy(), torch.cat(recalled).numpy(), dense.numpy() / wide, gap < real.radius5,
                   gap / np.maximum(real.radius5, 1e-12))


def authentic(found: Neighbours, training: np.ndarray) -> np.ndarray:
    """Which queries are farther from their nearest training row than that row is from its own nearest other, [n] bool.

    found: `nearest(queries, training)`. Identical training rows have distance 0 to each other, so a query that is a
    third copy is not authentic either. In a held-out real set about half of the examples are authentic.
    """
    rows, back = np.unique(found.index[:, 0], return_inverse=True)
    spacing = nearest(training[rows], training, own=rows).distance[:, 0]
    return found.distance[:, 0] > spacing[back]


def copied(distance: np.ndarray, held: np.ndarray, quantile: float = 0.01) -> np.ndarray:
    """Which samples are nearer to the training set than that quantile of held-out real examples are, [n] bool.

    distance [n], held [m]: distances to the nearest training row. A share well above `quantile` means copying.
    """
    return distance < np.quantile(held, quantile)
