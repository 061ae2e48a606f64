"""Images as arrays [C, H, W]: conversion to and from PIL, resizing, changes of channels, and grids for display."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganworks.files.rasters.arrange import Frame, arrange, shortened
from ganworks.files.rasters.decode import MODES, colour

LUMA = np.array([0.299, 0.587, 0.114]).reshape(3, 1, 1)  # ITU-R BT.601


def to_image(array: np.ndarray) -> Image.Image:
    """uint8 [C, H, W], C in 1..4 -> PIL image in mode L, LA, RGB or RGBA."""
    return Image.fromarray(array[0] if len(array) == 1 else np.ascontiguousarray(array.transpose(1, 2, 0)))


def resize(array: np.ndarray, size: tuple[int, int], fit: str, background: str = "white") -> np.ndarray:
    """uint8 or float32 [C, H, W] -> [C, *size]: cut or padded to the aspect ratio (`fit`), then Lanczos with
    antialiasing.

    An image that already has the size is returned unchanged. Alpha of uint8 images is handled premultiplied.
    """
    if array.shape[1:] == size:
        return array
    height, width = array.shape[1:]
    scale = (max if fit == "crop" else min)(size[0] / height, size[1] / width)
    box = None
    inner = size
    if fit == "crop":
        tall, wide = min(height, size[0] / scale), min(width, size[1] / scale)
        box = ((width - wide) / 2, (height - tall) / 2, (width + wide) / 2, (height + tall) / 2)
    elif fit == "pad":
        inner = max(1, round(height * scale)), max(1, round(width * scale))
    out = _resized(array, inner, box)
    return _padded(out, size, background) if inner != size else out


def _resized(array: np.ndarray, size: tuple[int, int], box: tuple[float, float, float, float] | None) -> np.ndarray:
    target, lanczos = (size[1], size[0]), Image.Resampling.LANCZOS
    if array.dtype == np.uint8 and len(array) in MODES:
        out = np.asarray(to_image(array).resize(target, lanczos, box, reducing_gap=3.0))
        return np.ascontiguousarray(out[None] if out.ndim == 2 else out.transpose(2, 0, 1))
    planes = [np.asarray(Image.fromarray(p.astype(np.float32)).resize(target, lanczos, box)) for p in array]
    out = np.stack(planes)
    return out if array.dtype != np.uint8 else np.rint(out).clip(0, 255).astype(np.uint8)


def _padded(array: np.ndarray, size: tuple[int, int], background: str) -> np.ndarray:
    channels, height, width = array.shape
    back = np.asarray(colour(background), array.dtype)
    grey = np.asarray(Image.new("RGB", (1, 1), colour(background)).convert("L")).reshape(1)
    fill = {1: grey, 2: np.array([grey[0], 0]), 3: back, 4: np.array([*back, 0])}.get(channels, np.zeros(channels))
    out = np.broadcast_to(fill.astype(array.dtype)[:, None, None], (channels, *size)).copy()
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    out[:, top : top + height, left : left + width] = array
    return out


def change_channels(array: np.ndarray, channels: int, background: str) -> np.ndarray:
    """uint8 or float [C, H, W] with C in 1..4 -> another number of channels in 1..4; alpha is composited on
    `background`.
    """
    scale = 255.0 if array.dtype == np.uint8 else 1.0
    values = array.astype(np.float64) / scale
    shown, alpha = (values[:-1], values[-1:]) if len(values) in (2, 4) else (values, np.ones_like(values[:1]))
    if channels in (1, 3):
        back = np.asarray(colour(background)).reshape(3, 1, 1) / 255
        shown = shown * alpha + (back if len(shown) == 3 else back.mean(0, keepdims=True)) * (1 - alpha)
    if channels <= 2 and len(shown) == 3:
        shown = (shown * LUMA).sum(0, keepdims=True)
    elif channels >= 3 and len(shown) == 1:
        shown = shown.repeat(3, 0)
    out = np.concatenate([shown, alpha]) if channels in (2, 4) else shown
    return np.rint(out * scale).astype(np.uint8) if array.dtype == np.uint8 else out.astype(array.dtype)


def luma(colour: np.ndarray) -> np.ndarray:
    """[C, H, W], grey or RGB -> [1, H, W] of the same type (ITU-R BT.601); equal channels stay what they are."""
    if len(colour) == 1:
        return colour
    kind = colour.dtype if colour.dtype.kind == "f" else np.dtype(np.float32)
    grey = (colour.astype(kind) * LUMA.astype(kind)).sum(0, keepdims=True)
    return grey if colour.dtype == kind else np.rint(grey).astype(colour.dtype)


def viewable(x: Tensor | np.ndarray) -> np.ndarray:
    """Images [B, C, H, W], float in [-1, 1] or uint8, as uint8 with 1, 3 or 4 channels."""
    if isinstance(x, Tensor):
        x = x.detach().float().cpu().numpy() if x.dtype != torch.uint8 else x.cpu().numpy()
    if x.dtype != np.uint8:
        x = np.rint((np.nan_to_num(x.astype(np.float32)).clip(-1, 1) + 1) * 127.5).astype(np.uint8)
    if x.shape[1] > 4:
        x = x[:, :3]
    return x if x.shape[1] != 2 else np.concatenate([x[:, :1].repeat(3, 1), x[:, 1:]], 1)


def grid(x: Tensor | np.ndarray, columns: int | None = None, labels: Sequence[Any] | None = None) -> Image.Image:
    """Images [B, C, H, W] in rows of `columns` as one image, each at least about 64 pixels wide, with optional
    captions.
    """
    x = viewable(x)
    count, channels, height, width = x.shape
    columns = columns or max(1, int(np.ceil(np.sqrt(count * height / width))))
    columns = min(columns, max(count, 1))
    factor = max(1, min(8, 64 // max(height, width)))
    tall, wide = height * factor, width * factor
    frame = Frame((wide, tall), margin=2, caption=0 if labels is None else 14, mode="L" if channels == 1 else "RGB")
    pictures = [to_image(array).resize((wide, tall), Image.Resampling.NEAREST) for array in x]
    captions = None if labels is None else [shortened(str(label), wide) for label in labels]
    return arrange(pictures, columns, frame, captions)
