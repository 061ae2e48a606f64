"""Vocoders in use: files and mel arrays to sound; how near it is to the original."""

from __future__ import annotations

import io
import json
import math
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from buzzes import RATE, SMALL, folder_of, heard, tone, write

import ganworks as gw
from ganworks.cli import main as cli
from ganworks.core.errors import UsageError
from ganworks.files import provenance
from ganworks.files.rasters.decode import DecodeError
from ganworks.files.wav import wav_bytes
from ganworks.kinds.audio.pitch import VOICED, pitch_track
from ganworks.kinds.audio.vocoder import measures as metrics
from ganworks.kinds.audio.vocoder.domain import VocoderDomain
from ganworks.kinds.audio.vocoder.mel import frames_of, log_mel
from ganworks.use.applier import Applier
from ganworks.use.file_jobs import apply_files


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> Path:
    return folder_of(tmp_path_factory.mktemp("sounds"))


@pytest.fixture(scope="module")
def data(sounds):
    return VocoderDomain(segment=2048).open(sounds)


@pytest.fixture(scope="module")
def run(sounds, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("run") / "voc"
    settings = {**SMALL, "budget": 32, "batch": 8, "train.threads": 1, "game.adversarial_from": 1.0}
    gw.fit("vocoder", sounds, out=out, **settings)
    return out


# Use ------------------------------------------------------------------------------------------------------------------


def test_copy_synthesis_keeps_length_channels_and_says_what_it_did(run, tmp_path, capsys):
    x = np.stack([tone(0.4, 120, 11025), 0.5 * tone(0.4, 180, 11025)])
    source = write(tmp_path / "in.wav", x, 11025)
    assert cli.main(["apply", str(run), str(source), f"out={tmp_path / 'out.wav'}", "seed=3"]) == 0
    assert "Resampled from 11,025 to 8,000 Hz." in capsys.readouterr().out
    made, rate = heard(tmp_path / "out.wav")
    assert rate == RATE and made.shape == (2, round(x.shape[1] * RATE / 11025))
    note = provenance.read(tmp_path / "out.wav")
    assert note["software"] == "ganworks" and note["seed"] == 3
    assert note["digitalSourceType"] == "compositeWithTrainedAlgorithmicMedia"


def test_same_seed_same_bytes_alone_in_a_folder_or_in_chunks(run, tmp_path):
    for k in range(3):
        write(tmp_path / "in" / f"{k}.wav", tone(0.5 + 0.1 * k, 110 + 20 * k))
    (tmp_path / "in" / "notes.txt").write_text("no sound")
    model = Applier.load(run)
    done = apply_files(model, tmp_path / "in", tmp_path / "out")
    assert len(done.pairs) == 3 and done.left == 1 and not done.failed
    apply_files(model, tmp_path / "in" / "1.wav", tmp_path / "alone.wav")
    assert (tmp_path / "alone.wav").read_bytes() == (tmp_path / "out" / "1.wav").read_bytes()
    assert apply_files(model, tmp_path / "in", tmp_path / "out").kept == 3
    apply_files(model, tmp_path / "in" / "1.wav", tmp_path / "other.wav", seed=1)
    assert not np.array_equal(heard(tmp_path / "other.wav")[0], heard(tmp_path / "alone.wav")[0])
    apply_files(model, tmp_path / "in" / "1.wav", tmp_path / "parts.wav", chunk=9, mark=False)
    assert np.abs(heard(tmp_path / "parts.wav")[0] - heard(tmp_path / "alone.wav")[0]).max() < 3e-3
    assert provenance.read(tmp_path / "parts.wav") is None


def test_an_evaluation_depends_on_its_seed_alone(run):
    """The network draws noise from the global random state, which other work has moved before."""
    first = gw.evaluate(run)
    torch.rand(3)
    before = torch.get_rng_state()
    again = gw.evaluate(run)
    assert torch.equal(before, torch.get_rng_state())
    timeless = [{k: repr(v) for k, v in report.metrics.items() if k != "speed"} for report in (first, again)]
    assert timeless[0] == timeless[1]
    assert gw.evaluate(run, seed=1).metrics["stft"] != first.metrics["stft"]


def test_mel_arrays_become_sound(run, tmp_path, data):
    x = torch.from_numpy(tone(0.5))
    mel = frames_of(x, data.spec.facts).numpy()
    np.save(tmp_path / "a.npy", mel)
    apply_files(Applier.load(run), tmp_path / "a.npy", tmp_path / "a.wav")
    made, rate = heard(tmp_path / "a.wav")
    assert made.shape == (1, mel.shape[1] * 64) and rate == RATE
    again = gw.apply(run, mel)
    assert again.shape == (mel.shape[1] * 64,) and np.abs(again - made[0]).max() < 1e-4
    content = gw.apply(run, tmp_path / "a.npy")
    assert content[:4] == b"RIFF"


def test_what_cannot_be_used_is_a_sentence(run, tmp_path, capsys):
    model = Applier.load(run)
    np.save(tmp_path / "t.npy", np.zeros((80, 7), np.float32))
    with pytest.raises(DecodeError, match=r"floats \[40, T\], not float32 \[80, 7\]"):
        apply_files(model, tmp_path / "t.npy", tmp_path / "t.wav")
    np.save(tmp_path / "n.npy", np.full((40, 7), np.nan, np.float32))
    with pytest.raises(DecodeError, match="finite"):
        apply_files(model, tmp_path / "n.npy", tmp_path / "n.wav")
    write(tmp_path / "a.wav", tone())
    for out, options, words in (("a.mp3", {}, "writes .wav files"), ("b.wav", {"mask": tmp_path / "a.wav"}, "mask"),
                                ("b.wav", {"form": "png"}, "format"), ("b.wav", {"chunk": "x"}, "chunk must be"),
                                ("b.wav", {"tile": 3}, "no option")):  # fmt: skip
        with pytest.raises(UsageError, match=words):
            apply_files(model, tmp_path / "a.wav", tmp_path / out, **options)
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(UsageError, match="no file that this model takes, whose names"):
        apply_files(model, tmp_path / "x.png", tmp_path / "b.wav")
    (tmp_path / "some").mkdir()
    with pytest.raises(UsageError, match="holds nothing that this model takes"):
        apply_files(model, tmp_path / "some", tmp_path / "out")
    with pytest.raises(UsageError, match="never overwritten"):
        apply_files(model, tmp_path / "a.wav", tmp_path / "a.wav")
    with pytest.raises(UsageError, match="takes files whose names end in"):
        model.apply("photo.jpg")


BAD = {
    "empty.wav": b"",
    "none.wav": wav_bytes(np.zeros((1, 0), np.int16), RATE),
    "mp3.wav": b"ID3\x04" + bytes(200),
    "cut.wav": wav_bytes(np.zeros((1, 900), np.int16), RATE)[:600],
}


def test_damaged_sounds_are_named_and_the_rest_is_done(run, tmp_path, capsys):
    """Row 23 of the reliability table, in use: no samples, MP3 named wav, cut short; nothing stops the others."""
    (tmp_path / "in").mkdir()
    for name, content in BAD.items():
        (tmp_path / "in" / name).write_bytes(content)
    write(tmp_path / "in" / "one sample.wav", np.zeros(1))
    write(tmp_path / "in" / "silence.wav", np.zeros(3000))
    write(tmp_path / "in" / "fast.wav", tone(0.05, rate=192_000), 192_000)
    write(tmp_path / "in" / "many.wav", np.stack([tone(0.1)] * 8))
    done = apply_files(Applier.load(run), tmp_path / "in", tmp_path / "out")
    assert {name for name, _ in done.failed} == set(BAD)
    assert all(reason for _, reason in done.failed)
    shapes = {path.name: heard(path)[0].shape for _, path in done.pairs}
    assert shapes == {"one sample.wav": (1, 1), "silence.wav": (1, 3000), "fast.wav": (1, 400), "many.wav": (8, 800)}
    assert np.abs(heard(tmp_path / "out" / "silence.wav")[0]).max() < 0.01


# Metrics --------------------------------------------------------------------------------------------------------------


def test_distances_are_zero_for_the_same_and_grow_with_damage():
    x = torch.from_numpy(tone(0.6))
    same = metrics.spectra(x, x)
    assert set(same.values()) == {0.0}
    louder = metrics.spectra(x, 2 * x)
    assert abs(louder["convergence"] - 1) < 1e-5  # |2X - X| / |X|
    assert 0.5 < louder["stft"] <= math.log(2) + 1e-6  # ln 2 above the floor
    assert abs(metrics.mel_distance(x, 2 * x, RATE, 256, 64, 40) - math.log10(2)) < 0.01
    noise = torch.randn(len(x), generator=torch.Generator().manual_seed(0)) * 0.05
    assert metrics.spectra(x, x + noise)["stft"] > metrics.spectra(x, x + 0.1 * noise)["stft"] > 0


def test_pitch_is_found_and_octaves_are_not_mistaken():
    for pitch in (90.0, 140.0, 260.0):
        found, sure = pitch_track(torch.from_numpy(tone(0.5, pitch)), RATE, 64)
        assert (found[5:-8] / pitch - 1).abs().max() < 0.02 and (sure[5:-8] > VOICED).all()
    a, b = (torch.from_numpy(tone(0.5, p)) for p in (150.0, 159.0))
    apart, voicing = metrics.pitch_errors(a, b, RATE, 64)
    assert abs(apart - math.log(159 / 150)) < 0.02 and voicing < 0.1
    quiet = torch.randn(4000, generator=torch.Generator().manual_seed(0))
    assert math.isnan(metrics.pitch_errors(a, quiet, RATE, 64)[0])


def test_griffin_lim_from_mel_is_the_known_baseline():
    """On a buzz it comes within what modalities say of speech: 0.5 on log magnitudes, 0.04 on log10 mel bands."""
    x = torch.from_numpy(tone(0.5))
    made = metrics.from_mel(log_mel(x, RATE, 256, 64, 40), RATE, 256, 64, 0, 0, len(x))
    assert metrics.spectra(x, made)["stft"] < 0.7
    assert metrics.mel_distance(x, made, RATE, 256, 64, 40) < 0.12
    again = metrics.from_mel(log_mel(x, RATE, 256, 64, 40), RATE, 256, 64, 0, 0, len(x))
    assert torch.equal(made, again)


def test_the_evaluation_is_heard_and_seen(run):
    found = json.loads((run / "eval.json").read_text())
    assert {"stft", "convergence", "mel", "pitch", "voicing", "level", "speed", "same_class"} <= set(found["metrics"])
    assert found["baselines"]["Griffin-Lim 32"]["stft"] > 0
    files = set(found["pictures"].values())
    assert "spectrograms.png" in files and "sound-1-made.wav" in files
    assert all((run / "eval" / name).stat().st_size > 100 for name in files)
    with wave.open(io.BytesIO((run / "eval" / "sound-1-original.wav").read_bytes())) as file:
        assert file.getframerate() == RATE


class Upper:
    """A domain of texts in capitals, with a random number: all that `apply` needs of a domain."""

    takes, gives, options = (".txt",), ".text", {"times": "how often"}

    def change(self, net, spec, content, name, *, seed, options, note):
        words = content.decode().upper() * int(options.get("times", 1))
        return f"{words} {int(torch.randint(1000, (1,)))} {(note or {}).get('seed')}".encode()


def test_any_domain_can_change_files(run, tmp_path):
    model = Applier.load(run)
    model.domain = Upper()
    (tmp_path / "in").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "in" / name).write_text(name[0])
    done = apply_files(model, tmp_path / "in", tmp_path / "out", seed=5, times=2)
    texts = [path.read_text() for _, path in done.pairs]
    assert [path.name for _, path in done.pairs] == ["a.text", "b.text"]
    assert texts[0].startswith("AA ") and texts[0][3:] == texts[1][3:] and texts[0].endswith(" 5")
    assert apply_files(model, tmp_path / "in", tmp_path / "out", seed=5, times=2).kept == 2
    assert model.apply(tmp_path / "in" / "a.txt", 5).startswith(b"A ")
    with pytest.raises(UsageError, match="give the path of one"):
        model.apply(np.zeros(3))
