"""Minibatch standard deviation by class: how much the examples of a batch vary, as an input of a discriminator."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def class_deviation(x: Tensor, y: Tensor | None = None) -> Tensor:
    """x [B, ...] -> the same shape, float32: each feature's standard deviation over the examples of the same class.

    y: labels [B], or None where all examples form one class. 1e-4 is added to each variance, which keeps the gradient
    finite: an example that is alone in its class gets 0.01.
    """
    flat = x.float().flatten(1)
    same = flat.new_ones(len(x), len(x)) if y is None else (y[:, None] == y).to(flat.dtype)
    same = same / same.sum(1, keepdim=True)
    return (same @ (flat - same @ flat).square() + 1e-4).sqrt().view(x.shape)


class MinibatchDeviation(nn.Module):
    """x [B, C, H, W], y [B] or None -> x plus a 1x1 convolution, zero at first, of `class_deviation`.

    Minibatch standard deviation (Karras et al. 2018, 1710.10196, section 3) with two changes. It is taken within each
    class, since a batch of several classes varies even if each class is one example repeated. And every feature keeps
    its own deviation instead of one mean over all, so that D also sees which features vary too little.
    """

    mixes_examples = "networks.crowd=off"

    def __init__(self, channels: int):
        super().__init__()
        self.enter = nn.Conv2d(channels, channels, 1, bias=False)
        nn.init.zeros_(self.enter.weight)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            deviation = class_deviation(x, y)
        return x + self.enter(deviation.to(x.dtype))
