"""Dropout that is noise: a part of the network while it is trained and while it is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch.nn.functional as F
from torch import Tensor, nn


class Noise(nn.Module):
    """Zeroes each value with probability p and scales the rest, in `train()` and in `eval()` alike.

    Isola et al. 2017 (1611.07004), section 3.1: the only noise of pix2pix, "at both training and test time". It is
    drawn from torch's global generator: the same seed gives the same bytes.
    """

    def __init__(self, p: float):
        super().__init__()
        self.p, self.on = p, True

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, training=True) if self.on and self.p else x

    def extra_repr(self) -> str:
        return f"p={self.p}"


@contextmanager
def silent(net: nn.Module, off: bool = True) -> Iterator[None]:
    """No noise in `net` inside the block (with off=False: nothing changes)."""
    layers = [m for m in net.modules() if isinstance(m, Noise)]
    before = [m.on for m in layers]
    try:
        for m in layers:
            m.on = m.on and not off
        yield
    finally:
        for m, on in zip(layers, before, strict=True):
            m.on = on
