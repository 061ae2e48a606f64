"""Vocoders: mel frames to sound, at any rate and length; published sizes; the game's published weights; metrics."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from buzzes import RATE, SMALL, folder_of, tone
from recipe_checks import check_recipe

from ganworks.core.errors import UsageError
from ganworks.core.spec import Batch, Draw, Spec
from ganworks.kinds.audio.pitch import pitch_track
from ganworks.kinds.audio.spectral import mel_bank
from ganworks.kinds.audio.vocoder import networks
from ganworks.kinds.audio.vocoder.discriminators import PeriodDiscriminator, ScaleDiscriminator, VocoderDiscriminators
from ganworks.kinds.audio.vocoder.domain import VocoderDomain
from ganworks.kinds.audio.vocoder.game import Vocoding, spectral_distance
from ganworks.kinds.audio.vocoder.hifigan import SIZES, HifiGenerator, fitting_steps
from ganworks.kinds.audio.vocoder.mel import frames_of, from_log_mel, log_mel


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> Path:
    return folder_of(tmp_path_factory.mktemp("sounds"))


@pytest.fixture(scope="module")
def data(sounds):
    return VocoderDomain(segment=2048).open(sounds)


# Networks -------------------------------------------------------------------------------------------------------------


def count(net: torch.nn.Module, norms: bool = True) -> int:
    return sum(p.numel() for n, p in net.named_parameters() if norms or not n.endswith("original0"))


@pytest.mark.parametrize(("name", "millions"), [("V1", 13.92), ("V2", 0.92), ("V3", 1.46)])
def test_the_published_sizes(name, millions):
    """2010.05646, table 1, in millions cut off after two digits, without the lengths that weight norm keeps apart."""
    with torch.device("meta"):
        net = HifiGenerator(80, SIZES[name].steps, SIZES[name])
    assert math.floor(count(net, norms=False) / 1e4) / 100 == millions


def test_the_published_discriminators():
    def conv(a, b, k):
        return a * b * k + 2 * b  # bias, and weight norm's length

    widths = [1, 32, 128, 512, 1024, 1024]
    period = sum(conv(a, b, 5) for a, b in pairwise(widths)) + conv(1024, 1, 3)
    sizes = [(1, 128, 15), (128, 128, 41, 4), (128, 256, 41, 16), (256, 512, 41, 16), (512, 1024, 41, 16),
             (1024, 1024, 41, 16), (1024, 1024, 5), (1024, 1, 3)]  # fmt: skip
    scale = sum(conv(a // (g[0] if g else 1), b, k) for a, b, k, *g in sizes)
    with torch.device("meta"):
        assert count(PeriodDiscriminator(2)) == period == 8_221_154
        assert count(ScaleDiscriminator()) == scale == 9_874_306
        nets = VocoderDiscriminators()
    assert [p.period for p in nets.periods] == [2, 3, 5, 7, 11]
    spectral = ["SpectralNorm" in type(s.convs[0].parametrizations.weight[0]).__name__ for s in nets.scales]
    assert spectral == [True, False, False]


@pytest.mark.parametrize("hop", [64, 120, 200, 256, 300, 441])
@pytest.mark.parametrize("mels", [13, 80])
def test_any_hop_and_any_number_of_mels(hop, mels):
    """HiFi-GAN's users: odd factors change the length, 80 mels are hard-coded."""
    steps = fitting_steps(hop, SIZES["V3"].steps)
    assert math.prod(steps) == hop
    net = HifiGenerator(mels, steps, SIZES["V3"])
    assert net(torch.randn(1, mels, 3)).shape == (1, 1, 3 * hop)


