"""Recordings of every kind become float32 by the stated rules, or an error that names the file."""

import io
import struct
import zipfile
from collections import Counter

import numpy as np
import pytest
import soundfile

from ganworks.core.errors import UsageError
from ganworks.kinds.audio.data import sound, sources
from ganworks.kinds.audio.data.dataset import Sounds, pack_sounds
from ganworks.kinds.audio.data.long import LongSound
from ganworks.kinds.audio.data.sound import SoundError, fit, mix, normalize, read_sound, resample, to_int16, trimmed
from ganworks.kinds.audio.data.sources import SoundFiles, open_sounds, usual_rate


def tone(hz=440.0, rate=8000, seconds=0.25, channels=1, level=0.5):
    t = np.arange(int(rate * seconds)) / rate
    return (level * np.sin(2 * np.pi * hz * t))[:, None].repeat(channels, 1).astype(np.float64)


def encoded(x, rate=8000, subtype="PCM_16", form="WAV"):
    buffer = io.BytesIO()
    soundfile.write(buffer, x, rate, subtype, format=form)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("subtype", "form", "error"),
    [
        ("PCM_U8", "WAV", 1 / 128),
        ("PCM_16", "WAV", 1 / 32768),
        ("PCM_24", "WAV", 1e-6),
        ("PCM_32", "WAV", 1e-6),
        ("FLOAT", "WAV", 1e-7),
        ("DOUBLE", "WAV", 1e-7),
        ("ULAW", "WAV", 0.02),
        ("PCM_16", "FLAC", 1 / 32768),
        ("PCM_24", "FLAC", 1e-6),
        ("PCM_16", "RF64", 1 / 32768),
    ],
)
def test_every_depth_has_full_scale_one(subtype, form, error):
    x = tone()
    got, rate = read_sound(encoded(x, subtype=subtype, form=form))
    assert rate == 8000 and got.dtype == np.float32 and got.shape == (1, 2000)
    assert np.abs(got[0] - x[:, 0]).max() < error


def test_ogg_many_channels_and_high_rates_are_read():
    got, rate = read_sound(encoded(tone(rate=48000), 48000, "VORBIS", "OGG"))
    assert rate == 48000 and abs(got.shape[1] - 12000) < 200
    got, rate = read_sound(encoded(tone(rate=192000, seconds=0.02, channels=8), 192_000, "PCM_24"))
    assert rate == 192_000 and got.shape == (8, 3840)


def test_no_samples_an_empty_file_and_values_that_are_not_finite_are_named():
    with pytest.raises(SoundError, match=r'"a\.wav".*no samples'):
        read_sound(encoded(np.zeros((0, 1))), "a.wav")
    with pytest.raises(SoundError, match="empty"):
        read_sound(b"", "a.wav")
    x = tone()
    x[7], x[9] = np.nan, np.inf
    with pytest.raises(SoundError, match="2 of 2,000 samples are not finite"):
        read_sound(encoded(x, subtype="DOUBLE"), "a.wav")


