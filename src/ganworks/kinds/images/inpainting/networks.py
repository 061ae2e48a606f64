"""Generators that fill holes: with gated convolutions, or with fast Fourier convolutions, which see the whole image.

Both are given the picture with its hole and the hole's mask. They fill the hole smoothly (`fill.py`, no parameters) and
add a correction, which is small at the start of the training. No layer normalises over the batch or the image, so the
result does not depend on other examples, and images may have any size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.console.text import counted
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Count, Width, check, within
from ganworks.core.spec import Spec
from ganworks.kinds.images.shared.patchgan import PatchGAN, fitting_layers
from ganworks.layers.fill import smooth_fill
from ganworks.layers.strided import Pointwise

SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))
GRAIN = 64  # side in pixels of the tile of grain
STRONGEST, FAINT = 0.5, 3.0  # the grain's strength is STRONGEST sigmoid(s - FAINT) (range -1 to 1), 0.024 at first
BRANCH = 0.3  # initial gain of a residual branch; from 0 it would need a hundred steps to matter


def act(x: Tensor) -> Tensor:
    """LeakyReLU 0.2."""
    return F.leaky_relu(x, SLOPE)


def conv(inputs: int, outputs: int, size: int = 3, stride: int = 1, dilation: int = 1, gain: float = GAIN) -> nn.Conv2d:
    """A convolution that keeps the size (at stride 1); weights N(0, gain^2 / fan-in), biases 0 (He et al. 2015)."""
    padding = dilation * (size - 1) // 2
    one = size == 1
    layer = Pointwise(inputs, outputs, stride) if one else nn.Conv2d(inputs, outputs, size, stride, padding, dilation)
    nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


# Gated convolutions -------------------------------------------------------------------------------


class Gated(nn.Module):
    """act(conv(x)) * 2 sigmoid(gate(x)): Yu et al. 2019 (1806.03589), equation 3; gates start near 1.

    The gate learns which pixels are valid, so that a hole is not treated as black. gate: side of the gate's kernel, at
    most that of the convolution. With 1 it takes a ninth of the operations, as in HiFill (Yi et al. 2020, 2005.09704),
    section 3.3.
    """

    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: int = 1, dilation: int = 1, gate: int = 3):
        super().__init__()
        self.conv = conv(inputs, outputs, size, stride, dilation)
        self.gate = conv(inputs, outputs, min(gate, size), stride, dilation, gain=0.5)

    def forward(self, x: Tensor) -> Tensor:
        return act(self.conv(x)) * (self.gate(x).sigmoid() * 2)


class GatedBlock(nn.Module):
    """x + conv(gated(x)); the gated convolution is dilated."""

    def __init__(self, width: int, dilation: int, gate: int):
        super().__init__()
        self.enter = Gated(width, width, dilation=dilation, gate=gate)
        self.leave = conv(width, width, gain=BRANCH)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.leave(self.enter(x))


# Fast Fourier convolutions ------------------------------------------------------------------------


class SpectralTransform(nn.Module):
    """A convolution whose every output depends on the whole map: 1x1 over the real Fourier transform.

    Chi et al. 2020 (Fast Fourier Convolution, NeurIPS), section 3.2, as LaMa (2109.07161) uses it. [B, C, H, W] may
    have any size, as the weights are the same for all frequencies. The transform is orthonormal, and in float32 even
    under autocast.
    """

    def __init__(self, channels: int):
        super().__init__()
        half = max(1, channels // 2)
        self.enter, self.leave = conv(channels, half, 1), conv(half, channels, 1, gain=1.0)
        self.mix = conv(2 * half, 2 * half, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = act(self.enter(x))
        with torch.autocast(x.device.type, enabled=False):
            spectrum = torch.fft.rfft2(x.float().contiguous(), norm="ortho")
            parts = act(self.mix(torch.cat([spectrum.real, spectrum.imag], 1)))
            real, imaginary = parts.float().chunk(2, 1)
            back = torch.fft.irfft2(torch.complex(real.contiguous(), imaginary.contiguous()), x.shape[2:], norm="ortho")
        return self.leave(x + back.to(x.dtype))


class Fourier(nn.Module):
    """Fast Fourier convolution: [B, width, H, W] -> the same shape (2109.07161, figure 2).

    The first `width - far` channels are local, the others global. The paths between local and global channels are 3x3
    convolutions; the path from global to global is a `SpectralTransform`.
    """

    def __init__(self, width: int, far: int, gain: float = GAIN):
        super().__init__()
        self.near, self.far = width - far, far
        self.local = conv(width, self.near, gain=gain)  # local and global to local
        self.outward = conv(self.near, far, gain=gain * math.sqrt(0.5))
        self.whole = SpectralTransform(far)

    def forward(self, x: Tensor) -> Tensor:
        near, far = x.split([self.near, self.far], 1)
        return torch.cat([self.local(x), self.outward(near) + self.whole(far)], 1)


class FourierBlock(nn.Module):
    """x + scale * Fourier(act(Fourier(x))), with a learned scale for each channel."""

    def __init__(self, width: int, far: int):
        super().__init__()
        self.enter, self.leave = Fourier(width, far), Fourier(width, far)
        self.scale = nn.Parameter(torch.full((width, 1, 1), BRANCH))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.leave(act(self.enter(x)))


def grain() -> Tensor:
    """Random numbers [1, 1, GRAIN, GRAIN] of mean 0 and variance 1, always the same, that tile without seams.

    Second differences, twice along each axis, leave the highest frequencies: of all textures of the same gradient
    energy these change the values least.
    """
    numbers = np.random.default_rng(0).standard_normal((GRAIN, GRAIN))
    for axis in (0, 1, 0, 1):
        numbers = 2 * numbers - np.roll(numbers, 1, axis) - np.roll(numbers, -1, axis)
    return torch.from_numpy((numbers / numbers.std()).astype(np.float32))[None, None]


# The generator ------------------------------------------------------------------------------------


class Filler(nn.Module):
    """Source [B, C + 1, H, W] (picture in [-1, 1] with 0 in the hole, mask with 1 = hole) -> picture [B, C, H, W].

    One convolution over patches of `patch` x `patch` pixels reads the full size, and one makes it. Between them are
    `downs` halvings, blocks on the smallest map, and as many doublings with skip connections. The result is the whole
    picture; the caller keeps the known pixels of the original. Sides that do not fit are padded.

    The picture is a fill plus grain: fixed random numbers of high frequencies, GRAIN x GRAIN and repeated, times a
    strength that the network predicts for each pixel. Convolutions alone can make fine texture on smooth ground only as
    a regular pattern. AV1 codes film grain in this way (Norkin and Birkbeck 2018, DCC).
    """

    def __init__(self, cfg: Inpaint, channels: int):
        super().__init__()
        widths = [cfg.width * min(4, 2**n) for n in range(cfg.downs + 1)]
        gated = cfg.blocks_of == "gated"
        layer = partial(Gated, gate=cfg.gate) if gated else _Plain
        self.channels, self.patch, self.multiple = channels, cfg.patch, cfg.patch * 2**cfg.downs
        self.register_buffer("grain", grain())
        self.enter = layer((channels + 1) * cfg.patch**2, widths[0], 3 if cfg.patch > 1 else 5)
        pairs = list(pairwise(widths))
        self.downs = nn.ModuleList(layer(a, b, stride=2) for a, b in pairs)
        far = max(1, round(widths[-1] * cfg.far))
        blocks = [GatedBlock(widths[-1], 2 ** (n % 4), cfg.gate) if gated else FourierBlock(widths[-1], far)
                  for n in range(cfg.blocks)]  # fmt: skip
        self.blocks = nn.Sequential(*blocks)
        self.ups = nn.ModuleList(layer(b, a) for a, b in reversed(pairs))
        self.merge = nn.ModuleList(layer(2 * a, a) for a, _ in reversed(pairs))
        self.leave = conv(widths[0], channels * cfg.patch**2, 3, gain=0.0)
        self.rough = nn.Sequential(layer(widths[0], widths[0]), conv(widths[0], cfg.patch**2, 3, gain=0.0))

    def forward(self, src: Tensor, y: Tensor | None = None) -> Tensor:
        fill, grain = self.parts(src)
        return fill + grain

    def parts(self, src: Tensor) -> tuple[Tensor, Tensor]:
        """(fill [B, C, H, W], grain [B, 1, H, W]), float32; the picture is their sum.

        The gradient of the grain does not reach the layers that make the fill.
        """
        if src.shape[1] != self.channels + 1:
            raise UsageError(f"This network fills pictures of {counted(self.channels, 'channel')} and needs "
            "the mask as one more, "
                             f"not {src.shape[1]} in all.")  # fmt: skip
        height, width = src.shape[2:]
        picture, hole = src[:, : self.channels].float(), src[:, self.channels :].float()
        base = smooth_fill(picture, hole)
        edges = (0, -width % self.multiple, 0, -height % self.multiple)
        x, kept = F.pad(torch.cat([base, hole], 1), edges, mode="replicate"), []
        x = self.enter(F.pixel_unshuffle(x, self.patch))
        for down in self.downs:
            kept.append(x)
            x = down(x)
        x = self.blocks(x)
        for up, merge in zip(self.ups, self.merge, strict=True):
            x = up(F.interpolate(x, scale_factor=2, mode="nearest"))
            x = merge(torch.cat([x, kept.pop()], 1))
        more = F.pixel_shuffle(self.leave(x).float(), self.patch)[:, :, :height, :width]
        strength = F.pixel_shuffle(self.rough(x.detach()).float(), self.patch)[:, :, :height, :width]
        numbers = self.grain.repeat(1, 1, -(-height // GRAIN), -(-width // GRAIN))[:, :, :height, :width]
        return base + more, STRONGEST * (strength - FAINT).sigmoid() * numbers


class _Plain(nn.Module):
    """A convolution and its activation."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: int = 1):
        super().__init__()
        self.conv = conv(inputs, outputs, size, stride)

    def forward(self, x: Tensor) -> Tensor:
        return act(self.conv(x))


