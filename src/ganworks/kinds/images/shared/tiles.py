"""Runs a convolutional network on a large image in overlapping tiles without visible seams.

Neighbouring tiles share twice the `overlap` and are cross-faded over the middle quarter of what they share. Around
each pixel that is kept, its tile holds at least 3/4 of the overlap. Where that covers the network's receptive field,
the result equals that of the whole image; where it does not, the difference is spread by the fade and makes no edge.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganworks.core.errors import UsageError

CONTEXT = 0.75  # share of the overlap that serves as context alone and is never kept


def tiled(
    run: Callable[[Tensor], Tensor], x: Tensor, tile: int = 256, overlap: int = 32, scale: int = 1, multiple: int = 1
) -> Tensor:
    """Run a network on x [B, C, H, W] of any size: [B, C', scale H, scale W], float32 when tiled.

    run: [B, C, h, w] -> [B, C', scale h, scale w], for h and w that are multiples of `multiple`. tile: side of the
    tiles in pixels of x, rounded up to `multiple`; 0: the whole image at once. overlap: pixels on each side of a tile
    that serve as context. The image is padded by reflection to a multiple, and the result is cropped. Raises UsageError
    when the two overlaps leave nothing of a tile.
    """
    height, width = x.shape[2:]
    x = reflected(x, -height % multiple, -width % multiple)
    side = -(-tile // multiple) * multiple
    if not side or max(x.shape[2:]) <= side:
        return run(x)[:, :, : height * scale, : width * scale]
    if side < 2 * overlap + multiple:
        raise UsageError(f"tile must be at least {2 * overlap + multiple} (twice the overlap and more), not {tile}.")
    total, weight = _blended(run, x, side, overlap, scale, multiple)
    return (total / weight)[:, :, : height * scale, : width * scale]


def _blended(
    run: Callable[[Tensor], Tensor], x: Tensor, side: int, overlap: int, scale: int, multiple: int
) -> tuple[Tensor, Tensor]:
    """The weighted sum of all tiles, and the sum of the weights."""
    total = weight = torch.zeros(())
    for top in _starts(x.shape[2], side, overlap, multiple):
        down = _fade(min(side, x.shape[2]), top, x.shape[2], overlap, scale).to(x.device)
        for left in _starts(x.shape[3], side, overlap, multiple):
            across = _fade(min(side, x.shape[3]), left, x.shape[3], overlap, scale).to(x.device)
            fade = down[:, None] * across
            made = run(x[:, :, top : top + side, left : left + side]).float()
            if not total.dim():
                total = made.new_zeros(*made.shape[:2], x.shape[2] * scale, x.shape[3] * scale)
                weight = total[0, 0].clone()
            rows = slice(top * scale, top * scale + made.shape[2])
            columns = slice(left * scale, left * scale + made.shape[3])
            total[:, :, rows, columns] += made * fade
            weight[rows, columns] += fade
    return total, weight


def reflected(x: Tensor, down: int, right: int) -> Tensor:
    """Pad [B, C, H, W] by reflection with rows below and columns on the right, more than once around if need be."""
    for dim, more in ((2, down), (3, right)):
        if more > 0:
            size = x.shape[dim]
            period = max(2 * size - 2, 1)
            index = torch.arange(size + more, device=x.device) % period
            x = x.index_select(dim, torch.where(index >= size, period - index, index))
    return x


def _starts(size: int, side: int, overlap: int, multiple: int) -> list[int]:
    """Where tiles begin, in steps of `multiple`: neighbours share 2 x overlap or more; the last ends with the image."""
    if size <= side:
        return [0]
    step = (side - 2 * overlap) // multiple * multiple
    return [*range(0, size - side, step), size - side]


def _fade(length: int, start: int, size: int, overlap: int, scale: int) -> Tensor:
    """Weights [length x scale] along one axis of a tile: 0 in the context at an inner end, then rising to 1.

    Where the tile ends with the image the weight stays 1, as no other tile covers that part.
    """
    near = (torch.arange(length * scale, dtype=torch.float32) + 0.5) / scale
    weight, band = torch.ones_like(near), max(overlap * (1 - CONTEXT), 0.5)
    if start > 0:
        weight = weight * ((near - overlap * CONTEXT) / band).clamp(0, 1)
    if start + length < size:
        weight = weight * ((length - near - overlap * CONTEXT) / band).clamp(0, 1)
    return weight
