"""Measures of a translation besides L1, PSNR and SSIM: a distance between patches, and the agreement of label maps.

patch_fd finds blur and artefacts, which L1 rewards or overlooks. It is the Frechet distance
(`metrics.frechet.distance`) between Gaussians that are fitted to features of 8x8 patches: the luma of the 64 pixels,
the two chroma differences in 2x2 cells, and in 2x2 cells the mean absolute horizontal and vertical step between
neighbours, which, unlike a covariance, distinguishes edges from noise. Features are whitened by the true images, and
the distance is divided by their number, so that all frequencies count alike. 0 is the same; of the order of 1 when
nothing of the true variation is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.metrics.frechet import Moments, distance, moments

PATCH, CELL = 8, 4
MOST = 40_000  # patches that are compared
FAINT = 1.0  # variance in grey levels^2 added to every feature, above that of rounding to bytes


def patches(images: np.ndarray, most: int = MOST) -> np.ndarray:
    """Patches [n, C, 8, 8] float32 of uint8 images [N, C, H, W], on a grid of at most about `most` in all."""
    height, width = images.shape[2:]
    if min(height, width) < PATCH:
        raise UsageError(f"Patches of {PATCH} pixels do not fit into {height} x {width}.")
    each = max(1, most // len(images))
    step = max(1, int(np.ceil(np.sqrt((height - PATCH + 1) * (width - PATCH + 1) / each))))
    windows = np.lib.stride_tricks.sliding_window_view(images, (PATCH, PATCH), axis=(2, 3))
    chosen = windows[:, :, ::step, ::step].transpose(0, 2, 3, 1, 4, 5)
    return chosen.reshape(-1, images.shape[1], PATCH, PATCH).astype(np.float32)


def features(images: np.ndarray, most: int = MOST) -> np.ndarray:
    """Patch features [n, 80] (72 for grey images) float32 of uint8 images [N, C, H, W]."""
    x = patches(images, most)
    luma = np.tensordot(x, np.array([0.299, 0.587, 0.114], np.float32), (1, 0)) if x.shape[1] == 3 else x.mean(1)
    parts = [luma.reshape(len(x), -1)]
    if x.shape[1] == 3:
        parts += [_cells(x[:, channel] - luma) for channel in (0, 2)]
    across, down = (np.abs(np.diff(luma, axis=axis, append=luma.take([-1], axis))) for axis in (2, 1))
    return np.concatenate([*parts, _cells(across), _cells(down)], 1)


def _cells(x: np.ndarray) -> np.ndarray:
    """Means of the 4x4 cells of [n, 8, 8]: [n, 4]."""
    return x.reshape(len(x), 2, CELL, 2, CELL).mean((2, 4)).reshape(len(x), -1)


@dataclass(frozen=True)
class Patches:
    """The patch statistics of true images: the whitening matrix, and the moments that others are compared with."""

    white: np.ndarray
    seen: Moments

    @staticmethod
    def of(images: np.ndarray) -> Patches:
        """The statistics of uint8 images [N, C, H, W]."""
        raw = features(images)
        values, vectors = np.linalg.eigh(moments(raw).cov)
        white = vectors / np.sqrt(values.clip(min=0) + FAINT)
        return Patches(white, moments(raw @ white))

    def distance(self, images: np.ndarray) -> float:
        """patch_fd of uint8 images [N, C, H, W] to the true ones."""
        return distance(self.seen, moments(features(images) @ self.white)) / self.white.shape[1]


def label_confusion(made: np.ndarray, true: np.ndarray, classes: int) -> np.ndarray:
    """For each map of [N, H, W], pixels by true class (rows) and made class (columns): int64 [N, classes, classes]."""
    pairs = true.astype(np.int64) * classes + made
    counts = [np.bincount(p.ravel(), minlength=classes**2) for p in pairs]
    return np.stack(counts).reshape(-1, classes, classes)


def accuracy(counts: np.ndarray) -> np.ndarray:
    """Share of the pixels that have the true class, for each [.., classes, classes] of `label_confusion`."""
    return np.trace(counts, axis1=-2, axis2=-1) / counts.sum((-2, -1))


def overlaps(counts: np.ndarray) -> np.ndarray:
    """Intersection over union of each class [.., classes] from counts [.., classes, classes]; NaN: class is absent."""
    hit = np.diagonal(counts, axis1=-2, axis2=-1).astype(np.float64)
    union = counts.sum(-1) + counts.sum(-2) - hit
    return np.where(union > 0, hit / np.maximum(union, 1), np.nan)


def miou(counts: np.ndarray) -> float:
    """Mean over classes of the intersection over union, over the pixels of all maps together (Long et al. 2015)."""
    return float(np.nanmean(overlaps(counts.sum(0) if counts.ndim == 3 else counts)))
