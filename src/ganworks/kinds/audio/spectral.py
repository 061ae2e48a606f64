"""Short-time Fourier transforms, mel filters and phases, in torch.

A signal of n samples has ceil(n / hop) frames. It is padded by (n_fft - hop) / 2 on the left, so that frame t is
centred on sample (t + 1/2) hop. The window is the periodic Hann window of n_fft samples. All is computed in float32,
with autocast off. Tensors that depend on settings alone are cached by all of these settings and the device; they are
made outside inference mode, since training may use them next.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from ganworks.core.errors import UsageError

_CPU = torch.device("cpu")
_BREAK = 1000.0  # Hz; Slaney's mel scale is linear below and logarithmic above


def frame_count(samples: int, hop: int) -> int:
    """Frames of a signal of so many samples."""
    return -(-samples // hop)


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def window(n_fft: int, device: torch.device) -> Tensor:
    """The periodic Hann window [n_fft]."""
    return torch.hann_window(n_fft, device=device)


def check_frames(n_fft: int, hop: int) -> None:
    """Raise UsageError for a window and a step that do not fit each other."""
    if not 2 <= n_fft <= 65536 or n_fft % 2 or not 1 <= hop <= n_fft // 2 or (n_fft - hop) % 2:
        raise UsageError(f"n_fft={n_fft} and hop={hop} do not fit: both must be even, and hop at most half of n_fft.")


def stft(x: Tensor, n_fft: int, hop: int, pad: str = "constant") -> Tensor:
    """Signals [..., n] -> complex [..., n_fft / 2 + 1, frames].

    pad: what surrounds the signal, "constant" for silence or "reflect". Raises UsageError for n_fft and hop that do not
    fit each other.
    """
    check_frames(n_fft, hop)
    with torch.autocast(x.device.type, enabled=False):
        flat, n = x.float().reshape(-1, 1, x.shape[-1]), x.shape[-1]
        left = (n_fft - hop) // 2
        right = frame_count(n, hop) * hop - n + left
        padded = F.pad(flat, (left, right), pad)[:, 0] if pad == "reflect" else F.pad(flat, (left, right))[:, 0]
        frames = padded.unfold(-1, n_fft, hop) * window(n_fft, x.device)
        return torch.fft.rfft(frames).transpose(1, 2).reshape(*x.shape[:-1], n_fft // 2 + 1, -1)


def istft(spectrum: Tensor, n_fft: int, hop: int, length: int) -> Tensor:
    """The signals [..., length] whose frames are nearest to `spectrum` (Griffin and Lim 1984, equation 6).

    The sum of the windowed frames, divided by the sum of the squared windows; the exact inverse of `stft`.
    """
    check_frames(n_fft, hop)
    with torch.autocast(spectrum.device.type, enabled=False):
        bins, count = spectrum.shape[-2:]
        weight = window(n_fft, spectrum.device)
        frames = torch.fft.irfft(spectrum.reshape(-1, bins, count).transpose(1, 2), n_fft) * weight
        left = (n_fft - hop) // 2
        x = _overlap(frames, hop) / _envelope(n_fft, hop, count, spectrum.device)
        return x[:, left : left + length].reshape(*spectrum.shape[:-2], length)


def _overlap(frames: Tensor, hop: int) -> Tensor:
    """Overlap-add: frames [B, count, n_fft] -> signals [B, (count - 1) hop + n_fft]."""
    _, count, n_fft = frames.shape
    size = (count - 1) * hop + n_fft
    return F.fold(frames.transpose(1, 2), (1, size), (1, n_fft), stride=(1, hop))[:, 0, 0]


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _envelope(n_fft: int, hop: int, count: int, device: torch.device) -> Tensor:
    squares = window(n_fft, device).square().expand(1, count, n_fft)
    return _overlap(squares, hop)[0].clamp_min(1e-3)


# Mel -----------------------------------------------------------------------------------------------


def to_mel(hz: Tensor) -> Tensor:
    """Slaney's mel scale: 3 mel per 200 Hz up to 1 kHz, then 27 mel per factor of 6.4."""
    return torch.where(hz < _BREAK, hz * 3 / 200, 15 + 27 * (hz.clamp_min(_BREAK) / _BREAK).log() / math.log(6.4))


