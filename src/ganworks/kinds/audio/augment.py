"""Differentiable augmentation of real and generated spectrograms, against overfitting of D on few recordings.

DiffAugment (Zhao et al. 2020, 2006.10738) with operations for sound: "shift" in time, filled with silence; "gain";
"stretch" of time and pitch; "mask" of a frequency band and of a time interval (SpecAugment, Park et al. 2019,
1904.08779). Silence is -1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ganworks.augment.diffaugment import DiffAugment
from ganworks.core.errors import UsageError, nearest
from ganworks.core.spec import Draw

POLICIES = ("shift", "gain", "stretch", "mask")
NUMBERS = 12  # per example: shift, gain, stretch (time, pitch), mask (band, its width, time, its length), four gates
SHIFT, GAIN, STRETCH, PITCH, MASK = 1 / 10, 0.1, 0.12, 0.06, 1 / 5


@dataclass(frozen=True)
class SpectrogramAugment(DiffAugment):
    """policy: comma-separated names out of "shift", "gain", "stretch", "mask"; "" changes nothing."""

    policy: str = "shift,gain"

    def __post_init__(self) -> None:
        for name in self.names:
            if name not in POLICIES:
                raise UsageError(f"There is no augmentation {name!r} of sound. {nearest(name, POLICIES)}")

    def draw(self, draw: Draw) -> Tensor:
        """The random numbers of one batch, [B, NUMBERS] in [0, 1); the same numbers give the same augmentation."""
        return draw.uniform(NUMBERS)

    def __call__(self, x: Tensor, numbers: Tensor, p: float = 1.0) -> Tensor:
        """x: [B, C, F, T] in [-1, 1], -1 for silence. Keeps shape and dtype; differentiable twice in x."""
        if not self.names or p <= 0:
            return x
        on = (numbers[:, 8:12] < p).to(x.dtype)
        u = (2 * numbers[:, :8] - 1).to(x.dtype)
        if "shift" in self.names or "stretch" in self.names:
            moving, bending = (float(name in self.names) for name in ("shift", "stretch"))
            time = 1 + STRETCH * bending * u[:, 2] * on[:, 2]
            pitch = 1 + PITCH * bending * u[:, 3] * on[:, 2]
            x = warped(x, 2 * SHIFT * moving * u[:, 0] * on[:, 0], time, pitch)
        if "gain" in self.names:
            x = louder(x, GAIN * u[:, 1] * on[:, 1])
        return masked(x, u[:, 4:8], on[:, 3]) if "mask" in self.names else x


def warped(x: Tensor, shift: Tensor, time: Tensor, pitch: Tensor) -> Tensor:
    """x [B, C, F, T] shifted in time by `shift` [B] (2 is its whole length), and stretched by `time` and `pitch` [B].

    What comes in from outside is silence. Linear interpolation along each axis is a product with a matrix, so that
    second derivatives are exact.
    """
    tall, wide = x.shape[2:]
    rows = _lines(tall, pitch, torch.zeros_like(shift), x)
    columns = _lines(wide, time, shift * wide / 2, x)
    return torch.einsum("bgf,bcft,bst->bcgs", rows, x + 1, columns) - 1


def _lines(size: int, factor: Tensor, shift: Tensor, x: Tensor) -> Tensor:
    """Matrices [B, size, size]: row i interpolates at the position (i - shift) * factor."""
    at = torch.arange(size, device=x.device, dtype=x.dtype)
    place = (at - shift[:, None]) * factor[:, None]
    return (1 - (place[:, :, None] - at).abs()).clamp_min(0)


def louder(x: Tensor, gain: Tensor) -> Tensor:
    """x [B, C, F, T] plus `gain` [B] (in the units of x) wherever there is sound; silence stays silence."""
    share = (x + 1) / 0.1
    share = torch.where((share > 0) & (share < 1), share, (share >= 1).to(x.dtype))
    return F.relu(x + 1 + gain[:, None, None, None] * share) - 1


def masked(x: Tensor, u: Tensor, on: Tensor) -> Tensor:
    """x with a band and a time interval silenced, each at most MASK of its axis. u: [B, 4] in [-1, 1); on: [B]."""
    keep = torch.ones_like(x[:, :1])
    for axis, size in ((2, x.shape[2]), (3, x.shape[3])):
        middle, width = u[:, 2 * axis - 4], (u[:, 2 * axis - 3] + 1) / 2 * MASK * on
        at = torch.linspace(-1, 1, size, device=x.device, dtype=x.dtype)
        line = ((at - middle[:, None]).abs() >= width[:, None]).to(x.dtype)
        keep = keep * (line[:, None, :, None] if axis == 2 else line[:, None, None, :])
    return (x + 1) * keep - 1
