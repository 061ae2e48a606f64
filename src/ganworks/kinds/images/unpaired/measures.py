"""Measures of an unpaired translation: how near it is to the target set, and how well it preserves its input.

No single number suffices: the input itself has perfect structure, and any image of the target set has a perfect
distance. Images are [n, C, H, W], uint8 or floats on the scale 0..255; scores are float64.
"""

from __future__ import annotations

import numpy as np

from ganworks.kinds.images.shared.fidelity import luma
from ganworks.metrics.frechet import distance, moments


def statistics(images: np.ndarray) -> np.ndarray:
    """[n, 4 C] in 0..1: mean and standard deviation of each channel, and its mean absolute steps right and down."""
    x = np.asarray(images, np.float64) / 255
    right, down = (np.abs(np.diff(x, axis=axis)).mean((2, 3)) for axis in (3, 2))
    return np.concatenate([x.mean((2, 3)), x.std((2, 3)), right, down], 1)


def statistics_distance(a: np.ndarray, b: np.ndarray, independent: bool = False) -> float:
    """1000 x Frechet distance between the statistics of two sets of images; 12 numbers per RGB image.

    It measures colours, contrast and sharpness, and ignores content. It is biased upwards for few images: compare
    values for the same numbers of images. independent: treat the covariances as diagonal, which lessens the bias.
    """
    x, y = statistics(a), statistics(b)
    if independent:
        spread = x.std(0, ddof=1) - y.std(0, ddof=1)
        return 1000 * float(((x.mean(0) - y.mean(0)) ** 2).sum() + (spread**2).sum())
    return 1000 * distance(moments(x), moments(y))


def _edges(images: np.ndarray) -> np.ndarray:
    """Strength of the luma's gradient [n, H - 1, W - 1]."""
    x = np.asarray(images, np.float64)
    grey = luma(x)[:, 0] if x.shape[1] in (1, 3) else x.mean(1)
    right, down = grey[:, :-1, 1:] - grey[:, :-1, :-1], grey[:, 1:, :-1] - grey[:, :-1, :-1]
    return np.hypot(right, down)


def structure(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlation [n] of the edge strength (gradient of the luma) of image i of a and of b: 1 the same edges.

    Brightness, contrast and inversion do not change it. It is about 0 for unrelated images and 0 for flat ones, never
    NaN.
    """
    x, y = (_edges(v).reshape(len(v), -1) for v in (a, b))
    x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    both = np.sqrt((x**2).sum(1) * (y**2).sum(1))
    return (x * y).sum(1) / np.maximum(both, 1e-12)


_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_LAB = np.array([[0, 116, 0], [500, -500, 0], [0, 200, -200]], np.float64)
_KNEE = 6 / 29


def colour_transfer(images: np.ndarray, seen: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Images uint8 [n, C, H, W] with colours moved from those of `seen`, the set they belong to, to those of `like`.

    The mean and standard deviation of each channel over the whole set are matched, in CIELAB for RGB (the rule of
    Reinhard et al. 2001, Color transfer between images, for sets). It is the simple method that a translation must
    beat.
    """
    x, a, b = (_to_lab(np.asarray(v, np.float64)) for v in (images, seen, like))
    (mean_a, mean_b), (spread_a, spread_b) = (
        [np.asarray(f(v, axis=(0, 2, 3)))[:, None, None] for v in (a, b)] for f in (np.mean, np.std)
    )
    return (
        np.rint(_from_lab((x - mean_a) / np.maximum(spread_a, 1e-6) * spread_b + mean_b)).clip(0, 255).astype(np.uint8)
    )


def _to_lab(x: np.ndarray) -> np.ndarray:
    """sRGB [n, 3, H, W] in 0..255 -> CIELAB (CIE 15:2004; white of the RGB primaries); other images are unchanged."""
    if x.shape[1] != 3:
        return x
    linear = np.where(x > 0.04045 * 255, ((x / 255 + 0.055) / 1.055) ** 2.4, x / 255 / 12.92)
    xyz = np.einsum("kc,nchw->nkhw", _XYZ / _XYZ.sum(1, keepdims=True), linear)
    f = np.where(xyz > _KNEE**3, np.cbrt(xyz), xyz / (3 * _KNEE**2) + 4 / 29)
    return np.einsum("kc,nchw->nkhw", _LAB, f) - np.array([16, 0, 0]).reshape(3, 1, 1)


def _from_lab(x: np.ndarray) -> np.ndarray:
    """The inverse of `_to_lab`; colours outside sRGB are clipped."""
    if x.shape[1] != 3:
        return x
    f = np.einsum("kc,nchw->nkhw", np.linalg.inv(_LAB), x + np.array([16, 0, 0]).reshape(3, 1, 1))
    xyz = np.where(f > _KNEE, f**3, 3 * _KNEE**2 * (f - 4 / 29))
    linear = np.einsum("kc,nchw->nkhw", np.linalg.inv(_XYZ / _XYZ.sum(1, keepdims=True)), xyz).clip(0, 1)
    return 255 * np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
