"""Strided convolutions for images of any height and width: size plan, crop and pad, normalisation, initialisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

Norm = Literal["batch", "layer", "instance", "none"]


@dataclass(frozen=True)
class SizePlan:
    """How an image shrinks to a small base map by halving each axis as often as that axis allows.

    base: (h, w) of the smallest map. strides: the (h, w) stride, each 1 or 2, of every stage from base to image.
    built: (h, w), the base times all strides; it is at least as large as the image, which is cropped from it.
    """

    base: tuple[int, int]
    strides: tuple[tuple[int, int], ...]
    built: tuple[int, int]


def size_plan(height: int, width: int, smallest: int = 4) -> SizePlan:
    """The plan that halves each axis while it stays at least `smallest`.

    64x64 has the base 4x4; 28x28 has 7x7; 30x20 has 8x5 and is built as 32x20.
    """
    halvings = [max(0, (size // smallest).bit_length() - 1) for size in (height, width)]
    stages = max(halvings)
    strides = tuple(tuple(2 if stage >= stages - n else 1 for n in halvings) for stage in range(stages))
    base = tuple(-(-size // 2**n) for size, n in zip((height, width), halvings, strict=True))
    built = tuple(b * 2**n for b, n in zip(base, halvings, strict=True))
    return SizePlan(base, strides, built)  # pyrefly: ignore


def _kernel(stride: tuple[int, int]) -> tuple[int, int]:
    return tuple(4 if s == 2 else 3 for s in stride)  # pyrefly: ignore


def conv_up(inputs: int, outputs: int, stride: tuple[int, int], *, bias: bool = True) -> nn.ConvTranspose2d:
    """Transposed convolution that multiplies (h, w) by `stride`: kernel 4 where it doubles, else 3."""
    return nn.ConvTranspose2d(inputs, outputs, _kernel(stride), stride, padding=1, bias=bias)


def conv_down(inputs: int, outputs: int, stride: tuple[int, int], *, bias: bool = True) -> nn.Conv2d:
    """Convolution that divides even (h, w) by `stride` exactly: kernel 4 where it halves, else 3."""
    return nn.Conv2d(inputs, outputs, _kernel(stride), stride, padding=1, bias=bias)


class Pointwise(nn.Conv2d):
    """A 1x1 convolution of every `stride`-th pixel: [B, C, H, W] -> [B, outputs, ceil(H / stride), ceil(W / stride)].

    The same values as the strided convolution of torch, whose backward pass damaged memory for maps of few channels
    (torch 2.13 on a processor with AVX2).
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__(inputs, outputs, 1)
        self.step = stride

    def forward(self, input: Tensor) -> Tensor:
        """The convolution of the pixels that it reads."""
        return super().forward(input[:, :, :: self.step, :: self.step])


def center_crop(x: Tensor, height: int, width: int) -> Tensor:
    """The middle `height` x `width` of [B, C, H, W]."""
    top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
    return x[:, :, top : top + height, left : left + width]


def center_pad(x: Tensor, height: int, width: int) -> Tensor:
    """Zeros around [B, C, h, w] up to [B, C, height, width]; the inverse of `center_crop`."""
    tall, wide = height - x.shape[2], width - x.shape[3]
    if not (tall or wide):
        return x
    top, left = tall // 2, wide // 2
    return F.pad(x, (left, wide - left, top, tall - top))


def norm_layer(name: Norm, channels: int) -> nn.Module:
    """Normalisation over [B, C, H, W]. "layer" and "instance" do not mix examples, as WGAN-GP's penalty needs
    (Gulrajani et al. 2017, section 4); they are GroupNorm with one group, and with one group for each channel."""
    if name == "batch":
        return nn.BatchNorm2d(channels)
    if name == "none":
        return nn.Identity()
    return nn.GroupNorm(1 if name == "layer" else channels, channels)


def init_dcgan(module: nn.Module) -> None:
    """Weights from N(0, 0.02), batch-norm scales from N(1, 0.02), biases 0 (Radford et al. 2016)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
    if getattr(module, "bias", None) is not None:
        nn.init.zeros_(module.bias)  # pyrefly: ignore
