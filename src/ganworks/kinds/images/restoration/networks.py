"""Networks that restore and enlarge images: a residual trunk at low resolution, then upsampling.

edsr: residual blocks of two convolutions without normalisation (Lim et al. 2017, 1707.02921), then pixel shuffles (Shi
et al. 2016, 1609.05158), constrained so that they make no checkerboard. rrdb: residual-in-residual dense blocks (Wang
et al. 2018, 1809.00219), then nearest-neighbour upsampling with convolutions, as published. Other than the published
ones, both add the bicubically enlarged input, so that an untrained network nearly returns it.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Count, Width, check
from ganworks.core.spec import Spec
from ganworks.kinds.images.shared.patchgan import PatchGAN, fitting_layers
from ganworks.kinds.images.shared.tiles import reflected
from ganworks.layers.copies import frozen, take_over

STEPS: dict[int, list[int]] = {1: [], 2: [2], 3: [3], 4: [2, 2], 6: [2, 3], 8: [2, 2, 2]}  # upsampling, by scale


def conv(inputs: int, outputs: int, gain: float = 1.0) -> nn.Conv2d:
    """3x3 convolution, He initialisation times `gain`, biases 0."""
    layer = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(layer.weight)
    with torch.no_grad():
        layer.weight.mul_(gain)
        nn.init.zeros_(layer.bias)  # pyrefly: ignore
    return layer


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x)))."""

    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = conv(width, width), conv(width, width, 0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(x)))


class DenseBlock(nn.Module):
    """Five densely connected convolutions; 0.2 times the last is added to x (1809.00219, figure 4)."""

    def __init__(self, width: int, growth: int):
        super().__init__()
        inputs = [width + n * growth for n in range(5)]
        self.convs = nn.ModuleList(conv(n, growth if k < 4 else width, 0.1) for k, n in enumerate(inputs))

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for layer in self.convs[:4]:
            maps.append(F.leaky_relu(layer(torch.cat(maps, 1)), 0.2))
        return x + 0.2 * self.convs[4](torch.cat(maps, 1))


