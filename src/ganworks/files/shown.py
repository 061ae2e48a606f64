"""Examples as pictures to look at."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec


def to_bytes(data: np.ndarray, spec: Spec) -> np.ndarray:
    """The data as uint8 to look at: the range [low, high] becomes 0 to 255."""
    if data.dtype == np.uint8:
        return data
    scale = 255.0 / ((spec.high - spec.low) or 1.0)
    return np.clip(np.round((data.astype(np.float64) - spec.low) * scale), 0, 255).astype(np.uint8)


def picture(x: np.ndarray, spec: Spec) -> Image.Image:
    """One example [C, H, W] as an image: 1 channel grey, 3 RGB, 4 RGBA, others below each other in grey."""
    if x.ndim != 3:
        raise UsageError(f"Samples of shape {x.shape} ({spec.kind}) are no pictures. Use numpy(), or save as .npz.")
    x = to_bytes(x, spec)
    if len(x) in (3, 4):
        return Image.fromarray(np.ascontiguousarray(x.transpose(1, 2, 0)))
    return Image.fromarray(np.ascontiguousarray(x.reshape(-1, x.shape[2])))


def enlarged(image: Image.Image) -> Image.Image:
    """Pixel by pixel to about 64 on the longer side, at most eightfold; larger images as they are."""
    factor = max(1, min(8, 64 // max(image.size)))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
