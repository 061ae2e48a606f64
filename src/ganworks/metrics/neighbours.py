"""Metrics from nearest neighbours in feature space: fidelity, diversity and copying.

precision, recall   Kynkaanniemi et al. 2019, eq. 2, k = 3
density, coverage   Naeem et al. 2020, eq. 5 and 6, k = 5 (as `prdc`: radii leave out the point itself, `<`)
authenticity        Alaa et al. 2022, section 3.3, as a share in 0..1 (0 = all is copied)
copied              share of samples that are nearer to a training example than half of that example's distance to its
                    nearest other one

Equal rows, such as the same picture twice, count as one neighbour: else the ball around each of k + 1 copies would have
radius 0, and real data would get 0 against itself.

Distances are Euclidean. Large searches run in float32 on centred features; the distances to the neighbours found are
then computed in float64 from the differences, so that an exact copy has distance 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

CHUNK = 1024
HALFWAY = 0.5  # of the distance to the nearest other training row: nearer than that is a near copy
REPEATS = 0.8  # share of the distinct rows of real data, from which samples are as varied in this sense


@dataclass(frozen=True)
class Neighbours:
    """The k nearest rows of each query, nearest first: index [n, k] int64, distance [n, k] float64."""

    index: np.ndarray
    distance: np.ndarray


def _squared(queries: Tensor, base: Tensor, base_norms: Tensor) -> Tensor:
    """Squared distances [q, b] up to rounding, which may make them slightly negative."""
    crossed = torch.addmm(base_norms[None], queries, base.T, alpha=-2)
    return crossed.add_(queries.square().sum(1, keepdim=True))


def copies(rows: np.ndarray) -> np.ndarray:
    """For each row [n, d] the number of its content, int64 [n] from 0: rows of one content have equal numbers.

    Rows nearer than 1e-6 of the spread are equal, as features of one picture may differ by rounding; one or two numbers
    are values themselves, close ones are common, and only the same ones are equal. Equal rows are neighbours in their
    order along a random direction.
    """
    x = np.asarray(rows, np.float64)
    x = x - x.mean(axis=0)
    near = 1e-6 * float(np.sqrt((x * x).sum(1).mean())) if x.shape[1] > 2 else 0.0
    order = np.argsort(x @ np.random.default_rng(0).normal(size=x.shape[1]), kind="stable")
    apart = np.sqrt((np.diff(x[order], axis=0) ** 2).sum(1)) > near
    out = np.zeros(len(x), np.int64)
    out[order[1:]] = np.cumsum(apart)
    return out


class Index:
    """A nearest-neighbour search over rows [m, d], which are centred once."""

    def __init__(self, base: np.ndarray):
        wide = np.asarray(base, np.float64)
        self.base = base
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
        """Distance [n] from each of these rows [n] to its nearest row of other content; cached."""
        missing = np.unique(rows[np.isnan(self._spacing[rows])])
        if len(missing):
            queries = self.exact[torch.from_numpy(missing)].numpy() + self.centre
            self._spacing[missing] = self._distinct(queries, missing)
        return self._spacing[rows]

    @property
    def contents(self) -> np.ndarray:
        """The number of the content of each row; see `copies`."""
        return self._contents[0]

    @cached_property
    def _contents(self) -> tuple[np.ndarray, Index | None]:
        """(number of the content of each row, an index of one row of each; None where all rows differ)."""
        content = copies(self.base)
        first = np.unique(content, return_index=True)[1]
        return content, None if len(first) == len(content) else Index(np.asarray(self.base)[first])

    def _distinct(self, queries: np.ndarray, own: np.ndarray, k: int = 1) -> np.ndarray:
        """Distance [n] from rows `own`, given as queries, to the k-th nearest content; 0 where there is no other."""
        content, others = self._contents
        if others is None:
            return self.nearest(queries, k, own).distance[:, -1]
        if len(others.exact) < 2:
            return np.zeros(len(queries))
        return others.nearest(queries, k, content[own]).distance[:, -1]

    def radii(self, k: int) -> np.ndarray:
        """Distance [m] from each row to its k-th nearest other content, or to the furthest where there are fewer."""
        return self._distinct(np.asarray(self.base), np.arange(len(self.exact)), k)


def nearest(queries: np.ndarray, base: np.ndarray, k: int = 1, own: np.ndarray | None = None) -> Neighbours:
    """The k nearest rows of base [m, d] for each row of queries [n, d]; see `Index.nearest`."""
    return Index(base).nearest(queries, k, own)


@dataclass(frozen=True)
class Manifold:
    """Real features [n, d] with the distance [n] to the k-th (3rd) and to the wide-th (5th) nearest other content.

    first [n] bool: one row of each content.
    """

    features: np.ndarray
    radius: np.ndarray
    wide_radius: np.ndarray
    first: np.ndarray
    k: int = 3
    wide: int = 5

    @staticmethod
    def of(features: np.ndarray, k: int = 3, wide: int = 5) -> Manifold:
        """k is for precision and recall, wide for density and coverage."""
        index, first = Index(features), np.zeros(len(features), bool)
        first[np.unique(index.contents, return_index=True)[1]] = True
        return Manifold(features, index.radii(k), index.radii(wide), first, k, wide)


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
    """Compare samples [f, d] with a real manifold of r rows; the metrics are meant for f = r.

    Samples that repeat themselves clearly more often than real rows do are taken with their copies: a generator that
    makes few things must not reach the space between them.
    """
    reached = Index(fake)
    alike = len(np.unique(reached.contents)) >= REPEATS * real.first.sum() * min(1.0, len(fake) / len(real.first))
    own = reached.radii(real.k) if alike else nearest(fake, fake, real.k, own=np.arange(len(fake))).distance[:, -1]
    reach = torch.from_numpy(own).square()
    centre = np.asarray(real.features, np.float64).mean(axis=0)
    a = torch.from_numpy(np.asarray(real.features, np.float64) - centre)
    b = torch.from_numpy(np.asarray(fake, np.float64) - centre)
    norms = b.square().sum(1)
    first = torch.from_numpy(real.first)
    small, large = torch.from_numpy(real.radius).square(), torch.from_numpy(real.wide_radius).square()
    precise, dense = torch.zeros(len(b), dtype=torch.bool), torch.zeros(len(b), dtype=torch.int64)
    recalled, closest = [], []
    for start in range(0, len(a), CHUNK):
        rows = slice(start, start + CHUNK)
        squared = _squared(a[rows], b, norms).clamp_(min=0)
        precise |= (squared < small[rows, None]).any(0)
        dense += ((squared < large[rows, None]) & first[rows, None]).sum(0)
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

    found: `training.nearest(queries)`. Copies of that training row do not count, so that a query near a row that the
    training set holds twice is not authentic. About half of held-out real examples are authentic.
    """
    return found.distance[:, 0] > training.spacing(found.index[:, 0])


