"""Discriminators with one logit for each of many overlapping patches: PatchGAN, and several on an image pyramid.

PatchGAN: Isola et al. 2017 (pix2pix, 1611.07004), section 6.1.2: C64-C128-C256-C512 and a last convolution, 4x4
kernels, LeakyReLU 0.2; with three strided layers one logit sees 70x70 pixels. MultiScale: Wang et al. 2018
(pix2pixHD, 1711.11585), section 3.2.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganworks.core.errors import UsageError
from ganworks.layers.norms import AffineInstanceNorm, InstanceNorm
from ganworks.layers.strided import init_dcgan

MapNormName = Literal["instance", "plain", "batch", "none"]


def map_norm(name: MapNormName, channels: int) -> nn.Module:
    """A norm for feature maps [B, channels, H, W]; "instance" treats each example alone, in training as in use.

    "plain" is instance norm without a learned scale and shift.
    """
    if name == "batch":
        return nn.BatchNorm2d(channels)
    if name == "plain":
        return InstanceNorm(channels)
    return AffineInstanceNorm(channels) if name == "instance" else nn.Identity()


def fitting_layers(height: int, width: int, most: int = 3, scales: int = 1) -> int:
    """How many strided layers a PatchGAN can have at this size, at most `most`; its last map keeps at least 3x3 logits.

    scales: of a `MultiScale`, whose smallest image must have 3 * 2**layers pixels as well. Raises UsageError below 6
    pixels.
    """
    side, layers = min(height, width), most
    while layers > 1 and (side // 2**layers - 2 < 3 or side // 2 ** (scales - 1) < 3 * 2**layers):
        layers -= 1
    if side // 2**layers - 2 < 1:
        raise UsageError(f"A patch discriminator needs images of 6 pixels or more, not {height} x {width}.")
    return layers


def patch_discriminator(
    channels: int, width: int, layers: int, scales: int, norm: MapNormName, spectral: bool = False
) -> PatchGAN | MultiScale:
    """One PatchGAN, or `scales` of them on an image pyramid."""
    if scales == 1:
        return PatchGAN(channels, width, layers, norm, spectral)
    return MultiScale(channels, width, layers, scales, norm, spectral)


class PatchGAN(nn.Module):
    """Images [B, channels, H, W] -> logits [B, 1, h, w] float32, one for each patch.

    channels: of the images, or of source and image together where D is conditional. width: channels of the first layer,
    doubled with each layer, up to 8 times. layers: strided layers (3: patches of 70 pixels; with width 64 on 6 channels
    2,768,705 parameters). norm: of all layers but the first and the last. spectral: spectral norm on every convolution
    (Miyato et al. 2018, 1802.05957). Sides must be at least 3 * 2**layers pixels.
    """

    def __init__(
        self, channels: int, width: int = 64, layers: int = 3, norm: MapNormName = "instance", spectral: bool = False
    ):
        super().__init__()
        if min(channels, width, layers) < 1:
            raise UsageError(
                f"channels, width and layers of a PatchGAN must be at least 1, not {channels}, {width}, {layers}."
            )
        widths = [width * min(8, 2**n) for n in range(layers + 1)]
        self.smallest = 3 * 2**layers
        stages: list[nn.Module] = [nn.Sequential(nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2))]
        for n in range(1, layers + 1):
            conv = nn.Conv2d(widths[n - 1], widths[n], 4, 2 if n < layers else 1, 1, bias=norm == "none")
            stages.append(nn.Sequential(conv, map_norm(norm, widths[n]), nn.LeakyReLU(0.2)))
        self.stages = nn.ModuleList(stages)
        self.last = nn.Conv2d(widths[-1], 1, 4, 1, 1)
        self.apply(init_dcgan)
        if spectral:
            for module in [m for m in self.modules() if isinstance(m, nn.Conv2d)]:
                spectral_norm(module)

    def features(self, x: Tensor) -> list[Tensor]:
        """The maps of every layer, [B, c, h, w] each; the last one is the logits, float32."""
        if min(x.shape[2:]) < self.smallest:
            raise UsageError(
                f"This patch discriminator needs sides of {self.smallest} pixels or more, not "
                f"{x.shape[2]} x {x.shape[3]}; give it fewer layers."
            )
        out = []
        for stage in self.stages:
            x = stage(x)
            out.append(x)
        with torch.autocast(x.device.type, enabled=False):
            return [*out, self.last(x.float())]

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x)[-1]


class MultiScale(nn.Module):
    """`scales` patch discriminators; each sees the image at half the size of the one before (3x3 average pooling).

    forward: images [B, channels, H, W] -> list of logits [B, 1, h, w], finest first. features: one list of maps per
    scale. Sides must be at least 3 * 2**(layers + scales - 1) pixels.
    """

    def __init__(
        self,
        channels: int,
        width: int = 64,
        layers: int = 3,
        scales: int = 2,
        norm: MapNormName = "instance",
        spectral: bool = False,
    ):
        super().__init__()
        if scales < 1:
            raise UsageError(f"A multi-scale discriminator needs at least 1 scale, not {scales}.")
        self.nets = nn.ModuleList(PatchGAN(channels, width, layers, norm, spectral) for _ in range(scales))

    def features(self, x: Tensor) -> list[list[Tensor]]:
        """The maps of every layer of every scale; the last of each scale is its logits."""
        out = []
        for n, net in enumerate(self.nets):
            if n:
                x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
            out.append(net.features(x))  # pyrefly: ignore
        return out

    def forward(self, x: Tensor) -> list[Tensor]:
        return [maps[-1] for maps in self.features(x)]
