"""Frozen random projections of feature maps, and small discriminators on them.

Projected GANs, Sauer et al. 2021 (2111.01007), section 3.2: the maps of a frozen network are mixed over channels by
random 1x1 convolutions, then over scales from the coarsest to the finest by random 3x3 convolutions and bilinear
enlargement. The random weights are buffers: no optimiser moves them. Each scale has a discriminator of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

LEVELS = 4  # scales that are judged: the coarsest of a network's stages
SLOPE = 0.2


def _random(outputs: int, inputs: int, kernel: int) -> Tensor:
    """Weights [outputs, inputs, kernel, kernel] of He et al. 2015 (1502.01852), for maps of any size."""
    return torch.randn(outputs, inputs, kernel, kernel) * math.sqrt(1 / (inputs * kernel * kernel))


class RandomMixing(nn.Module):
    """Maps [B, C_n, h_n, w_n], the finest first -> as many maps [B, width, h_n, w_n], mixed at random.

    Every map has first its channels scaled to a mean square of 1 over the picture, as stages of different networks
    differ in size by orders of magnitude.
    """

    def __init__(self, channels: Sequence[int], width: int):
        super().__init__()
        self.count = len(channels)
        for n, inputs in enumerate(channels):
            self.register_buffer(f"across_{n}", _random(width, inputs, 1))
            self.register_buffer(f"between_{n}", _random(width, width, 3))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        mixed = [F.conv2d(_sized(x), getattr(self, f"across_{n}")) for n, x in enumerate(maps)]
        below, found = None, []
        for n in reversed(range(self.count)):
            x = mixed[n]
            if below is not None:
                x = (x + F.interpolate(below, x.shape[2:], mode="bilinear", align_corners=False)) * math.sqrt(0.5)
            below = F.conv2d(x, getattr(self, f"between_{n}"), padding=1)
            found.append(below)
        return found[::-1]


def _sized(x: Tensor) -> Tensor:
    return x / (x.square().mean((1, 2, 3), keepdim=True) + 1e-6).sqrt()


class MapDiscriminator(nn.Module):
    """A map [B, C, h, w], labels [B] or None -> logits [B, 1, h', w']: convolutions of stride 2 down to about 4 pixels.

    Spectral norm on every convolution. With classes the logits are inner products with the embedded class (1802.05637).
    """

    def __init__(self, inputs: int, halvings: int, width: int, classes: int):
        super().__init__()
        layers: list[nn.Module] = []
        for n in range(max(1, halvings)):
            stride = 2 if n < halvings else 1
            kernel = 4 if stride == 2 else 3
            layers += [spectral_norm(nn.Conv2d(inputs, width, kernel, stride, 1)), nn.LeakyReLU(SLOPE)]
            inputs = width
        self.body = nn.Sequential(*layers)
        self.head = spectral_norm(nn.Conv2d(width, width if classes else 1, 3, padding=1))
        self.classes = nn.Embedding(classes, width) if classes else None

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.head(self.body(x))
        if self.classes is None:
            return h
        towards = F.normalize(self.classes(y), dim=1) * math.sqrt(h.shape[1])
        return (h * towards[:, :, None, None]).mean(1, keepdim=True)


class ProjectedDiscriminator(nn.Module):
    """Maps of several frozen networks (a list for each), labels -> logits, a map for each network and scale.

    channels: of the stages of each network. sizes: shorter sides of these maps. width: channels after mixing, and of
    the discriminators. Of each network the coarsest `LEVELS` stages are used.
    """

    def __init__(self, channels: Sequence[Sequence[int]], sizes: Sequence[Sequence[int]], width: int, classes: int = 0):
        super().__init__()
        self.mixings = nn.ModuleList(RandomMixing(each[-LEVELS:], width) for each in channels)
        self.judges = nn.ModuleList(
            nn.ModuleList(
                MapDiscriminator(width, max(0, int(math.log2(max(1, size))) - 2), width, classes)
                for size in each[-LEVELS:]
            )
            for each in sizes
        )

    def forward(self, maps: Sequence[Sequence[Tensor]], y: Tensor | None = None) -> list[Tensor]:
        found = []
        for mixing, judges, seen in zip(self.mixings, self.judges, maps, strict=True):
            mixed = mixing(seen[-LEVELS:])
            found += [judge(x, y) for judge, x in zip(judges, mixed, strict=True)]  # pyrefly: ignore
        return found