def to_hz(mel: Tensor) -> Tensor:
    """The inverse of `to_mel`."""
    return torch.where(mel < 15, mel * 200 / 3, _BREAK * ((mel.clamp_min(15) - 15) * math.log(6.4) / 27).exp())


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def mel_bank(
    rate: int, n_fft: int, mels: int, low: float = 0.0, high: float = 0.0, device: torch.device = _CPU
) -> Tensor:
    """Triangular filters [mels, n_fft / 2 + 1], each summing to 1, evenly spaced from `low` to `high` Hz in mel.

    high: 0 for half the rate. A filter too narrow to hold a bin weights the nearest bins by their distance. Raises
    UsageError for bands that do not fit. The cache key is all settings, the rate included.
    """
    high = high or rate / 2
    if not 1 <= mels <= n_fft or not 0 <= low < high <= rate / 2:
        raise UsageError(f"{mels} mel bands from {low:g} to {high:g} Hz do not fit {n_fft} samples at {rate} Hz.")
    ends = to_mel(torch.tensor([low, high], dtype=torch.float64))
    edges = to_hz(torch.linspace(float(ends[0]), float(ends[1]), mels + 2, dtype=torch.float64))
    bins = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * rate / n_fft
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bank = torch.minimum((bins - left) / (middle - left), (right - bins) / (right - middle)).clamp_min(0)
    near = (1 - (bins - middle).abs() * n_fft / rate).clamp_min(0)
    bank = torch.where(bank.sum(1, keepdim=True) > 1e-2, bank, near)
    return (bank / bank.sum(1, keepdim=True)).float().to(device)


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def mel_inverse(
    rate: int, n_fft: int, mels: int, low: float = 0.0, high: float = 0.0, device: torch.device = _CPU
) -> Tensor:
    """[n_fft / 2 + 1, mels]: bands -> bins, each bin a weighted mean of the bands that contain it, never negative."""
    bank = mel_bank(rate, n_fft, mels, low, high).double()
    share = bank / bank.amax(1, keepdim=True)
    total = share.sum(0, keepdim=True)
    return torch.where(total > 1e-6, share / total.clamp_min(1e-6), share).T.float().to(device)


# Phases --------------------------------------------------------------------------------------------


def griffin_lim(
    magnitude: Tensor,
    n_fft: int,
    hop: int,
    length: int,
    rounds: int = 32,
    momentum: float = 0.99,
    start: Tensor | None = None,
) -> Tensor:
    """Magnitudes [..., bins, frames] -> signals [..., length] whose STFT has about these magnitudes.

    Fast Griffin-Lim (Perraudin, Balazs, Sondergaard 2013, algorithm 2). start: initial phases in radians; None: those
    of `peak_phases`. It draws no random numbers: the same magnitudes give the same signal.
    """
    phase = peak_phases(magnitude, n_fft, hop) if start is None else start
    spectrum = torch.polar(magnitude, phase)
    before = torch.zeros_like(spectrum)
    for _ in range(rounds):
        now = stft(istft(spectrum, n_fft, hop, length), n_fft, hop)
        ahead = now + momentum * (now - before)
        before = now
        spectrum = magnitude * ahead / ahead.abs().clamp_min(1e-9)
    return istft(spectrum, n_fft, hop, length)


def peak_phases(magnitude: Tensor, n_fft: int, hop: int) -> Tensor:
    """Phases [..., bins, frames] in radians that advance as those of steady tones at the peaks.

    Beauregard, Harish, Wyse 2015 (single pass spectrogram inversion): each bin belongs to the nearest peak of its
    frame, whose frequency is interpolated by a parabola through three bins; neighbouring bins differ by pi.
    """
    bins = magnitude.shape[-2]
    m = magnitude.movedim(-1, -2)
    padded = F.pad(m, (1, 1), value=-1.0)
    left, right = padded[..., :-2], padded[..., 2:]
    curve = left - 2 * m + right
    shift = torch.where(curve.abs() > 1e-12, 0.5 * (left - right) / curve, 0).clamp(-0.5, 0.5)
    index = torch.arange(bins, device=m.device, dtype=m.dtype)
    peak = (m > left) & (m >= right)
    owner = _nearest(torch.where(peak, index, torch.inf))
    frequency = torch.gather(index + shift, -1, owner)
    turn = 2 * math.pi * hop / n_fft * frequency
    return (turn.cumsum(-2) + math.pi * (index - owner) % (2 * math.pi)).movedim(-2, -1)


def _nearest(places: Tensor) -> Tensor:
    """For every bin the nearest of `places` that is not infinite, int64; the bin itself where there is none."""
    bins = places.shape[-1]
    index = torch.arange(bins, device=places.device, dtype=places.dtype)
    below = torch.where(places.isinf(), -1.0, places).cummax(-1).values
    above = torch.where(places.isinf(), 2.0 * bins, places).flip(-1).cummin(-1).values.flip(-1)
    down = torch.where(below < 0, torch.inf, index - below)
    up = torch.where(above >= bins, torch.inf, above - index)
    found = torch.where(down <= up, below, above)
    return torch.where(torch.isinf(torch.minimum(down, up)), index, found).long()
