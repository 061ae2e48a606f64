"""Differentiable augmentation of the real and generated images that the discriminator sees.

DiffAugment: Zhao et al. 2020 (2006.10738), section 4: "color" (brightness, saturation, contrast),
"translation" and "cutout". Before them come those of ADA, where they are named: "blit", "geometry" and "recolour"
(`ada`). The three colour operations are computed as one affine map, the adjoint of a translation is the opposite
translation (so first and second derivatives cost one copy each), and random numbers are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ganworks.augment import ada
from ganworks.core.errors import UsageError, nearest
from ganworks.core.spec import Draw

POLICIES = ("color", "translation", "cutout", *ada.POLICIES)
NUMBERS = 10  # per example: brightness, saturation, contrast, shift y x, hole y x, three gates


class _Translate(torch.autograd.Function):
    """out[b, :, i, j] = x[b, :, i + dy[b], j + dx[b]], 0 outside. Its adjoint is the opposite shift."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, dy: Tensor, dx: Tensor) -> Tensor:  # pyrefly: ignore[bad-override]
        return _shifted(x, dy, dx)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1], inputs[2])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        dy, dx = ctx.saved_tensors
        return _Translate.apply(gradients[0], -dy, -dx), None, None


def _shifted(x: Tensor, dy: Tensor, dx: Tensor) -> Tensor:
    """x [B, C, H, W] with each example shifted by whole pixels; keeps the memory format."""
    b, c, h, w = x.shape
    i = torch.arange(h, device=x.device) + dy[:, None]
    j = torch.arange(w, device=x.device) + dx[:, None]
    inside = ((i >= 0) & (i < h))[:, :, None] & ((j >= 0) & (j < w))[:, None, :]
    i, j = i.clamp(0, h - 1), j.clamp(0, w - 1)
    if x.is_contiguous():
        index = (i[:, :, None] * w + j[:, None, :]).view(b, 1, h * w).expand(b, c, h * w)
        return x.view(b, c, h * w).gather(2, index).view(b, c, h, w) * inside[:, None]
    rows = torch.arange(b, device=x.device)[:, None, None]
    return (x.permute(0, 2, 3, 1)[rows, i[:, :, None], j[:, None, :]] * inside[..., None]).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class DiffAugment:
    """policy: comma-separated names out of "color", "translation", "cutout", and ADA's "blit", "geometry", "recolour".

    "" changes nothing.

    >>> augment = DiffAugment("color,cutout")
    >>> numbers = augment.draw(batch.draw)                          # one set for real, another for fake
    >>> logits = D(augment(x, numbers))
    """

    policy: str = "color,translation,cutout"

    def __post_init__(self) -> None:
        for name in self.names:
            if name not in POLICIES:
                raise UsageError(f"There is no augmentation {name!r}. {nearest(name, POLICIES)}")

    @property
    def names(self) -> tuple[str, ...]:
        """The operations in the policy."""
        return tuple(name.strip() for name in self.policy.split(",") if name.strip())

    def draw(self, draw: Draw) -> Tensor:
        """The random numbers of one batch, [B, n] in [0, 1); the same numbers give the same augmentation.

        n is 10, and 28 more where changes of ADA are named.
        """
        numbers = draw.uniform(NUMBERS)
        return torch.cat([numbers, draw.uniform(ada.NUMBERS)], 1) if self._of_ada else numbers

    @property
    def _of_ada(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name in ada.POLICIES)

    def __call__(self, x: Tensor, numbers: Tensor, p: float | Tensor = 1.0) -> Tensor:
        """x: images [B, C, H, W] in [-1, 1]. numbers: from `draw`. p: probability of each operation.

        Returns the same shape, dtype and memory format. Differentiable twice with respect to x. Raises UsageError for
        examples that are not images.
        """
        if not self.names or p <= 0:
            return x
        if x.dim() != 4:
            raise UsageError(
                f"Augmentation {self.policy!r} is for images; these examples have shape "
                f'{tuple(x.shape[1:])}. Set augment to "".'
            )
        if self._of_ada:
            x = ada.augmented(x, numbers[:, NUMBERS:], p, self._of_ada)
        on = numbers[:, 7:10] < p
        if "color" in self.names:
            x = color(x, numbers[:, 0:3], on[:, 0])
        if "translation" in self.names:
            x = translation(x, numbers[:, 3:5], on[:, 1])
        if "cutout" in self.names:
            x = cutout(x, numbers[:, 5:7], on[:, 2])
        return x


def color(x: Tensor, u: Tensor, on: Tensor) -> Tensor:
    """Brightness +-0.5, saturation x [0, 2], contrast x [0.5, 1.5] as one affine map (2006.10738, section 4).

    x: [B, C, H, W]; u: [B, 3] in [0, 1); on: [B] bool. With one channel, saturation has no effect.
    """
    add, saturate, contrast = (u.to(x.dtype) - 0.5).mul(on[:, None]).view(-1, 3, 1, 1, 1).unbind(1)
    contrast = contrast + 1
    mean = x.mean((1, 2, 3), keepdim=True) * (1 - contrast) + add
    if x.shape[1] == 1:
        return x * contrast + mean
    scale = contrast * (1 + 2 * saturate)
    return x * scale + (x.mean(1, keepdim=True) * (contrast - scale) + mean)


def translation(x: Tensor, u: Tensor, on: Tensor) -> Tensor:
    """Shift by whole pixels, up to 1/8 of a side, zeros outside. x: [B, C, H, W]; u: [B, 2]; on: [B] bool."""
    limit = torch.tensor([int(side / 8 + 0.5) for side in x.shape[2:]], device=x.device)
    shift = ((u * (2 * limit + 1)).long() - limit) * on[:, None]
    return _Translate.apply(x, shift[:, 0], shift[:, 1])


def cutout(x: Tensor, u: Tensor, on: Tensor) -> Tensor:
    """Zero a rectangle of half of each side, centred anywhere. x: [B, C, H, W]; u: [B, 2]; on: [B] bool."""
    inside = on[:, None, None, None]
    for axis, side in enumerate(x.shape[2:]):
        hole = int(side / 2 + 0.5)
        first = (u[:, axis] * (side + 1 - hole % 2)).long() - hole // 2
        at = torch.arange(side, device=x.device) - first[:, None]
        line = (at >= 0) & (at < hole)
        inside = inside & (line[:, None, :, None] if axis == 0 else line[:, None, None, :])
    return x * ~inside
