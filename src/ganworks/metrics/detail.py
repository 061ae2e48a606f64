"""How much fine detail an image has, and whether it is the right one: energy and correlation of high frequencies.

The high frequencies of an image are what lies above the Nyquist frequency of the image `scale` times smaller: every
component with |fy| or |fx| above 1 / (2 scale) cycles per pixel, taken from the luma with mirrored borders (cosine
transform by an FFT of the mirrored image), so that no edge is made where the image ends. Energy alone is easily
had: white noise has it. Correlation with the original's high frequencies alone is easily had as well, by a blurred
image. Both together are not.
"""

from __future__ import annotations

import numpy as np

from ganworks.metrics import fidelity


def high_frequencies(plane: np.ndarray, scale: int = 2) -> np.ndarray:
    """[H, W] -> the part of it above the Nyquist frequency of the image `scale` times smaller, float64."""
    height, width = plane.shape
    mirrored = np.concatenate([plane, plane[::-1]])
    mirrored = np.concatenate([mirrored, mirrored[:, ::-1]], 1)
    fy, fx = np.abs(np.fft.fftfreq(2 * height))[:, None], np.abs(np.fft.rfftfreq(2 * width))[None]
    kept = np.fft.rfft2(mirrored) * (np.maximum(fy, fx) > 0.5 / scale)
    return np.fft.irfft2(kept, mirrored.shape)[:height, :width]


def detail(a: np.ndarray, b: np.ndarray, scale: int = 2, *, border: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(energy ratio [n], correlation [n]) of the high frequencies of images a to those of the originals b.

    a, b: [n, C, H, W] in 0..255; RGB and grey by their luma, other numbers of channels by their mean. Energy: sum of
    squares of a's over that of b's, 1 is right. Correlation: 1 the same detail, 0 unrelated. NaN where b has none.
    """
    a, b = (_plane(x) for x in (a, b))
    energy, correlation = [], []
    for x, y in zip(a, b, strict=True):
        cut = (slice(border, x.shape[0] - border), slice(border, x.shape[1] - border))
        hx, hy = high_frequencies(x, scale)[cut], high_frequencies(y, scale)[cut]
        ex, ey = (hx**2).sum(), (hy**2).sum()
        energy.append(ex / ey if ey > 0 else np.nan)
        correlation.append((hx * hy).sum() / np.sqrt(ex * ey) if ex > 0 and ey > 0 else np.nan)
    return np.array(energy), np.array(correlation)


def with_noise(a: np.ndarray, b: np.ndarray, scale: int, energy: float = 0.9, seed: int = 0) -> np.ndarray:
    """Images a plus white noise, so strong that the energy ratio of their high frequencies to b's is `energy`.

    The baseline that has the energy and not the detail. a, b: [n, C, H, W] in 0..255; the noise is the same in all
    channels.
    """
    out = np.asarray(a, np.float64).copy()
    rng = np.random.default_rng(seed)
    gain = 219 / 255 if out.shape[1] in (1, 3) else 1.0  # what the luma keeps of grey noise
    for row, (plane, original) in enumerate(zip(_plane(a), _plane(b), strict=True)):
        noise = rng.standard_normal(plane.shape)
        made, wanted = (high_frequencies(p, scale) for p in (plane, original))
        lacking = max(0.0, energy * (wanted**2).sum() - (made**2).sum())
        out[row] += noise * np.sqrt(lacking / (high_frequencies(noise * gain, scale) ** 2).sum())
    return out


def _plane(x: np.ndarray) -> np.ndarray:
    return fidelity.luma(x)[:, 0] if x.shape[1] in (1, 3) else np.asarray(x, np.float64).mean(1)
