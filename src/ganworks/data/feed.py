"""From a position in the data order to a batch on the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ganworks.data.spec import Draw, Spec


class Source(Protocol):
    """What the feed needs of a dataset."""

    spec: Spec
    train: np.ndarray

    def fetch(self, indices: np.ndarray) -> dict[str, Tensor]: ...


class Order(Protocol):
    """A keyed endless order over the training examples."""

    def take(self, start: int, count: int) -> np.ndarray: ...


@dataclass
class DataFeed:
    """Reads global positions [start, start + total), keeps this rank's rows, augments and moves them.

    prepare: the domain's data augmentation, (x, draw) -> x. x leaves as float32, channels last when it has 4 axes.
    """

    data: Source
    order: Order
    prepare: Callable[[Tensor, Draw], Tensor]
    device: torch.device

    def __call__(self, start: int, draw: Draw) -> dict[str, Any]:
        places = self.order.take(start, draw.total)[draw.rows]
        batch = self.data.fetch(self.data.train[places])
        batch["x"] = self.prepare(batch["x"], Draw(draw.generator.initial_seed(), draw.total, draw.rows))
        if batch["x"].dim() == 4:
            batch["x"] = batch["x"].contiguous(memory_format=torch.channels_last)
        return {name: value.to(self.device, non_blocking=True) for name, value in batch.items()}
