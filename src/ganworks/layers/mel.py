"""Log-mel frames: what vocoders are given, and what they are compared by."""

from __future__ import annotations

from torch import Tensor

from ganworks.layers.spectral import mel_bank, stft

FLOOR = 1e-5  # of the mean magnitude of a band, as in HiFi-GAN


def log_mel(
    x: Tensor, rate: int, n_fft: int, hop: int, mels: int, low: float = 0.0, high: float = 0.0, floor: float = FLOOR
) -> Tensor:
    """Signals [..., n] -> natural logarithms of mel bands [..., mels, ceil(n / hop)], each at least ln(floor).

    A band is the mean magnitude of the bins below its triangular filter (see `spectral.mel_bank`), frame t is centred
    on sample (t + 1/2) hop, and before and after the signal there is silence.
    """
    magnitude = stft(x, n_fft, hop).abs()
    return (mel_bank(rate, n_fft, mels, low, high, x.device) @ magnitude).clamp_min(floor).log()
