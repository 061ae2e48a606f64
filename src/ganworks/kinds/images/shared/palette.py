"""Converts label maps between pictures, class numbers and class planes, by a table of colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ganworks.core.spec import Spec


def colour_table(palette: Sequence[Sequence[int]]) -> Tensor:
    """K colours of C channels in 0..255 -> float32 [K, C] in [-1, 1]."""
    return torch.tensor([list(colour) for colour in palette], dtype=torch.float32) / 127.5 - 1


def nearest_colour(x: Tensor, table: Tensor) -> Tensor:
    """Pictures [B, C, H, W] -> number of the nearest colour of `table` [K, C], int64 [B, H, W]; ties: the first."""
    table = table.to(x.device, torch.float32)
    with torch.autocast(x.device.type, enabled=False):
        scores = table @ x.float().flatten(2) - 0.5 * table.square().sum(1)[:, None]
    return scores.argmax(1).unflatten(1, x.shape[2:])


def paint(index: Tensor, table: Tensor) -> Tensor:
    """Class numbers [B, H, W] -> pictures [B, C, H, W] in the colours of `table` [K, C]."""
    return F.embedding(index, table.to(index.device)).permute(0, 3, 1, 2)


def one_hot(index: Tensor, classes: int) -> Tensor:
    """Class numbers [B, H, W] -> float32 [B, classes, H, W] of zeros and ones."""
    return F.one_hot(index, classes).permute(0, 3, 1, 2).float()


def class_planes(logits: Tensor) -> Tensor:
    """Logits [B, K, H, W] -> class planes float32 [B, K, H, W] in (-1, 1): twice the probability, less 1."""
    return 2 * logits.float().softmax(1) - 1


def painted(planes: Tensor, table: Tensor) -> Tensor:
    """Class planes [B, K, H, W] in [-1, 1] -> pictures [B, C, H, W] that mix the colours of `table` [K, C].

    The planes need not be probabilities: each weighs by its share of their sum.
    """
    share = (planes.float() + 1).clamp(min=0)
    share = share / share.sum(1, keepdim=True).clamp(min=1e-6)
    return torch.einsum("bkhw,kc->bchw", share, table.to(planes.device))


def mixed(logits: Tensor, table: Tensor) -> Tensor:
    """Logits [B, K, H, W] -> pictures [B, C, H, W] in the colour of the likeliest class.

    The gradient is that of the average colour under softmax (straight-through, Bengio et al. 2013, 1308.3432).
    """
    hard = paint(logits.argmax(1), table)
    if not logits.requires_grad:
        return hard
    soft = torch.einsum("bkhw,kc->bchw", logits.float().softmax(1), table.to(logits.device))
    return hard + (soft - soft.detach())


def palettes_of(spec: Spec) -> tuple[Any, Any]:
    """Palettes (or None) of the input and of the output of a network of this spec, whichever its direction."""
    found = spec.facts.get("palettes", (None, None))
    return tuple(found if list(spec.source) == spec.facts.get("given", list(spec.source)) else found[::-1])


def planes(index: Tensor, classes: int) -> Tensor:
    """Class numbers [B, H, W] -> class planes float32 [B, classes, H, W]: 1 where a pixel has the class, else -1."""
    return 2 * one_hot(index, classes) - 1
