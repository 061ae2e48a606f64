"""Measures of clips that show one object on a dark background: its position, its track, and whether it stays the same.

They are for benchmarks on moving shapes, where the truth is known, and not part of the general evaluation. An object is
what is brighter than `GROUND` in any channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ganworks.metrics.frechet import distance, moments

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

GROUND = 32  # of 255: pixels that are not brighter in any channel are background
SPECK = 2  # an object has more pixels than this
STEADY = 16.0  # of 255: largest deviation of an object's colour from its mean in any channel


@dataclass(frozen=True)
class Tracks:
    """The tracks of N clips of T frames. where: [N, T, 2], (x, y) as shares of the frame, the last known place where
    nothing is visible. things: [N, T], the number of connected objects. colour: [N, T, C], the mean over pixels at
    least
    half as bright as the brightest one; nan where there is no object."""

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
    things = count_parts(mask)
    top = bright.max((1, 2), keepdims=True)
    kept = (2 * bright.astype(np.int32) > top) & (top > GROUND)
    with np.errstate(invalid="ignore", divide="ignore"):
        colour = (flat * kept[:, None]).sum((2, 3), dtype=np.float64) / kept.sum((1, 2))[:, None]
    where = carried(where.reshape(count, frames, 2), (area > 0).reshape(count, frames))
    return Tracks(where, things.reshape(count, frames), colour.reshape(count, frames, channels))


def carried(where: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Places [N, T, 2], with those not seen [N, T] replaced by the last seen, at the start by the first seen one."""
    frames = np.arange(seen.shape[1])
    last = np.maximum.accumulate(np.where(seen, frames, -1), 1)
    last = np.where(last < 0, seen.argmax(1)[:, None], last)
    return np.take_along_axis(where, last[..., None], 1)


def count_parts(mask: np.ndarray) -> np.ndarray:
    """Connected parts (8 neighbours) of more than `SPECK` pixels in masks [N, H, W]: counts [N].

    The largest pixel index of a part spreads to all of its pixels; then the distinct indices are counted.
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
    """Frechet distance between tracks [N, T, 2], each as a vector of 2 T numbers."""
    return distance(*(moments(t.reshape(len(t), -1)) for t in (made, real)))


def direction_classifier(real: np.ndarray, y: np.ndarray) -> LogisticRegression:
    """A classifier of centred tracks [N, T, 2] into classes y [N]; the start of a track would reveal its class."""
    from sklearn.linear_model import LogisticRegression  # slow to import, and sampling needs none

    return LogisticRegression(max_iter=1000).fit(centred(real), y)


def centred(where: np.ndarray) -> np.ndarray:
    """Tracks [N, T, 2] minus their mean: [N, 2 T]."""
    return (where - where.mean(1, keepdims=True)).reshape(len(where), -1)


def steady_colour(colour: np.ndarray) -> np.ndarray:
    """Whether the colour [N, T, C] stays within `STEADY` of its mean in every frame that shows the object: [N]."""
    shown = np.isfinite(colour).all(axis=2, keepdims=True)
    mean = np.where(shown, colour, 0).sum(1, keepdims=True) / np.maximum(shown.sum(1, keepdims=True), 1)
    stray = np.where(shown, np.abs(colour - mean), 0)
    found: np.ndarray = (stray.reshape(len(colour), -1).max(1) <= STEADY) & shown.reshape(len(colour), -1).max(1)
    return found


def backwards(where: np.ndarray) -> np.ndarray:
    """1 - distance from start to end over the length of the track, [N]: 0 for a straight line, 1 for a full return."""
    ends = where[:, -1] - where[:, 0]
    length = np.linalg.norm(np.diff(where, axis=1), axis=2).sum(1)
    return 1 - np.linalg.norm(ends, axis=1) / np.maximum(length, 1e-9)
