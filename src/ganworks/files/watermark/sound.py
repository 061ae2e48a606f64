"""A keyed, imperceptible watermark for sound, found without the original.

Spread spectrum in the short-time Fourier transform: tiles of 64 ms by 62.5 Hz, from 250 to 3,500 Hz, are made louder or
softer by 1.2 dB by the key's signs, in a pattern of 8.192 s that repeats. What is silent stays silent. Seconds and Hz
are those of the sound, whatever its rate. The detector takes log magnitudes at 8 kHz, subtracts their surroundings in
time and frequency, and correlates with the signs at all places of the pattern, in steps of 16 ms.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.files.watermark.chance import Finding, best, bound
from ganworks.files.watermark.key import Key

SHORTEST = 2.0  # seconds
SURE = 5.0  # seconds from which it survives MP3 and changes of rate
_RATE = 8000  # Hz of the detector
_WINDOW, _HOP = 0.064, 0.016  # seconds
_STEPS = 4  # hops in a tile
_BANDS, _WIDE, _FIRST = 52, 62.5, 250.0  # bands, their width and where they begin in Hz
_PERIOD = 128  # tiles of the pattern in time
_GAIN = 1.2  # dB
_LONGEST = 600.0  # seconds that the detector hears
_PURPOSE = "sounds 1"


def embed(wave: np.ndarray, rate: int, key: Key) -> np.ndarray:
    """int16 [C, n] at `rate` Hz -> the same with the watermark. Raises UsageError below two seconds or 8,000 Hz."""
    if wave.shape[1] < SHORTEST * rate or rate < _RATE:
        raise UsageError(
            f"A sound of {wave.shape[1] / rate:.2f} seconds at {rate:,} Hz is too short or too narrow for a watermark, "
            f"which needs {SHORTEST:g} seconds and {_RATE:,} Hz. Write several into one file, or leave watermark out."
        )
    made = [_changed(channel.astype(np.float32), rate, key.signs(_PURPOSE, (_PERIOD, _BANDS))) for channel in wave]
    return np.rint(np.stack(made)).clip(-32768, 32767).astype(np.int16)


def find(wave: np.ndarray, rate: int, key: Key) -> Finding:
    """What the detector sees in a sound [C, n] of any numbers and rate. Raises UsageError without soxr."""
    heard = np.asarray(wave, np.float32).mean(0)[: round(_LONGEST * rate)]
    heard = _at_rate(heard, rate)
    if len(heard) < 4 * round(_WINDOW * _RATE):
        return Finding(1.0, 0.0)
    levels = _levels(heard)
    signs = key.signs(_PURPOSE, (_PERIOD, _BANDS))
    spectrum = np.fft.rfft(signs, axis=0)
    plain, t, places = -math.inf, -math.inf, 0
    for shift in range(_STEPS):
        x = _tiles(levels[shift:])
        norm = float(np.sqrt((x * x).sum()))
        places += _PERIOD
        if norm < 1e-6:
            continue
        folded = np.zeros((_PERIOD, _BANDS), np.float32)
        np.add.at(folded, np.arange(len(x)) % _PERIOD, x)
        seen = np.fft.irfft((spectrum * np.conj(np.fft.rfft(folded, axis=0))).sum(1), _PERIOD)
        seen /= max(float(np.sqrt((folded * folded).sum())), 1e-6)
        plain, t = (float(seen[0]), max(t, float(seen.max()))) if shift == 0 else (plain, max(t, float(seen.max())))
    return best(Finding(bound(plain, 2), plain, "the whole sound"), Finding(bound(t, 2 * places), t, "a part of it"))


def _at_rate(wave: np.ndarray, rate: int) -> np.ndarray:
    if rate == _RATE:
        return wave
    try:
        import soxr
    except ImportError as error:
        raise UsageError("Watermarks of sound need soxr: pip install 'ganworks[audio]'.") from error
    return np.asarray(soxr.resample(wave, rate, _RATE), np.float32)


@lru_cache(8)
def _window(size: int) -> np.ndarray:
    """The root of a periodic Hann window."""
    return np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)


def _frames(wave: np.ndarray, size: int, starts: np.ndarray) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(wave, size)[starts] * _window(size)


def _levels(wave: np.ndarray) -> np.ndarray:
    """Log magnitudes [hops, bins of the bands] of a wave at 8 kHz; four bins of 15.6 Hz are a band."""
    size, hop = round(_WINDOW * _RATE), round(_HOP * _RATE)
    padded = np.pad(wave, size // 2)
    found = np.abs(np.fft.rfft(_frames(padded, size, np.arange(0, len(padded) - size + 1, hop))))
    first = round(_FIRST * _WINDOW)
    bins = found[:, first : first + round(_BANDS * _WIDE * _WINDOW)]
    floor = 1e-3 * float(np.sqrt((bins**2).mean())) + 1e-6
    return np.log(bins + floor).astype(np.float32)


def _tiles(levels: np.ndarray) -> np.ndarray:
    """[tiles, bands]: the levels of tiles, less their surroundings, clipped."""
    count = len(levels) // _STEPS
    tiles = levels[: count * _STEPS].reshape(count, _STEPS, _BANDS, -1).mean((1, 3))
    x = tiles - (_near(tiles, 0) + _near(tiles, 1)) / 2
    spread = float(np.sqrt((x * x).mean())) if count else 0.0
    return np.clip(x, -2 * spread, 2 * spread)


def _near(x: np.ndarray, axis: int, k: int = 2) -> np.ndarray:
    """The mean of the k values on either side along an axis."""
    x = np.moveaxis(x, axis, 0)
    padded = np.pad(x, ((k, k), (0, 0)), "edge")
    near = sum(padded[i : i + len(x)] for i in range(2 * k + 1) if i != k) / (2 * k)
    return np.moveaxis(np.asarray(near), 0, axis)


def _changed(wave: np.ndarray, rate: int, signs: np.ndarray) -> np.ndarray:
    """One channel with the gains of the pattern, by overlapping windows."""
    size = 4 * round(_WINDOW * rate / 4)
    hop = size // 4
    padded = np.pad(wave, (size, 2 * size))
    made = np.zeros_like(padded)
    bins = np.floor((np.arange(size // 2 + 1) * rate / size - _FIRST + _WIDE / 8) / _WIDE).astype(int)
    inside = (bins >= 0) & (bins < _BANDS)
    for starts in _chunks(np.arange(0, len(padded) - size + 1, hop)):
        middle = (starts + size / 2 - size) / rate
        row = signs[np.floor((middle / _HOP + 0.5) / _STEPS).astype(int) % _PERIOD]
        gain = np.where(inside, row[:, bins.clip(0, _BANDS - 1)], 0) * (_GAIN * math.log(10) / 20)
        spectra = np.fft.rfft(_frames(padded, size, starts)) * np.exp(gain)
        for start, frame in zip(starts, np.fft.irfft(spectra, size) * _window(size) / 2, strict=True):
            made[start : start + size] += frame
    return made[size : size + len(wave)]


def _chunks(starts: np.ndarray, count: int = 512) -> Iterator[np.ndarray]:
    return (starts[k : k + count] for k in range(0, len(starts), count))
