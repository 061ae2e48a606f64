"""Log-mel frames: the input of vocoders, and part of their losses and scores."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ganworks.kinds.audio.spectral import mel_bank, mel_inverse, stft

FLOOR = 1e-5  # least mean magnitude of a band, as in HiFi-GAN


def log_mel(
    x: Tensor, rate: int, n_fft: int, hop: int, mels: int, low: float = 0.0, high: float = 0.0, floor: float = FLOOR
) -> Tensor:
    """Signals [..., n] -> natural logarithms of mel bands [..., mels, ceil(n / hop)], each at least ln(floor).

    A band is the weighted mean magnitude of the bins in its triangular filter (see `spectral.mel_bank`), frame t is
    centred on sample (t + 1/2) hop, and the signal is surrounded by silence.
    """
    magnitude = stft(x, n_fft, hop).abs()
    return (mel_bank(rate, n_fft, mels, low, high, x.device) @ magnitude).clamp_min(floor).log()


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def mel_pinv(rate: int, n_fft: int, mels: int, low: float, high: float, device: torch.device) -> Tensor:
    """The pseudo-inverse [n_fft / 2 + 1, mels] of the mel filters, cached by all of its settings."""
    return torch.linalg.pinv(mel_bank(rate, n_fft, mels, low, high).double()).float().to(device)


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def mel_around(rate: int, n_fft: int, mels: int, low: float, high: float, device: torch.device) -> Tensor:
    """[n_fft / 2 + 1, mels]: bands -> bins as means of bands; bins outside of all bands take the nearest band."""
    inverse = mel_inverse(rate, n_fft, mels, low, high).clone()
    seen = inverse.sum(1).nonzero()[:, 0]
    first, last = int(seen[0]), int(seen[-1])
    inverse[:first, 0] = inverse[last + 1 :, -1] = 1.0
    return inverse.to(device)


def from_log_mel(mel: Tensor, rate: int, n_fft: int, low: float = 0.0, high: float = 0.0) -> Tensor:
    """Log-mel frames [..., mels, T] -> positive magnitudes [..., n_fft / 2 + 1, T] with about these bands.

    They are those of the pseudo-inverse, which may be negative, but at least a tenth of the mean of the bands around.
    """
    bands, settings = mel.exp(), (rate, n_fft, mel.shape[-2], low, high, mel.device)
    return torch.maximum(mel_pinv(*settings) @ bands, 0.1 * (mel_around(*settings) @ bands)).clamp_min(FLOOR)


def margin_of(facts: dict[str, Any]) -> int:
    """Samples on either side of a crop on which its frames depend, a multiple of hop."""
    return -(-facts["n_fft"] // (2 * facts["hop"])) * facts["hop"]


def frames_of(x: Tensor, facts: dict[str, Any]) -> Tensor:
    """Samples [..., n] -> the log-mel frames [..., mels, ceil(n / hop)] as a network with these facts takes them."""
    names = ("rate", "n_fft", "hop", "mels", "low", "high")
    return log_mel(x, *(facts[name] for name in names))
