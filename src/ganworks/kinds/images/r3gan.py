"""R3GAN: a ResNet without normalisation, generator and discriminator as mirror images.

Huang, Gokaslan, Kuleshov, Tompkin, "The GAN is dead; long live the GAN! A modern GAN baseline", 2501.05441.
Written from the paper; the parameter counts equal those of its published networks (tested). One difference: the lowest
map may have another size than 4x4, so that images of any height and width can be made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Count, Size, Width, check, within
from ganworks.core.spec import Spec
from ganworks.layers.resample import down2, up2

SLOPE = 0.2  # of every LeakyReLU
Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


def stages(height: int, width: int, smallest: int = 4) -> int:
    """How many resolutions images of height x width get: halvings while the short side stays >= `smallest`, plus one.

    There is one halving fewer where both sides then divide evenly and the short side of the lowest map stays below
    3 * smallest pixels.
    """
    halvings = max(0, int(math.log2(max(1.0, min(height, width) / smallest))))
    for k in (halvings, halvings - 1):
        if k >= 0 and height % 2**k == 0 and width % 2**k == 0 and min(height, width) / 2**k < 3 * smallest:
            return k + 1
    return halvings + 1


def base_map(height: int, width: int, count: int) -> tuple[int, int]:
    """(rows, columns) of the lowest of `count` resolutions; doubled count - 1 times they cover height x width."""
    scale = 2 ** (count - 1)
    return -(-height // scale), -(-width // scale)


def scaled_(layer: Layer, gain: float = 1.0) -> Layer:
    """Fill layer.weight with N(0, gain^2 / fan_in), fan_in counted per group, and its bias with 0."""
    nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class R3GANBlock(nn.Module):
    """x + conv1x1(act(conv3x3(act(conv1x1(x))))), `expansion` times wider inside; the 3x3 convolution is grouped.

    depth: residual blocks in the whole network. The first two convolutions start with the Fixup gain
    sqrt(2 / (1 + slope^2)) * depth^(-1/4) (Zhang et al. 2019, 1901.09321, m = 3 layers per branch), the third at zero.
    """

    def __init__(self, width: int, expansion: int, group_size: int, depth: int):
        super().__init__()
        inner = width * expansion
        groups = inner // group_size if group_size and inner > group_size else 1
        if groups > 1 and inner % group_size:
            raise UsageError(
                f"networks.group_size={group_size} does not divide the inner width {inner}; use 0 for dense."
            )
        gain = math.sqrt(2 / (1 + SLOPE**2)) * depth**-0.25
        self.enter = scaled_(nn.Conv2d(width, inner, 1), gain)
        self.mix = scaled_(nn.Conv2d(inner, inner, 3, padding=1, groups=groups), gain)
        self.leave = scaled_(nn.Conv2d(inner, width, 1, bias=False), 0.0)

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.enter(x), SLOPE)
        return x + self.leave(F.leaky_relu(self.mix(y), SLOPE))


def change(before: int, after: int) -> nn.Module:
    """A 1x1 convolution where the width changes, the identity where it does not."""
    return nn.Identity() if before == after else scaled_(nn.Conv2d(before, after, 1, bias=False))


class R3GANStage(nn.Module):
    """Residual blocks at one resolution, with a transition to or from the next.

    Generator: transition (1x1 convolution, then upsampling by two), blocks. Discriminator: blocks, transition
    (downsampling by two, then 1x1 convolution). The 1x1 convolution is left out where the width does not change.
    """

    def __init__(self, cfg: R3GAN, width: int, depth: int, before: int = 0, after: int = 0):
        super().__init__()
        self.up, self.down = before > 0, after > 0
        self.enter = change(before, width) if before else nn.Identity()
        blocks = [R3GANBlock(width, cfg.expansion, cfg.group_size, depth) for _ in range(cfg.blocks)]
        self.blocks = nn.Sequential(*blocks)
        self.leave = change(width, after) if after else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = up2(self.enter(x)) if self.up else x
        x = self.blocks(x)
        return self.leave(down2(x)) if self.down else x


def _fp32(x: Tensor) -> torch.autocast:
    """A context in which autocast is off on x's device, for the lowest maps, heads and logits."""
    return torch.autocast(x.device.type, enabled=False)