def closeness(found: Neighbours, training: Index) -> np.ndarray:
    """Distance of queries to their nearest training row, over that row's distance to its nearest other content [n].

    found: `training.nearest(queries)`. No average of two training rows is nearer than half; copies are 0.
    """
    away, apart = found.distance[:, 0], training.spacing(found.index[:, 0])
    return np.where(away > 0, away / np.maximum(apart, 1e-300), 0.0)


def closeness_of_others(training: Index, most: int = 2000) -> np.ndarray:
    """`closeness` of training rows to the other ones, as if each in turn were unseen: [n], n <= `most`.

    Rows that repeat others count once. Empty for fewer than three different rows.
    """
    first = np.unique(training.contents, return_index=True)[1]
    if len(first) < 3:
        return np.zeros(0)
    others = Index(np.asarray(training.base)[first])
    rows = np.random.default_rng(0).permutation(len(first))[:most]
    found = others.nearest(others.base[rows], 1, rows)
    there = found.index[:, 0]
    of_those = others.nearest(others.base[there], 2, there)
    back = of_those.index[:, 0] == rows  # a row that is left out is no neighbour either
    apart = np.where(back, of_those.distance[:, 1], of_those.distance[:, 0])
    return found.distance[:, 0] / np.maximum(apart, 1e-300)


def copied(close: np.ndarray) -> np.ndarray:
    """Which samples are near copies of a training row, by their `closeness` [n]: [n] bool."""
    return close < HALFWAY * (1 - 1e-6)  # averages of two rows lie there, up to rounding
