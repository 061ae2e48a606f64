"""The pitch of notes of known pitch, at every rate; none of noise, silence and a constant."""

import numpy as np
import pytest
import torch

from ganworks.kinds.audio.pitch import pitch, pitch_track

RATES = (8000, 16_000, 22_050, 44_100)
NOTES = np.geomspace(62, 985, 17)


def note(hertz: float, rate: int, fall: float, noise: float = 0.1) -> np.ndarray:
    """[1, N]: 0.2 seconds of up to 20 harmonics with amplitudes k^-fall, in random phases, and noise."""
    draw, t = np.random.default_rng(round(hertz)), np.arange(rate // 5) / rate
    orders = range(1, 1 + min(20, int((rate / 2 - 1) // hertz)))
    x = sum(k**-fall * np.cos(2 * np.pi * hertz * k * t + draw.uniform(0, 6.3)) for k in orders)
    return (0.1 * (x / x.std() + noise * draw.standard_normal(len(t))))[None].astype(np.float32)


@pytest.mark.parametrize("fall", [1.0, 0.0], ids=["dull", "bright"])
@pytest.mark.parametrize("rate", RATES)
def test_notes_have_their_pitch_at_every_rate(rate, fall):
    """The defect: the highest of all peaks of the correlation, so that half of the notes were octaves too low."""
    found = pitch(np.stack([note(hertz, rate, fall) for hertz in NOTES]), rate)
    assert np.abs(12 * np.log2(found / NOTES)).max() < 0.1, "a tenth of a semitone"


def test_a_vocoder_learns_notes_in_its_range():
    found, sure = pitch_track(torch.from_numpy(note(700.0, 16_000, 1.0)[0]), 16_000, 160, highest=500.0)
    assert (found[2:-3] - 350.0).abs().max() < 2 and (sure[2:-3] > 0.9).all()


def test_what_has_no_pitch_has_none():
    noise = np.random.default_rng(0).standard_normal((1, 1, 4000)).astype(np.float32)
    for wave in (noise, np.zeros_like(noise), np.full_like(noise, 0.5), noise[..., :5]):
        assert np.isnan(pitch(wave, 8000)).all()
    offset = note(200.0, 8000, 1.0)[None] + 0.5
    assert pitch(offset, 8000) == pytest.approx([200], rel=0.01)
