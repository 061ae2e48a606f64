"""Reads label maps: finds their few colours, despite the noise of JPEG, and resizes class numbers by majority."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from ganworks.core.errors import UsageError

MOST = 64  # classes
RADIUS, CORE = 40, 10  # how far JPEG moves a colour, at most and mostly; Euclidean distance in 0..255
PURE = 0.35  # least share, of the pixels within RADIUS of a colour, that lie within CORE; mixtures at edges have less
FLAT = 0.5  # least share of all pixels that lie within CORE of some colour; photos have less
RARE = 2e-3  # least share of the pixels that a class of a noisy map has

Palette = list[list[int]]


def find_palette(maps: Sequence[np.ndarray]) -> Palette | None:
    """The colours of label maps uint8 [C, H, W], C 1 or 3, in sorted order; None when these are not label maps.

    Maps of at most 64 exact colours keep them. Otherwise the commonest colour is taken, with all pixels within RADIUS
    of it, then the commonest of the rest, down to a share of RARE. Colours that are mixtures at edges are left out. The
    pictures are label maps if the remaining colours are not all grey and make up half of the pixels.
    """
    pixels = np.concatenate([m.reshape(len(m), -1) for m in maps], 1).astype(np.int64)
    places = 256 ** np.arange(len(pixels))[::-1]
    codes, counts = np.unique(places @ pixels, return_counts=True)
    colours = codes[:, None] // places % 256
    if 2 <= len(colours) <= MOST:
        return colours.tolist()
    return _noisy(colours, counts) if len(pixels) == 3 else None


def _noisy(colours: np.ndarray, counts: np.ndarray) -> Palette | None:
    total, left = counts.sum(), counts.copy()
    found: Palette = []
    flat = 0
    while len(found) < MOST:
        centre = colours[left.argmax()]
        distance = ((colours - centre) ** 2).sum(1)
        near, close = distance <= RADIUS**2, distance <= CORE**2
        if left[near].sum() < RARE * total:
            break
        core = counts[close].sum()
        if core >= PURE * counts[near].sum():
            found.append(_median(colours[close], counts[close]))
            flat += core
        left[near] = 0
    grey = all(max(c) - min(c) <= 8 for c in found)
    return None if grey or len(found) < 2 or flat < FLAT * total else sorted(found)


def _median(values: np.ndarray, counts: np.ndarray) -> list[int]:
    """The weighted median of each channel."""
    out = []
    for channel in values.T:
        order = np.argsort(channel, kind="stable")
        reached = np.cumsum(counts[order])
        out.append(int(channel[order][np.searchsorted(reached, reached[-1] / 2)]))
    return out


def parse_palette(colours: Sequence[str]) -> Palette:
    """Colour names or "#rrggbb" -> RGB; UsageError for what is not a colour, for repeats, below 2 and above 256."""
    from ganworks.files.rasters.decode import colour

    out = [list(colour(text)) for text in colours]
    if len(out) < 2 or len({tuple(c) for c in out}) < len(out) or len(out) > 256:
        raise UsageError(f"A palette needs 2 to 256 different colours, not {len(out)}: {', '.join(colours)}.")
    return out


def index_of(array: np.ndarray, palette: Palette) -> np.ndarray:
    """Picture uint8 [C, H, W] -> the number of the nearest colour of the palette, uint8 [H, W]."""
    table = np.array(palette, np.float32)
    scores = array.reshape(len(array), -1).T.astype(np.float32) @ table.T - 0.5 * (table**2).sum(1)
    return scores.argmax(1).astype(np.uint8).reshape(array.shape[1:])


def majority(
    index: np.ndarray, size: tuple[int, int], box: tuple[float, float, float, float], classes: int
) -> np.ndarray:
    """Class numbers [H, W], cropped to `box` (left, top, right, bottom) and resized to `size`: uint8 [*size].

    Each new pixel gets the class that covers most of it.
    """
    if index.shape == size and box == (0, 0, size[1], size[0]):
        return index
    shares = [
        np.asarray(Image.fromarray((index == k) * np.float32(1)).resize((size[1], size[0]), Image.Resampling.BOX, box))
        for k in range(classes)
    ]
    return np.argmax(shares, 0).astype(np.uint8)
