"""Random pixels, and the pixels of a picture file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def noise(*shape: int, dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    """Random integers of any shape."""
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def pixels(path: Path) -> np.ndarray:
    """What a picture file holds."""
    with Image.open(path) as image:
        return np.asarray(image)
