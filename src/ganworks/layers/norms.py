"""Instance norm that is fast on CPUs, for images in channels-last memory."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class InstanceNorm(nn.Module):
    """[B, C, H, W] -> the same shape, each channel of each image with mean 0 and variance 1 (Ulyanov et al. 2016,
    1607.08022); with `affine` also a learned scale and shift per channel. Keeps no running statistics: the same
    result in training and evaluation.

    On a CPU every image goes through batch norm by itself: channels-last group norm in bfloat16 takes 14 times
    as long (24 channels, 64x64, forward and backward: 20 ms against 1.4 ms) and makes instance norm slower than
    the convolutions around it. Can be differentiated twice.
    """

    def __init__(self, channels: int, affine: bool = False, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or x[0, 0].numel() < 2:
            return F.group_norm(x, x.shape[1], self.weight, self.bias, self.eps)
        weight, bias = self.weight, self.bias
        ones = [F.batch_norm(one, None, None, weight, bias, True, 0.0, self.eps) for one in x.split(1)]
        return torch.cat(ones) if len(ones) > 1 else ones[0]
