"""Minibatch standard deviation by class: how varied the examples of a batch are, as input of a discriminator."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def class_deviation(x: Tensor, y: Tensor | None = None) -> Tensor:
    """x [B, ...] -> the same shape, float32: each feature's standard deviation over the examples of the same class.

    y: labels [B], or None where all are alike. An example that is alone in its class has 0 (as the root of 1e-4, which
    keeps the gradient finite).
    """
    flat = x.float().flatten(1)
    same = flat.new_ones(len(x), len(x)) if y is None else (y[:, None] == y).to(flat.dtype)
    same = same / same.sum(1, keepdim=True)
    return (same @ (flat - same @ flat).square() + 1e-4).sqrt().view(x.shape)


class MinibatchDeviation(nn.Module):
    """x [B, C, H, W], y [B] or None -> x plus a linear map, at first 0, of `class_deviation`.

    Minibatch standard deviation (Karras et al. 2018, 1710.10196, section 3) with two changes: it is taken within the
    class, since a batch of all classes is varied even when each class is one example over and over; and every
    feature keeps its own, instead of one mean for all, so that D also sees in what the examples differ too little.
    """

    mixes_examples = True

    def __init__(self, channels: int):
        super().__init__()
        self.enter = nn.Conv2d(channels, channels, 1, bias=False)
        nn.init.zeros_(self.enter.weight)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            deviation = class_deviation(x, y)
        return x + self.enter(deviation.to(x.dtype))
