"""The transform between vectors of `SeriesLayout` and the values in which the chain generates steps; rounding to
grids.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ganworks.kinds.series.data.layout import (
    TINY,
    Decorrelation,
    Parts,
    SeriesColumn,
    SeriesLayout,
    from_uniform,
    to_uniform,
)
from ganworks.kinds.series.networks.law import Cells
from ganworks.kinds.series.networks.parts import in_range

FINE = 0.02  # width of a cell of a continuous column, in units of `move`


class Grid(nn.Module):
    """The rounding of one number column."""

    def __init__(self, column: SeriesColumn):
        super().__init__()
        self.step = max(1.0, round(column.grid)) if column.integer and column.grid else column.grid
        self.origin, self.listed = column.low, len(column.levels) > 1
        levels = torch.tensor(column.levels if self.listed else (0.0,), dtype=torch.float64)
        middle = (levels[1:] + levels[:-1]) / 2
        ends = torch.cat([levels[:1] - column.grid / 2, middle, levels[-1:] + column.grid / 2])
        self.register_buffer("levels", levels, persistent=False)
        self.register_buffer("ends", ends, persistent=False)

    @property
    def coarse(self) -> bool:
        """Whether the grid is coarse enough to matter."""
        return self.step > 0

    def settle(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Numbers [...] float64 -> (rounded, lower edge of the cell, upper edge)."""
        if self.listed:
            levels, ends = cast(Tensor, self.levels), cast(Tensor, self.ends)
            place = torch.searchsorted(ends[1:-1].contiguous(), values.contiguous())
            return levels[place], ends[place], ends[place + 1]
        rounded = self.origin + self.step * ((values - self.origin) / self.step).round()
        return rounded, rounded - self.step / 2, rounded + self.step / 2


class Measure(nn.Module):
    """The transform between vectors of `SeriesLayout` and `Decorrelation`, in which the steps are generated."""

    def __init__(self, layout: SeriesLayout):
        super().__init__()
        self.layout = layout
        for name, value in Decorrelation.of(layout)._asdict().items():
            self.register_buffer(name, value, persistent=False)
        if layout.scale == "series":
            self.register_buffer("ranges", layout.table("scales"), persistent=False)
        self.grids = nn.ModuleList(Grid(c) for c in layout.numbers)

    def of(self, name: str) -> Tensor:
        """A buffer, typed."""
        return cast(Tensor, getattr(self, name))

    @property
    def even(self) -> Decorrelation:
        """The transform as tensors on the device."""
        return Decorrelation(*(self.of(name) for name in Decorrelation._fields))

    def values(self, parts: Parts) -> Tensor:
        """Values [B, T, n] float64 of real vectors."""
        x, n = parts.steps[:, :, : len(self.layout.numbers)].double(), len(self.layout.numbers)
        if self.layout.scale == "series":
            middle, half = from_uniform(self.of("ranges"), parts.scales.double()).split(n, 1)
        else:
            middle, half = self.of("ends").mean(1)[None], (self.of("ends")[:, 1] - self.of("ends")[:, 0])[None] / 2
        return middle[:, None] + half[:, None] * x

    def same(self) -> Tensor:
        """[n, n], strictly lower triangular: the change of an unchanged column per earlier change, in units of
        `move`.
        """
        lower, move = self.of("lower"), self.of("move")
        return -(lower * move / (lower.diagonal() * move)[:, None]).tril(-1)

    def cells(self, values: Tensor) -> Cells:
        """The cells of values [B, T, n]; for a continuous column they are FINE of its `move` wide."""
        rounded, edges = values.clone(), values.new_zeros(2, *values.shape)
        own, diagonal = self.of("move") * FINE / 2, self.of("lower").diagonal()
        for c, grid in enumerate(self.grids):
            if not cast(Grid, grid).coarse:
                edges[0, ..., c], edges[1, ..., c] = -own[c], own[c]
                continue
            rounded[..., c], low, high = cast(Grid, grid).settle(values[..., c])
            y = self.plain(rounded[..., c], c)
            edges[0, ..., c] = (self.plain(low, c) - y) / diagonal[c]
            edges[1, ..., c] = (self.plain(high, c) - y) / diagonal[c]
        return Cells(self.even.there(rounded), edges[0].float(), edges[1].float())

    def plain(self, values: Tensor, column: int) -> Tensor:
        """Values of one column, or their logarithms if the transform takes them."""
        if not bool(self.of("log")[column]):
            return values
        return torch.maximum(values, self.of("ends")[column, 0].abs() * 1e-3 + TINY).log()

    def place(self, w: Tensor, column: int) -> tuple[Tensor, Tensor, Tensor]:
        """Round one column. w: transformed numbers of a step up to this column [B, column + 1], the last not yet
        rounded.

        Returns (value of the column [B] float64, its transformed number after rounding [B], width of its cell [B]).
        Gradients pass straight through the rounding.
        """
        even, grid = self.even, cast(Grid, self.grids[column])
        y = w.double() @ even.lower[column, : column + 1] + even.mean[column]
        low, high = even.ends[column]
        value = y.clamp(-700, 700).exp() if bool(even.log[column]) else y
        value = torch.minimum(torch.maximum(value, 2 * low - high), 2 * high - low)
        if not grid.coarse:
            return value, w[:, -1], torch.full_like(w[:, -1], float(even.move[column]) * FINE)
        settled = (self.plain(x, column) for x in grid.settle(value.detach()))
        moved, below, above = ((x - y.detach()) / even.lower[column, column] for x in settled)
        return value, w[:, -1] + moved.float(), (above - below).float()

    def scaled(self, values: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
        """Values [B, T, n] -> (ranges [B, 2n or 0], numbers [B, T, n] within their range), float32."""
        if self.layout.scale != "series":
            middle, half = self.of("ends").mean(1), (self.of("ends")[:, 1] - self.of("ends")[:, 0]) / 2
            return values.new_zeros(len(values), 0).float(), ((values - middle) / half).clamp(-3, 3).float()
        on = (active >= 0)[:, :, None]
        low = values.masked_fill(~on, torch.inf).amin(1)
        high = values.masked_fill(~on, -torch.inf).amax(1)
        scales = to_uniform(self.of("ranges"), torch.cat([(low + high) / 2, (high - low) / 2], 1))
        return scales, in_range(values.float(), active)
