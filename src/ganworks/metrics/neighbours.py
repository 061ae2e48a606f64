"""Metrics from nearest neighbours in feature space: fidelity, diversity and copying.

precision, recall   Kynkaanniemi et al. 2019, eq. 2, k = 3
density, coverage   Naeem et al. 2020, eq. 5 and 6, k = 5 (as `prdc`: radii leave out the point itself, `<`)
authenticity        Alaa et al. 2022, section 3.3, as a share in 0..1 (0 = all is copied)
copied              share of samples that are nearer to a training example than 1 % of held-out examples are

Distances are Euclidean. Large searches run in float32 on centred features; the distances to the neighbours found are
then computed in float64 from the differences, so that an exact copy has distance 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

CHUNK = 1024


@dataclass(frozen=True)
class Neighbours:
    """The k nearest rows of each query, nearest first: index [n, k] int64, distance [n, k] float64."""

    index: np.ndarray
    distance: np.ndarray


def _squared(queries: Tensor, base: Tensor, base_norms: Tensor) -> Tensor:
    """Squared distances [q, b] up to rounding, which may make them slightly negative."""
    crossed = torch.addmm(base_norms[None], queries, base.T, alpha=-2)
    return crossed.add_(queries.square().sum(1, keepdim=True))


class Index:
    """A nearest-neighbour search over rows [m, d], which are centred once."""

    def __init__(self, base: np.ndarray):
        wide = np.asarray(base, np.float64)
        self.centre = wide.mean(axis=0)
        self.exact = torch.from_numpy(wide - self.centre)
        self.rough = self.exact.float()
        self.norms = self.rough.square().sum(1)
        self._spacing = np.full(len(wide), np.nan)

    def nearest(self, queries: np.ndarray, k: int = 1, own: np.ndarray | None = None) -> Neighbours:
        """The k nearest rows of each query [n, d]; k is lowered to the number of rows available.

        own [n]: the row that query i itself is, which is excluded; other rows with equal values are kept. Raises
        ValueError if there is no row to find.
        """
        rows = len(self.exact) - (own is not None)
        if rows < 1:
            raise ValueError(f"No neighbour to find among {len(self.exact)} row(s).")
        k, shortlist = min(k, rows), min(k + 3, rows)
        asked = torch.from_numpy(np.asarray(queries, np.float64) - self.centre)
        index, found = [torch.empty(0, k, dtype=torch.int64)], [torch.empty(0, k, dtype=torch.float64)]
        for start in range(0, len(asked), CHUNK):
            part = asked[start : start + CHUNK]
            squared = _squared(part.float(), self.rough, self.norms)
            if own is not None:
                squared[torch.arange(len(part)), torch.from_numpy(own[start : start + CHUNK])] = torch.inf
            candidates = squared.topk(shortlist, largest=False).indices
            values, order = (self.exact[candidates] - part[:, None]).square().sum(-1).sort(dim=1, stable=True)
            index.append(candidates.gather(1, order)[:, :k])
            found.append(values[:, :k].sqrt())
        return Neighbours(torch.cat(index).numpy(), torch.cat(found).numpy())

    def spacing(self, rows: np.ndarray) -> np.ndarray:
        """Distance [n] from each of these rows [n] to its nearest other row; cached."""
        missing = np.unique(rows[np.isnan(self._spacing[rows])])
        if len(missing):
            queries = self.exact[torch.from_numpy(missing)].numpy() + self.centre
            self._spacing[missing] = self.nearest(queries, own=missing).distance[:, 0]
        return self._spacing[rows]


def nearest(queries: np.ndarray, base: np.ndarray, k: int = 1, own: np.ndarray | None = None) -> Neighbours:
    """The k nearest rows of base [m, d] for each row of queries [n, d]; see `Index.nearest`."""
    return Index(base).nearest(queries, k, own)


@dataclass(frozen=True)
class Manifold:
    """Real features [n, d] with the distance [n] to the k-th (3rd) and to the wide-th (5th) nearest other row."""

    features: np.ndarray
    radius: np.ndarray
    wide_radius: np.ndarray
    k: int = 3
    wide: int = 5

    @staticmethod
    def of(features: np.ndarray, k: int = 3, wide: int = 5) -> Manifold:
        """k is for precision and recall, wide for density and coverage."""
        found = nearest(features, features, max(k, wide), own=np.arange(len(features))).distance
        last = found.shape[1] - 1
        return Manifold(features, found[:, min(k - 1, last)], found[:, min(wide - 1, last)], k, wide)


@dataclass(frozen=True)
class Overlap:
    """Values per example; the mean of a field is the metric.

    precise [f] bool: the sample lies in the ball of a real example.
    recalled [r] bool: the real example lies in the ball of a sample.
    dense [f]: number of real balls (k = 5) that contain the sample, divided by 5.
    covered [r] bool: the ball (k = 5) of the real example contains a sample.
    gap [r]: distance from the real example to its nearest sample, divided by the radius of its ball.
    """

    precise: np.ndarray
    recalled: np.ndarray
    dense: np.ndarray
    covered: np.ndarray
    gap: np.ndarray


def overlap(real: Manifold, fake: np.ndarray) -> Overlap:
    """Compare samples [f, d] with a real manifold of r rows; the metrics are meant for f = r."""
    own = nearest(fake, fake, real.k, own=np.arange(len(fake))).distance[:, -1]
    reach = torch.from_numpy(own).square()
    centre = np.asarray(real.features, np.float64).mean(axis=0)
    a = torch.from_numpy(np.asarray(real.features, np.float64) - centre)
    b = torch.from_numpy(np.asarray(fake, np.float64) - centre)
    norms = b.square().sum(1)
    small, large = torch.from_numpy(real.radius).square(), torch.from_numpy(real.wide_radius).square()
    precise, dense = torch.zeros(len(b), dtype=torch.bool), torch.zeros(len(b), dtype=torch.int64)
    recalled, closest = [], []
    for start in range(0, len(a), CHUNK):
        rows = slice(start, start + CHUNK)
        squared = _squared(a[rows], b, norms).clamp_(min=0)
        precise |= (squared < small[rows, None]).any(0)
        dense += (squared < large[rows, None]).sum(0)
        recalled.append((squared < reach).any(1))
        closest.append(squared.min(1).values.sqrt())
    gap = torch.cat(closest).numpy()
    return Overlap(
        precise.numpy(),
        torch.cat(recalled).numpy(),
        dense.numpy() / real.wide,
        gap < real.wide_radius,
        gap / np.maximum(real.wide_radius, 1e-12),
    )


def authentic(found: Neighbours, training: Index) -> np.ndarray:
    """Which queries are farther from their nearest training row than that row is from its nearest other one: [n] bool.

    found: `training.nearest(queries)`. Equal training rows have distance 0 from each other, so a query equal to them is
    not authentic either. About half of held-out real examples are authentic.
    """
    return found.distance[:, 0] > training.spacing(found.index[:, 0])


def copied(distance: np.ndarray, held: np.ndarray, quantile: float = 0.01) -> np.ndarray:
    """Which samples are nearer to the training set than that quantile of held-out examples: [n] bool.

    distance [n], held [m]: distances to the nearest training row. A share far above `quantile` indicates copying.
    """
    return distance < np.quantile(held, quantile)
