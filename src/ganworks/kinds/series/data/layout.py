"""The layout of a series as a flat vector: attributes, scales of each column, then all steps.

[attributes | length | middle and half range of each number | steps x (numbers, categories, active)]. Numbers of a step
are in [-1, 1]: within the range of their own series (`scale` "series", the auto-normalisation of DoppelGANger, Lin et
al. 2020, 1909.13403, section 4.1.3) or of all data ("global"). Middles, half ranges, lengths and numeric attributes are
mapped by their distribution function, so that each is uniform in [-1, 1] however skewed it is. A category is one-hot;
`active` is +1 while the series lasts and -1 after it, for series of different lengths.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ganworks.core.errors import UsageError

KNOTS, MAX_LEVELS, MAX_SIZE, MAX_VALUES = 128, 4096, 65536, 200
MAX_DIRECTIONS, FLAT, TAIL = 400, 0.01, 0.003
TINY = 1e-9


@dataclass(frozen=True)
class SeriesColumn:
    """One column: a number or a category.

    values: of a category. integer, decimals, levels: how numbers are rounded (levels: to the nearest of them; decimals
    -1: not rounded). grid: distance of neighbouring values if they are few, 0 for continuous ones. low, high, mean,
    std, move: of the training data; move is the standard deviation of the change from step to step. knots: quantiles of
    a numeric attribute. shares: frequencies of the values of a categorical one.
    """

    name: str
    kind: Literal["number", "category"] = "number"
    values: tuple[str, ...] = ()
    integer: bool = False
    decimals: int = -1
    levels: tuple[float, ...] = ()
    grid: float = 0.0
    low: float = 0.0
    high: float = 0.0
    mean: float = 0.0
    std: float = 1.0
    move: float = 1.0
    knots: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """Number of places in the vector."""
        return len(self.values) if self.kind == "category" else 1

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """Numbers rounded as in the data; where these have no negative (or no positive) ones, nor have the results."""
        if self.levels:
            levels = np.asarray(self.levels)
            return levels[np.searchsorted((levels[1:] + levels[:-1]) / 2, values)]
        step = max(1.0, round(self.grid)) if self.integer else 0.0
        if self.integer:
            values = self.low + step * np.round((values - self.low) / step)
        elif self.decimals >= 0:
            values = np.round(values, self.decimals)
        least, most = (end - step * np.fix(end / step) if step else 0.0 for end in (self.low, self.high))
        values = np.maximum(values, least) if self.low >= 0 else values
        return np.minimum(values, most) if self.high <= 0 and self.low < 0 and not self.knots else values


class Parts(NamedTuple):
    """The parts of vectors.

    attributes [B, A], length [B, 0 or 1], scales [B, 0 or 2n], steps [B, T, F], active [B, T] in [-1, 1] (all 1 if
    lengths are equal).
    """

    attributes: Tensor
    length: Tensor
    scales: Tensor
    steps: Tensor
    active: Tensor


@dataclass(frozen=True)
class SeriesLayout:
    """The description of vectors that suffices to decode them without the data; `to_facts` is plain JSON.

    steps: of the longest series. columns, attributes: their descriptions. label: the attribute that is the class; it is
    not part of the vector. middles, halves: quantiles [n][KNOTS + 1] of the ranges of each number. lengths: quantiles
    of the length. shares: frequencies of the classes. basis: see `Basis`; empty for none. chain: see `Decorrelation`.
    constants: columns that never change. same: columns that equal another one. clock: {"name", "step", "start"} of the
    time column. window: whether a series is a window of a longer one. numbered: columns whose names are numbers.
    """

    steps: int
    columns: tuple[SeriesColumn, ...]
    attributes: tuple[SeriesColumn, ...] = ()
    scale: Literal["series", "global"] = "series"
    middles: tuple[tuple[float, ...], ...] = ()
    halves: tuple[tuple[float, ...], ...] = ()
    lengths: tuple[float, ...] = ()
    order: tuple[str, ...] = ()
    constants: dict[str, Any] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)
    clock: dict[str, Any] = field(default_factory=dict)
    basis: dict[str, Any] = field(default_factory=dict)
    chain: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    shares: tuple[float, ...] = ()
    window: bool = False
    numbered: tuple[str, ...] = ()

    @cached_property
    def numbers(self) -> tuple[SeriesColumn, ...]:
        """The columns that are numbers; they come first in a step."""
        return tuple(c for c in self.columns if c.kind == "number")

    @cached_property
    def categories(self) -> tuple[SeriesColumn, ...]:
        """The columns that are categories."""
        return tuple(c for c in self.columns if c.kind == "category")

    @property
    def variable(self) -> bool:
        """Whether series have different lengths."""
        return bool(self.lengths)

    @property
    def widths(self) -> tuple[int, int, int, int]:
        """Number of places of (attributes, the length, scales, one step without `active`)."""
        scales = 2 * len(self.numbers) if self.scale == "series" else 0
        step = len(self.numbers) + sum(c.width for c in self.categories)
        return sum(c.width for c in self.attributes), int(self.variable), scales, step

    @property
    def size(self) -> int:
        """Number of places of the whole vector."""
        attributes, length, scales, step = self.widths
        return attributes + length + scales + self.steps * (step + int(self.variable))

    @property
    def directions(self) -> int:
        """Dimension of the basis: ranges and numbers of all steps."""
        return self.widths[2] + self.steps * len(self.numbers)

    def split(self, x: Tensor) -> Parts:
        """Vectors [B, size] -> their parts."""
        a, n, s, f = self.widths
        attributes, length, scales, rest = x.split([a, n, s, x.shape[1] - a - n - s], 1)
        steps = rest.unflatten(1, (self.steps, f + n))
        active = steps[:, :, f] if n else torch.ones_like(steps[:, :, 0])
        return Parts(attributes, length, scales, steps[:, :, :f], active)

    def join(self, parts: Parts) -> Tensor:
        """The inverse of `split`."""
        steps = torch.cat([parts.steps, parts.active[:, :, None]], 2) if self.variable else parts.steps
        return torch.cat([parts.attributes, parts.length, parts.scales, steps.flatten(1)], 1)

    def table(self, which: Literal["scales", "lengths"]) -> Tensor:
        """Quantiles as a tensor [2n, KNOTS + 1] or [1, KNOTS + 1] for `to_uniform` and `from_uniform`."""
        rows = [*self.middles, *self.halves] if which == "scales" else [self.lengths]
        return torch.tensor(rows, dtype=torch.float64)

    def to_facts(self) -> dict[str, Any]:
        """Plain JSON."""
        facts = asdict(self)
        facts["columns"] = [_short(c) for c in facts["columns"]]
        facts["attributes"] = [_short(c) for c in facts["attributes"]]
        return {k: _listed(v) for k, v in facts.items() if v or k != "numbered"}

    @staticmethod
    def from_facts(facts: dict[str, Any]) -> SeriesLayout:
        """The inverse of `to_facts`. Raises UsageError for damaged facts and for sizes above the limits."""
        try:
            given = {k: _tupled(v) for k, v in facts.items()}
            given |= {k: tuple(SeriesColumn(**{n: _tupled(v) for n, v in dict(c).items()}) for c in facts[k])
                      for k in ("columns", "attributes")}  # fmt: skip
            given |= {k: dict(facts.get(k) or {}) for k in ("constants", "same", "clock", "basis", "chain")}
            layout = SeriesLayout(**given)
            knots = [*layout.middles, *layout.halves, *([layout.lengths] if layout.lengths else [])]
            knots += [c.knots for c in layout.attributes if c.kind == "number"]
            wanted = 2 * len(layout.numbers) if layout.scale == "series" else 0
            sane = layout.steps >= 1 and layout.size <= MAX_SIZE and len([*layout.middles, *layout.halves]) == wanted
            sane = sane and all(len(row) == KNOTS + 1 and all(map(math.isfinite, row)) for row in knots)
            sane = sane and (not layout.basis or Basis.of(layout).axes.shape[0] == layout.directions)
            Decorrelation.of(layout)
            sane = sane and layout.scale in ("series", "global") and all(c.width for c in layout.columns)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise UsageError(f"The description of the series is damaged ({error!r}).") from error
        if not sane:
            raise UsageError("The description of the series is damaged: its sizes do not fit each other.")
        return layout


class Basis(NamedTuple):
    """A whitening transform by principal components: its coordinates are uncorrelated and have unit variance.

    It applies to the ranges of a series, as normal scores, together with the numbers of all its steps: mean [K], spread
    [K], axes [K, K] with one direction per column. Directions with almost no variance count as FLAT wide, so that
    rounding is not amplified.
    """

    mean: Tensor
    spread: Tensor
    axes: Tensor

    @staticmethod
    def of(layout: SeriesLayout) -> Basis:
        """The basis in the facts of a layout; raises ValueError if they are damaged."""
        given = layout.basis
        mean, spread, axes = (torch.tensor(given[k], dtype=torch.float32) for k in ("mean", "spread", "axes"))
        if axes.shape != (len(mean), len(mean)) or spread.shape != mean.shape:
            raise ValueError("the basis does not fit")
        return Basis(mean, spread, axes)

    @staticmethod
    def fit(x: Tensor) -> dict[str, Any]:
        """The basis of rows x [n, K] as facts, rounded to six digits."""
        x = x.double()
        mean = x.mean(0)
        power, axes = torch.linalg.eigh((x - mean).T @ (x - mean) / max(1, len(x) - 1))
        spread = power.clamp_min(0).sqrt().clamp_min(FLAT)
        return {"mean": _digits(mean), "spread": _digits(spread), "axes": [_digits(row) for row in axes]}

    def there(self, x: Tensor) -> Tensor:
        """Rows [B, K] -> whitened coordinates."""
        return ((x - self.mean) @ self.axes) / self.spread

    def back(self, c: Tensor) -> Tensor:
        """The inverse of `there`."""
        return (c * self.spread) @ self.axes.T + self.mean


class Decorrelation(NamedTuple):
    """A transform of the numbers of one step, after which columns are uncorrelated and changes have similar sizes.

    The values, or their logarithms if changes grow with the level (log [n]), minus their mean [n], are multiplied by
    the inverse of lower [n, n], the Cholesky factor of their covariance: the first column is only scaled, each further
    one becomes its residual given the earlier ones, in standard deviations. move [n]: standard deviation of the
    changes; ends [n, 2]: range of the values.
    """

    log: Tensor
    mean: Tensor
    lower: Tensor
    move: Tensor
    ends: Tensor

    @staticmethod
    def of(layout: SeriesLayout) -> Decorrelation:
        """The transform in the facts of a layout; raises ValueError if they are damaged."""
        n, given = len(layout.numbers), layout.chain
        ends = torch.tensor([[c.low, c.high] for c in layout.numbers], dtype=torch.float64).reshape(-1, 2)
        if not n:
            none = torch.zeros(0, dtype=torch.float64)
            return Decorrelation(none.bool(), none, none.reshape(0, 0), none, ends)
        mean, lower, move = (torch.tensor(given[k], dtype=torch.float64) for k in ("mean", "lower", "move"))
        even = Decorrelation(torch.tensor(given["log"], dtype=torch.bool), mean, lower, move, ends)
        shapes = [tuple(v.shape) for v in even]
        if shapes != [(n,), (n,), (n, n), (n,), (n, 2)] or not all(row[i] > 0 for i, row in enumerate(given["lower"])):
            raise ValueError("the measure does not fit")
        return even

    def there(self, values: Tensor) -> Tensor:
        """Values [..., n] float64 -> transformed values, float32."""
        least = self.ends[:, 0].abs() * 1e-3 + TINY
        y = torch.where(self.log, torch.maximum(values, least).log(), values) - self.mean
        return torch.linalg.solve_triangular(self.lower, y.flatten(0, -2).T, upper=False).T.reshape(y.shape).float()

    def back(self, w: Tensor) -> Tensor:
        """The inverse of `there`, float64; values are limited to the range of the data plus its width on either
        side.
        """
        low, high = self.ends.T
        y = w.double() @ self.lower.T + self.mean
        y = torch.minimum(y, torch.where(self.log, (2 * high - low).clamp_min(TINY).log(), 2 * high - low))
        return torch.maximum(torch.where(self.log, y.clamp(-700, 700).exp(), y), 2 * low - high)


def _digits(values: Tensor) -> list[float]:
    return [round(v, 6) for v in values.tolist()]


def normal_score(u: Tensor) -> Tensor:
    """Uniform values in [-1, 1] -> standard normal ones, limited to 2.75 standard deviations (the outermost 0.3 %)."""
    return torch.special.ndtri(((u + 1) / 2).clamp(TAIL, 1 - TAIL))


def uniform_score(s: Tensor) -> Tensor:
    """The inverse of `normal_score`."""
    return 2 * torch.special.ndtr(s) - 1


def _short(column: dict[str, Any]) -> dict[str, Any]:
    """The entries that differ from their defaults."""
    plain = asdict(SeriesColumn(""))
    return {k: _listed(v) for k, v in column.items() if v != plain[k] or k == "name"}


def _listed(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_listed(v) for v in value]
    return value


def _tupled(value: Any) -> Any:
    return tuple(_tupled(v) for v in value) if isinstance(value, list | tuple) else value


def quantiles(values: np.ndarray) -> tuple[float, ...]:
    """KNOTS + 1 quantiles of values [n], made strictly increasing by negligible amounts."""
    knots = np.quantile(np.asarray(values, np.float64), np.arange(KNOTS + 1) / KNOTS)
    reach = max(float(np.abs(knots).max()), 1e-6)
    return tuple(float(v) for v in knots + reach * 1e-10 * np.arange(KNOTS + 1))


def to_uniform(table: Tensor, values: Tensor) -> Tensor:
    """Map values [B, n] to [-1, 1] by their distribution function, clipped at the ends. table: quantiles [n, K + 1]."""
    k = table.shape[1] - 1
    v = values.T.to(table.dtype).contiguous()
    place = torch.searchsorted(table, v, right=True).sub_(1).clamp_(0, k - 1)
    low, high = table.gather(1, place), table.gather(1, place + 1)
    share = ((v - low) / (high - low)).clamp(0, 1)
    return ((place + share) * (2 / k) - 1).T.float()


def from_uniform(table: Tensor, u: Tensor) -> Tensor:
    """The inverse of `to_uniform`, differentiable in u [B, n]; in the dtype of the table."""
    k = table.shape[1] - 1
    place = ((u.T.to(table.dtype).clamp(-1, 1) + 1) * (k / 2)).contiguous()
    left = place.detach().floor().clamp(0, k - 1)
    index = left.nan_to_num(0.0).long()  # NaN stays NaN in the result, where training detects it
    low, high = table.gather(1, index), table.gather(1, index + 1)
    return (low + (high - low) * (place - left)).T


def active_steps(length: Tensor, steps: int) -> Tensor:
    """Lengths [B] (real numbers) -> [B, steps] in [-1, 1]: 1 while the series lasts, -1 after it, with a ramp between.

    The ramp is one step wide: a whole number n gives n times 1, then -1.
    """
    at = torch.arange(steps, dtype=length.dtype, device=length.device)
    return (2 * (length[:, None] - at) - 1).clamp(-1, 1)


def lengths_of(active: np.ndarray) -> np.ndarray:
    """Flags [B, T] -> lengths [B]: the number of steps before the first negative flag, at least 1."""
    over = active < 0
    return np.where(over.any(1), np.maximum(over.argmax(1), 1), active.shape[1])


def measured(layout: SeriesLayout, x: Tensor) -> Tensor:
    """Vectors [B, size] -> the input [B, K] of the basis: normal scores of the ranges, then the numbers step by
    step.
    """
    parts = layout.split(x)
    return torch.cat([normal_score(parts.scales), parts.steps[:, :, : len(layout.numbers)].flatten(1)], 1)
