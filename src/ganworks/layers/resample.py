"""Resampling by two with the [1,3,3,1] low-pass filter that StyleGAN2 and R3GAN use.

The filter is separable, [1,3,3,1] = [1,1] * [1,1] * [1,1], with unit gain at zero frequency and zeros outside
the image (Karras et al. 2020, 1912.04958; R3GAN, 2501.05441). All functions are linear in x, keep dtype and
memory format, hold no state and can be differentiated any number of times.

In bfloat16 on a CPU this depthwise convolution takes longer than the dense convolutions around it. Bilinear
interpolation is the same filter except at the border, where it repeats the edge pixel. With the border weighted
by 3/4 the two agree, and interpolation is 8 times faster; downsampling is its transpose.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def _kernel(x: Tensor, gain: float) -> Tensor:
    """The 4x4 filter [1,3,3,1] x [1,3,3,1], summing to `gain`, once per channel of x: [C, 1, 4, 4]."""
    taps = torch.tensor([0.125, 0.375, 0.375, 0.125], device=x.device)
    return (gain * taps[:, None] * taps).to(x.dtype).expand(x.shape[1], 1, 4, 4)


def _border(x: Tensor, height: int, width: int) -> Tensor:
    """[height, width] of ones, 3/4 on the border: the weight of an edge pixel with zeros outside the image."""
    rows, columns = (torch.ones(n, device=x.device, dtype=x.dtype) for n in (height, width))
    for side in (rows, columns):
        side[0] = side[-1] = 0.75
    return rows[:, None] * columns


def _slow_depthwise(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.bfloat16


def up2(x: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, C, 2H, 2W]: zeros stuffed between the pixels, then [1,3,3,1] with gain 4."""
    if not _slow_depthwise(x):
        return F.conv_transpose2d(x, _kernel(x, 4.0), stride=2, padding=1, groups=x.shape[1])
    y = F.interpolate(x, scale_factor=2.0, mode="bilinear")
    return y * _border(y, *y.shape[2:])


def down2(x: Tensor) -> Tensor:
    """[B, C, H, W] with even H and W -> [B, C, H/2, W/2]: [1,3,3,1] with gain 1, then every second pixel."""
    b, c, h, w = x.shape
    if not _slow_depthwise(x):
        return F.conv2d(x, _kernel(x, 1.0), stride=2, padding=1, groups=c)
    x = x * (0.25 * _border(x, h, w))
    return torch.ops.aten.upsample_bilinear2d_backward(x, [h, w], [b, c, h // 2, w // 2], False, 2.0, 2.0)


def smooth(x: Tensor, pad: int, gain: float = 1.0) -> Tensor:
    """[B, C, H, W] -> [B, C, H + 2 pad - 3, W + 2 pad - 3]: [1,3,3,1] with this gain, zeros outside."""
    if not _slow_depthwise(x):
        return F.conv2d(x, _kernel(x, gain), padding=pad, groups=x.shape[1])
    x = F.pad(x, (pad, pad, pad, pad))
    for _ in range(3):  # [1,3,3,1] = [1,1] * [1,1] * [1,1]
        x = x[:, :, 1:] + x[:, :, :-1]
    for _ in range(3):
        x = x[..., 1:] + x[..., :-1]
    return x * (gain / 64)


def up2_conv(x: Tensor, weight: Tensor) -> Tensor:
    """x [B, I, H, W], weight [O, I, 3, 3] -> [B, O, 2H, 2W]: up by two with gain 4, and convolved with the weight.

    The convolution comes first, on the small map, as both are linear: a quarter of the arithmetic. Its kernel is
    turned by 180 degrees against `conv2d`, as that of a transposed convolution is.
    """
    return smooth(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), 1, 4.0)


def down2_conv(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [B, I, H, W] with even H and W, weight [O, I, 3, 3] -> [B, O, H/2, W/2]: filtered, every second pixel of the
    convolution with the weight, plus the bias [O]."""
    return F.conv2d(smooth(x, 2), weight, bias, stride=2)
