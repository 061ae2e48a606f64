"""DCGAN (Radford, Metz, Chintala 2016, arXiv 1511.06434) for images of any size and number of channels.

As in the paper: strided convolutions instead of pooling, batch norm except at the generator's output and the
discriminator's input, ReLU and tanh in G, LeakyReLU 0.2 in D, weights from N(0, 0.02).
Differences: the number of stages follows the size; an axis that is not a multiple of its strides is made larger and
cropped in G, zero-padded in D. Labels are concatenated to the latent in G (Mirza & Osindero 2014) and enter D by
projection (Miyato & Koyama 2018, arXiv 1802.05637, eq. 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Count, Width, check
from ganworks.core.spec import Spec
from ganworks.layers.strided import Norm, center_crop, center_pad, conv_down, conv_up, init_dcgan, norm_layer, size_plan


def _channels(width: int, stages: int) -> list[int]:
    """Channels from the smallest map up: 8, 4, 2, 1 times `width` for 64 pixels; at most 8 times."""
    return [width * min(8, 2**n) for n in reversed(range(stages))]


def _need_labels(y: Tensor | None, num_classes: int) -> Tensor:
    if y is None:
        raise UsageError(f"This network is conditional on {num_classes} classes: labels are needed.")
    return y


class DCGANGenerator(nn.Module):
    """Latents [B, z_dim], labels [B] or None -> images [B, C, H, W] in [-1, 1]."""

    def __init__(self, net: DCGAN, spec: Spec):
        super().__init__()
        self.z_dim, self.shape, self.num_classes = net.z_dim, spec.shape, spec.num_classes
        plan = size_plan(*spec.shape[1:])
        channels, bias = _channels(net.width, max(1, len(plan.strides))), net.g_norm == "none"
        self.label = nn.Embedding(spec.num_classes, net.embed) if spec.num_classes else None
        self.top = (channels[0], *plan.base)
        inputs = net.z_dim + (net.embed if spec.num_classes else 0)
        self.project = nn.Linear(inputs, math.prod(self.top), bias=bias)
        layers: list[nn.Module] = [norm_layer(net.g_norm, channels[0]), nn.ReLU()]
        for stride, a, b in zip(plan.strides[:-1], channels[:-1], channels[1:], strict=True):
            layers += [conv_up(a, b, stride, bias=bias), norm_layer(net.g_norm, b), nn.ReLU()]
        last = plan.strides[-1] if plan.strides else (1, 1)
        self.body = nn.Sequential(*layers, conv_up(channels[-1], spec.shape[0], last), nn.Tanh())
        self.apply(init_dcgan)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.label is not None:
            z = torch.cat([z, self.label(_need_labels(y, self.num_classes)).to(z.dtype)], 1)
        return center_crop(self.body(self.project(z).unflatten(1, self.top)), *self.shape[1:])


class DCGANDiscriminator(nn.Module):
    """Images [B, C, H, W], labels [B] or None -> logits [B] float32."""

    HEAD = ("out", "label")

    def __init__(self, net: DCGAN, spec: Spec):
        super().__init__()
        plan = size_plan(*spec.shape[1:])
        self.built, self.num_classes = plan.built, spec.num_classes
        strides = [*reversed(plan.strides)] or [(1, 1)]
        channels = [spec.shape[0], *reversed(_channels(net.d_width or net.width, len(strides)))]
        layers: list[nn.Module] = []
        for n, (stride, a, b) in enumerate(zip(strides, channels[:-1], channels[1:], strict=True)):
            norm = net.norm if n else "none"
            layers += [conv_down(a, b, stride, bias=norm != "batch"), norm_layer(norm, b), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers)
        self.feature_shape = (channels[-1], *plan.base)
        self.out = nn.Linear(math.prod(self.feature_shape), 1)
        self.label = nn.Embedding(spec.num_classes, channels[-1]) if spec.num_classes else None
        self.apply(init_dcgan)
        if self.label is not None:
            nn.init.normal_(self.label.weight, 0.0, 0.02)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.judge(self.features(x, y), y)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The smallest map [B, *feature_shape] float32, before the head."""
        return self.body(center_pad(x, *self.built)).float()

    def judge(self, features: Tensor, y: Tensor | None = None) -> Tensor:
        """The logits [B] of `features`."""
        logits = self.out(features.flatten(1)).squeeze(1)
        if self.label is not None:
            logits = logits + (self.label(_need_labels(y, self.num_classes)) * features.mean((2, 3))).sum(1)
        return logits.float()


@dataclass(frozen=True)
class DCGAN:
    """Convolutional generator and discriminator for images [C, H, W].

    width: channels of the largest map in the generator, doubled at each halving up to 8 * width.
    d_width: channels of the largest map in the discriminator; None: as in the generator.
    z_dim: size of the latent.
    norm: normalisation in the discriminator; "layer" or "instance" with gradient penalties (WGAN-GP), where batch norm
        would mix examples.
    g_norm: normalisation in the generator.
    embed: size of a label's embedding in the generator.
    """

    width: Width = 64
    d_width: Width | None = None
    z_dim: Count = 100
    norm: Norm = "batch"
    g_norm: Literal["batch", "none"] = "batch"
    embed: Count = 32

    def __post_init__(self) -> None:
        check(self)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """New networks {"G", "D"} for `spec`, initialised from torch's global generator. Raises UsageError."""
        if len(spec.shape) != 3:
            raise UsageError(f"DCGAN needs images [C, H, W]; this data has the shape {spec.shape}. Use networks=mlp.")
        return {"G": DCGANGenerator(self, spec), "D": DCGANDiscriminator(self, spec)}
