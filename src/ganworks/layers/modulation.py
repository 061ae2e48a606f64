"""Modulated convolutions of StyleGAN2: a style scales the channels that come in, demodulation takes its size back.

Karras et al. 2020 (1912.04958), section 2.2. Scaling weights for each example, as equations 1 to 3 do, and scaling
the maps before and after one convolution with shared weights give the same; the second is much faster, as all examples
of a batch share one convolution.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.layers.equalised import EqualLinear
from ganworks.layers.resample import up2_conv

EPS = 1e-8  # under the root of equation 3


class ModulatedConv(nn.Module):
    """x [B, inputs, H, W], w [B, w_dim] -> [B, outputs, H, W], or twice as high and wide with `up`.

    Weights of each example: w' = s_i w (equation 1), s = a linear layer of w that begins at 1. demodulate: divide by
    the root of the sum of w'^2 over fan-in, plus 1e-8 (equation 3). kernel: 1 or 3. The linear layer and the sums are
    computed in float32 under autocast.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, w_dim: int, *, demodulate: bool = True, up: bool = False
    ):
        super().__init__()
        self.style = EqualLinear(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.gain, self.demodulate, self.up = 1 / math.sqrt(inputs * kernel**2), demodulate, up

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            style, weight = self.style(w), self.weight * self.gain
            fan = weight.square().sum((2, 3)) if self.demodulate else None
            size = None if fan is None else (style.square() @ fan.T + EPS).rsqrt()
        x = x * style.to(x.dtype)[:, :, None, None]
        x = up2_conv(x, weight) if self.up else F.conv2d(x, weight, padding=weight.shape[2] // 2)
        return x if size is None else x * size.to(x.dtype)[:, :, None, None]