class RRDB(nn.Module):
    """Three dense blocks; 0.2 times their residual is added to x (1809.00219, figure 4)."""

    def __init__(self, width: int, growth: int):
        super().__init__()
        self.blocks = nn.Sequential(*(DenseBlock(width, growth) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.2 * (self.blocks(x) - x)


class Restoring(nn.Module):
    """[B, C, h, w] in [-1, 1] -> [B, C', scale h, scale w] float32, not clipped; the base of both generators.

    shrink: the image is first folded into channels by this factor (pixel unshuffle), so that the trunk works on fewer
    pixels. reach: radius of the receptive field, in pixels of the input.
    """

    def __init__(self, inputs: int, outputs: int, scale: int, width: int, shrink: int, reach: int):
        super().__init__()
        self.inputs, self.outputs, self.scale, self.shrink = inputs, outputs, scale, shrink
        self.reach = reach * shrink + 3  # 3: of the bicubic skip
        self.first = conv(inputs * shrink**2, width)
        self.before: nn.Module | None = None

    def keep(self) -> Restoring:
        """Let the network also hold a frozen copy of itself, which `remember` updates; returns the network."""
        self.before = frozen(deepcopy(self))
        return self

    def remember(self) -> None:
        """Set the copy, if there is one, to the network's present weights."""
        if self.before is not None:
            take_over(self.before, self)

    def between(self, share: float) -> Restoring:
        """The network whose weights are interpolated: `share` of these, the rest of those in the copy.

        Network interpolation of ESRGAN (1809.00219, section 3.4): from the network of the L1 stage (0) to the
        adversarial one (1); it avoids the artefacts of blending their images. At 1, and without a copy, the network
        itself.
        """
        if self.before is None or share == 1:
            return self
        made, held = deepcopy(self), dict(self.before.named_buffers())
        with torch.no_grad():
            for name, weight in made.named_parameters():
                weight.copy_(held[name].lerp(weight, share))
        return made

    def trunk(self, x: Tensor) -> Tensor:
        """Folded input [B, C shrink^2, h / shrink, w / shrink] -> residual [B, C', scale h, scale w]."""
        raise NotImplementedError

    def forward(self, src: Tensor, y: Tensor | None = None) -> Tensor:
        height, width = src.shape[2:]
        whole = reflected(src, -height % self.shrink, -width % self.shrink)
        residual = self.trunk(F.pixel_unshuffle(whole, self.shrink) if self.shrink > 1 else whole)
        skip = src.float()
        if self.scale > 1:
            skip = F.interpolate(skip, scale_factor=float(self.scale), mode="bicubic", antialias=True)
        return skip + residual.float()[:, :, : skip.shape[2], : skip.shape[3]]


class Subpixel(nn.Conv2d):
    """3x3 convolution and pixel shuffle without checkerboards: [B, inputs, h, w] -> [B, outputs, factor h, factor w].

    A pixel shuffle gives each of the factor^2 places within a pixel a kernel of its own, from which an adversarial
    stage can make a grid. Here the kernels of all places have the same sum and bias, so that constant features give a
    constant
    image: the condition of Sugawara, Shiota and Kiya 2018 (Super-Resolution using Convolutional Neural Networks without
    Any Checkerboard Artifacts, 1806.02658), for learned kernels.
    """

    def __init__(self, inputs: int, outputs: int, factor: int):
        super().__init__(inputs, outputs * factor**2, 3, padding=1)
        self.factor = factor
        nn.init.kaiming_normal_(self.weight)
        nn.init.zeros_(self.bias)  # pyrefly: ignore

    def forward(self, input: Tensor) -> Tensor:
        assert self.bias is not None
        means = self.weight.mean((2, 3))
        weight = self.weight - (means - self._shared(means))[:, :, None, None]
        return F.pixel_shuffle(F.conv2d(input, weight, self._shared(self.bias), padding=1), self.factor)

    def _shared(self, values: Tensor) -> Tensor:
        """[outputs factor^2, ...] -> the same shape, every value replaced by the mean over the places of its output."""
        places = values.unflatten(0, (-1, self.factor**2))
        return places.mean(1, keepdim=True).expand_as(places).flatten(0, 1)


class EDSR(Restoring):
    """The edsr generator of the module: upsampling in steps of 2 or 3, with fewer channels at the larger sizes.

    The last convolution works at full size and in float32; where the input was folded, a pixel shuffle follows it.
    """

    def __init__(self, inputs: int, outputs: int, scale: int, width: int, blocks: int, shrink: int):
        factors = STEPS[scale]
        super().__init__(inputs, outputs, scale, width, shrink, 2 * blocks + 3 + len(factors))
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        self.middle = conv(width, width, 0.1)
        widths = [width, *(max(4, width // (3 * 2**n)) for n in range(len(factors)))]
        pairs = zip(pairwise(widths), factors, strict=True)
        self.ups = nn.ModuleList(Subpixel(a, b, factor) for (a, b), factor in pairs)
        self.last = conv(widths[-1], outputs * shrink**2, 0.1)

    def trunk(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x = x + self.middle(self.blocks(x))
        for up in self.ups:
            x = F.relu(up(x))
        with torch.autocast(x.device.type, enabled=False):
            x = self.last(x.float())
        return F.pixel_shuffle(x, self.shrink)


class RRDBNet(Restoring):
    """The rrdb generator of the module; with 23 blocks, width 64, growth 32, scale 4 it has 16,697,987 parameters."""

    def __init__(self, inputs: int, outputs: int, scale: int, width: int, growth: int, blocks: int, shrink: int):
        self.factors = STEPS[scale * shrink]
        super().__init__(inputs, outputs, scale, width, shrink, 15 * blocks + 4 + len(self.factors))
        self.blocks = nn.Sequential(*(RRDB(width, growth) for _ in range(blocks)))
        self.middle = conv(width, width)
        self.ups = nn.ModuleList(conv(width, width) for _ in self.factors)
        self.full, self.last = conv(width, width), conv(width, outputs, 0.1)

    def trunk(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x = x + self.middle(self.blocks(x))
        for factor, layer in zip(self.factors, self.ups, strict=True):
            x = F.leaky_relu(layer(F.interpolate(x, scale_factor=float(factor), mode="nearest")), 0.2)
        x = F.leaky_relu(self.full(x), 0.2)
        with torch.autocast(x.device.type, enabled=False):
            return self.last(x.float())


class UNetD(nn.Module):
    """U-Net discriminator with spectral norm: images [B, C, H, W] -> logits [B, 1, H, W] float32, one for each pixel.

    Real-ESRGAN (2107.10833), section 3.3; with width 64 on 3 channels it has 4,376,897 parameters. Sides of 8 pixels
    and
    more: the image is padded by reflection to a multiple of 8, and the logits are cropped.
    """

    def __init__(self, channels: int, width: int = 64):
        super().__init__()
        w = width
        self.first = nn.Conv2d(channels, w, 3, padding=1)
        self.down = nn.ModuleList(_normed(w * 2**n, w * 2 ** (n + 1), 4, 2) for n in range(3))
        self.up = nn.ModuleList(_normed(w * 2 ** (n + 1), w * 2**n, 3, 1) for n in (2, 1, 0))
        self.tail = nn.ModuleList(_normed(w, w, 3, 1) for _ in range(2))
        self.last = nn.Conv2d(w, 1, 3, padding=1)

    def features(self, x: Tensor) -> list[Tensor]:
        """The maps of every layer; the last one is the logits."""
        height, width = x.shape[2:]
        maps = [F.leaky_relu(self.first(reflected(x, -height % 8, -width % 8)), 0.2)]
        for layer in self.down:
            maps.append(F.leaky_relu(layer(maps[-1]), 0.2))
        x, skips = maps[-1], maps[2::-1]
        for layer, skip in zip(self.up, skips, strict=True):
            x = F.leaky_relu(layer(F.interpolate(x, scale_factor=2.0, mode="bilinear")), 0.2) + skip
            maps.append(x)
        for layer in self.tail:
            x = F.leaky_relu(layer(x), 0.2)
            maps.append(x)
        with torch.autocast(x.device.type, enabled=False):
            return [*maps, self.last(x.float())[:, :, :height, :width]]

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x)[-1]


def _normed(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride, 1, bias=False))


@dataclass(frozen=True)
class Restorer:
    """The generator G of restoration and its discriminator D.

    trunk: "edsr" (fast) or "rrdb" (ESRGAN's).
    width: channels of the trunk.
    blocks: residual blocks of the trunk.
    growth: channels that each convolution of rrdb's dense blocks adds.
    shrink: factor by which the input is folded before the trunk, 1 or 2; 0: 2 where nothing is enlarged, else 1.
    discriminator: "patch" (PatchGAN with spectral norm) or "unet" (per pixel).
    d_width: channels of the first layer of D.
    keep: G also holds its weights from the end of the first stage, so that `apply` can interpolate between both.
    """

    makes: ClassVar[dict[str, str]] = {"G": "apply"}

    trunk: Literal["edsr", "rrdb"] = "edsr"
    width: Width = 48
    blocks: Count = 8
    growth: Width = 32
    shrink: Literal[0, 1, 2] = 0
    discriminator: Literal["patch", "unet"] = "patch"
    d_width: Width = 32
    keep: bool = False

    def __post_init__(self) -> None:
        check(self)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"G": EDSR or RRDBNet, "D": PatchGAN or UNetD} with fresh weights from torch's global generator.

        spec: shape is that of the target, source that of the input; facts["scale"]. Raises UsageError for other data.
        """
        scale, channels = int(spec.facts.get("scale", 1)), spec.shape[0]
        if len(spec.source) != 3 or spec.source[0] not in (1, channels) or scale not in (1, 2, 3, 4):
            raise UsageError(f"A restorer needs images in and out, not {spec.source} to {spec.shape}, scale {scale}.")
        shrink = self.shrink or (2 if scale == 1 else 1)
        G: Restoring
        if self.trunk == "edsr":
            G = EDSR(spec.source[0], channels, scale, self.width, self.blocks, shrink)
        else:
            G = RRDBNet(spec.source[0], channels, scale, self.width, self.growth, self.blocks, shrink)
        G = G.keep() if self.keep else G
        if self.discriminator == "unet":
            return {"G": G, "D": UNetD(channels, self.d_width)}
        layers = fitting_layers(*spec.shape[1:])
        return {"G": G, "D": PatchGAN(channels, self.d_width, layers, norm="none", spectral=True)}
