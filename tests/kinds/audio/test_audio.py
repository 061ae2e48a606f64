"""Sound: one recipe end to end, what the players see, what is written, and what the judge says of known cases."""

import copy
import io
import math
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from recipe_checks import check_recipe

import ganworks as gw
from ganworks.core.errors import UsageError
from ganworks.core.settings import Config
from ganworks.core.spec import Batch, Draw, Spec
from ganworks.files import provenance
from ganworks.files.wav import wav_bytes
from ganworks.kinds.audio.augment import SpectrogramAugment
from ganworks.kinds.audio.domain import Audio
from ganworks.kinds.audio.game import SpectrogramGame
from ganworks.kinds.audio.metrics import measures as audio
from ganworks.kinds.audio.metrics.evaluator import AudioEvaluator
from ganworks.kinds.audio.metrics.pictures import sheet
from ganworks.kinds.audio.networks.spectrograms import Spectrogram
from ganworks.kinds.audio.networks.waves import WaveGAN, phase_shuffle, stage_plan
from ganworks.networks.compact import Compact
from ganworks.use.model import Model

RATE = 2000


def word(hz, rng, seconds=0.3):
    """A tone with a second harmonic that fades: low and high ones are the two classes."""
    t = np.arange(int(RATE * seconds * rng.uniform(0.8, 1.2))) / RATE
    hz *= rng.uniform(0.95, 1.05)
    wave = np.sin(2 * np.pi * hz * t) + 0.3 * np.sin(4 * np.pi * hz * t)
    return (rng.uniform(0.3, 0.6) * wave * np.exp(-4 * t) + 0.002 * rng.standard_normal(len(t))).astype(np.float32)


@pytest.fixture(scope="module")
def recordings():
    rng = np.random.default_rng(0)
    waves = [word((150, 400)[k % 2], rng) for k in range(60)]
    return waves, RATE, [("low", "high")[k % 2] for k in range(60)]


@pytest.fixture(scope="module")
def opened(recordings, tmp_path_factory):
    return Audio().open(recordings, cache=tmp_path_factory.mktemp("cache"))


SMALL = {
    "audio": {"networks.picture.width": 4, "networks.picture.d_width": 4, "networks.mels": 16},
    "wavegan": {"networks.width": 2, "game.n_critic": 1},
    "specgan": {"networks.picture.width": 2, "game.n_critic": 1},
}


@pytest.mark.parametrize("name", SMALL)
def test_recipes_train_resume_and_publish(name, recordings, tmp_path, monkeypatch):
    monkeypatch.setenv("GANWORKS_CACHE", str(tmp_path / "cache"))
    found = check_recipe(name, recordings, tmp_path, **SMALL[name])
    model = Model(found["G"].net, found["G"].spec)
    assert model.sample(2, labels="low").data.shape == (2, 1, 1024)


# Data ----------------------------------------------------------------------------------------------


def test_lengths_follow_the_recordings_and_the_rest_is_silence(opened):
    assert opened.spec.shape == (1, 1024) and opened.spec.classes == ("high", "low")  # 0.36 s at most, at 2 kHz
    batch = Audio().batch(opened, np.array([0, 3]), Draw(0, 2, slice(None)))
    assert batch["x"].shape == (2, 1, 1024) and batch["y"].tolist() == [1, 0]
    assert (batch["x"][0, :, opened.length(0) :] == 0).all() and batch["x"].abs().amax() == pytest.approx(
        0.95, abs=1e-3
    )


def test_longer_recordings_give_their_loudest_part_or_pieces_where_most_are_long(tmp_path):
    wave = np.zeros(1400, np.float32)
    wave[800:1200] = 0.5
    short = [np.full(200, 0.1 * k, np.float32) for k in (1, 2)]
    data = Audio(seconds=0.5).open(([*short, np.ones(5000, np.float32) * 0.1], RATE), cache=tmp_path)
    assert data.rows.tolist() == [[0, 0, 200], [1, 0, 200], [2, 0, 5000]]
    data = Audio(seconds=0.5).open(([wave, np.ones(5000, np.float32) * 0.1], RATE), cache=tmp_path)
    assert data.spec.shape == (1, 1000) and data.rows[:, 0].tolist() == [0, 1, 1, 1, 1, 1]
    assert 200 <= data.starts[0] <= 400 and (data.waves([0]) > 0.9).sum() == 400


