"""The critic of clips: 3-D convolutions that halve space with overlapping windows and time with adjacent ones.

A 3-D convolution with equal kernel and stride in time is a 2-D convolution over groups of frames stacked in channels.
It is computed in this way, which takes a third to a half of the time of general 3-D convolutions on a CPU (measured
with the second derivatives of a gradient penalty).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.layers.strided import conv_down, size_plan
from ganworks.networks.compact import GAIN, act, filled

_HIDDEN = 128  # units of the fully connected layer on the smallest map


def clip_shape(spec: Spec) -> tuple[int, ...]:
    """(T, C, H, W) of a spec; UsageError for any other shape."""
    if len(spec.shape) != 4:
        raise UsageError(f"These networks make clips [T, C, H, W], not shape {list(spec.shape)}.")
    return spec.shape


def time_of(frames: int, steps: int) -> tuple[int, list[int]]:
    """(base length, factors in time, 1 or 2 for each of `steps`) that reach at least `frames` frames."""
    doubled = min(steps, max(0, (frames - 1).bit_length()))
    return -(-frames // 2**doubled), [2] * doubled + [1] * (steps - doubled)


def time_folds(frames: int, maps: int) -> list[int]:
    """How many frames each of `maps` convolutions combines; their product is >= frames: 16 in 3 -> 4, 2, 2."""
    halvings = max(0, (frames - 1).bit_length())
    least, more = divmod(halvings, maps)
    return [2 ** (least + (k < more)) for k in range(maps)]


class ClipCritic(nn.Module):
    """Clips [B, T, C, H, W], y [B] int64 or None -> logits [B] float32, high for real; conditional by projection."""

    def __init__(self, shape: tuple[int, ...], width: int, classes: int):
        super().__init__()
        frames, channels, height, wide = shape
        plan = size_plan(height, wide)
        strides = plan.strides[::-1] or ((1, 1),)
        self.folds = time_folds(frames, len(strides))
        self.built = (math.prod(self.folds), *plan.built)
        sizes = [channels, *(width * min(4, 2**n) for n in range(len(strides)))]
        steps = zip(sizes, sizes[1:], self.folds, strides, strict=False)
        self.downs = nn.ModuleList(filled(conv_down(a * fold, b, s), GAIN) for a, b, fold, s in steps)
        self.whole = filled(nn.Linear(sizes[-1] * math.prod(plan.base), _HIDDEN), GAIN)
        self.head = filled(nn.Linear(_HIDDEN, _HIDDEN if classes else 1, bias=False), 1.0)
        self.classes = nn.Embedding(classes, _HIDDEN) if classes else None
        if self.classes is not None:
            nn.init.normal_(self.classes.weight, std=_HIDDEN**-0.5)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        count = len(x)
        x = filled_up(x, self.built).flatten(0, 1)
        for fold, down in zip(self.folds, self.downs, strict=True):
            x = x.reshape(len(x) // fold, -1, *x.shape[2:]).contiguous(memory_format=torch.channels_last)
            x = act(down(x))
        x = self.whole(x.reshape(count, -1))
        with torch.autocast(x.device.type, enabled=False):
            h = self.head(act(x.float()))
            if self.classes is None:
                return h[:, 0]
            if y is None:
                raise UsageError("This discriminator was trained with classes; give one label per clip.")
            return (h * self.classes(y)).sum(1)


def filled_up(x: Tensor, built: tuple[int, ...]) -> Tensor:
    """[B, t, C, h, w] -> [B, T, C, H, W]: padded with the last frame in time and with zeros at the ends of space."""
    late, tall, wide = (n - x.shape[axis] for n, axis in zip(built, (1, 3, 4), strict=True))
    if late:
        x = torch.cat([x, x[:, -1:].expand(-1, late, -1, -1, -1)], 1)
    return nn.functional.pad(x, (0, wide, 0, tall)) if tall or wide else x
