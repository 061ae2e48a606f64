"""Noise inside a network that is drawn in training and in use alike: dropout and latents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
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


class Latent(nn.Module):
    """Standard normal latents [rows, size], one for each image, drawn from torch's global generator in every mode."""

    def __init__(self, size: int):
        super().__init__()
        self.size, self.on = size, True

    def forward(self, like: Tensor) -> Tensor:
        """Latents for each row of `like`, on its device; zeros, the likeliest latent, while noise is off."""
        if not self.on:
            return like.new_zeros(len(like), self.size)
        return torch.randn(len(like), self.size, device=like.device)


@contextmanager
def silent(net: nn.Module, off: bool = True) -> Iterator[None]:
    """Switch the noise in `net` off inside the block; with off=False nothing changes."""
    layers = [m for m in net.modules() if isinstance(m, Noise | Latent)]
    before = [m.on for m in layers]
    try:
        for m in layers:
            m.on = m.on and not off
        yield
    finally:
        for m, on in zip(layers, before, strict=True):
            m.on = on