class R3GANGenerator(nn.Module):
    """z [B, z_dim], y [B] int64 or None -> images [B, C, H, W]; the output is not squashed by tanh.

    The lowest map is a learned basis, drawn from N(0, 1) at first; a linear layer of z and the embedded class scales
    each of its channels.
    """

    def __init__(self, cfg: R3GAN, spec: Spec):
        super().__init__()
        widths = cfg.resolve(spec)
        channels, self.height, self.width = spec.shape
        base = base_map(self.height, self.width, len(widths))
        self.z_dim, self.exact = cfg.z_dim, cfg.fp32_stages
        depth = cfg.blocks * len(widths)
        self.classes = nn.Embedding(spec.num_classes, cfg.y_dim) if spec.num_classes else None
        if self.classes is not None:
            nn.init.normal_(self.classes.weight, std=1 / math.sqrt(spec.num_classes))
        extra = cfg.y_dim if spec.num_classes else 0
        self.basis = nn.Parameter(torch.randn(widths[0], *base))
        self.scale = scaled_(nn.Linear(cfg.z_dim + extra, widths[0], bias=False))
        self.stages = nn.ModuleList(
            R3GANStage(cfg, now, depth, before=before) for before, now in zip((0, *widths), widths, strict=False)
        )
        self.to_image = scaled_(nn.Conv2d(widths[-1], channels, 1, bias=False))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.classes is not None:
            z = torch.cat([z, self.classes(y)], dim=1)
        with _fp32(z):
            x = (self.scale(z)[:, :, None, None] * self.basis).contiguous(memory_format=torch.channels_last)
            for stage in self.stages[: self.exact]:
                x = stage(x)
        for stage in self.stages[self.exact :]:
            x = stage(x)
        x = self.to_image(x)
        top, left = (x.shape[2] - self.height) // 2, (x.shape[3] - self.width) // 2
        return x[:, :, top : top + self.height, left : left + self.width]


class R3GANDiscriminator(nn.Module):
    """Images [B, C, H, W], y [B] int64 or None -> realness logits [B], float32.

    With classes the logit is the inner product of features and embedded class (Miyato and Koyama 2018, 1802.05637).
    """

    HEAD = ("pool", "head", "classes")

    def __init__(self, cfg: R3GAN, spec: Spec):
        super().__init__()
        widths = cfg.resolve(spec)[::-1]
        channels, height, width = spec.shape
        base = base_map(height, width, len(widths))
        scale = 2 ** (len(widths) - 1)
        rows, columns = base[0] * scale - height, base[1] * scale - width
        self.pad = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        self.exact = min(cfg.fp32_stages, len(widths))
        depth = cfg.blocks * len(widths)
        self.from_image = scaled_(nn.Conv2d(channels, widths[0], 1, bias=False))
        self.stages = nn.ModuleList(
            R3GANStage(cfg, now, depth, after=after) for now, after in zip(widths, (*widths[1:], 0), strict=True)
        )
        features = widths[-1]
        self.feature_shape = (features, *base)
        self.pool = scaled_(nn.Conv2d(features, features, base, groups=features, bias=False))
        self.head = scaled_(nn.Linear(features, features if spec.num_classes else 1, bias=False))
        self.classes = nn.Embedding(spec.num_classes, features) if spec.num_classes else None
        if self.classes is not None:
            nn.init.normal_(self.classes.weight, std=1 / math.sqrt(features * spec.num_classes))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.judge(self.features(x, y), y)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The smallest map [B, *feature_shape] float32, before the head."""
        x = self.from_image(F.pad(x, self.pad) if any(self.pad) else x)
        split = len(self.stages) - self.exact
        for stage in self.stages[:split]:
            x = stage(x)
        with _fp32(x):
            x = x.float()
            for stage in self.stages[split:]:
                x = stage(x)
            return x

    def judge(self, features: Tensor, y: Tensor | None = None) -> Tensor:
        """The logits [B] of `features`."""
        with _fp32(features):
            # A depthwise convolution over the whole map, written as a weighted sum: faster on a CPU.
            h = self.head((features * self.pool.weight[:, 0]).sum((2, 3)))
            return (h * self.classes(y)).sum(1) if self.classes is not None else h[:, 0]


@dataclass(frozen=True)
class R3GAN:
    """Generator and discriminator of R3GAN for images [C, H, W] of any size.

    width: channels of the maps up to 32 pixels; halved at each doubling above that, but not below 16.
    widths: channels of each resolution, lowest first, in place of `width`; one more than there are doublings.
    blocks: residual blocks per resolution.
    group_size: channels per group of the 3x3 convolutions (paper: 16 or 32); 0 = dense, faster on a CPU.
    expansion: inner width / width of a block.
    z_dim: size of the latent.
    y_dim: size of the embedded class.
    fp32_stages: how many of the lowest resolutions are computed in float32 under autocast.
    """

    width: Width = 64
    widths: tuple[Width, ...] = ()
    blocks: Count = 2
    group_size: Annotated[int, within(0, unit="channels")] = 16
    expansion: Count = 2
    z_dim: Count = 64
    y_dim: Size = 64
    fp32_stages: Size = 1

    def __post_init__(self) -> None:
        check(self)

    def resolve(self, spec: Spec) -> tuple[int, ...]:
        """Channels of each resolution, lowest first, for the data in `spec`; UsageError unless it holds images."""
        if len(spec.shape) != 3:
            raise UsageError(f"The r3gan networks make images [C, H, W], not shape {list(spec.shape)}.")
        if self.widths:
            return tuple(self.widths)
        height, width = spec.shape[1:]
        count = stages(height, width)
        low = min(base_map(height, width, count))
        shrink = [max(0, math.ceil(math.log2(low * 2**k / 32))) for k in range(count)]
        return tuple(max(min(16, self.width), self.width // 2**n) for n in shrink)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"G": R3GANGenerator, "D": R3GANDiscriminator} with fresh weights from torch's global generator."""
        return {"G": R3GANGenerator(self, spec), "D": R3GANDiscriminator(self, spec)}
