"""Minibatch standard deviation, of groups or by class: how much the examples of a batch vary, as an input of D."""

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


def group_deviation(x: Tensor, size: int) -> Tensor:
    """x [B, C, H, W] -> [B, 1, H, W] float32: one number for each group, in every pixel of its examples.

    The standard deviation of each feature over the examples of a group (1e-8 under the root), averaged over features
    and pixels: Karras et al. 2018 (1710.10196), section 3, in groups as in StyleGAN. A group holds `size` examples, or
    the largest number up to that which divides B; example i is in group i mod (B / size).
    """
    size = max(n for n in range(1, min(size, len(x)) + 1) if len(x) % n == 0)
    grouped = x.float().unflatten(0, (size, -1))
    spread = (grouped - grouped.mean(0)).square().mean(0).add(1e-8).sqrt().mean((1, 2, 3))
    return spread.repeat(size)[:, None, None, None].expand(-1, 1, *x.shape[2:])


class GroupDeviation(nn.Module):
    """x [B, C, H, W] -> [B, C + 1, H, W] with `group_deviation` of groups of `size` as the last channel."""

    mixes_examples = "networks.group=0"

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, group_deviation(x, self.size).to(x.dtype)], 1)
