"""Similarity of two sets of series, and simple baselines that a generator must beat.

All functions take `DecodedSeries`. Errors are means over columns. Series are compared as they would be written to disk,
rounding included.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ganworks.kinds.series.data.code import decode
from ganworks.kinds.series.data.layout import SeriesLayout
from ganworks.metrics.estimate import ks

LAGS = 8


@dataclass(frozen=True)
class DecodedSeries:
    """Decoded series. values: float64 [n, T, columns], NaN after the end. codes: int64 [n, T, m] of categories.

    lengths [n]; attributes: name -> [n]; labels [n] or None.
    """

    values: np.ndarray
    codes: np.ndarray
    lengths: np.ndarray
    attributes: dict[str, np.ndarray]
    labels: np.ndarray | None = None

    @staticmethod
    def of(layout: SeriesLayout, x: np.ndarray, labels: np.ndarray | None = None) -> DecodedSeries:
        """Decode vectors [n, size], real or generated."""
        values, codes, attributes, lengths = decode(layout, x)
        over = np.arange(layout.steps) >= lengths[:, None]
        return DecodedSeries(np.where(over[:, :, None], np.nan, values), codes, lengths, attributes, labels)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Any) -> DecodedSeries:
        attributes = {k: v[rows] for k, v in self.attributes.items()}
        labels = None if self.labels is None else self.labels[rows]
        return DecodedSeries(self.values[rows], self.codes[rows], self.lengths[rows], attributes, labels)


def autocorrelation(decoded: DecodedSeries, lags: int = LAGS) -> np.ndarray:
    """[lags, columns]: correlation of a series with itself k steps later, about its own mean; averaged over series."""
    x = decoded.values - np.nanmean(decoded.values, 1, keepdims=True)
    power = np.nansum(x * x, 1)
    steady = power <= 1e-12 * (1 + np.nanmax(np.abs(decoded.values), 1) ** 2)
    out = []
    for k in range(1, min(lags, x.shape[1] - 1) + 1):
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.nansum(x[:, k:] * x[:, :-k], 1) / power
        out.append(np.nanmean(np.where(steady, np.nan, share), 0) if not steady.all() else np.zeros(x.shape[2]))
    return np.nan_to_num(np.array(out))


def acf_error(real: DecodedSeries, made: DecodedSeries) -> float:
    """Mean absolute difference of the autocorrelations at lags 1 to 8."""
    return float(np.abs(autocorrelation(real) - autocorrelation(made)).mean())


def cross_correlation(decoded: DecodedSeries) -> np.ndarray:
    """[2, C, C]: correlations of the columns within series, at the same step and with the step before."""
    x = decoded.values - np.nanmean(decoded.values, 1, keepdims=True)
    now, before = np.nan_to_num(x[:, 1:]), np.nan_to_num(x[:, :-1] * np.isfinite(x[:, 1:]))
    scale = np.sqrt(np.maximum((now**2).sum((0, 1)), 1e-300))
    earlier = np.sqrt(np.maximum((before**2).sum((0, 1)), 1e-300))
    same = np.einsum("ntc,ntd->cd", now, now) / np.outer(scale, scale)
    return np.stack([same, np.einsum("ntc,ntd->cd", before, now) / np.outer(earlier, scale)])


def cross_error(real: DecodedSeries, made: DecodedSeries) -> float:
    """Mean absolute difference of the cross-correlations of different columns; 0 with one column."""
    apart = ~np.eye(real.values.shape[2], dtype=bool)
    if not apart.any():
        return 0.0
    return float(np.abs(cross_correlation(real) - cross_correlation(made))[:, apart].mean())


def marginal_error(real: DecodedSeries, made: DecodedSeries) -> float:
    """Mean Kolmogorov-Smirnov (KS) distance of the values of each column."""
    columns = range(real.values.shape[2])
    return float(np.mean([ks(real.values[:, :, c].ravel(), made.values[:, :, c].ravel()) for c in columns] or [0]))


def ranges(decoded: DecodedSeries) -> np.ndarray:
    """[n, 2C]: smallest and largest value of each series."""
    return np.concatenate([np.nanmin(decoded.values, 1), np.nanmax(decoded.values, 1)], 1)


def range_error(real: DecodedSeries, made: DecodedSeries) -> float:
    """Mean KS distance of the smallest and largest values of the series."""
    a, b = ranges(real), ranges(made)
    return float(np.mean([ks(a[:, c], b[:, c]) for c in range(a.shape[1])] or [0]))


def range_coverage(real: DecodedSeries, made: DecodedSeries, bins: int = 20) -> float:
    """Share of the bins (twentieths) of the real minima and maxima that contain a generated one; 1 if all do."""
    a, b, hit = ranges(real), ranges(made), []
    for c in range(a.shape[1]):
        edges = np.unique(np.quantile(a[:, c], np.arange(1, bins) / bins))
        met = np.unique(np.searchsorted(edges, b[:, c], "right"))
        hit.append(len(met) / len(np.unique(np.searchsorted(edges, a[:, c], "right"))))
    return float(min(1.0, np.mean(hit or [1.0])))


def shares_error(real: np.ndarray, made: np.ndarray) -> float:
    """The largest difference in frequency of any value of an attribute."""
    values = set(real.tolist()) | set(made.tolist())
    return max(abs(float((real == v).mean()) - float((made == v).mean())) for v in values)


def attribute_error(real: DecodedSeries, made: DecodedSeries) -> float:
    """The largest error of any attribute: of frequencies for categorical ones, the KS distance for numeric ones."""
    found = [0.0]
    for name, values in real.attributes.items():
        same = made.attributes[name]
        found.append(shares_error(values, same) if values.dtype == object else ks(values, same))
    return max(found)


def copies(train: DecodedSeries, held: DecodedSeries, made: DecodedSeries, most: int = 1500) -> float:
    """Share of generated series that are nearer to a training series than 1 % of the held-out ones are.

    Distances compare shapes: each column is scaled to the range of its own series, so that series at a low level are
    not near for that reason.
    """
    rng = np.random.default_rng(0)

    def shapes(decoded: DecodedSeries) -> np.ndarray:
        rows = decoded[rng.permutation(len(decoded))[:most]]
        low, high = np.nanmin(rows.values, 1, keepdims=True), np.nanmax(rows.values, 1, keepdims=True)
        return np.nan_to_num((rows.values - low) / np.maximum(high - low, 1e-12)).reshape(len(rows), -1)

    base, unseen, new = shapes(train), shapes(held), shapes(made)
    limit = np.quantile(nearest(unseen, base), 0.01)
    return float((nearest(new, base) < limit).mean())


def nearest(x: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Distance of each row of x [n, d] to the nearest row of base [m, d]."""
    square = (base**2).sum(1)
    parts = [
        ((p**2).sum(1)[:, None] + square - 2 * p @ base.T).min(1) for p in np.array_split(x, max(1, len(x) // 256))
    ]
    return np.sqrt(np.maximum(np.concatenate(parts), 0))


def floors(layout: SeriesLayout, train: DecodedSeries, count: int, seed: int = 0) -> dict[str, DecodedSeries]:
    """Simple baselines fitted on training series, which ignore either time or shape: name -> series.

    time-shuffled: real series with their steps in random order. Gaussian: the mean and covariance of whole series.
    copula: the same dependence with the true distribution of each value.
    """
    rng = np.random.default_rng(seed)
    rows = train[rng.integers(len(train), size=count)]
    shuffled = rows.values.copy()
    for k, n in enumerate(rows.lengths):
        shuffled[k, :n] = shuffled[k, rng.permutation(n)]
    out = {"time-shuffled": replace(rows, values=shuffled)}
    shape = train.values.shape[1:]
    if 0 < np.prod(shape) <= 4000:
        filled = np.where(np.isfinite(train.values), train.values, np.nanmean(train.values, (0, 1)))
        flat = filled.reshape(len(train), -1)
        order = np.argsort(np.argsort(flat, 0), 0)
        normal = _normal((order + 0.5) / len(flat))
        for name, x in (("Gaussian", flat), ("copula", normal)):
            drawn = _gaussian(x, count, rng)
            if name == "copula":
                drawn = _back(drawn, flat)
            values = drawn.reshape(count, *shape)
            values = np.stack([c.rounded(values[:, :, i]) for i, c in enumerate(layout.numbers)], 2)
            out[name] = replace(rows, values=np.where(np.isfinite(rows.values), values, np.nan))
    return out


def _gaussian(x: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    centred = x - x.mean(0)
    weights = rng.standard_normal((count, len(x))) / np.sqrt(len(x))
    return x.mean(0) + weights @ centred  # has the covariance of x without decomposing it


def _back(drawn: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Map normal values to the distribution of each column of `flat`."""
    ordered = np.sort(flat, 0)
    at = (np.argsort(np.argsort(drawn, 0), 0) + 0.5) / len(drawn) * len(flat)
    low = np.clip(at.astype(int), 0, len(flat) - 1)
    return np.take_along_axis(ordered, low, 0)


def _normal(share: np.ndarray) -> np.ndarray:
    """Quantile of the standard normal distribution (Acklam's central form is enough here): share in (0, 1)."""
    import torch

    return torch.special.ndtri(torch.from_numpy(share)).numpy()
