"""Batches for training: from positions in the data order to tensors on the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ganworks.core.spec import Draw, Spec


class FeedData(Protocol):
    """What the feed needs of a dataset."""

    spec: Spec
    train: np.ndarray


class FeedOrder(Protocol):
    """An endless, keyed order of the training examples: take(start, count) gives places in it as int64 [count], and
    chance(at, size) a Poisson sample of `size` places on average.
    """

    def take(self, start: int, count: int) -> np.ndarray: ...
    def chance(self, at: int, size: float) -> np.ndarray: ...


@dataclass
class DataFeed:
    """Returns the batch at a position of the data order: reads this process's rows, augments them and moves them to the
    device.

    rows: the domain's `batch`, (data, indices, draw) -> tensors; it reads, crops, degrades and augments, drawing from
    `draw` alone. Tensors with 4 axes get the channels_last memory format.
    """

    data: FeedData
    order: FeedOrder
    rows: Callable[[Any, np.ndarray, Draw], dict[str, Tensor]]
    device: torch.device

    def chance(self, at: int, size: float) -> np.ndarray:
        """A Poisson sample of places, of `size` on average."""
        return self.order.chance(at, size)

    def some(self, count: int) -> np.ndarray:
        """The first `count` places of the order."""
        return self.order.take(0, count)

    def __call__(self, start: int, draw: Draw) -> dict[str, Any]:
        return self.at(self.order.take(start, draw.total), draw)

    def at(self, places: np.ndarray, draw: Draw) -> dict[str, Any]:
        """The batch of this process's rows of these places."""
        places = places[draw.rows]
        own = Draw(draw.generator.initial_seed(), draw.total, draw.rows)  # on the CPU, where the data is
        batch = self.rows(self.data, self.data.train[places], own)
        return {name: _laid_out(value).to(self.device, non_blocking=True) for name, value in batch.items()}


def _laid_out(value: Tensor) -> Tensor:
    return value.contiguous(memory_format=torch.channels_last) if value.dim() == 4 else value