@pytest.mark.parametrize(
    "settings",
    [{"rate": 10}, {"channels": 0}, {"held_out": 1.0}, {"seconds": -1.0}, {"labels": "maybe"}],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(UsageError):
        Audio(**settings)


def test_an_example_too_long_to_make_says_what_to_do(recordings, tmp_path):
    with pytest.raises(UsageError, match="seconds=100 are 200,000 samples"):
        Audio(seconds=100.0).open(recordings, cache=tmp_path)


# Pictures ------------------------------------------------------------------------------------------


def test_a_picture_and_back_is_nearly_the_wave(opened):
    front = Spectrogram(n_fft=64, hop=32, mels=32).front(opened.spec)
    x = opened.waves(np.arange(6))
    picture = front.analyse(x)
    assert picture.shape == (6, 1, 32, 32) and picture.min() == -1 and picture.max() < 1
    back = front.synthesise(picture, 1024)
    assert torch.equal(back, front.synthesise(picture, 1024))
    again = front.analyse(back)
    loud = picture > -0.5
    assert (again - picture)[loud].abs().mean() < 0.08
    assert (back.square().mean() / x.square().mean()).sqrt() == pytest.approx(1, abs=0.15)
    assert front.synthesise(torch.full((1, 1, 32, 32), -1.0), 1024).abs().max() == 0


@pytest.mark.parametrize(("rate", "samples"), [(11025, 5000), (22050, 22050), (44100, 44100), (6000, 4096)])
def test_any_rate_and_length_gets_a_picture_without_a_change_of_code(rate, samples, tmp_path):
    """HiFi-GAN's code holds 80 bands, one rate and hops that divide it: other rates break there."""
    from ganworks.core.settings import Budget, Facts
    from ganworks.kinds.audio.recipes import audio as recipe

    spec = Spec("audio", (1, samples), (), -1, 1, "float32", facts={"rate": rate})
    networks = recipe(Facts(spec, 1000, Budget.parse("1k"), "cpu", 10.0, Audio())).networks
    front = networks.front(spec)
    assert 0.016 < front.n_fft / rate < 0.064 and front.n_fft == 2 * front.hop
    wave = 0.3 * torch.sin(440 * 2 * math.pi * torch.arange(samples) / rate)[None, None]
    picture = front.analyse(wave)
    back = front.synthesise(picture, samples)
    assert picture.shape[2:] == (64, -(-samples // front.hop)) and back.shape == wave.shape
    assert (back.square().mean() / wave.square().mean()).sqrt() == pytest.approx(1, abs=0.1)


def test_specgans_pictures_are_standardised_by_the_data(opened):
    front = Spectrogram(scale="bins", n_fft=256, hop=128).front(opened.spec)
    picture = front.analyse(opened.waves(opened.train))
    assert picture.shape[1:] == (1, 128, 8)
    assert picture.mean().abs() < 0.05 and 0.2 < picture.std() < 0.45  # 1/3, a little less where it is clipped
    with pytest.raises(UsageError, match="n_fft=256"):
        Spectrogram(scale="bins", n_fft=128, hop=64).front(opened.spec)


@pytest.mark.parametrize("wrong", [{"hop": 0}, {"hop": -2}, {"n_fft": 0}, {"hop": 10**9}, {"n_fft": 10**9}, {"hop": 3}])
def test_windows_that_do_not_fit_are_refused(wrong):
    with pytest.raises(UsageError, match="do not fit: both must be even, and hop at most half of n_fft"):
        Spectrogram(**wrong)


def test_the_generator_ends_in_the_wave_while_the_game_sees_pictures(opened):
    nets = Spectrogram(Compact(width=4, z_dim=8), n_fft=64, hop=32, mels=16).build(opened.spec)
    z, y = torch.randn(4, 8), torch.tensor([0, 1, 0, 1])
    assert nets["G"](z, y).shape == (4, 1, 1024) and nets["D"](opened.waves(range(4)), y).shape == (4,)
    seen = []
    nets["D"].picture.register_forward_hook(lambda module, given, made: seen.append(given[0].shape))

    def loaded():
        return {"x": opened.waves(range(4)), "y": y}

    game = SpectrogramGame(augment="shift,gain,stretch,mask")
    for _, turn in game.turns(0):
        batch = Batch(loaded, Draw(1, 4, slice(None)), size=4, num_classes=2)
        terms = turn(nets, batch)
        assert all(term.shape == (4,) and term.isfinite().all() for term in terms.values())
    assert {shape[1:] for shape in seen} == {(1, 16, 32)}


def test_augmentation_moves_sound_lets_silence_in_and_keeps_silence():
    x = torch.full((2, 1, 16, 40), -1.0)
    x[:, :, 4, 10:14] = 0.5
    numbers = torch.full((2, 12), 0.5)
    numbers[:, 8:] = 0.0  # gates open
    augment = SpectrogramAugment("shift")
    assert torch.allclose(augment(x, numbers), x, atol=1e-6)
    numbers[1, 0] = 1.0
    moved = augment(x, numbers)
    assert torch.allclose(moved[1, 0, 4, 14:18], torch.full((4,), 0.5), atol=1e-5) and moved.min() >= -1 - 1e-6
    assert torch.allclose(augment(x, numbers, p=0.0), x)
    numbers[:, 1] = 0.9
    louder = SpectrogramAugment("gain")(x, numbers)
    assert louder[0, 0, 4, 11] > 0.5 and (louder[:, :, 0] == -1).all()
    quiet = torch.full((2, 1, 16, 40), -1.0)
    assert torch.allclose(SpectrogramAugment("shift,gain,stretch,mask")(quiet, torch.rand(2, 12)), quiet, atol=1e-6)
    with pytest.raises(UsageError, match="There is no augmentation 'colour' of sound"):
        SpectrogramAugment("colour")
    with pytest.raises(UsageError):
        SpectrogramGame(augment="color")


def test_augmentation_has_exact_second_derivatives():
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(2, 1, 6, 8, generator=generator, dtype=torch.float64) - 0.5).requires_grad_()
    numbers = torch.rand(2, 12, generator=generator, dtype=torch.float64)
    augment = SpectrogramAugment("shift,gain,stretch,mask")
    assert torch.autograd.gradgradcheck(lambda v: augment(v, numbers, 1.0).pow(2).sum(), (x,))


# WaveGAN -------------------------------------------------------------------------------------------


def test_the_published_layers_of_wavegan():
    assert stage_plan(16384) == (5, 16) and stage_plan(8192) == (5, 8) and stage_plan(1024) == (3, 16)
    nets = WaveGAN().build(Spec("audio", (1, 16384), (), -1, 1, "float32", facts={"rate": 16000}))
    weights = [tuple(up.weight.shape) for up in nets["G"].ups]
    assert weights == [(1024, 512, 25), (512, 256, 25), (256, 128, 25), (128, 64, 25), (64, 1, 25)]
    assert nets["G"].project.weight.shape == (16 * 1024, 100)
    assert [tuple(d.weight.shape[:2]) for d in nets["D"].downs] == [
        (64, 1),
        (128, 64),
        (256, 128),
        (512, 256),
        (1024, 512),
    ]
    assert nets["D"].out.weight.shape == (1, 16 * 1024)


def test_phase_shuffle_moves_each_example_by_itself_and_reflects_its_ends():
    x = torch.arange(8.0).expand(64, 2, 8).contiguous()
    torch.manual_seed(0)
    moved = phase_shuffle(x, 2)
    rows = {tuple(r.tolist()) for r in moved[:, 0]}
    assert rows == {
        (2, 1, 0, 1, 2, 3, 4, 5), (1, 0, 1, 2, 3, 4, 5, 6), (0, 1, 2, 3, 4, 5, 6, 7), (1, 2, 3, 4, 5, 6, 7, 6),
        (2, 3, 4, 5, 6, 7, 6, 5),
    }  # fmt: skip
    assert torch.equal(moved[:, 0], moved[:, 1]) and phase_shuffle(x, 0) is x


# What is written -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(opened):
    networks = Spectrogram(Compact(width=4, z_dim=8), n_fft=64, hop=32, mels=16)
    torch.manual_seed(0)
    return networks.build(opened.spec)["G"].eval()


def samples(model, opened, count=3):
    from ganworks.use.samples import Samples

    made = model(torch.randn(count, 8, generator=torch.Generator().manual_seed(1)), torch.zeros(count).long())
    data = made.detach().numpy().copy()
    data[:, :, 500:] = 0
    return Samples(data, opened.spec, 1, np.arange(count), np.zeros(count, np.int64), {"recipe": "audio"}, Audio())


def test_a_wav_carries_its_mark_and_is_the_same_bytes_each_time(model, opened, tmp_path):
    made = samples(model, opened)
    content = Audio().encode(made[0], ".wav", True)
    assert content == Audio().encode(made[0], ".wav", True)
    wave, rate = soundfile.read(io.BytesIO(content), dtype="int16")
    assert rate == RATE and len(wave) <= 500 + 0.02 * RATE  # the silence at the end is gone
    note = provenance.marks_in(content).note
    assert note["generated"] and note["index"] == 0 and note["recipe"] == "audio"
    (tmp_path / "a.wav").write_bytes(content)
    assert provenance.read(tmp_path / "a.wav") == note
    assert provenance.marks_in(Audio().encode(made[0], ".wav", False)).note is None
    files = made.save(tmp_path / "out")
    assert [f.name for f in files][:3] == ["00000000.wav", "00000001.wav", "00000002.wav"]
    flac, rate = soundfile.read(io.BytesIO(Audio().encode(made, ".flac", True)), dtype="int16")
    assert rate == RATE and len(flac) == sum(x.shape[1] for x in made.items)


def test_two_channels_are_interleaved():
    wave = np.array([[1, 2, 3], [-1, -2, -3]], np.int16)
    back, _ = soundfile.read(io.BytesIO(wav_bytes(wave, 8000)), dtype="int16")
    assert (wave == back.T).all()


def test_rounds_is_an_option_of_generators_of_spectrograms(model, opened):
    more = Audio().prepare(model, opened.spec, {"rounds": "3"})
    assert more.front.rounds == 3
    with pytest.raises(UsageError, match="no option"):
        Audio().prepare(model, opened.spec, {"round": 3})
    with pytest.raises(UsageError, match="0 to 1000"):
        Audio().prepare(model, opened.spec, {"rounds": "many"})
    waves = WaveGAN(width=2).build(opened.spec)["G"]
    with pytest.raises(UsageError, match="makes waves itself"):
        Audio().prepare(waves, opened.spec, {"rounds": 3})


# The judge -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def heard(opened):
    x = audio.features(opened.raw(np.arange(60)), RATE)
    return audio.ReferenceFeatures(x[:36], x[36:], opened.labels[:36], opened.labels[36:])


def test_real_sound_is_recognised_and_near_and_wrong_labels_are_not(heard):
    own = heard.own()
    assert own["recognised"] == 1 and abs(own["kd"]) < 1 and 0.7 < own["spread"] < 1.4
    swapped = heard.measure(heard.unseen, 1 - heard.test_y)
    assert np.mean(swapped["recognised"]) == 0 and np.mean(swapped["accuracy_score"]) == 0


def test_copies_silence_and_one_sound_for_all_are_found_out(heard):
    copies = heard.measure(heard.seen, heard.train_y)
    assert np.mean(copies["copied"]) == 1 and np.max(copies["nearest"]) == 0
    assert np.mean(heard.measure(heard.unseen, heard.test_y)["copied"]) <= 0.05
    first = [np.flatnonzero(heard.test_y == c)[0] for c in (0, 1)]
    alike = heard.measure(np.repeat(heard.unseen[first], 12, 0), np.repeat([0, 1], 12))
    assert alike["spread"] < 0.01 and np.mean(alike["recognised"]) == 1 and alike["kd"].low > heard.own()["kd"] + 0.1
    silence = heard.standard(audio.features(np.zeros((24, 1, 1024), np.float32), RATE))
    assert heard.measure(silence, np.arange(24) % 2)["kd"].value > 10 * max(0.1, heard.own()["kd"])


def test_class_gaussians_are_recognised_though_they_are_no_sound(heard):
    found = heard.gaussians(np.arange(24) % 2, 24)
    assert found["recognised"] > 0.9  # why no single number decides
    assert heard.gaussians(np.arange(24) % 2, 24) == found


def test_distances_of_pitches():
    assert audio.pitch_distance(np.array([100.0]), np.array([200.0, np.nan])) == pytest.approx(12)
    assert math.isnan(audio.pitch_distance(np.array([np.nan]), np.array([100.0])))


def test_the_multi_resolution_distance_hears_noise_and_gain_but_not_nothing():
    rng = np.random.default_rng(0)
    x = np.stack([word(150, rng)[:400], word(300, rng)[:400]])[:, None]
    distance = audio.multi_resolution_stft
    assert (distance(x, x) == 0).all()
    assert (distance(x + 0.01 * rng.standard_normal(x.shape), x) > 0.1).all() and (distance(0.5 * x, x) > 0.5).all()


def test_a_sheet_has_a_cell_for_every_wave():
    image = np.asarray(sheet(np.zeros((6, 1, 512), np.float32), RATE, 3, ("a", "b", "c")))
    loud = np.asarray(sheet(0.5 * np.ones((6, 1, 512), np.float32), RATE, 3, ("a", "b", "c")))
    assert image.shape == loud.shape and image.shape[1] > 3 * 128 and (image != loud).any()


class Echo(torch.nn.Module):
    """A generator that gives recordings again, in turn."""

    z_dim = 1

    def __init__(self, waves):
        super().__init__()
        self.waves = torch.nn.Parameter(torch.from_numpy(waves))

    def forward(self, z, y=None):
        return self.waves[(z[:, 0].abs() * 1000).long() % len(self.waves)]


@pytest.mark.parametrize(("held", "said"), [(12, "12 recordings are held out: distances are rough"),
                                            (7, "Only 7 recordings are held out; scores need 8.")])  # fmt: skip
def test_few_held_out_recordings_give_wide_intervals_or_say_how_many_are_needed(opened, tmp_path, held, said):
    few = copy.copy(opened)
    few.train, few.held = opened.train[held:], opened.train[:held]
    config = SimpleNamespace(recipe="audio", train=SimpleNamespace(seed=0))
    evaluator = AudioEvaluator(few, config, lambda *_: None)
    nets = {"G": Echo(few.raw(few.train).astype(np.float32))}
    report = evaluator.evaluate(nets, count=40, seed=0, pictures=tmp_path, progress=lambda *_: None, about={})
    assert any(said in line for line in report.warnings) and (report.metrics != {}) == (held > 8)
    if held > 8:
        kd, recognised = report.metrics["kd"], report.metrics["recognised"]
        assert kd.low < kd.floor < kd.high and recognised.floor_low < recognised.floor <= recognised.floor_high
        assert all(np.isfinite(m.value) for m in report.metrics.values())


def test_the_report_has_sounds_pictures_and_numbers_beside_floors(recordings, tmp_path, monkeypatch):
    monkeypatch.setenv("GANWORKS_CACHE", str(tmp_path / "cache"))
    settings = {"batch": 8, "budget": 16, "train.precision": "fp32", "train.threads": 1, "domain.held_out": 0.4}
    list(gw.train("audio", data=recordings, out=tmp_path / "run", **settings, **SMALL["audio"]))
    report = gw.evaluate(tmp_path / "run", recordings)
    assert {"recognised", "accuracy_score", "kd", "fd", "spread", "copied", "nearest", "loudness"} <= set(
        report.metrics
    )
    assert {"class Gaussians of features", "real recordings"} == set(report.baselines)
    assert (tmp_path / "run" / "eval" / "sound-0.wav").exists() and "Real recordings" in report.pictures
    low = Model.load(tmp_path / "run").sample(2, labels="low")
    assert len(low.items) == 2 and low.items[0].dtype == np.float32 and low.items[0].shape[0] == 1


@pytest.mark.parametrize("held", [0.0, 0.1], ids=["none-held-out", "all-equal"])
def test_recordings_without_a_held_out_part_are_trained_on_and_not_scored(tmp_path, held):
    """The defect: features of no recordings at all. Equal recordings are all on one side of the split."""
    wave = (0.3 * np.sin(np.arange(600) * 0.3)).astype(np.float32)
    waves = [wave * (1 - held)] * 30 if held else [wave * (1 - k / 60) for k in range(30)]
    domain = Audio(held_out=held)
    data = domain.open((waves, RATE), cache=tmp_path / "cache")
    assert len(data.held) == 0
    judge = AudioEvaluator(data, Config("audio", domain, None, None), lambda *_: None)
    assert not judge.ready and judge.noise is None


def test_few_training_recordings_are_not_scored(opened):
    parts = SimpleNamespace(held=opened.held[:1].repeat(40), train=opened.train[:3], spec=opened.spec)
    judge = AudioEvaluator(parts, Config("audio", Audio(), None, None), lambda *_: None)
    assert not judge.ready and judge.noise is None
