"""The fundamental frequency of sounds, frame by frame: one tracker for scores and for what a vocoder learns."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ganworks.kinds.audio.data.sound import mix

LOWEST, HIGHEST = 60.0, 1000.0  # Hz
VOICED = 0.5  # a frame has a pitch where its normalised autocorrelation is larger
_LAGS = 64  # places of the correlation in the shortest period: with 16, a bright note is taken for its octave below
_EPS = 1e-9


def pitch_track(x: Tensor, rate: int, hop: int, highest: float = HIGHEST) -> tuple[Tensor, Tensor]:
    """Sounds [..., n] -> (F0 in Hz, normalised autocorrelation at its lag), both [..., ceil(n / hop)].

    Frame t is centred on sample (t + 1/2) hop and spans 1.5 to 2.5 of the longest periods. The lag is the peak of the
    cross-correlation over the energies of both parts (as in RAPT, Talkin 1995), at lags up to `_LAGS` to the shortest
    period, refined by a parabola. The correlation is 0 for silence. highest: Hz.
    """
    fine = max(1, math.ceil(_LAGS * highest / rate))
    longest, shortest = int(rate / LOWEST), max(2, int(rate / highest))
    window, count = longest * 3 // 2, -(-x.shape[-1] // hop)
    left = max(0, (window + longest // 2 - hop) // 2)
    padded = F.pad(x.double(), (left, window + longest + 2 + hop))
    curve = _correlation(padded.unfold(-1, window + longest + 2, hop)[..., :count, :], window, longest, fine)
    value, place = _first_high(curve[..., shortest * fine : longest * fine + 1])
    at = place + shortest * fine
    a, b, c = (curve.gather(-1, (at + k)[..., None])[..., 0] for k in (-1, 0, 1))
    bend = a - 2 * b + c
    shift = torch.where(bend < -_EPS, 0.5 * (a - c) / bend, 0.0).clamp(-0.5, 0.5)
    return rate * fine / (at + shift), value


def _correlation(frames: Tensor, window: int, longest: int, fine: int) -> Tensor:
    """Frames [..., T, n] -> [..., T, (longest + 1) fine + 1]: the correlation of their first `window` samples with
    those k / fine samples later, over the energies of both.
    """
    size, lags = 1 << (window + longest + 1).bit_length(), longest + 2
    spectrum = torch.fft.rfft(frames, size) * torch.fft.rfft(frames[..., :window], size).conj()
    products = torch.fft.irfft(spectrum, size * fine)[..., : (lags - 1) * fine + 1] * fine
    sums = F.pad(frames.square().cumsum(-1), (1, 0))
    energy = sums[..., window : window + lags] - sums[..., :lags]
    if fine > 1:
        flat = energy.reshape(-1, 1, lags)
        energy = F.interpolate(flat, products.shape[-1], mode="linear", align_corners=True).reshape(products.shape)
    norm = (energy[..., :1] * energy).sqrt()
    return torch.where(norm > 1e-6 * window, products / norm.clamp_min(_EPS), 0.0)


def _first_high(curve: Tensor) -> tuple[Tensor, Tensor]:
    """(value, place) of the first local peak within 10 % of the highest one, else of the highest: this avoids octave
    errors."""
    before, after = curve.roll(1, -1), curve.roll(-1, -1)
    before[..., 0] = after[..., -1] = -math.inf
    best, where = curve.max(-1)
    good = (curve >= before) & (curve >= after) & (curve >= 0.9 * best[..., None]) & (best[..., None] > 0)
    first = torch.where(good.any(-1), good.int().argmax(-1), where)
    return curve.gather(-1, first[..., None])[..., 0], first


def pitch(waves: np.ndarray, rate: int) -> np.ndarray:
    """Median fundamental frequency of each wave [n, C, N] in Hz over its voiced frames; NaN where fewer than two are.

    Every 10 ms a frame is voiced if its correlation is above 0.6, and its power within 25 dB of that of the loudest.
    """
    out, hop = np.full(len(waves), np.nan), max(1, round(0.01 * rate))
    for k, wave in enumerate(waves):
        x = torch.from_numpy(np.ascontiguousarray(mix(wave, 1)[0])).double()
        x = x - x.mean()
        hertz, sure = pitch_track(x, rate, hop)
        power = F.avg_pool1d(F.pad(x.square(), (0, len(sure) * hop - len(x)))[None], hop)[0]
        voiced = hertz[(sure > 0.6) & (power > max(1e-10, float(power.max()) * 10**-2.5))]
        if len(voiced) >= 2:
            out[k] = float(voiced.median())
    return out
