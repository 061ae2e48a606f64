"""Equalised learning rate: weights are kept at unit variance and scaled where they are used.

Adam's steps do not depend on the size of a gradient, so that layers whose weights differ in size learn at different
speeds. Weights of N(0, 1), multiplied by 1 / sqrt(fan_in) in each pass, all learn at one: Karras et al. 2018
(1710.10196), section 4.1. Used by ProGAN, StyleGAN and StyleGAN2.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE, GAIN = 0.2, math.sqrt(2)  # of the activation; sqrt 2 keeps the second moment of N(0, 1), nearly


def scaled_leaky(x: Tensor) -> Tensor:
    """sqrt(2) * LeakyReLU(x) of slope 0.2: the activation of StyleGAN2, same shape (1912.04958, appendix B)."""
    return F.leaky_relu(x, SLOPE) * GAIN


def pixel_norm(x: Tensor) -> Tensor:
    """x [B, C, ...] divided by the root of its mean square over C, plus 1e-8: 1710.10196, section 4.2."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class EqualLinear(nn.Module):
    """x [..., inputs] -> [..., outputs], weights and bias at an equalised learning rate.

    bias: its first value. rate: learning rate relative to that of other layers, 0.01 in StyleGAN's mapping network: the
    weights are drawn larger by 1 / rate and used smaller by it, so that a step moves them less.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: float = 0.0, rate: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.rate, self.gain = rate, rate / math.sqrt(inputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.gain, self.bias * self.rate)


class EqualConv(nn.Module):
    """x [B, inputs, H, W] -> [B, outputs, H, W]: a convolution of odd `kernel` at an equalised learning rate."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, bias: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.gain, self.pad = 1 / math.sqrt(inputs * kernel**2), kernel // 2

    def scaled(self) -> Tensor:
        """The weight [outputs, inputs, kernel, kernel] as the convolution uses it."""
        return self.weight * self.gain

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.scaled(), self.bias, padding=self.pad)
