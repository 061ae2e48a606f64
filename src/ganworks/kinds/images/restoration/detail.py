"""How much fine detail an image has, and whether it is the original's: energy and correlation of high frequencies.

The high frequencies of an image are those above the Nyquist frequency of the image `scale` times smaller: every
component with |fy| or |fx| above 1 / (2 scale) cycles per pixel. They are taken from the luma with mirrored borders (a
cosine transform, by an FFT of the mirrored image), so that the image's border makes no edge. Energy alone says little:
white noise has it. Correlation with the original's high frequencies alone says little as well: a blurred image has it.
Only true detail has both. A network that enlarges may also gain energy by a regular grid; `grid_energy` finds it.
"""

from __future__ import annotations

import numpy as np

from ganworks.kinds.images.shared import fidelity


def high_frequencies(plane: np.ndarray, scale: int = 2) -> np.ndarray:
    """The part of [H, W] above the Nyquist frequency of the image `scale` times smaller: float64 [H, W]."""
    height, width = plane.shape
    mirrored = np.concatenate([plane, plane[::-1]])
    mirrored = np.concatenate([mirrored, mirrored[:, ::-1]], 1)
    fy, fx = np.abs(np.fft.fftfreq(2 * height))[:, None], np.abs(np.fft.rfftfreq(2 * width))[None]
    kept = np.fft.rfft2(mirrored) * (np.maximum(fy, fx) > 0.5 / scale)
    return np.fft.irfft2(kept, mirrored.shape)[:height, :width]


def detail(a: np.ndarray, b: np.ndarray, scale: int = 2, *, border: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(energy ratio [n], correlation [n]) of the high frequencies of images a and of the originals b.

    a, b: [n, C, H, W] in 0..255; RGB and grey count by their luma, other numbers of channels by their mean. border:
    pixels cut from each side. Energy: a's sum of squares over b's; 1 is right. Correlation: 1 the same detail, 0
    unrelated. NaN where b has no high frequencies.
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


def grid_energy(a: np.ndarray, b: np.ndarray, scale: int = 2, *, border: int = 0) -> np.ndarray:
    """[n]: how far the spectrum of images a stands out at multiples of 1/scale cycles per pixel, over that of b.

    A pattern that repeats every `scale` pixels has all its energy at these frequencies. The image is cut into
    overlapping windows of 8 scale pixels. In each, the energy at each of these frequencies but 0 is divided by the
    geometric mean of the energy three bins away. The result is the geometric mean over frequencies and windows, so that
    one busy window does not hide a grid on plain ground. 1: no grid; a visible grid has 10 or more. a, b: as for
    `detail` (b: the originals). NaN for sides below 8 scale pixels.
    """
    a, b = (_plane(x)[:, border : x.shape[2] - border, border : x.shape[3] - border] for x in (a, b))
    if min(a.shape[1:]) < 8 * scale:
        return np.full(len(a), np.nan)
    return np.array([np.exp(_standing_out(x, scale) - _standing_out(y, scale)) for x, y in zip(a, b, strict=True)])


def _standing_out(plane: np.ndarray, scale: int) -> float:
    """The logarithm of how far one image [H, W] stands out at the grid's frequencies; see `grid_energy`."""
    side = 8 * scale
    parts = np.lib.stride_tricks.sliding_window_view(plane, (side, side))[:: side // 2, :: side // 2]
    parts = parts.reshape(-1, side, side)
    window = np.hanning(side + 1)[:-1]
    spectrum = np.fft.fft2((parts - parts.mean((1, 2), keepdims=True)) * np.outer(window, window))
    power = np.log(np.abs(spectrum) ** 2 + 1)  # 1 is below the energy that rounding to whole levels leaves
    ring = [(y, x) for y in range(-3, 4) for x in range(-3, 4) if max(abs(y), abs(x)) == 3]
    around = np.mean([np.roll(power, step, (1, 2)) for step in ring], 0)
    return float((power - around)[:, ::8, ::8].reshape(len(parts), -1)[:, 1:].mean())


def with_noise(a: np.ndarray, b: np.ndarray, scale: int, energy: float = 0.9, seed: int = 0) -> np.ndarray:
    """Images a plus white noise that brings the energy of their high frequencies to `energy` times that of b's.

    This baseline has the energy without the detail. a, b: [n, C, H, W] in 0..255; the noise is the same in all
    channels.
    """
    out = np.asarray(a, np.float64).copy()
    rng = np.random.default_rng(seed)
    gain = 219 / 255 if out.shape[1] in (1, 3) else 1.0  # the luma's range, by which it scales grey noise
    for row, (plane, original) in enumerate(zip(_plane(a), _plane(b), strict=True)):
        noise = rng.standard_normal(plane.shape)
        made, wanted = (high_frequencies(p, scale) for p in (plane, original))
        lacking = max(0.0, energy * (wanted**2).sum() - (made**2).sum())
        out[row] += noise * np.sqrt(lacking / (high_frequencies(noise * gain, scale) ** 2).sum())
    return out


def _plane(x: np.ndarray) -> np.ndarray:
    return fidelity.luma(x)[:, 0] if x.shape[1] in (1, 3) else np.asarray(x, np.float64).mean(1)
