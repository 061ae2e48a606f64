"""Images of clips: side by side in one animation, or as rows of frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

GAP, PAPER = 2, 255
_SHOWN = 8  # frames in a row


def as_bytes(x: Tensor | np.ndarray) -> np.ndarray:
    """Clips, floats in [-1, 1] or uint8 -> uint8."""
    if isinstance(x, Tensor):
        x = x.detach().float().cpu().numpy()
    return x if x.dtype == np.uint8 else np.rint((x.clip(-1, 1) + 1) * 127.5).astype(np.uint8)


def enlarged(frames: np.ndarray, side: int) -> np.ndarray:
    """Frames [..., H, W] with pixels repeated so that the longer side is about `side`."""
    factor = max(1, round(side / max(frames.shape[-2:])))
    return frames.repeat(factor, -2).repeat(factor, -1)


def sheet(clips: np.ndarray, columns: int = 0) -> np.ndarray:
    """Clips uint8 [n, T, C, H, W] side by side in rows: frames [T, C, h, w]. A single clip is not changed.

    columns: 2 to 16 (the number of classes gives each a column); otherwise the grid is about a square.
    """
    count = len(clips)
    if count == 1:
        return clips[0]
    clips = enlarged(clips, 64)
    columns = columns if 2 <= columns <= 16 and count >= columns else int(np.ceil(count**0.5))
    _, frames, channels, tall, wide = clips.shape
    rows = -(-count // columns)
    out = np.full((frames, channels, rows * (tall + GAP) - GAP, columns * (wide + GAP) - GAP), PAPER, np.uint8)
    for k, clip in enumerate(clips):
        top, left = k // columns * (tall + GAP), k % columns * (wide + GAP)
        out[:, :, top : top + tall, left : left + wide] = clip
    return out


def filmstrips(x: Tensor | np.ndarray, most: int = 12) -> Image.Image:
    """Clips [n, T, C, H, W] as rows of up to 8 frames, evenly chosen."""
    clips = enlarged(as_bytes(x)[:most], 48)
    chosen = np.unique(np.linspace(0, clips.shape[1] - 1, min(_SHOWN, clips.shape[1])).round().astype(int))
    clips = np.pad(clips[:, chosen], ((0, 0), (0, 0), (0, 0), (0, GAP), (0, GAP)), constant_values=PAPER)
    rows = clips.transpose(0, 3, 1, 4, 2).reshape(-1, clips.shape[1] * clips.shape[4], clips.shape[2])
    return Image.fromarray(np.ascontiguousarray(rows.squeeze(2) if rows.shape[2] == 1 else rows))


def moving(clips: np.ndarray, columns: int = 0) -> list[Image.Image]:
    """The frames of `sheet` as images."""
    return [_picture(frame) for frame in sheet(clips, columns)]


def _picture(frame: Any) -> Image.Image:
    array = np.ascontiguousarray(frame.transpose(1, 2, 0))
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
