"""What the networks of series share: dense layers, one-hot categories, stretching to ranges, the auxiliary
discriminator.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.spec import Spec
from ganworks.kinds.series.data.layout import SeriesColumn
from ganworks.layers.dense import dense_stack


def mlp(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Leaky ReLU layers and a final linear one; weights by He et al. 2015 (1502.01852), biases 0."""
    net = nn.Sequential(*dense_stack([inputs, *hidden], "leaky"), nn.Linear(hidden[-1] if hidden else inputs, outputs))
    for module in net:
        if isinstance(module, nn.Linear):
            gain = 1.0 if module is net[-1] else math.sqrt(2 / 1.04)
            nn.init.normal_(module.weight, std=gain / math.sqrt(module.in_features))
            nn.init.zeros_(module.bias)
    return net


def chosen(logits: Tensor) -> Tensor:
    """One-hot argmax over the last axis, with the gradients of the softmax (straight-through).

    A discriminator would tell a softmax from real categories by its fractions.
    """
    soft = logits.softmax(-1)
    hard = F.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft.dtype)
    return hard + (soft - soft.detach())


def in_range(x: Tensor, active: Tensor) -> Tensor:
    """Stretch each column of x [B, T, n] so that its smallest active value is -1 and its largest 1."""
    on = (active >= 0)[:, :, None]
    low = x.masked_fill(~on, torch.inf).amin(1, keepdim=True)
    high = x.masked_fill(~on, -torch.inf).amax(1, keepdim=True)
    return (2 * x - low - high) / (high - low + 1e-6)


class Attributes(nn.Module):
    """Draws attributes: (latents [B, z + A], label [B, L]) -> encoded attributes [B, A].

    Categories are drawn by the Gumbel trick (Maddison et al. 2014) from logits that start at the log of their
    frequencies in the data, plus a network that learns how they depend on each other.
    """

    def __init__(self, columns: tuple[SeriesColumn, ...], z_dim: int, extra: int, hidden: tuple[int, ...]):
        super().__init__()
        self.columns, self.width, self.latents = columns, sum(c.width for c in columns), z_dim
        self.net = mlp(z_dim + extra, hidden, self.width)
        shares = [s for c in columns for s in (c.shares or (1.0,) * c.width)]
        self.register_buffer("start", torch.tensor(shares).clamp_min(1e-6).log(), persistent=False)
        drawn = [float(c.kind == "category") for c in columns for _ in range(c.width)]
        self.register_buffer("drawn", torch.tensor(drawn), persistent=False)
        nn.init.zeros_(self.net[-1].weight)  # pyrefly: ignore

    @property
    def z_dim(self) -> int:
        """Number of latents that it takes."""
        return self.latents + self.width

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        own, luck = z.split([self.latents, self.width], 1)
        raw = self.net(torch.cat([own, label], 1))
        share = torch.special.ndtr(luck).clamp(1e-6, 1 - 1e-6)
        drawn = raw + cast(Tensor, self.start) - (-share.log()).log()
        return mapped(self.columns, torch.where(cast(Tensor, self.drawn) > 0, drawn, raw + luck))


def mapped(columns: Any, raw: Tensor) -> Tensor:
    """Raw outputs [..., places] -> one-hot categories and numbers in [-1, 1]."""
    out, at = [], 0
    for column in columns:
        part = raw[..., at : at + column.width]
        out.append(chosen(part) if column.kind == "category" else part.tanh())
        at += column.width
    return torch.cat(out, -1) if out else raw[..., :0]


class Auxiliary(nn.Module):
    """The discriminator of the static part, the first `static` places: attributes, length and ranges. ([B, size], [B])
    -> [B].

    1909.13403, section 4.2.
    """

    def __init__(self, net: Any, spec: Spec, static: int):
        super().__init__()
        self.static = static
        self.label = nn.Embedding(spec.num_classes, net.embed) if spec.num_classes else None
        self.net = mlp(static + (net.embed if spec.num_classes else 0), net.d_hidden, 1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        static = x[:, : self.static]
        if self.label is not None and y is not None:
            static = torch.cat([static, self.label(y)], 1)
        return self.net(static)[:, 0].float()
