"""Reads masks, which say where a picture is to be filled: white is filled, black is kept.

A mask is judged by its own range, so that 0 and 1, 0 and 255, 16 bits, palettes and red on black mean the same. Where
pixels are transparent, what is drawn on them counts: a mask drawn on nothing marks what it draws, and a photo marks
what was erased from it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganworks.core.errors import UsageError
from ganworks.files.rasters.pixels import luma
from ganworks.files.rasters.read import read, still
from ganworks.files.rasters.stored import Raster

_END = 0.1  # share of a range that counts as one of its ends
_DRAWN = 0.9  # least share of pixels near an end of the range that tells a drawing from a photo


def file_bytes(path: Any) -> bytes:
    """The content of a file; raises UsageError when it cannot be read."""
    try:
        return Path(path).read_bytes()
    except (OSError, TypeError) as error:
        raise UsageError(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error


def mask_tensor(mask: Any, size: tuple[int, int]) -> Tensor:
    """A mask [1, 1, H, W] of 0 and 1 (1 = hole) from a path, an image, an array [H, W] or [H, W, C], or a tensor.

    Raises UsageError when the size is not that of the picture, and when the mask marks nothing or everything.
    """
    name = str(mask) if isinstance(mask, str | Path) else "The mask"
    raster = _raster(mask)
    if raster.size != size:
        have, want = f"{raster.size[1]} x {raster.size[0]}", f"{size[1]} x {size[0]}"
        raise UsageError(f"{name} has {have} pixels, its picture {want} (upright). A mask must fit pixel by pixel.")
    hole = _erased(raster) if _has_transparent(raster) else _bright(raster, name)
    if hole.all() or not hole.any():
        marks = "everything" if hole.any() else "nothing"
        raise UsageError(f"{name} marks {marks}. Make it white where the picture is to be filled, black elsewhere.")
    return torch.from_numpy(hole.astype(np.float32))[None, None]


def _raster(mask: Any) -> Raster:
    if isinstance(mask, Tensor):
        mask = mask.detach().float().cpu().numpy()
        mask = mask.reshape(mask.shape[-2:]) if mask.size == np.prod(mask.shape[-2:]) else mask
    if isinstance(mask, np.ndarray):
        return _of_array(mask)
    return still(mask) if isinstance(mask, Image.Image) else read(file_bytes(mask), str(mask)).frames[0]


def _of_array(mask: np.ndarray) -> Raster:
    planes = np.moveaxis(np.atleast_3d(mask), -1, 0)
    if mask.ndim not in (2, 3) or len(planes) not in (1, 3, 4) or not mask.size or mask.dtype.kind not in "buif":
        raise UsageError(f"A mask must be [H, W], or [H, W, C] with 1, 3 or 4 channels, not {list(mask.shape)}.")
    values = planes.astype(np.float64)
    if not np.isfinite(values).all():
        raise UsageError("The mask holds values that are not finite.")
    top = 255.0 if mask.dtype == np.uint8 else max(1.0, float(values.max()))
    return Raster(values[:3], values[3] if len(values) == 4 else None, top, min(0.0, float(values.min())))


def _has_transparent(raster: Raster) -> bool:
    return raster.alpha is not None and 0 < (2 * raster.alpha.astype(np.float64) >= raster.top).mean() < 1


def _bright(raster: Raster, name: str) -> np.ndarray:
    """The upper half of the mask's own range; UsageError where a few greys, as JPEG leaves them, have no two kinds."""
    values = luma(raster.colour.astype(np.float64))[0]
    low, high = float(values.min()), float(values.max())
    whole = raster.top - raster.low
    if high - low < _END * whole and len(np.unique(values)) != 2:
        if low == high:
            return np.full(values.shape, low > raster.low + whole / 2)
        raise UsageError(
            f"{name} has values from {low:g} to {high:g} only, which do not say where to fill. Make it white where the "
            "picture is to be filled, black elsewhere."
        )
    return values > (low + high) / 2


def _erased(raster: Raster) -> np.ndarray:
    """Of a mask with transparent pixels: the bright ones of a drawing, or, where there are none, the transparent ones.

    A picture whose visible pixels are of many shades is a photo, of which parts were erased.
    """
    assert raster.alpha is not None
    visible = 2 * raster.alpha.astype(np.float64) >= raster.top
    values = luma(raster.colour.astype(np.float64))[0]
    seen, whole = values[visible], raster.top - raster.low
    low, high = float(seen.min()), float(seen.max())
    ends = np.minimum(seen - low, high - seen) <= _END * (high - low)
    drawn = bool(ends.mean() >= _DRAWN) and high > raster.low + _END * whole
    if not drawn:
        return ~visible
    middle = (low + high) / 2 if high - low > _END * whole else raster.low
    return visible & (values > middle)
