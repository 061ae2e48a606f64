"""Videos through a trained translator: every frame, its time and its sound; without PyAV a sentence."""

from __future__ import annotations

import struct
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from standins import publish

from ganworks.cli import main as cli
from ganworks.core.errors import GanworksError, UsageError
from ganworks.files import provenance
from ganworks.kinds.video.data.clips import open_clips
from ganworks.kinds.video.data.reading import FrameReading
from ganworks.use.applier import Applier
from ganworks.use.file_jobs import apply_files

av = pytest.importorskip("av")

from ganworks.files.rasters import film as video  # noqa: E402

RATE = Fraction(30_000, 1001)


def film(path: Path, count: int = 8, size: tuple[int, int] = (48, 64), sound: bool = True) -> np.ndarray:
    """A video of flat frames, each lighter than the one before, and a quarter of a second of silence."""
    height, width = size
    with av.open(str(path), "w") as made:
        stream = made.add_stream("libx264" if path.suffix != ".webm" else "libvpx-vp9", rate=RATE)
        stream.width, stream.height, stream.pix_fmt, stream.options = width, height, "yuv420p", {"crf": "4"}
        voice = made.add_stream("aac", rate=48_000) if sound else None
        for k in range(count):
            array = np.full((height, width, 3), 30 + 20 * k, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")):
                made.mux(packet)
        if voice is not None:
            quiet = av.AudioFrame.from_ndarray(np.zeros((1, 12_288), np.float32), format="fltp", layout="mono")
            quiet.sample_rate, quiet.pts = 48_000, 0
            shaped = av.AudioResampler(format="fltp", layout=voice.codec_context.layout, rate=48_000, frame_size=1024)
            for part in shaped.resample(quiet):
                for packet in voice.encode(part):
                    made.mux(packet)
            for packet in voice.encode():
                made.mux(packet)
        for packet in stream.encode():
            made.mux(packet)
    return np.array([frame.mean() for frame in video.frames(path)])


def facts(path: Path) -> tuple[Fraction, int, list[float]]:
    """Frame rate, streams of sound, times of the frames."""
    with av.open(str(path)) as read:
        rate, sounds = read.streams.video[0].average_rate, len(read.streams.audio)
        return rate, sounds, [frame.time for frame in read.decode(video=0)]


@pytest.mark.parametrize(("suffix", "sounds"), [(".mp4", 1), (".mov", 1), (".mkv", 1), (".avi", 1), (".webm", 0)])
def test_frames_times_and_sound_are_kept(tmp_path, suffix, sounds):
    before = film(tmp_path / "in.mp4")
    model = Applier.load(publish(tmp_path / "run", shift=40 / 127.5))
    for name in ("a", "b"):
        outcome = apply_files(model, tmp_path / "in.mp4", tmp_path / f"{name}{suffix}", mark=True)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    assert outcome.said == ([] if sounds else [("in.mp4", "the sound is left out: .webm does not hold aac")])
    rate, found, times = facts(tmp_path / f"a{suffix}")
    assert rate == RATE and found == sounds and len(times) == 8
    assert np.allclose(np.diff(times), float(1 / RATE), atol=0.0015 if suffix != ".avi" else 0.04)
    after = [frame.mean() for frame in video.frames(tmp_path / f"a{suffix}")]
    assert np.abs(np.array(after) - before - 40).max() < 4
    note = provenance.read(tmp_path / f"a{suffix}")
    assert note["edited"] and note["model"] == model.fingerprint


def test_odd_sides_grow_by_one_and_colours_stay(tmp_path):
    film(tmp_path / "in.mp4", count=2, size=(18, 26), sound=False)
    frames = []
    with (tmp_path / "out.mp4").open("wb") as file:
        assert video.convert(tmp_path / "in.mp4", file, ".mp4", lambda x: frames.append(x) or x[:, :-1, :-1]) == []
    assert [f.shape for f in video.frames(tmp_path / "out.mp4")] == [(3, 18, 26)] * 2 and frames[0].shape == (3, 18, 26)
    paint = np.zeros((3, 16, 16), np.uint8)
    paint[0], paint[2, :, 8:] = 200, 180
    with (tmp_path / "flat.mp4").open("wb") as file:
        video.convert(tmp_path / "in.mp4", file, ".mp4", lambda x: paint)
    shown = next(iter(video.frames(tmp_path / "flat.mp4"))).astype(int)
    assert (
        np.abs(shown[:, :, 2:6] - paint[:, :, 2:6]).max() <= 6
        and np.abs(shown[:, :, 10:14] - paint[:, :, 10:14]).max() <= 6
    )


def test_a_phone_film_comes_out_upright(tmp_path):
    """The track header of a film held upright says: turn a quarter clockwise (ISO 14496-12, 8.3.2)."""
    film(tmp_path / "flat.mp4", count=2, size=(32, 64), sound=False)
    left = np.zeros((3, 32, 64), np.uint8)
    left[:, :, :32] = 200  # light on the left: on top when it is turned
    with (tmp_path / "in.mp4").open("wb") as file:
        video.convert(tmp_path / "flat.mp4", file, ".mp4", lambda x: left)
    raw = bytearray((tmp_path / "in.mp4").read_bytes())
    at = raw.index(b"tkhd") + 4 + 40
    raw[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    (tmp_path / "in.mp4").write_bytes(raw)
    apply_files(Applier.load(publish(tmp_path / "run")), tmp_path / "in.mp4", tmp_path / "out.mp4")
    shown = next(iter(video.frames(tmp_path / "out.mp4")))
    assert shown.shape == (3, 64, 32) and shown[:, :24].min() > 150 and shown[:, 40:].max() < 50


def half_clear(path: Path, codec: str, form: str, wide: int = 1, tall: int = 1) -> None:
    """Two frames of 32 x 16 pixels of wide : tall, red, the right half of it transparent."""
    with av.open(str(path), "w") as made:
        stream = made.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 16, form
        stream.codec_context.sample_aspect_ratio = Fraction(wide, tall)
        array = np.zeros((16, 32, 4), np.uint8)
        array[..., 0], array[:, :16, 3] = 255, 255
        for k in range(2):
            frame = av.VideoFrame.from_ndarray(array, format="rgba").reformat(format=form)
            frame.pts = k
            for packet in stream.encode(frame):
                made.mux(packet)
        for packet in stream.encode():
            made.mux(packet)


CLEAR = [(".mov", "qtrle", "argb"), (".mov", "prores_ks", "yuva444p10le"), (".webm", "libvpx-vp9", "yuva420p")]


@pytest.mark.parametrize(("suffix", "codec", "form"), CLEAR, ids=["qtrle", "prores", "vp9"])
def test_transparent_pixels_show_the_background_and_it_is_said(tmp_path, suffix, codec, form):
    """The defect: the colour hidden behind transparent pixels came out, and they were opaque without a word."""
    half_clear(tmp_path / f"in{suffix}", codec, form)
    (first, _) = video.frames(tmp_path / f"in{suffix}")
    assert np.abs(first[:, 4:12, 4:12].astype(int) - [[[255]], [[0]], [[0]]]).max() < 8
    assert first[:, 4:12, 20:28].min() > 247
    data = open_clips(tmp_path / f"in{suffix}")
    black = FrameReading(9, background="black").first(data.get(0), "in")
    assert black[:, 4:12, 20:28].max() < 8 and black[0, 4:12, 4:12].min() > 247
    outcome = apply_files(Applier.load(publish(tmp_path / "run")), tmp_path / f"in{suffix}", tmp_path / "out.mp4")
    said = "transparent pixels are shown on white: .mp4 films are written without transparency"
    assert outcome.said == [(f"in{suffix}", said)]


WIDE = [(".mp4", "libx264", "yuv420p"), (".avi", "mpeg4", "yuv420p"), (".mov", "png", "rgb24")]


@pytest.mark.parametrize(("suffix", "codec", "form"), WIDE, ids=["mp4", "avi", "mov"])
def test_pixels_are_square_whatever_the_file_says_of_them(tmp_path, suffix, codec, form):
    """The defect: the sample aspect ratio was ignored on the way in and lost on the way out."""
    half_clear(tmp_path / f"in{suffix}", codec, form, 3, 2)
    assert next(iter(video.frames(tmp_path / f"in{suffix}"))).shape == (3, 16, 48)
    assert FrameReading(9).first(open_clips(tmp_path / f"in{suffix}").get(0), "in").shape == (3, 16, 48)
    apply_files(Applier.load(publish(tmp_path / "run")), tmp_path / f"in{suffix}", tmp_path / "out.mp4")
    assert next(iter(video.frames(tmp_path / "out.mp4"))).shape == (3, 16, 48)
    half_clear(tmp_path / f"in{suffix}", codec, form, 1, 2)
    assert next(iter(video.frames(tmp_path / f"in{suffix}"))).shape == (3, 32, 32)


def test_a_picture_says_what_its_format_does_not_keep(tmp_path):
    alpha = np.full((8, 8), 255, np.uint8)
    alpha[:, 4:] = 100
    Image.fromarray(np.dstack([np.full((8, 8, 3), 90, np.uint8), alpha])).save(tmp_path / "in.png")
    model = Applier.load(publish(tmp_path / "run"))
    said = {s: apply_files(model, tmp_path / "in.png", tmp_path / f"out{s}").said for s in (".png", ".jpg", ".gif")}
    assert said[".png"] == [] and "on white: JPEG keeps no transparency" in said[".jpg"][0][1]
    assert "half-transparent" in said[".gif"][0][1]


def test_a_folder_with_a_video_goes_on_where_it_stopped(tmp_path):
    (tmp_path / "in").mkdir()
    film(tmp_path / "in" / "a.mp4", count=3)
    (tmp_path / "in" / "b.mp4").write_bytes(b"no film at all")
    model = Applier.load(publish(tmp_path / "run"))
    done = apply_files(model, tmp_path / "in", tmp_path / "out")
    assert [name for name, _ in done.failed] == ["b.mp4"] and "FFmpeg" in done.failed[0][1]
    assert not (tmp_path / "out" / "b.mp4").exists() and not list((tmp_path / "out").glob(".*.gwtmp"))
    assert apply_files(model, tmp_path / "in", tmp_path / "out").kept == 1
    with pytest.raises(UsageError, match="stays a video"):
        apply_files(model, tmp_path / "in" / "a.mp4", tmp_path / "x.png")


def test_a_failure_inside_leaves_nothing(tmp_path):
    film(tmp_path / "in.mp4", count=3)
    model = Applier.load(publish(tmp_path / "run"))
    torch.nn.init.constant_(model.net.shift, float("nan"))
    with pytest.raises(GanworksError, match="diverged"):
        apply_files(model, tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "run"]


def test_without_the_library_it_says_what_to_install(tmp_path, monkeypatch, capsys):
    film(tmp_path / "in.mp4", count=2, sound=False)
    monkeypatch.setitem(sys.modules, "av", None)
    assert (
        cli.main(["apply", str(publish(tmp_path / "run")), str(tmp_path / "in.mp4"), f"out={tmp_path / 'o.mp4'}"]) == 2
    )
    assert "ganworks[video]" in capsys.readouterr().err and not (tmp_path / "o.mp4").exists()


def test_what_is_transparent_in_a_film_shows_the_background(tmp_path):
    array = np.zeros((32, 32, 4), np.uint8)
    array[8:24, 8:24] = (40, 80, 120, 255)  # on transparent black
    with av.open(str(tmp_path / "clear.mov"), "w") as made:
        stream = made.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "rgba"
        for packet in [*stream.encode(av.VideoFrame.from_ndarray(array, format="rgba")), *stream.encode()]:
            made.mux(packet)
    (frame,) = video.frames(tmp_path / "clear.mov")
    assert (frame[:, 0, 0] == 255).all() and frame[:, 12, 12].tolist() == [40, 80, 120]
    with av.open(str(tmp_path / "clear.mov")) as film:
        assert (
            video.shown(next(film.decode(video=0)), film.streams.video[0], "#000900")[0][:, 0, 0] == [0, 9, 0]
        ).all()
