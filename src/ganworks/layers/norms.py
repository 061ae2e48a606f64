"""Instance norms that are fast on CPUs for images in channels-last memory."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def instance_norm(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """[B, C, H, W] -> the same shape, each channel of each image with mean 0 and variance 1, then scaled and shifted.

    weight, bias: [C], or None. On a CPU each image goes through batch norm on its own: group norm on channels-last
    bfloat16 takes 14 times as long (24 channels, 64x64, forward and backward: 20 ms against 1.4 ms), longer than the
    convolutions around it. The result can be differentiated twice. Maps of one pixel become `bias`.
    """
    if x.device.type != "cpu" or x[0, 0].numel() < 2:
        return F.group_norm(x, x.shape[1], weight, bias, eps)
    ones = [F.batch_norm(one, None, None, weight, bias, True, 0.0, eps) for one in x.split(1)]
    return torch.cat(ones) if len(ones) > 1 else ones[0]


class InstanceNorm(nn.Module):
    """`instance_norm` without scale and shift: Ulyanov et al. 2016 (1607.08022).

    It keeps no running statistics, so it computes the same in training and in evaluation mode.
    """

    def __init__(self, channels: int, eps: float = 1e-5):
        super().__init__()
        self.channels, self.eps = channels, eps

    def forward(self, x: Tensor) -> Tensor:
        return instance_norm(x, eps=self.eps)

    def extra_repr(self) -> str:
        return f"{self.channels}"


class AffineInstanceNorm(nn.Module):
    """Instance norm with a learned scale and shift; [B, C, H, W] -> the same shape.

    A map of one pixel has no variance and would become 0; it keeps its value and is only scaled and shifted.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:].numel() > 1:
            return instance_norm(x, self.weight, self.bias)
        return x * self.weight.to(x.dtype)[:, None, None] + self.bias.to(x.dtype)[:, None, None]
