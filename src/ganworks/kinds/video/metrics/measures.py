"""Measures of clips: features of their frames and of their course over time, amount and kind of motion.

The features need no pretrained weights: random convolutions on frames, and principal components of training clips.
Any other extractor can take their place: an object with `name`, `sha256` and `dim` that turns uint8 clips
[n, T, C, H, W] into float32 [n, dim].
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from ganworks.core.spec import Spec
from ganworks.metrics.features import RandomConv

COARSE = 8  # pixels on each side to which frames are reduced for the course of a clip
COURSE, LOOKS = 32, 16  # principal components of the course, and of the look of frames
_BLOCK = 256  # clips at a time
_STEP = 4  # every fourth frame is used for the look


@dataclass(frozen=True)
class Components:
    """Whitened principal components: mean [D], axes [D, k] scaled so that the training data has variance 1."""

    mean: np.ndarray
    axes: np.ndarray

    @staticmethod
    def of(x: np.ndarray, most: int) -> Components:
        """The components of rows x [n, D]: at most `most`, without those of negligible variance."""
        mean = x.mean(0)
        x = x - mean
        values, vectors = np.linalg.eigh(x @ x.T / max(1, len(x) - 1))
        keep = np.argsort(values)[::-1][:most]
        keep = keep[values[keep] > 1e-6 * max(values.max(), 1e-12)]
        axes = x.T @ vectors[:, keep] / np.sqrt(max(1, len(x) - 1)) / values[keep]
        return Components(mean.astype(np.float32), axes.astype(np.float32))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return (x - self.mean) @ self.axes


def frame_features(spec: Spec) -> RandomConv:
    """The features of single frames of clips [T, C, H, W]: uint8 [n, C, H, W] -> float32 [n, 72]."""
    return RandomConv(Spec("images", spec.shape[1:]))


class ClipFeatures:
    """uint8 clips [n, T, C, H, W] -> float32 [n, dim]: their course over time and the look of their frames.

    Course: principal components of all frames at 8 x 8 pixels. Look: principal components of the mean and the standard
    deviation over time of random convolutions on every fourth frame. All have variance 1 on the training clips.
    """

    def __init__(self, train: np.ndarray, spec: Spec):
        self.frames = frame_features(spec)
        self.course = Components.of(_coarse(train), COURSE)
        self.looks = Components.of(self._over_time(train), LOOKS)
        self.dim = self.course.axes.shape[1] + self.looks.axes.shape[1]
        digest = hashlib.sha256(self.frames.sha256.encode())
        for part in (self.course, self.looks):
            digest.update(part.mean.tobytes() + part.axes.tobytes())
        self.name, self.sha256 = f"clip-pca-{self.dim}d", digest.hexdigest()

    def _over_time(self, clips: np.ndarray) -> np.ndarray:
        few = clips[:, ::_STEP]
        features = self.frames(few.reshape(-1, *few.shape[2:])).reshape(len(clips), few.shape[1], -1)
        return np.concatenate([features.mean(1), features.std(1)], 1)

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        parts = [clips[k : k + _BLOCK] for k in range(0, len(clips), _BLOCK)]
        return np.concatenate(
            [np.concatenate([self.course(_coarse(p)), self.looks(self._over_time(p))], 1) for p in parts]
        )


def _coarse(clips: np.ndarray) -> np.ndarray:
    """[n, T, C, H, W] -> float32 [n, T * C * h * w] in [-1, 1], sides of at most 8 pixels."""
    out = []
    for part in (clips[k : k + _BLOCK] for k in range(0, len(clips), _BLOCK)):
        x = torch.from_numpy(np.ascontiguousarray(part)).flatten(0, 1).float() / 127.5 - 1
        x = F.adaptive_avg_pool2d(x, (min(COARSE, x.shape[2]), min(COARSE, x.shape[3])))
        out.append(x.reshape(len(part), -1).numpy())
    return np.concatenate(out)


def grey(clips: np.ndarray) -> np.ndarray:
    """[n, T, C, H, W] uint8 -> float32 [n, T, H, W] in 0..1, the mean of the channels."""
    return clips.mean(2, dtype=np.float32) / 255


def frame_change(clips: np.ndarray) -> np.ndarray:
    """Mean absolute difference between neighbouring frames, 0..1, [n]."""
    g = grey(clips)
    return np.abs(np.diff(g, axis=1)).mean((1, 2, 3)) if g.shape[1] > 1 else np.zeros(len(g))


def flow(clips: np.ndarray, block: int = 8) -> np.ndarray:
    """Mean speed in pixels a frame, [n], by optical flow in blocks (Lucas and Kanade 1981).

    The velocity in a block is the least-squares solution for the change between two frames; blocks are weighted by
    their squared gradients. Jumps of many pixels are underestimated, in real and generated clips alike.
    """
    g = grey(clips)
    now, then = g[:, :-1], g[:, 1:]
    mean = (now + then) / 2
    dx, dy = np.gradient(mean, axis=3), np.gradient(mean, axis=2)
    dt = then - now
    xx, xy, yy, xt, yt = (_blocks(a * b, block) for a, b in ((dx, dx), (dx, dy), (dy, dy), (dx, dt), (dy, dt)))
    weight = xx + yy
    steady = 0.01 * weight + 1e-6
    a, c = xx + steady, yy + steady
    det = a * c - xy * xy
    u, v = (xy * yt - c * xt) / det, (xy * xt - a * yt) / det
    speed = np.sqrt(u * u + v * v)
    return (speed * weight).sum((1, 2, 3)) / np.maximum(weight.sum((1, 2, 3)), 1e-9)


def _blocks(x: np.ndarray, size: int) -> np.ndarray:
    """[n, T, H, W] -> sums over blocks [n, T, h, w]; the last block includes the remainder at the border."""
    rows, columns = (np.arange(0, max(1, n - n % size), size) for n in x.shape[2:])
    return np.add.reduceat(np.add.reduceat(x, rows, 2), columns, 3)


def returns(clips: np.ndarray) -> np.ndarray:
    """Whether a clip moves back to its start, bool [n]: a late frame is nearer to the first than half of the farthest.

    Distances are mean squared differences, and late frames are those of the last quarter.

    Motion back and forth is a common failure of video generators. Still clips do not count.
    """
    g = grey(clips).reshape(len(clips), clips.shape[1], -1)
    away = np.square(g - g[:, :1]).mean(2)
    late = away[:, (3 * clips.shape[1]) // 4 :]
    most = away.max(1)
    return (late.min(1) < 0.5 * most) & (most > 1e-6) if late.shape[1] else np.zeros(len(clips), bool)


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """The Kolmogorov-Smirnov distance between values [n] and [m]: the largest gap of their distribution functions."""
    points = np.sort(np.concatenate([a, b]))
    of = [np.searchsorted(np.sort(x), points, "right") / len(x) for x in (a, b)]
    return float(np.abs(of[0] - of[1]).max())


def still_clips(clips: np.ndarray) -> np.ndarray:
    """A baseline without motion: the first frame of each clip, repeated."""
    return clips[:, :1].repeat(clips.shape[1], 1)


def shuffled(clips: np.ndarray, seed: int = 0) -> np.ndarray:
    """A baseline without order: the frames of each clip in a random order."""
    rng = np.random.default_rng(seed)
    return np.stack([clip[rng.permutation(len(clip))] for clip in clips])
