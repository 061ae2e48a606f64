"""Distances between a resynthesised sound and its original: multi-resolution spectrograms, mel bands, pitch.

All functions take sounds as float32 tensors [n] or [..., n] with full scale 1.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ganworks.kinds.audio.pitch import VOICED, pitch_track
from ganworks.kinds.audio.spectral import griffin_lim, stft
from ganworks.kinds.audio.vocoder.mel import log_mel, mel_pinv

SIZES = (128, 256, 512)  # n_fft of `spectra`; hop n_fft / 4, Hann
FLOOR = 1e-3  # smaller magnitudes count as silence
_EPS = 1e-9


def spectra(real: Tensor, made: Tensor, sizes: tuple[int, ...] = SIZES) -> dict[str, float]:
    """Distances between the short-time Fourier transforms of two sounds [n], each the mean over `sizes`.

    stft: mean absolute difference of the natural logarithms of magnitudes, which are at least FLOOR; this is the
    multi-resolution STFT distance of the reports (0.50 for Griffin-Lim on FSDD). convergence: spectral convergence, the
    norm of the difference over that of the original (Arik et al. 2018, 1808.06719). stft_256 etc.: stft at one size.
    Parallel WaveGAN's loss (1910.11480, equation 6) is the sum of stft and convergence.
    """
    found: dict[str, float] = {}
    for n in sizes:
        r, m = stft(real, n, n // 4).abs(), stft(made, n, n // 4).abs()
        found[f"stft_{n}"] = float((r.clamp_min(FLOOR).log() - m.clamp_min(FLOOR).log()).abs().mean())
        found[f"convergence_{n}"] = float((r - m).norm() / r.norm().clamp_min(_EPS))
    means = {name: float(np.mean([found[f"{name}_{n}"] for n in sizes])) for name in ("stft", "convergence")}
    return {**means, **{f"stft_{n}": found[f"stft_{n}"] for n in sizes}}


def mel_distance(real: Tensor, made: Tensor, rate: int, n_fft: int, hop: int, mels: int) -> float:
    """Mean absolute difference of log10 mel bands over all frequencies (1 is a factor of ten)."""
    r, m = (log_mel(x, rate, n_fft, hop, mels) for x in (real, made))
    return float((r - m).abs().mean()) / math.log(10)


def pitch_errors(real: Tensor, made: Tensor, rate: int, hop: int) -> tuple[float, float]:
    """(root mean square difference of ln F0 where both have a pitch, share of frames where only one has).

    The first is NaN when there is no frame where both have a pitch.
    """
    (f, sure), (g, clear) = pitch_track(real, rate, hop), pitch_track(made, rate, hop)
    ours, theirs = sure > VOICED, clear > VOICED
    both = ours & theirs
    apart = float((ours != theirs).double().mean())
    return (float((f / g)[both].log().square().mean().sqrt()) if both.any() else math.nan), apart


def from_mel(
    mel: Tensor, rate: int, n_fft: int, hop: int, low: float, high: float, length: int, rounds: int = 32, seed: int = 0
) -> Tensor:
    """The classic inversion: log-mel frames [..., mels, T] -> sounds [..., length], by pseudo-inverse and Griffin-Lim.

    The initial phases are random (`seed`) and are refined in `rounds` rounds with momentum 0.99.
    """
    magnitude = (mel_pinv(rate, n_fft, mel.shape[-2], low, high, mel.device) @ mel.exp()).clamp_min(0)
    draw = torch.Generator().manual_seed(seed)
    start = 2 * math.pi * torch.rand(magnitude.shape, generator=draw)
    return griffin_lim(magnitude, n_fft, hop, length, rounds, start=start)