def test_the_usual_padding_loses_samples_at_odd_factors():
    """What HiFi-GAN does, padding of (kernel - factor) // 2: shown to fail where `fitting_steps` may lead."""
    usual = torch.nn.ConvTranspose1d(1, 1, 10, 5, (10 - 5) // 2)
    assert usual(torch.zeros(1, 1, 8)).shape[2] != 8 * 5


def test_steps_that_miss_the_hop_are_refused(data):
    with pytest.raises(UsageError, match="8 x 8 x 2 x 2 = 256, but each frame stands for hop=64"):
        networks.VocoderNetworks(kind="hifigan", steps=(8, 8, 2, 2)).build(data.spec)
    with pytest.raises(UsageError, match="too large"):
        fitting_steps(2 * 31, (8, 8))
    with pytest.raises(UsageError, match="needs the fact"):
        networks.VocoderNetworks().build(Spec("vocoder", (1, 64)))


@pytest.mark.parametrize("kind", ["istft", "hifigan"])
def test_chunks_leave_no_seams(kind, data):
    torch.manual_seed(0)
    G = networks.VocoderNetworks(kind=kind, size="V3", width=16, blocks=2).build(data.spec)["G"].eval()
    mel, made = torch.randn(2, 40, 150) - 3, []
    with torch.inference_mode():
        for chunk in (150, 40, 7):
            torch.manual_seed(1)
            made.append(G.long(mel, chunk))
        torch.manual_seed(1)
        made.append(G(mel))
        G.reach = (2, 1) if kind == "istft" else 2  # a defect: too little around each chunk
        torch.manual_seed(1)
        worse = G.long(mel, 40)
    assert made[0].shape == (2, 1, 150 * 64)
    scale = made[0].abs().max()
    for other in made[1:]:
        assert (made[0] - other).abs().max() < 1e-3 * scale
    assert (made[0] - worse).abs().max() > 1e-3 * scale


def test_pulses_have_their_pitch_and_power_for_hours():
    for pitch in (80.0, 200.0):
        x = networks.pulse_train(torch.full((1, 200), pitch), RATE, 64)
        assert abs(float(x.square().mean()) - 1) < 0.1
        found, sure = pitch_track(x[0], RATE, 64)
        assert (found[5:-8] / pitch - 1).abs().max() < 0.01
        assert (sure[5:-8] > 0.9).all()
    late = networks.pulse_train(torch.full((1, 40_000), 123.0), RATE, 64)[0, -8000:]
    found, _ = pitch_track(late, RATE, 64)
    assert (found[5:-8] / 123 - 1).abs().max() < 0.01


def test_the_pitch_is_read_from_mel_frames():
    x = torch.from_numpy(tone(0.5, 140.0))
    magnitude = from_log_mel(log_mel(x, RATE, 256, 64, 40), RATE, 256)
    fit = networks.comb(RATE, 256, torch.device("cpu")) @ magnitude
    best = networks.pitch_candidates(torch.device("cpu"))[fit.argmax(0)][5:-5]
    assert (best / 140 - 1).abs().median() < 0.05


def test_bins_without_a_band_begin_at_the_nearest_one():
    x = torch.randn(4000) * 0.1
    begin = from_log_mel(log_mel(x, RATE, 256, 64, 40, 100.0, 3000.0), RATE, 256, 100.0, 3000.0).mean(1)
    assert begin[-1] > 0.05 * begin[80]
    assert begin[0] > 0.05 * begin[10]


# Data and frames ------------------------------------------------------------------------------------------------------


def test_frames_of_a_crop_are_those_of_the_recording(data):
    domain = VocoderDomain(segment=2048, gain=0.0)
    batch = domain.batch(data, data.train[:4], Draw(3, 4, slice(None)))
    assert batch["x"].shape == (4, 1, 2048) and batch["src"].shape == (4, 40, 32) and batch["pitch"].shape == (4, 32)
    again = frames_of(batch["x"][:, 0], data.spec.facts)
    torch.testing.assert_close(again[:, :, 2:-2], batch["src"][:, :, 2:-2], rtol=0, atol=2e-4)
    other = domain.batch(data, data.train[:4], Draw(3, 4, slice(None)))
    assert all(torch.equal(batch[k], other[k]) for k in batch)
    row = int(data.train[0])
    length = data.length(row)
    start = int(Draw(3, 4, slice(None)).uniform(2)[0, 0] * (length - 2048 + 1))
    whole = frames_of(torch.from_numpy(data.read(row)[:, start % 64 :]), data.spec.facts)
    assert (whole[:, :, start // 64 :][:, :, 3:29] - batch["src"][:1, :, 3:29]).abs().max() < 1e-3


def test_gain_changes_the_level_alone(data):
    loud = VocoderDomain(segment=2048, gain=12.0).batch(data, data.train[:8], Draw(0, 8, slice(None)))
    plain = VocoderDomain(segment=2048, gain=0.0).batch(data, data.train[:8], Draw(0, 8, slice(None)))
    ratio = (loud["x"].square().mean((1, 2)) / plain["x"].square().mean((1, 2))).sqrt().log10() * 20
    assert ratio.abs().max() <= 12.01 and ratio.std() > 2
    assert loud["x"].abs().max() <= 1


def test_settings_follow_the_rate():
    assert VocoderDomain().frames(22050) == {
        "rate": 22050,
        "n_fft": 1024,
        "hop": 256,
        "mels": 80,
        "low": 0.0,
        "high": 11025.0,
    }
    assert [VocoderDomain().frames(r)["n_fft"] for r in (8000, 16000, 24000, 48000)] == [256, 512, 1024, 2048]
    with pytest.raises(UsageError, match="hop at most half"):
        VocoderDomain(n_fft=256, hop=200).frames(8000)
    with pytest.raises(UsageError, match="mels from 0 to 9000"):
        VocoderDomain(high=9000).frames(16000)
    with pytest.raises(UsageError, match="gain"):
        VocoderDomain(gain=-1)


def test_a_segment_must_be_whole_frames(sounds):
    with pytest.raises(UsageError, match="multiple of hop=64"):
        VocoderDomain(segment=1000).open(sounds)


def test_the_filter_bank_is_kept_by_all_of_its_settings():
    """HiFi-GAN keeps its filters by the highest frequency and device alone: a change of rate gets the wrong ones."""
    kept: dict = {}

    def defective(rate, n_fft, mels):
        return kept.setdefault("cpu", mel_bank(rate, n_fft, mels))

    defective(8000, 256, 40)
    assert defective(16000, 512, 80).shape != (80, 257)
    assert mel_bank(8000, 256, 40) is mel_bank(8000, 256, 40)
    assert mel_bank(16000, 512, 80).shape == (80, 257)


# Game -----------------------------------------------------------------------------------------------------------------


def test_the_published_weights(data):
    """L(G) = sum over discriminators of (D(fake) - 1)^2 + 2 L(features) + 45 L(mel): 2010.05646, equations 1 to 6."""
    torch.manual_seed(0)
    nets = networks.VocoderNetworks(width=8, blocks=1, d_width=2, d_most=8, d_scale=2).build(data.spec)
    nets["D"].eval()
    game = Vocoding(adversarial_from=0.0, spectral=0.0, pitch=0.0, rate=RATE, n_fft=256, hop=64, mels=40)
    domain = VocoderDomain(segment=2048)
    batch = Batch(lambda: domain.batch(data, data.train[:3], Draw(0, 3, slice(None))), Draw(0, 3, slice(None)), size=3)
    torch.manual_seed(1)
    terms = game.generator_turn(nets, batch)
    torch.manual_seed(1)
    fake, x = nets["G"](batch["src"]), batch["x"]
    made, real = nets["D"].features(fake), nets["D"].features(x)
    g = sum((m[-1] - 1).square().flatten(1).mean(1) for m in made)
    match = sum((a - b).abs().flatten(1).mean(1) for m, r in zip(made, real, strict=True)
                for a, b in zip(m[:-1], r[:-1], strict=True))  # fmt: skip
    mel = (log_mel(fake[:, 0], RATE, 256, 64, 40) - log_mel(x[:, 0], RATE, 256, 64, 40)).abs().mean((1, 2))
    torch.testing.assert_close(terms["g_loss"], g)
    torch.testing.assert_close(terms["match"], 2 * match)
    torch.testing.assert_close(terms["mel"], 45 * mel)
    torch.manual_seed(1)
    d = game.discriminator_turn(nets, batch)["d_loss"]
    wanted = sum((r[-1] - 1).square().flatten(1).mean(1) + m[-1].square().flatten(1).mean(1)
                 for r, m in zip(real, made, strict=True))  # fmt: skip
    torch.testing.assert_close(d, wanted)


def test_stages_and_decay(data):
    game = Vocoding(adversarial_from=0.8)
    assert game.phases == (0.0, 0.8)
    assert [p for p, _ in game.turns(0, 0.5)] == [("G",)]
    assert [p for p, _ in game.turns(0, 0.8)] == [("D",), ("G",)]
    net = torch.nn.Linear(2, 2)
    before = net.weight.clone()
    Vocoding(decay=0.001).after({"G": net}, ("G",))
    torch.testing.assert_close(net.weight, before * 0.999)
    frames = ({"hop": 0}, {"n_fft": 0}, {"mels": 0}, {"rate": 0})
    for wrong in ({"mel": 0, "spectral": 0}, {"decay": 0.5}, {"gan": -1}, {"adversarial_from": 2}, *frames):
        with pytest.raises(UsageError):
            Vocoding(**wrong)


def test_silence_has_finite_distances():
    x = torch.zeros(2, 1024, requires_grad=True)
    found = spectral_distance(x, torch.zeros(2, 1024), 256, 64)
    found.sum().backward()
    assert found.abs().max() == 0 and torch.isfinite(x.grad).all()


@pytest.mark.parametrize("kind", ["istft", "hifigan"])
def test_the_recipe_trains_and_resumes(kind, sounds, tmp_path):
    size = {"networks.size": "V2", "networks.kind": kind}
    check_recipe(
        "vocoder", sounds, tmp_path, **{**SMALL, **size, "game.adversarial_from": 0.5, "batch": 2, "budget": 8}
    )
