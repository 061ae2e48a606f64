"""What a request for samples is in rows of a generator: latents, classes, and the places that its bytes are defined by.

Row k of a request has its place in a canonical window (`use.model`): a window is `chunk` rows, and a request covers
some of the rows of each window that it touches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ganworks.core.spec import key
from ganworks.use.model import Labels, Model

_BLOCK = 64  # latents are drawn so many at a time; a block is kept, as the next part often begins in it


@dataclass(frozen=True)
class Part:
    """Rows to be run. z [k, z_dim], y [k] or None; rows [k]: their rows in the canonical window."""

    z: Tensor
    y: np.ndarray | None
    rows: np.ndarray


@dataclass(frozen=True)
class Window:
    """A whole canonical window. z [chunk, z_dim], y [chunk] or None; noise: the seed of what the network draws.

    low, high: the rows of the window that the request wants.
    """

    z: Tensor
    y: np.ndarray | None
    noise: int
    low: int
    high: int


class Rows(Protocol):
    """The rows of one request."""

    n: int

    def part(self, low: int, high: int) -> Part:
        """Rows `low` to `high - 1` of the request."""

    def window(self, row: int) -> Window:
        """The window that holds row `row` of the request; wants that row and those that follow it there."""

    def span(self, row: int) -> int:
        """How many rows `window` wants."""


class SeedRows:
    """Samples `start` to `start + n - 1` of a seed; as `Model.stream`. labels begin at sample `first`.

    Raises UsageError for labels that the model does not have.
    """

    def __init__(
        self, model: Model, n: int, seed: int, labels: Labels, truncation: float, start: int = 0, first: int = 0
    ):
        self.model, self.n, self.seed, self.truncation, self.start = model, n, seed, truncation, start
        self._table = model.label_table(labels)
        self._first = first
        self._block: tuple[int, Tensor] | None = None

    def part(self, low: int, high: int) -> Part:
        """Rows `low` to `high - 1` of the request."""
        low, high = low + self.start, high + self.start
        return Part(self._latents(low, high), self._labels(low, high), np.arange(low, high) % self.model.chunk)

    def window(self, row: int) -> Window:
        """The window that holds row `row` of the request."""
        index, chunk = row + self.start, self.model.chunk
        first = index - index % chunk
        z = self.model.latents(chunk, self.seed, self.truncation, first)
        noise = key(self.seed, "noise", first)
        high = min(first + chunk, self.start + self.n)
        return Window(z, self._labels(first, first + chunk), noise, index - first, high - first)

    def span(self, row: int) -> int:
        """How many rows `window` wants."""
        return min(self.model.chunk - (row + self.start) % self.model.chunk, self.n - row)

    def labels(self, low: int, high: int) -> np.ndarray | None:
        """The classes [high - low] of rows of the request, or None."""
        return self._labels(low + self.start, high + self.start)

    def _labels(self, low: int, high: int) -> np.ndarray | None:
        return None if self._table is None else self._table[(np.arange(low, high) - self._first) % len(self._table)]

    def _latents(self, low: int, high: int) -> Tensor:
        number = low // _BLOCK
        if (high - 1) // _BLOCK != number:
            return self.model.latents(high - low, self.seed, self.truncation, low)
        if self._block is None or self._block[0] != number:
            self._block = number, self.model.latents(_BLOCK, self.seed, self.truncation, number * _BLOCK)
        first = number * _BLOCK
        return self._block[1][low - first : high - first]


class LatentRows:
    """Samples of latents [n, z_dim] of the caller's own, checked; as `Model.decode`. y: their classes [n] or None."""

    def __init__(self, model: Model, z: Tensor, y: np.ndarray | None):
        self.model, self.n, self.z, self.y = model, len(z), z, y

    def part(self, low: int, high: int) -> Part:
        """Rows `low` to `high - 1` of the request."""
        return Part(
            self.z[low:high], None if self.y is None else self.y[low:high], np.arange(low, high) % self.model.chunk
        )

    def window(self, row: int) -> Window:
        """The window that holds row `row` of the request; rows beyond its end are 0."""
        chunk = self.model.chunk
        first = row - row % chunk
        part = self.part(first, min(first + chunk, self.n))
        fill = chunk - len(part.z)
        z = torch.cat([part.z, torch.zeros(fill, self.model.z_dim)]) if fill else part.z
        y = None if part.y is None else np.pad(part.y, (0, fill))
        return Window(z, y, key("decode", first), row - first, chunk - fill)

    def span(self, row: int) -> int:
        """How many rows `window` wants."""
        return min(self.model.chunk - row % self.model.chunk, self.n - row)