def test_a_header_that_lies_about_the_size_allocates_nothing():
    whole = bytearray(encoded(tone()))
    at = whole.index(b"data") + 4
    for stated in (3_000_000_000 // 2, 100_000):
        whole[at : at + 4] = struct.pack("<I", stated)
        with pytest.raises(SoundError, match=f"cut short: 4,000 of {stated:,} bytes"):
            read_sound(bytes(whole), "a.wav")
    whole[at : at + 4] = b"\xff" * 4  # what a program writes that does not know the size
    met = Counter()
    assert read_sound(bytes(whole), "a.wav", met)[0].shape == (1, 2000)
    assert any("does not state the size" in text for text in met)


def test_a_flac_that_is_cut_or_promises_too_much_is_refused():
    whole = encoded(tone(), form="FLAC")
    with pytest.raises(SoundError):
        read_sound(whole[: len(whole) * 2 // 3], "a.flac")
    lying = bytearray(whole)  # 36 bits of total samples, in the middle of STREAMINFO
    lying[21] |= 0x0F
    with pytest.raises(SoundError):
        read_sound(bytes(lying), "a.flac")


def test_an_mp3_named_wav_is_called_what_it_is():
    for head in (b"ID3\x04\x00", b"\xff\xfb\x90\x00"):
        with pytest.raises(SoundError, match=r"MP3.*ffmpeg"):
            read_sound(head + bytes(500), "song.wav")
    with pytest.raises(SoundError, match="it begins with"):
        read_sound(b"GIF89a" + bytes(100), "a.wav")


def test_more_samples_than_the_cap_are_refused_while_reading(monkeypatch):
    monkeypatch.setattr(sound, "MAX_VALUES", 1000)
    with pytest.raises(SoundError, match="more than 1,000 samples"):
        read_sound(encoded(tone()), "a.wav")
    with pytest.raises(UsageError, match="would be"):
        resample(np.zeros((1, 100), np.float32), 100, 768_000)


def test_float_samples_above_full_scale_are_scaled_down_as_a_whole():
    met = Counter()
    got, _ = read_sound(encoded(tone(level=4.0), subtype="FLOAT"), "a.wav", met)
    assert np.abs(got).max() == pytest.approx(1) and any("full scale" in text for text in met)


def test_resampling_keeps_a_tone_removes_what_cannot_be_kept_and_rounds_the_length():
    high, low = tone(3000, 16000), tone(500, 16000)
    kept = resample(low.T.astype(np.float32), 16000, 4000)
    assert kept.shape == (1, 1000)
    t = np.arange(1000) / 4000
    assert np.abs(kept[0, 50:-50] - 0.5 * np.sin(2 * np.pi * 500 * t)[50:-50]).max() < 0.01
    assert np.abs(resample(high.T.astype(np.float32), 16000, 4000)[0, 50:-50]).max() < 0.01  # folded, it would be 0.5
    assert resample(np.zeros((2, 1001), np.float32), 8000, 44100).shape == (2, round(1001 * 44100 / 8000))
    same = np.ones((1, 5), np.float32)
    assert resample(same, 8000, 8000) is same


def test_mix_normalize_fit_trim():
    x = np.array([[0.2, 0.4], [0.0, -0.4]], np.float32)
    said = Counter()
    assert np.allclose(mix(x, 1, said), [[0.1, 0.0]]) and list(said) == [
        "several channels mixed down to one, their mean"
    ]
    assert mix(x[:1], 1, said) is not None and said.total() == 1
    assert (mix(x[:1], 3) == x[:1]).all() and mix(x[:1], 3).shape == (3, 2)
    assert (mix(np.concatenate([x, x]), 2) == x).all()
    with pytest.raises(UsageError, match="2 channels cannot become 5"):
        mix(x, 5)
    assert np.abs(normalize(x, "peak")).max() == pytest.approx(sound.PEAK)
    quiet = np.full((1, 4), 1e-5, np.float32)
    assert (normalize(quiet, "peak") == quiet).all() and normalize(x, "off") is x
    assert fit(np.array([[1, 2, 3]]), 5, -1).tolist() == [[0, 1, 2, 3, 0]]
    assert fit(np.array([[1, 2, 3]]), 2, 2).tolist() == [[3, 0]]
    assert trimmed(np.array([[0, 0.5, 0, 0.0, 0]])).shape == (1, 2)
    assert trimmed(np.zeros((1, 9))).shape == (1, 1)
    ints = np.array([[-32768, -1, 0, 1, 32767]], np.int16)
    assert (to_int16(ints.astype(np.float32) / 32768) == ints).all()


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "sounds"
    for k in range(12):
        for c, name in enumerate(("low", "high")):
            file = root / name / f"{k}.wav"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encoded(tone(300 + 400 * c + 7 * k, seconds=0.05 + 0.01 * k, level=0.1 + 0.02 * k)))
    return root


def opened(path, tmp_path, **settings):
    source = open_sounds(path)
    return Sounds(pack_sounds(source, rate=8000, cache=tmp_path / "cache", **settings))


def test_a_folder_is_packed_once_with_labels_and_a_split_by_content(folder, tmp_path):
    data = opened(folder, tmp_path)
    assert data.classes == ("high", "low") and len(data) == 24 and data.summary["classes"] == {"high": 12, "low": 12}
    assert set(data.train) | set(data.held) == set(range(24)) and not set(data.train) & set(data.held)
    assert np.abs(data.read(0)).max() == pytest.approx(sound.PEAK, abs=1e-3)
    assert data.read(3, -2, 6)[0, :2].tolist() == [0, 0]
    again = opened(folder, tmp_path)
    assert again.fingerprint == data.fingerprint and again.folder == data.folder
    (folder / "low" / "0.wav").write_bytes(encoded(tone(999)))
    assert opened(folder, tmp_path).fingerprint != data.fingerprint


def test_names_give_labels_where_they_repeat_and_labels_csv_wins(folder, tmp_path):
    flat = tmp_path / "flat.zip"
    with zipfile.ZipFile(flat, "w") as archive:
        for k in range(10):
            archive.writestr(f"{'yes' if k % 2 else 'no'}_{k}.wav", encoded(tone(100 + 10 * k)))
    source = open_sounds(flat)
    assert source.classes == ("no", "yes") and source.labels.tolist() == [0] * 5 + [1] * 5
    assert open_sounds(flat, labels=False).labels is None and open_sounds(flat, by_name="never").labels is None
    assert open_sounds(folder, by_name="always").classes == tuple(map(str, range(12)))
    names = "\n".join(f"{c}/{k}.wav,{'even' if k % 2 == 0 else 'odd'}" for c in ("low", "high") for k in range(12))
    (folder / "labels.csv").write_text(names)
    assert open_sounds(folder).classes == ("even", "odd")


def test_corrupt_recordings_stop_or_are_counted(folder, tmp_path):
    (folder / "low" / "bad.wav").write_bytes(b"ID3" + bytes(40))
    with pytest.raises(UsageError, match=r"bad\.wav.*MP3.*on_corrupt=skip"):
        opened(folder, tmp_path)
    data = opened(folder, tmp_path, on_corrupt="skip")
    assert len(data) == 24 and data.summary["corrupt"] == 1 and "bad.wav" in data.summary["corrupt_names"][0]
    with pytest.raises(UsageError, match=r"bad\.wav"):
        opened(folder, tmp_path)  # the pack is there, the error stays


def test_arrays_and_pieces(tmp_path):
    rng = np.random.default_rng(0)
    long = [rng.uniform(-0.5, 0.5, 1000).astype(np.float32) for _ in range(3)]
    source = open_sounds((long, 8000, ["a", "b", "a"]))
    folder = pack_sounds(source, rate=8000, normalize="off", cache=tmp_path)
    data = Sounds(folder, piece=300)
    assert data.rows[:4].tolist() == [[0, 0, 300], [0, 300, 600], [0, 600, 900], [1, 0, 300]]
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0]
    assert np.abs(data.read(1) - long[0][300:600]).max() < 2e-5
    with pytest.raises(UsageError, match="3 recordings but 2 labels"):
        open_sounds((long, 8000, ["a", "b"]))
    assert usual_rate(source, 16000)[0] == 8000


def test_the_usual_rate_is_the_commonest_and_capped(tmp_path):
    for k, rate in enumerate((44100, 44100, 8000)):
        (tmp_path / f"{k}.wav").write_bytes(encoded(tone(), rate))
    source = open_sounds(tmp_path)
    assert isinstance(source, SoundFiles)
    assert usual_rate(source, 96000)[0] == 44100
    assert usual_rate(source, 16000)[0] == 16000 and "rate=44100" in usual_rate(source, 16000)[1]


def test_a_folder_without_recordings_says_so(tmp_path):
    (tmp_path / "readme.txt").write_text("x")
    with pytest.raises(UsageError, match="holds no recordings"):
        open_sounds(tmp_path)


@pytest.mark.parametrize(("own", "rate", "channels", "to", "how"), [
    (16_000, 16_000, 1, 1, "peak"), (16_000, 16_000, 1, 1, "off"), (44_100, 16_000, 2, 1, "peak"),
    (8_000, 16_000, 2, 2, "peak"), (16_000, 8_000, 1, 2, "off"),
])  # fmt: skip
def test_a_long_recording_is_converted_in_blocks_to_the_samples_of_the_whole(tmp_path, own, rate, channels, to, how):
    wave = np.random.default_rng(3).normal(0, 0.4, (3 * (1 << 16) + 77, channels)).astype(np.float32)
    path = tmp_path / "long.wav"
    soundfile.write(path, wave, own, subtype="FLOAT")
    met, said = Counter(), Counter()
    x, _ = read_sound(path, "long.wav", said)
    whole = to_int16(normalize(resample(mix(x, to, said), own, rate), how, said))
    made, found = LongSound(lambda: path.open("rb"), "long.wav").converted(rate, to, how, tmp_path, met)
    assert found == own and np.array_equal(made, whole) and set(met) == set(said)
    assert "samples above full scale: scaled down to a peak of 1" in met


@pytest.mark.parametrize("near", [0.0, 0.02], ids=["exact", "nearly"])
def test_channels_in_opposite_phase_are_no_silence(tmp_path, near):
    """The defect: they were mixed to nothing, and the recording was called silent."""
    wave = tone(seconds=0.5)[:, :1].astype(np.float32)
    both = np.concatenate([wave, (near - 1) * wave], 1)
    met = Counter()
    assert np.array_equal(mix(both.T, 1, met), wave.T)
    assert list(met) == ["channels in opposite phase, which cancel each other: the loudest one was used"]
    (tmp_path / "a.wav").write_bytes(encoded(both, subtype="FLOAT"))
    made, _ = LongSound(lambda: (tmp_path / "a.wav").open("rb"), "a.wav").converted(8000, 1, "off", tmp_path, met)
    assert np.array_equal(made, to_int16(mix(both.T, 1)))
    independent = np.random.default_rng(0).normal(0, 0.1, (64, 4000)).astype(np.float32)
    assert np.array_equal(mix(independent, 1, met), independent.mean(0, keepdims=True))
    assert not mix(np.zeros((2, 5), np.float32), 1, met).any()
    assert met["channels in opposite phase, which cancel each other: the loudest one was used"] == 2


def test_a_long_recording_that_is_cut_short_is_refused(tmp_path):
    path = tmp_path / "long.wav"
    path.write_bytes(encoded(tone(seconds=20))[:-2000])
    with pytest.raises(SoundError, match="cut short"):
        LongSound(lambda: path.open("rb"), "long.wav").converted(16_000, 1, "peak", tmp_path, Counter())


def test_long_recordings_of_a_folder_and_a_zip_give_the_pack_of_short_ones(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir()
    for k, channels in enumerate((1, 2, 1)):
        (folder / f"{k}.wav").write_bytes(encoded(tone(300 + 100 * k, channels=channels, seconds=0.5 + k)))
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)

    def packed(path, cache):
        pack = pack_sounds(open_sounds(path), rate=11_025, channels=2, cache=tmp_path / cache)
        return [(pack / name).read_bytes() for name in ("x.npy", "at.npy", "hash.npy")]

    whole = packed(folder, "whole")
    monkeypatch.setattr(sources, "LONG", 0)
    assert packed(folder, "blocks") == whole and packed(tmp_path / "data.zip", "zip") == whole
