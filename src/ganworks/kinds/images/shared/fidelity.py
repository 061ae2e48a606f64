"""How close an image is to its reference: L1, PSNR and SSIM, one number per image, in float64.

The conventions are the same for all three. Images are [n, C, H, W], uint8 or floats on the scale 0..255; the data range
is 255. `luma`: compare the BT.601 luma in its digital range 16..235 instead of the channels, as super-resolution papers
do. `border`: pixels that are cut from each side first (super-resolution papers: the scale factor).
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from ganworks.core.errors import UsageError

SIGMA, WINDOW, K1, K2, RANGE = 1.5, 11, 0.01, 0.03, 255.0
MOST_DB = 100.0  # of identical images, so that means are finite


def luma(images: np.ndarray) -> np.ndarray:
    """BT.601 luma of RGB [n, 3, H, W] in 0..255: float64 [n, 1, H, W] in 16..235, not rounded. Grey is scaled alike."""
    x = np.asarray(images, np.float64)
    weights = np.array([65.481, 128.553, 24.966])
    if x.shape[1] not in (1, 3):
        raise UsageError(f"Luma is made from 3 channels (or 1), not {x.shape[1]}.")
    weights = weights if x.shape[1] == 3 else weights.sum(keepdims=True)
    return 16 + np.einsum("nchw,c->nhw", x, weights)[:, None] / 255


def _prepared(a: np.ndarray, b: np.ndarray, on_luma: bool, border: int) -> tuple[np.ndarray, np.ndarray]:
    if a.shape != b.shape or a.ndim != 4:
        raise UsageError(f"Images [n, C, H, W] of the same shape are compared, not {a.shape} and {b.shape}.")
    if 2 * border >= min(a.shape[2:]):
        raise UsageError(f"border={border} leaves nothing of images of {a.shape[2]} x {a.shape[3]} pixels.")
    height, width = a.shape[2:]
    a, b = (x[:, :, border : height - border, border : width - border] for x in (a, b))
    return (luma(a), luma(b)) if on_luma else (np.asarray(a, np.float64), np.asarray(b, np.float64))


def l1(a: np.ndarray, b: np.ndarray, *, luma: bool = False, border: int = 0) -> np.ndarray:
    """Mean absolute difference of each image [n], as a share of the range: 0 the same, 1 black against white."""
    a, b = _prepared(a, b, luma, border)
    return np.abs(a - b).mean((1, 2, 3)) / RANGE


def psnr(a: np.ndarray, b: np.ndarray, *, luma: bool = False, border: int = 0) -> np.ndarray:
    """Peak signal-to-noise ratio of each image [n] in dB: 10 log10(255^2 / mean squared difference), at most 100."""
    a, b = _prepared(a, b, luma, border)
    error = ((a - b) ** 2).mean((1, 2, 3))
    return np.minimum(MOST_DB, 10 * np.log10(RANGE**2 / np.maximum(error, 1e-300)))


def ssim(a: np.ndarray, b: np.ndarray, *, luma: bool = False, border: int = 0) -> np.ndarray:
    """Structural similarity of each image [n], at most 1: Wang et al. 2004 (IEEE TIP 13(4)), equation 13.

    The window is Gaussian, 11x11 with sigma 1.5; K1 = 0.01, K2 = 0.03. The mean is taken over the channels and over the
    windows that lie wholly inside the image. On sides below 11 pixels the window has the largest odd size that fits.
    """
    a, b = _prepared(a, b, luma, border)
    return np.array([_ssim(x, y) for x, y in zip(a, b, strict=True)])


def _taps(side: int) -> torch.Tensor:
    size = min(WINDOW, side - 1 + side % 2)
    at = torch.arange(size, dtype=torch.float64) - size // 2
    taps = torch.exp(-(at**2) / (2 * SIGMA**2))
    return taps / taps.sum()


def _ssim(a: np.ndarray, b: np.ndarray) -> float:
    """SSIM of two images [C, H, W]."""
    x, y = torch.from_numpy(np.ascontiguousarray(a)), torch.from_numpy(np.ascontiguousarray(b))
    rows, columns = _taps(a.shape[1])[None, None, :, None], _taps(a.shape[2])[None, None, None, :]

    def mean(values: torch.Tensor) -> torch.Tensor:
        return F.conv2d(F.conv2d(values[:, None], rows), columns)[:, 0]

    mx, my = mean(x), mean(y)
    vx, vy, both = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = (K1 * RANGE) ** 2, (K2 * RANGE) ** 2
    value = (2 * mx * my + c1) * (2 * both + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return float(value.mean())
