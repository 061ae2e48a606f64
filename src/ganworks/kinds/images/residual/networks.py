"""The networks of SNGAN, SAGAN, BigGAN and BigGAN-deep, and the ResNet of WGAN-GP, as settings of one pair.

Miyato et al. 2018 (1802.05957), Miyato and Koyama 2018 (1802.05637), Zhang et al. 2019 (1805.08318), Brock et al. 2019
(1809.11096), Gulrajani et al. 2017 (1704.00028). Written from the papers; the numbers of parameters equal those of the
published networks (tested). Differences: images of any size and number of channels (an axis that is not a multiple of
its strides is made larger and cropped in G, zero-padded in D), with classes or without; spectral norm of G takes one
step of its power iteration for each update, as in D.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Count, Size, Width, check, within
from ganworks.core.spec import Spec, key
from ganworks.kinds.images.residual.blocks import (
    STILL,
    ConditionalNorm,
    DeepDownBlock,
    DeepUpBlock,
    DownBlock,
    SelfAttention,
    Stride,
    UpBlock,
)
from ganworks.layers.strided import SizePlan, center_crop, center_pad, size_plan
from ganworks.layers.weights.spectral import Layers, settle

# Channels of the maps in units of the width, from the smallest map up, by the number of doublings (1809.11096, tables
# 4 to 9). Up to 63 pixels, with three doublings at most, all maps are alike, as for CIFAR-10.
LADDERS: dict[int, tuple[int, ...]] = {
    4: (16, 16, 8, 4, 2),
    5: (16, 16, 8, 4, 2, 1),
    6: (16, 16, 8, 8, 4, 2, 1),
    7: (16, 16, 8, 8, 4, 2, 1, 1),
}
D_LADDERS: dict[int, tuple[int, ...]] = LADDERS | {4: (16, 8, 4, 2, 1)}
_ALIKE = 4
STATISTICS = 16, 64  # batches and examples of each, from which the statistics of batch norm are measured anew


def ladder(doublings: int, tables: dict[int, tuple[int, ...]]) -> tuple[int, ...]:
    """Channels in units of the width, doublings + 1 of them, from the smallest map up."""
    if doublings < 4:
        return (_ALIKE,) * (doublings + 1)
    return tables[min(doublings, 7)] + (1,) * (doublings - 7)


def attended(sizes: Sequence[tuple[int, int]], longest: int) -> int:
    """The index of the first of the largest maps (rows, columns) with no side above `longest`, none below 2; or -1."""
    fitting = [n for n, (h, w) in enumerate(sizes) if max(h, w) <= longest and min(h, w) >= 2]
    return max(fitting, key=lambda n: sizes[n][0] * sizes[n][1], default=-1)


@torch.no_grad()
def fill(net: nn.Module, init: str) -> None:
    """Fill the weights of convolutions, linear layers and embeddings; biases 0, and the norms' tables for classes.

    orthogonal: Saxe et al. 2014 (1312.6120). normal: N(0, 0.02). glorot: uniform, with the gain sqrt(2) in 3x3
    convolutions, as SNGAN's authors have it.
    """
    for layer in net.modules():
        if not isinstance(layer, nn.Conv2d | nn.Linear | nn.Embedding):
            continue
        if init == "orthogonal":
            nn.init.orthogonal_(layer.weight)
        elif init == "normal":
            nn.init.normal_(layer.weight, std=0.02)
        else:
            wide = isinstance(layer, nn.Conv2d) and layer.kernel_size[0] > 1
            nn.init.xavier_uniform_(layer.weight, math.sqrt(2) if wide else 1.0)
        if not isinstance(layer, nn.Embedding) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
    for norm in (m for m in net.modules() if isinstance(m, ConditionalNorm)):
        for table in norm.tables.parameters():  # drawn ones would give each of few classes a colour of its own
            nn.init.zeros_(table)


class ResNetGenerator(nn.Module):
    """z [B, z_dim], y [B] int64 or None -> images [B, C, H, W] in (-1, 1)."""

    def __init__(self, cfg: ResNetGAN, spec: Spec):
        super().__init__()
        plan = cfg.plan(spec)
        widths = [cfg.width * n for n in ladder(len(plan.strides), LADDERS)]
        stages = list(zip(widths, widths[1:], plan.strides, strict=False))
        self.size, self.num_classes, self.latent = spec.shape[1:], spec.num_classes, cfg.latent
        slots = len(stages) + 1 if cfg.latent == "split" else 1
        self.chunk = max(1, cfg.z_dim // slots)
        self.z_dim = self.chunk * slots
        layers, embed = Layers(cfg.spectral == "both"), cfg.embed if spec.num_classes else 0
        self.classes = nn.Embedding(spec.num_classes, embed) if embed else None
        tables = spec.num_classes if not embed else 0
        condition = embed + (self.chunk if cfg.latent != "input" else 0)
        self.lowest = (widths[0], *plan.base)
        inputs = condition if cfg.latent == "everywhere" else self.chunk
        self.project = layers.linear(inputs, math.prod(self.lowest))
        block = DeepUpBlock if cfg.bottleneck else UpBlock
        self.stages = nn.ModuleList()
        for a, b, stride in stages:
            still = [block(a, a, STILL, layers, tables, condition) for _ in range(cfg.blocks - 1)]
            self.stages.append(nn.ModuleList([*still, block(a, b, stride, layers, tables, condition)]))
        self.attend_at = attended(_sizes(plan.base, plan.strides), cfg.attention)
        self.attention = SelfAttention(widths[self.attend_at + 1], layers) if self.attend_at >= 0 else None
        self.finish = ConditionalNorm(widths[-1], layers, 0, 0)
        self.to_image = layers.conv(widths[-1], spec.shape[0])
        fill(self, cfg.init)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.num_classes and y is None:
            raise UsageError(f"This network is conditional on {self.num_classes} classes: labels are needed.")
        first, conditions = self._conditions(z, y)
        x = self.project(first).unflatten(1, self.lowest).contiguous(memory_format=torch.channels_last)
        for n, (stage, condition) in enumerate(zip(self.stages, conditions, strict=True)):
            for block in stage:  # pyrefly: ignore
                x = block(x, y, condition)
            if self.attention is not None and n == self.attend_at:
                x = self.attention(x)
        x = self.to_image(self.finish(x, None, None).relu())
        return center_crop(x.float().tanh(), *self.size)

    def _conditions(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, list[Tensor | None]]:
        """What the first layer is given, and the condition of each stage."""
        label = [] if self.classes is None else [self.classes(y).to(z.dtype)]
        chunks = z.split(self.chunk, 1)
        if self.latent == "split":
            return chunks[0], [torch.cat([*label, chunk], 1) for chunk in chunks[1:]]
        every = torch.cat([*label, z], 1) if self.latent == "everywhere" else label[0] if label else None
        first = every if every is not None and self.latent == "everywhere" else z
        return first, [every] * len(self.stages)

    @torch.no_grad()
    def measure_statistics(self, seed: int) -> None:
        """Find the singular vectors and the statistics of batch norm that belong to the present weights.

        The means over 16 batches of 64 images of all classes in turn, the "standing statistics" of 1809.11096, section
        C.1. `seed` keys the latents. Needed for averaged weights, with which no step of the training was done.
        """
        settle(self)
        norms = [m for m in self.modules() if isinstance(m, nn.BatchNorm2d)]
        before, momenta = self.training, [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
        batches, size = STATISTICS
        device = self.project.weight.device
        self.train()
        for batch in range(batches):
            drawn = torch.Generator().manual_seed(key(seed, "statistics", batch))
            z = torch.randn(size, self.z_dim, generator=drawn).to(device)
            y = torch.arange(batch * size, (batch + 1) * size, device=device) % max(1, self.num_classes)
            self(z, y if self.num_classes else None)
        self.train(before)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


class ResNetDiscriminator(nn.Module):
    """Images [B, C, H, W], y [B] int64 or None -> logits [B] float32.

    The features are summed over the last map. With classes, the inner product of features and embedded class is added
    to the logit (1802.05637, equation 3).
    """

    def __init__(self, cfg: ResNetGAN, spec: Spec):
        super().__init__()
        plan, layers = cfg.plan(spec), Layers(cfg.spectral != "none")
        self.built, self.num_classes = plan.built, spec.num_classes
        doublings, strides = len(plan.strides), [*reversed(plan.strides)]
        widths = [(cfg.d_width or cfg.width) * n for n in reversed(ladder(doublings, D_LADDERS))]
        if doublings < 4:  # two halvings, two blocks without (one of BigGAN-deep's stages)
            strides = [*strides[:2], *[STILL] * (1 if cfg.bottleneck else 2)]
            widths = [widths[0]] * (len(strides) + 1)
        elif not cfg.bottleneck:  # the first block makes the first width, and the last one keeps the size
            strides = [*strides, STILL]
        if not cfg.bottleneck:
            widths = [spec.shape[0], *widths[: len(strides)]]
        self.from_image = layers.conv(spec.shape[0], widths[0]) if cfg.bottleneck else nn.Identity()
        self.stages = nn.ModuleList()
        for n, ((a, b), stride) in enumerate(zip(pairwise(widths), strides, strict=True)):
            self.stages.append(nn.Sequential(*[cfg.down(a, b, stride, layers, n == 0)], *cfg.more_down(b, layers)))
        self.attend_at = attended(_sizes(plan.built, strides, down=True), cfg.attention)
        self.attention = SelfAttention(widths[self.attend_at + 1], layers) if self.attend_at >= 0 else None
        self.head = layers.linear(widths[-1], 1)
        self.classes = layers.embedding(spec.num_classes, widths[-1]) if spec.num_classes else None
        fill(self, cfg.init)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        if self.num_classes and y is None:
            raise UsageError(f"This network is conditional on {self.num_classes} classes: labels are needed.")
        x = self.from_image(center_pad(x, *self.built))
        for n, stage in enumerate(self.stages):
            x = stage(x)
            if self.attention is not None and n == self.attend_at:
                x = self.attention(x)
        with torch.autocast(x.device.type, enabled=False):
            features = x.float().relu().sum((2, 3))
            logits = self.head(features).squeeze(1)
            return logits if self.classes is None else logits + (self.classes(y) * features).sum(1)


def _sizes(start: tuple[int, int], strides: Sequence[Stride], *, down: bool = False) -> list[tuple[int, int]]:
    """Sizes (rows, columns) of the maps after each stage."""
    sizes, (h, w) = [], start
    for rows, columns in strides:
        h, w = (h // rows, w // columns) if down else (h * rows, w * columns)
        sizes.append((h, w))
    return sizes


@dataclass(frozen=True)
class ResNetGAN:
    """Residual generator with batch norm and residual discriminator without norm, for images [C, H, W] of any size.

    Published widths: 64 (SNGAN, SAGAN; SNGAN's d_width for CIFAR-10 is 32), 96 (BigGAN), 128 (BigGAN-deep).

    width: the unit of channels in G: 16, 16, 8, 4, 2, 1 units on maps of 4 to 128 pixels; 4 units on all maps of
        images below 64 pixels.
    d_width: the same in D; 0: as in G.
    z_dim: size of the latent; with latent=split it is made a multiple of the number of its parts.
    blocks: residual blocks per map (BigGAN-deep: 2).
    bottleneck: blocks of BigGAN-deep, four convolutions with a quarter of the channels inside.
    attention: self-attention on the largest map with no side above this (published: 64, 32); 0: none.
    spectral: which players have spectral norm.
    embed: size of a class's embedding that all norms of G share (BigGAN: 128); 0: a gain and a bias for each class in
        each norm (SNGAN, SAGAN).
    latent: where z enters: the first layer alone ("input"), a part of it in each stage ("split", BigGAN), or all of it,
        with the class, in the first layer and in each stage ("everywhere", BigGAN-deep).
    d_inner: channels between the two convolutions of a block of D: as it makes ("out", BigGAN), as it takes, but for
        the first block ("in", SNGAN), or as it takes in all of them ("all-in", the SNGAN of BigGAN's PyTorch code).
    init: how the weights are drawn at first: orthogonal (BigGAN), from N(0, 0.02) (BigGAN for CIFAR-10), or Glorot's
        uniform distribution (SNGAN).
    """

    width: Width = 32
    d_width: Annotated[int, within(0, unit="channels")] = 0
    z_dim: Count = 128
    blocks: Count = 1
    bottleneck: bool = False
    attention: Annotated[int, within(0, unit="pixels")] = 0
    spectral: Literal["none", "D", "both"] = "none"
    embed: Size = 0
    latent: Literal["input", "split", "everywhere"] = "input"
    d_inner: Literal["out", "in", "all-in"] = "out"
    init: Literal["orthogonal", "normal", "glorot"] = "glorot"

    def __post_init__(self) -> None:
        check(self)

    @staticmethod
    def plan(spec: Spec) -> SizePlan:
        """How the images of `spec` are halved, in one stage at least; UsageError unless it holds images."""
        if len(spec.shape) != 3:
            raise UsageError(f"The resnet networks make images [C, H, W], not shape {list(spec.shape)}.")
        found = size_plan(*spec.shape[1:])
        return found if found.strides else replace(found, strides=(STILL,))

    def down(self, inputs: int, outputs: int, stride: Stride, layers: Layers, first: bool) -> nn.Module:
        """The first block of a stage of D."""
        if self.bottleneck:
            return DeepDownBlock(inputs, outputs, stride, layers)
        narrow = self.d_inner == "all-in" or (self.d_inner == "in" and not first)
        return DownBlock(inputs, outputs, stride, layers, inputs if narrow else outputs, first)

    def more_down(self, channels: int, layers: Layers) -> list[nn.Module]:
        """The other blocks of a stage of D."""
        return [self.down(channels, channels, STILL, layers, False) for _ in range(self.blocks - 1)]

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"G": ResNetGenerator, "D": ResNetDiscriminator}, filled from torch's global generator."""
        players: dict[str, nn.Module] = {"G": ResNetGenerator(self, spec), "D": ResNetDiscriminator(self, spec)}
        for player in players.values():
            settle(player)
        return players
