"""Transforms invert, mel filters are kept by all of their settings, and phases make waves with the magnitudes asked."""

import math

import numpy as np
import pytest
import torch

from ganworks.core.errors import UsageError
from ganworks.kinds.audio.spectral import frame_count, griffin_lim, istft, mel_bank, peak_phases, stft, to_hz, to_mel


def chirp(n=2048, rate=8000):
    t = torch.arange(n) / rate
    return (0.5 * torch.sin(2 * math.pi * (300 * t + 1500 * t**2)))[None]


@pytest.mark.parametrize(("n_fft", "hop", "n"), [(256, 64, 2048), (256, 128, 1000), (64, 16, 777), (128, 32, 128)])
def test_the_inverse_gives_the_signal_back(n_fft, hop, n):
    x = torch.randn(2, 3, n, generator=torch.Generator().manual_seed(0))
    spectrum = stft(x, n_fft, hop)
    assert spectrum.shape == (2, 3, n_fft // 2 + 1, frame_count(n, hop))
    assert (istft(spectrum, n_fft, hop, n) - x).abs()[..., hop:-hop].max() < 1e-4


def test_frames_are_centred_where_they_say_and_tones_stand_in_their_bin():
    x = torch.zeros(1, 1024)
    x[0, 64 * 5 + 32] = 1.0
    assert stft(x, 256, 64).abs().sum(1)[0].argmax() == 5
    tone = torch.sin(2 * math.pi * 1000 * torch.arange(2048) / 8000)[None]
    magnitude = stft(tone, 256, 64).abs()[0, :, 10] * 4 / 256
    assert magnitude.argmax() == 32 and magnitude.max() == pytest.approx(1, abs=0.01)  # 32 * 8000 / 256 = 1000 Hz


def test_autocast_does_not_round_a_transform():
    x = chirp()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(stft(x, 256, 64), stft(x, 256, 64)) and stft(x, 256, 64).dtype == torch.complex64


@pytest.mark.parametrize(("n_fft", "hop"), [(255, 64), (256, 200), (256, 0), (256, 63)])
def test_settings_that_do_not_fit_are_refused(n_fft, hop):
    with pytest.raises(UsageError, match="do not fit"):
        stft(chirp(), n_fft, hop)


def test_the_mel_scale_and_its_filters():
    hz = torch.tensor([0.0, 200.0, 1000.0, 6400.0])
    assert to_mel(hz).tolist() == pytest.approx([0, 3, 15, 42])
    assert torch.allclose(to_hz(to_mel(hz)), hz, atol=1e-2)
    bank = mel_bank(8000, 256, 40)
    assert bank.shape == (40, 129) and (bank >= 0).all() and torch.allclose(bank.sum(1), torch.ones(40), atol=1e-5)
    middle = (bank * torch.arange(129)).sum(1)
    assert (middle.diff() > 0).all()
    assert (mel_bank(8000, 256, 80).sum(1) > 0.99).all()  # no empty filter, though some are narrower than a bin


def test_filters_are_kept_by_every_setting_a_key_of_fewer_serves_the_wrong_ones():
    """HiFi-GAN keeps its filter bank by the upper limit alone: another rate or count of bands gets the old one."""
    kept = {}

    def by_limit_alone(rate, n_fft, mels, low, high):
        if high not in kept:
            kept[high] = mel_bank(rate, n_fft, mels, low, high)
        return kept[high]

    settings = [(8000, 256, 40, 0.0, 4000.0), (16000, 512, 80, 0.0, 4000.0), (8000, 256, 40, 50.0, 4000.0)]
    fresh = [mel_bank.__wrapped__(*s) for s in settings]
    assert all(torch.equal(mel_bank(*s), f) for s, f in zip(settings, fresh, strict=True))
    wrong = [by_limit_alone(*s) for s in settings]
    assert not all(w.shape == f.shape and torch.equal(w, f) for w, f in zip(wrong, fresh, strict=True))
    assert mel_bank(*settings[0]) is mel_bank(*settings[0])  # kept, not made again in every call


def test_what_an_evaluation_made_first_can_be_trained_with():
    with torch.inference_mode():
        bank = mel_bank(8001, 256, 17)
        griffin_lim(stft(chirp(), 130, 32).abs(), 130, 32, 2048, 1)
    x = chirp().requires_grad_()
    istft(stft(x, 130, 32), 130, 32, 2048).sum().backward()
    assert x.grad is not None and (bank.clone().requires_grad_() * bank).sum().requires_grad


@pytest.mark.parametrize(("mels", "low", "high"), [(0, 0, 0), (300, 0, 0), (40, 100, 50), (40, 0, 9000)])
def test_bands_that_do_not_fit_are_refused(mels, low, high):
    with pytest.raises(UsageError, match="do not fit"):
        mel_bank(8000, 256, mels, low, high)


def test_griffin_lim_meets_the_magnitudes_and_begins_better_than_from_nothing():
    t = torch.arange(2048) / 8000
    x = sum(0.1 * torch.sin(2 * math.pi * 210 * k * t) for k in range(1, 8))[None]
    magnitude = stft(x, 256, 64).abs()

    def error(wave):
        return float((stft(wave, 256, 64).abs() - magnitude).norm() / magnitude.norm())

    start = error(griffin_lim(magnitude, 256, 64, 2048, 0))
    nothing = error(griffin_lim(magnitude, 256, 64, 2048, 0, start=torch.zeros_like(magnitude)))
    made = griffin_lim(magnitude, 256, 64, 2048, 32)
    assert error(made) < 0.05 < start < 0.2 < nothing
    assert torch.equal(made, griffin_lim(magnitude, 256, 64, 2048, 32))


def test_phases_of_a_steady_tone_run_on_at_its_frequency():
    tone = torch.sin(2 * math.pi * 1010 * torch.arange(4096) / 8000)[None]
    spectrum = stft(tone, 256, 64)
    turned = peak_phases(spectrum.abs(), 256, 64)[0, 32].diff()[5:-5]
    true = spectrum[0, 32].angle().diff()[5:-5]
    away = np.angle(np.exp(1j * (turned - true).numpy()))
    assert np.abs(away).max() < 0.2


def test_silence_stays_silence():
    assert griffin_lim(torch.zeros(1, 129, 16), 256, 64, 1024, 4).abs().max() == 0
