"""Large images in tiles: a network of local filters runs on overlapping windows, and no seam is left.

Neighbouring tiles share twice the `overlap` and are cross-faded over the middle quarter of what they share. Each
pixel that is kept has at least 3/4 of the overlap around it inside its tile: where that covers the network's
receptive field the result is that of the whole image, and where it does not a difference is spread, not an edge.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganworks.core.errors import UsageError

CONTEXT = 0.75  # share of the overlap that is never kept


def tiled(
    run: Callable[[Tensor], Tensor], x: Tensor, tile: int = 256, overlap: int = 32, scale: int = 1, multiple: int = 1
) -> Tensor:
    """Run a network on [B, C, H, W] of any size and return its [B, C', scale H, scale W], float32 when tiled.

    run: [B, C, h, w] -> [B, C', scale h, scale w], for h and w that are multiples of `multiple`.
    tile: side of what is given to `run` at once, in pixels of x (rounded up to `multiple`), 0 for everything.
    overlap: pixels that a tile sees on each side beyond its own part. The image is reflected up to a multiple
    and cut back. Raises UsageError when a tile leaves nothing between its two overlaps.
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
    """Weighted sum of all tiles, and the sum of the weights."""
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
    """Add rows below and columns on the right of [B, C, H, W] by reflection, back and forth if need be."""
    for dim, more in ((2, down), (3, right)):
        if more > 0:
            size = x.shape[dim]
            period = max(2 * size - 2, 1)
            index = torch.arange(size + more, device=x.device) % period
            x = x.index_select(dim, torch.where(index >= size, period - index, index))
    return x


def _starts(size: int, side: int, overlap: int, multiple: int) -> list[int]:
    """Where tiles begin, in multiples: neighbours share 2 x overlap or more, and the last one ends at the end."""
    if size <= side:
        return [0]
    step = (side - 2 * overlap) // multiple * multiple
    return [*range(0, size - side, step), size - side]


def _fade(length: int, start: int, size: int, overlap: int, scale: int) -> Tensor:
    """Weights [length x scale] of one axis of a tile: 0 in the context at an inner end, then rising to 1.

    An end that is the image's own keeps weight 1: nothing else covers it.
    """
    near = (torch.arange(length * scale, dtype=torch.float32) + 0.5) / scale
    weight, band = torch.ones_like(near), max(overlap * (1 - CONTEXT), 0.5)
    if start > 0:
        weight = weight * ((near - overlap * CONTEXT) / band).clamp(0, 1)
    if start + length < size:
        weight = weight * ((length - near - overlap * CONTEXT) / band).clamp(0, 1)
    return weight