@dataclass(frozen=True)
class Inpaint:
    """A generator that fills holes and a patch discriminator.

    blocks_of: "gated" (Yu et al. 2019, 1806.03589) or "fourier" (LaMa, 2109.07161).
    gate: side of the gates' kernels, 3 as published or 1, at half the cost.
    patch: side of the patch that is one position of the largest map.
    width: channels of the largest map, doubled with each of `downs` halvings, up to 4 times.
    downs: halvings after the largest map.
    blocks: residual blocks on the smallest map.
    far: share of the channels that are global ("fourier"; published: 0.75).
    d_width: channels of the first layer of the discriminator.
    d_layers: strided layers of the discriminator; its patches are 34 pixels wide with 2 layers, 70 with 3.
    """

    blocks_of: Literal["gated", "fourier"] = "gated"
    gate: Literal[1, 3] = 1
    patch: Annotated[int, within(1, unit="pixels")] = 2
    width: Width = 48
    downs: Annotated[int, within(1, 6)] = 1
    blocks: Count = 6
    far: Annotated[float, within(above=0, below=1, unit="share of the channels")] = 0.75
    d_width: Width = 32
    d_layers: Count = 2

    makes: ClassVar[dict[str, str]] = {"G": "apply"}

    def __post_init__(self) -> None:
        if self.blocks_of not in ("gated", "fourier"):
            raise UsageError(f"blocks_of must be gated or fourier, not {self.blocks_of!r}.")
        check(self)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"G": Filler, "D": PatchGAN} with fresh weights from torch's global generator."""
        channels, height, width = spec.shape
        layers = fitting_layers(height, width, self.d_layers)
        return {"G": Filler(self, channels), "D": PatchGAN(channels, self.d_width, layers, norm="none")}
