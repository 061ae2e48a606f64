"""Measures of clips that show one thing moving over a dark ground: where it is, where it goes, whether it stays itself.

For benchmarks on moving shapes, where truth is known; not part of the general judge. A thing is what is brighter than
`GROUND` in any channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ganworks.metrics.frechet import distance, moments

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

GROUND = 32  # of 255: what is darker in all channels is ground
SPECK = 2  # a thing has more pixels than this
STEADY = 16.0  # of 255: the colour of a thing may stray so far from its mean in any channel


@dataclass(frozen=True)
class Tracks:
    """Of N clips of T frames: where [N, T, 2] (x, y as shares of the frame; the last place seen where nothing is),
    things [N, T] (connected parts), colour [N, T, C] (mean of what is at least half as bright as the brightest
    pixel; nan where there is no thing)."""

    where: np.ndarray
    things: np.ndarray
    colour: np.ndarray


def tracks(clips: np.ndarray) -> Tracks:
    """clips uint8 [N, T, C, H, W] -> `Tracks`."""
    count, frames, channels, height, width = clips.shape
    flat = clips.reshape(-1, channels, height, width)
    bright = flat.max(1)
    mask = bright > GROUND
    area = mask.sum((1, 2))
    rows, columns = (np.arange(n) + 0.5 for n in (height, width))
    safe = np.maximum(area, 1)
    where = np.stack([mask.sum(1) @ columns / safe / width, mask.sum(2) @ rows / safe / height], 1)
    things = parts(mask)
    top = bright.max((1, 2), keepdims=True)
    kept = (2 * bright.astype(np.int32) > top) & (top > GROUND)
    with np.errstate(invalid="ignore", divide="ignore"):
        colour = (flat * kept[:, None]).sum((2, 3), dtype=np.float64) / kept.sum((1, 2))[:, None]
    where = carried(where.reshape(count, frames, 2), (area > 0).reshape(count, frames))
    return Tracks(where, things.reshape(count, frames), colour.reshape(count, frames, channels))


def carried(where: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Places [N, T, 2] with those not seen [N, T] replaced by the last seen one, at the start by the first seen one."""
    frames = np.arange(seen.shape[1])
    last = np.maximum.accumulate(np.where(seen, frames, -1), 1)
    last = np.where(last < 0, seen.argmax(1)[:, None], last)
    return np.take_along_axis(where, last[..., None], 1)


def parts(mask: np.ndarray) -> np.ndarray:
    """Connected parts (8 neighbours) of more than `SPECK` pixels in each mask [N, H, W]: counts [N].

    The largest pixel number of a part spreads to all of its pixels; then the distinct numbers are counted.
    """
    count, height, width = mask.shape
    number = np.where(mask, np.arange(1, height * width + 1, dtype=np.int32).reshape(height, width), 0)
    while True:
        wide = np.pad(number, ((0, 0), (1, 1), (1, 1)))
        rows = np.maximum(np.maximum(wide[:, :-2], wide[:, 1:-1]), wide[:, 2:])
        spread = np.maximum(np.maximum(rows[:, :, :-2], rows[:, :, 1:-1]), rows[:, :, 2:]) * mask
        if (spread == number).all():
            break
        number = spread
    keys = number.reshape(count, -1) + np.arange(count)[:, None] * (height * width + 1)
    values, sizes = np.unique(keys[mask.reshape(count, -1)], return_counts=True)
    owners = values[sizes > SPECK] // (height * width + 1)
    return np.bincount(owners, minlength=count)


def track_distance(made: np.ndarray, real: np.ndarray) -> float:
    """Frechet distance between tracks [N, T, 2] as vectors of 2 T shares of the frame."""
    return distance(*(moments(t.reshape(len(t), -1)) for t in (made, real)))


def direction(real: np.ndarray, y: np.ndarray) -> LogisticRegression:
    """Tells the class from the shape of a track; where it begins would give it away, so tracks are centred."""
    from sklearn.linear_model import LogisticRegression  # slow to import, and sampling needs none

    return LogisticRegression(max_iter=1000).fit(centred(real), y)


def centred(where: np.ndarray) -> np.ndarray:
    """Tracks [N, T, 2] without their mean place: [N, 2 T]."""
    return (where - where.mean(1, keepdims=True)).reshape(len(where), -1)


def steady(colour: np.ndarray) -> np.ndarray:
    """Whether the colour [N, T, C] stays within `STEADY` of its mean in every frame that shows the thing: [N]."""
    shown = np.isfinite(colour).all(axis=2, keepdims=True)
    mean = np.where(shown, colour, 0).sum(1, keepdims=True) / np.maximum(shown.sum(1, keepdims=True), 1)
    stray = np.where(shown, np.abs(colour - mean), 0)
    found: np.ndarray = (stray.reshape(len(colour), -1).max(1) <= STEADY) & shown.reshape(len(colour), -1).max(1)
    return found


def backwards(where: np.ndarray) -> np.ndarray:
    """Share of a track's way that is walked back, [N]: 0 for one direction, 1 for a full return ("spring" motion)."""
    ends = where[:, -1] - where[:, 0]
    length = np.linalg.norm(np.diff(where, axis=1), axis=2).sum(1)
    return 1 - np.linalg.norm(ends, axis=1) / np.maximum(length, 1e-9)
