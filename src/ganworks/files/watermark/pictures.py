"""A keyed, imperceptible watermark for pictures, found without the original.

Spread spectrum in the DCT domain (Cox et al. 1997, IEEE Trans. Image Processing 6(12)): the picture, stretched to a
canvas of 128 x 128, gets a pattern of the key's signs on its DCT coefficients of 5 to 46 cycles across the picture. As
these are counted across the picture, resizing changes nothing. The strength is the least that the detector finds
clearly, within PSNR 40 to 48 dB.

The detector flattens local contrast (smooth regions say most), whitens the spectrum ring by ring and correlates with
the signs; a second look tries 38 sizes and all places of a crop, down to 70 % of each side, by FFT.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice

import numpy as np
from PIL import Image

from ganworks.core.errors import UsageError
from ganworks.files.watermark.chance import Finding, best, bound
from ganworks.files.watermark.key import Key

SMALLEST = 64  # pixels of the shorter side
SURE = 128  # below this, a watermark survives lossless copies, not JPEG
_N = 128  # side of the canvas
_LOW, _HIGH, _RINGS = 10, 92, 20  # DCT indices of the canvas, as distances from its origin
_QUIETEST, _TRIED, _LOUDEST = 48.0, 43.0, 40.2  # PSNR in dB
_CLEAR = 18.0  # t at which the strength suffices
_CROPS = range(90, _N)  # sides of crops, in pixels of the canvas
_FRAMES = 16  # of an animation or film, that are looked at
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_PURPOSE = "pictures 1"


def embed(planes: np.ndarray, key: Key, top: float = 255.0, low: float = 0.0) -> np.ndarray:
    """[C, H, W] with C = 1 or 3 -> the same with the watermark, in the same type. low, top: black and white.

    Raises UsageError below 64 pixels.
    """
    height, width = planes.shape[1:]
    if min(height, width) < SMALLEST:
        raise UsageError(
            f"A picture of {width} x {height} is too small for a watermark, which needs {SMALLEST} pixels on each "
            "side. Save a grid (out=NAME.png), or leave watermark out."
        )
    levels = (planes.astype(np.float32) - low) * np.float32(255 / (top - low))
    shape = _resized(_pattern(key, min(height, width)), height, width)
    shape /= math.sqrt(float((shape * shape).mean()))
    exact = planes.dtype.kind == "f"
    strength = _strength(_canvas(_luma(levels)), _resized(shape, _N, _N), width * height, key)
    made = (levels + strength * shape).clip(0, 255) * np.float32((top - low) / 255) + low
    return made.astype(planes.dtype) if exact else np.rint(made).astype(planes.dtype)


def _strength(canvas: np.ndarray, added: np.ndarray, pixels: int, key: Key) -> float:
    """The amplitude in levels at which t reaches `_CLEAR`, which grows about linearly, within the bounds of PSNR."""
    tried = _amplitude(_TRIED)
    before, after = (_t(_whitened(canvas + s * added, pixels), key) for s in (0.0, tried))
    wanted = tried * (_CLEAR - before) / max(after - before, 0.1)
    return min(max(wanted, _amplitude(_QUIETEST)), _amplitude(_LOUDEST))


def find(frames: Iterable[np.ndarray], key: Key) -> Finding:
    """What the detector sees in the frames [C, H, W] uint8 of one picture, an animation or a film.

    Frames of a film are added up, as all carry the same pattern.
    """
    canvases = [(_luma(frame.astype(np.float32)), frame.shape[1] * frame.shape[2]) for frame in _some(frames)]
    whole = np.sum([_whitened(_canvas(y), size) for y, size in canvases], 0)
    plain = _t(whole, key)
    found = Finding(bound(plain, 2), plain, "the whole picture")
    return found if found.found else best(found, _cropped(canvases, key))


def plain_t(planes: np.ndarray, key: Key) -> float:
    """t of the whole of one picture [C, H, W] uint8: about N(0, 1) over keys where there is no watermark."""
    return _t(_whitened(_canvas(_luma(planes.astype(np.float32))), planes.shape[1] * planes.shape[2]), key)


def find_in_image(image: Image.Image, key: Key) -> Finding:
    """The same for one picture of PIL."""
    return find([np.asarray(image.convert("RGB")).transpose(2, 0, 1)], key)


def _some(frames: Iterable[np.ndarray]) -> Sequence[np.ndarray]:
    return list(islice(frames, _FRAMES))


def _amplitude(decibels: float) -> float:
    return 255 * 10 ** (-decibels / 20)


def _luma(levels: np.ndarray) -> np.ndarray:
    """[C, H, W] -> [H, W] (BT.601)."""
    return levels[0] if len(levels) < 3 else np.tensordot(_LUMA, levels[:3], 1)


def _resized(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    if plane.shape == (height, width):
        return np.array(plane)
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.array(image.resize((width, height), Image.Resampling.BICUBIC))


def _canvas(luma: np.ndarray, height: int = _N, width: int = _N) -> np.ndarray:
    return _resized(luma, height, width)


@lru_cache(64)
def _dct_matrix(n: int) -> np.ndarray:
    """The orthonormal DCT-II as a matrix [n, n]."""
    k, x = np.arange(n)[:, None], np.arange(n)[None]
    rows = np.cos(np.pi * (2 * x + 1) * k / (2 * n)) * np.sqrt(2 / n)
    rows[0] /= np.sqrt(2)
    return rows.astype(np.float32)


def _dct(x: np.ndarray) -> np.ndarray:
    return _dct_matrix(x.shape[0]) @ x @ _dct_matrix(x.shape[1]).T


def _inverse(x: np.ndarray) -> np.ndarray:
    return _dct_matrix(x.shape[0]).T @ x @ _dct_matrix(x.shape[1])


@lru_cache(64)
def _ring_numbers(height: int, width: int) -> np.ndarray:
    """[height, width]: the ring of each coefficient of a part of the canvas, -1 outside the band."""
    r = np.hypot(np.arange(height)[:, None] * (_N / height), np.arange(width)[None] * (_N / width))
    edges = np.geomspace(_LOW, _HIGH, _RINGS + 1)
    numbers = np.clip(np.searchsorted(edges, r, side="right") - 1, 0, _RINGS - 1)
    return np.where((r >= _LOW) & (r < _HIGH), numbers, -1)


@lru_cache(8)
def _pattern(key: Key, side: int) -> np.ndarray:
    """The pattern [128, 128] for a picture whose shorter side has so many pixels, which holds no finer waves."""
    r = np.hypot(np.arange(_N)[:, None], np.arange(_N)[None])
    band = (r >= _LOW) & (r < min(_HIGH, 0.95 * side))
    return _inverse(np.where(band, key.signs(_PURPOSE, (_N, _N)), 0).astype(np.float32))


def _mean(x: np.ndarray, k: int) -> np.ndarray:
    """The mean over (2 k + 1) x (2 k + 1) pixels."""
    n = 2 * k + 1
    sums = np.pad(x, k, "reflect").astype(np.float64).cumsum(0).cumsum(1)
    sums = np.pad(sums, ((1, 0), (1, 0)))
    return ((sums[n:, n:] - sums[:-n, n:] - sums[n:, :-n] + sums[:-n, :-n]) / (n * n)).astype(np.float32)


def _whitened(canvas: np.ndarray, pixels: int) -> np.ndarray:
    """DCT coefficients of a part of the canvas, of equal size in every ring and clipped; 0 outside the band.

    pixels: of the picture itself, whose rounding is less noise the more there are.
    """
    detail = canvas - _mean(canvas, 3)
    spread = np.sqrt(np.maximum(_mean(detail * detail, 4), 0))
    x = _dct(8 * np.clip(detail / (spread + 1), -3, 3))
    rings = _ring_numbers(*canvas.shape)
    inside = rings >= 0
    counts = np.bincount(rings[inside], minlength=_RINGS)
    power = np.bincount(rings[inside], weights=x[inside] ** 2, minlength=_RINGS) / np.maximum(counts, 1)
    floor = math.sqrt(canvas.size / max(pixels, 1))
    return np.where(inside, np.clip(x / (np.sqrt(power)[rings] + floor), -3, 3), 0).astype(np.float32)


def _t(x: np.ndarray, key: Key) -> float:
    norm = float(np.sqrt((x * x).sum()))
    return float((x * key.signs(_PURPOSE, (_N, _N))).sum()) / norm if norm > 1e-6 else 0.0


def _cropped(canvases: Sequence[tuple[np.ndarray, int]], key: Key) -> Finding:
    """The best place of a crop that keeps the proportions, of all sizes and places together."""
    spectrum = np.fft.rfft2(_pattern(key, _N))
    t, where, places = 0.0, "", 0
    for n in _CROPS:
        pieces = [_inverse(_whitened(_canvas(y, n, n), size)) for y, size in canvases]
        x = np.sum(pieces, 0)
        norm = float(np.sqrt((x * x).sum()))
        room = _N - n + 1
        places += room * room
        if norm <= 1e-6:
            continue
        seen = np.fft.irfft2(spectrum * np.conj(np.fft.rfft2(x, s=(_N, _N))), s=(_N, _N))[:room, :room] / norm
        if seen.max() > t:
            t = float(seen.max())
            where = f"a crop of about {round(100 * n / _N)} % of each side"
    return Finding(bound(t, 2 * places), t, where)
