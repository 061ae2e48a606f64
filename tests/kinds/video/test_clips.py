"""Clips as data: layouts, labels, length and stride, what is damaged, endless or uneven, and how it is packed."""

import io
import json
import zipfile
from collections import Counter

import av
import numpy as np
import pytest
from PIL import Image

from ganworks.core.errors import UsageError
from ganworks.core.spec import Draw
from ganworks.files.rasters.film import note_of
from ganworks.kinds.video.data.clips import ClipArrays, open_clips
from ganworks.kinds.video.data.dataset import ClipSet, clip_pieces
from ganworks.kinds.video.data.reading import FrameReading, rate_of, ticks
from ganworks.kinds.video.data.writing import mp4
from ganworks.kinds.video.domain import Video

SIDE, FRAMES = 8, 12


def numbered(count=FRAMES, base=0):
    """Frames [count, 3, SIDE, SIDE] whose grey value says which they are: base + 10 k."""
    value = (base + 10 * np.arange(count)).astype(np.uint8)
    return np.broadcast_to(value[:, None, None, None], (count, 3, SIDE, SIDE)).copy()


def strip(frames):
    return Image.fromarray(frames.transpose(2, 0, 3, 1).reshape(SIDE, -1, 3))


def animation(path, frames, **options):
    """An animation whose frames differ; times in milliseconds."""
    images = [Image.fromarray(f.transpose(1, 2, 0)) for f in frames]
    images[0].save(path, save_all=True, append_images=images[1:], duration=options.pop("duration", 100), **options)


def strips(folder, kinds=("up", "left"), each=3, count=FRAMES):
    for k, kind in enumerate(kinds):
        (folder / kind).mkdir(parents=True)
        for n in range(each):
            strip(numbered(count, base=3 * n + k)).save(folder / kind / f"{n}.png")
    return folder


def which(x):
    """The frame numbers of clips made by `numbered` with base 0 to 9, [n, T]."""
    return np.asarray(x)[:, :, 0, 0, 0] // 10


def test_strips_with_class_folders(tmp_path):
    data = Video(length=4).open(strips(tmp_path / "a"))
    assert data.spec.shape == (4, 1, SIDE, SIDE) and data.spec.classes == ("left", "up") and len(data) == 6
    assert np.bincount(data.labels).tolist() == [3, 3] and any("6 strips" in n for n in data.summary["notes"])
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in sorted((tmp_path / "a").rglob("*.png")):
            archive.write(path, path.relative_to(tmp_path))
    packed = Video(length=4).open(tmp_path / "a.zip")
    assert packed.fingerprint == data.fingerprint and Video(length=4, labels="off").open(tmp_path / "a").labels is None


def honours(open_with):
    """Whether examples have the length and stride that were asked for."""
    for length, stride in ((3, 1), (2, 5), (4, 3), (6, 2)):
        data = open_with(length, stride)
        batch = which(((data[1] + 1) * 127.5).round())
        if batch.shape[1] != length or not (np.diff(batch, axis=1) == stride).all():
            return False
    return True


def test_length_and_stride_are_honoured(tmp_path):
    """MoCoGAN's training script takes 16 frames, every second, whatever its options say."""
    folder = strips(tmp_path / "a")

    def ours(length, stride):
        domain = Video(length=length, stride=stride)
        data = domain.open(folder)
        return data, domain.batch(data, np.arange(len(data)), Draw(1, len(data), slice(None)))["x"].numpy()

    def hard_coded(length, stride):
        return ours(6, 2)

    assert honours(ours) and not honours(hard_coded)


def test_examples_begin_anywhere_that_leaves_room(tmp_path):
    domain = Video(length=3, stride=2)
    data = domain.open(strips(tmp_path / "a"))
    rows = np.zeros(300, np.int64)
    starts = which(((domain.batch(data, rows, Draw(0, 300, slice(None)))["x"].numpy() + 1) * 127.5).round())[:, 0]
    assert set(starts.tolist()) == set(range(FRAMES - 4)) and (which(data.raw([0])) == [[0, 2, 4]]).all()


def test_stride_is_two_where_clips_have_room(tmp_path):
    folder = strips(tmp_path / "a")
    assert Video(length=6).open(folder).stride == 2 and Video(length=7).open(folder).stride == 1


def test_too_short_clips_are_left_out_and_counted(tmp_path):
    folder = strips(tmp_path / "a")
    strip(numbered(5)).save(folder / "up" / "short.png")
    data = Video(length=8, stride=1).open(folder)
    assert len(data) == 6 and data.summary["short"] == 1
    assert any("1 clip of fewer than 8 frames" in note for note in data.summary["notes"])
    with pytest.raises(UsageError, match=r"no clip has the 16 frames .* the longest has 12.*domain\.length"):
        Video(length=16, stride=1).open(folder)


def test_folders_of_frames_in_natural_order(tmp_path):
    for kind in ("b", "a"):
        for clip in ("c1", "c2"):
            (tmp_path / kind / clip).mkdir(parents=True)
            for k, frame in enumerate(numbered()):
                Image.fromarray(frame.transpose(1, 2, 0)).save(tmp_path / kind / clip / f"frame{k}.png")
    data = Video(length=FRAMES, stride=1, held_out=0).open(tmp_path)
    assert data.spec.classes == ("a", "b") and len(data) == 4
    assert (which(data.raw(np.arange(4))) == np.arange(FRAMES)).all(), "frame10 comes after frame9"
    inner = open_clips(tmp_path / "a")
    assert inner.labels is None and len(inner) == 2, "folders of frames are clips, not classes"


def test_strips_of_frames_that_are_not_square(tmp_path):
    wide = np.concatenate([numbered(), numbered()], 3)
    for name in ("x.png", "y.png"):
        Image.fromarray(wide.transpose(2, 0, 3, 1).reshape(SIDE, -1, 3)).save(tmp_path / name)
    data = Video(length=FRAMES, strip=FRAMES, stride=1).open(tmp_path)
    assert data.spec.shape == (FRAMES, 1, SIDE, 2 * SIDE), "grey: one channel"
    with pytest.raises(UsageError, match=r"do not divide into 7 frames"):
        Video(length=2, strip=7, size=SIDE, channels=3).open(tmp_path)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".mp4"])
def test_films_and_animations(tmp_path, suffix):
    frames = numbered(base=5)
    for name in ("a", "b"):
        path = tmp_path / f"{name}{suffix}"
        if suffix == ".mp4":
            path.write_bytes(mp4(frames.repeat(4, 2).repeat(4, 3), 10.0))
        else:
            animation(path, frames, lossless=True)
    data = Video(length=FRAMES, stride=1, size=SIDE, channels=3).open(tmp_path)
    assert (np.abs(data.raw([0, 1]).astype(int) - frames) <= 6).all() and data.facts["rate"] == pytest.approx(10)
    assert data.spec.facts == {"stride": 1, "fps": 10.0}
    if suffix != ".webp":
        one = Video(length=FRAMES, stride=1, size=SIDE).open(tmp_path / f"a{suffix}")
        assert len(one) == 1, "a single film"


def test_a_rate_takes_the_frame_on_show(tmp_path):
    """Times 0, 100, 500, 600, ... ms: at 10 a second the second frame is on show four times."""
    animation(tmp_path / "a.gif", numbered(4), duration=[100, 400, 100, 100])
    met = Counter()
    clip = open_clips(tmp_path / "a.gif").get(0)
    frames, rate, _ = FrameReading(100).read(clip, "a", met)
    assert len(frames) == 4 and any("varying times" in text for text in met), "taken in their order, and told"
    even, rate, _ = FrameReading(100, fps=10.0).read(clip, "a", met)
    assert which(even[None])[0].tolist() == [0, 1, 1, 1, 1, 2, 3] and rate == 10.0
    assert which(FrameReading(100, fps=5.0).read(clip, "a", met)[0][None])[0].tolist() == [0, 1, 1, 3]
    assert rate_of([0, 0.1, 0.2]) == (pytest.approx(10), True) and not rate_of([0, 0.1, 0.5])[1]
    assert [f for _, f in ticks(iter([(float("nan"), 1), (float("nan"), 2)]), 5)] == [1, 2]


def test_endless_clips_are_cut_at_the_limit_and_long_ones_into_pieces(tmp_path):
    """A film of hours: its first frames, in pieces, with both sides of the split from the one film."""
    animation(tmp_path / "a.gif", np.concatenate([numbered(25)] * 8))
    data = Video(length=4, stride=2, limit=80, size=SIDE).open(tmp_path / "a.gif")
    assert data.frames.tolist() == [80] and "only the first 80 frames of a longer clip used" in data.facts["warnings"]
    assert len(data) == 80 // 14 and len(data.held) and not set(data.held) & set(data.train)
    assert clip_pieces(np.array([3, 6, 7, 28, 29]), 7).tolist() == [
        [2, 0, 7],
        [3, 0, 14],
        [3, 14, 28],
        [4, 0, 14],
        [4, 14, 29],
    ]


def test_pieces_of_one_clip_stay_on_one_side():
    rng = np.random.default_rng(0)
    clips = [rng.integers(0, 255, (40, SIDE, SIDE, 3), np.uint8) for _ in range(30)]
    data = Video(length=4, stride=1, held_out=0.3).open(clips)
    sides = [set(data.rows[side, 0].tolist()) for side in (data.train, data.held)]
    assert len(data) == 150 and sides[0] and sides[1] and not sides[0] & sides[1]


def broken(tmp_path):
    """A film with its second half overwritten, one with no frames left, and an empty file."""
    frames = np.random.default_rng(0).integers(0, 255, (60, 3, 64, 64)).astype(np.uint8)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="avi") as film:
        stream = film.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        for frame in frames:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(frame.transpose(1, 2, 0), format="rgb24")))
        film.mux(stream.encode())
    data = buffer.getvalue()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    (tmp_path / "none.avi").write_bytes(data[:600])
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "good.mp4").write_bytes(mp4(frames, 10.0))
    return tmp_path


def test_a_film_that_breaks_off_gives_what_it_has(tmp_path):
    folder = broken(tmp_path)
    data = Video(length=8, size=16, on_corrupt="skip").open(folder)
    cut = data.frames[0]
    assert len(data.frames) == 2 and 8 < cut < 60 and data.frames[1] == 60
    assert data.summary["corrupt"] == 2 and any("none.avi" in n for n in data.summary["corrupt_names"])
    with pytest.raises(UsageError, match=r"empty\.mp4.*cannot be read as a clip.*on_corrupt=skip"):
        Video(length=8, size=16, channels=3).open(folder)


def test_damage_part_way_is_counted(tmp_path):
    folder = strips(tmp_path / "unused")
    frames = tmp_path / "f" / "clip"
    frames.mkdir(parents=True)
    for k, frame in enumerate(numbered()):
        Image.fromarray(frame.transpose(1, 2, 0)).save(frames / f"frame{k:02d}.png")
    (frames / "frame07.png").write_bytes((folder / "up" / "0.png").read_bytes()[:40])
    clip = open_clips(tmp_path / "f").get(0)
    met = Counter()
    assert len(FrameReading(100).read(clip, "clip", met)[0]) == 7 and "damaged part-way" in str(met)
    (frames / "frame00.png").write_bytes(b"")
    with pytest.raises(UsageError, match="cannot be read as a clip"):
        FrameReading(100).read(clip, "clip", met)


def test_a_playlist_called_mp4_opens_nothing(tmp_path):
    """FFmpeg would follow a playlist to other files and hosts."""
    (tmp_path / "good.mp4").write_bytes(mp4(numbered().repeat(4, 2).repeat(4, 3), 10.0))
    (tmp_path / "bad.mp4").write_text("#EXTM3U\n#EXTINF:1,\ngood.mp4\n#EXT-X-ENDLIST\n")
    data = Video(length=4, size=SIDE, channels=3, on_corrupt="skip").open(tmp_path)
    assert data.summary["corrupt"] == 1 and len(data.frames) == 1


def test_arrays_with_labels():
    clips = [np.random.default_rng(k).random((6, SIDE, SIDE, 3)) for k in range(4)]
    data = Video(length=6, held_out=0).open((clips, ["a", "b", "a", "b"]))
    assert data.spec.classes == ("a", "b") and data.spec.shape == (6, 3, SIDE, SIDE)
    assert np.allclose(data.fetch([2])["x"][0].numpy(), clips[2].transpose(0, 3, 1, 2) * 2 - 1, atol=0.01)
    assert Video(length=6).open([c[..., 0] for c in clips]).spec.shape == (6, 1, SIDE, SIDE)
    for bad, why in (([], "no clips"), ([clips[0] * 2], "floats from 0 to 1"), ([clips[0][0, 0]], "it must be")):
        with pytest.raises(UsageError, match=why):
            ClipArrays(bad)
    with pytest.raises(UsageError, match="4 clips but 1 label"):
        ClipArrays((clips, ["a"]))


def test_the_pack_is_made_once(tmp_path, monkeypatch):
    folder = strips(tmp_path / "a")
    first = Video(length=4).open(folder)
    monkeypatch.setattr(FrameReading, "read", lambda *_: pytest.fail("decoded again"))
    again = Video(length=4).open(folder)
    assert again.folder == first.folder and Video(length=3).open(folder).fingerprint != first.fingerprint
    assert isinstance(again, ClipSet) and len(again.summary["fingerprint"]) == 64


def test_mp4_has_the_same_bytes_and_carries_its_note():
    frames = numbered()[:, :, :7, :7]
    note = {"software": "ganworks", "seed": 3}
    first = mp4(frames, 7.5, note)
    assert first == mp4(frames, 7.5, note)
    assert json.loads(note_of(first))["seed"] == 3


@pytest.mark.parametrize(
    "wrong",
    [{"length": 0}, {"size": 2}, {"channels": 2}, {"layout": "x"}, {"fps": -1}, {"limit": 3}, {"stride": -1}],
)
def test_settings_out_of_range(wrong):
    with pytest.raises(UsageError):
        Video(**wrong)


def test_nothing_to_open(tmp_path):
    with pytest.raises(UsageError, match="nothing at"):
        Video().open(tmp_path / "no")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(UsageError, match="holds no clips"):
        Video().open(tmp_path)


def test_frames_without_a_range_share_one(tmp_path):
    for clip, top in (("a", 100.0), ("b", 400.0)):
        (tmp_path / "d" / clip).mkdir(parents=True)
        for k in range(4):
            values = np.linspace(0, top, 64, dtype=np.float32).reshape(8, 8) + np.float32(k / 100)
            Image.fromarray(values).save(tmp_path / "d" / clip / f"{k}.tif")
    data = Video(size=8, length=4, stride=1, held_out=0, labels="off").open(tmp_path / "d", cache=tmp_path / "cache")
    tops = sorted({int(clip.max()) for clip in data.raw(np.arange(len(data)))})
    assert tops[0] == 64 and tops[-1] == 255
    assert any("0 is black and 400.03 is white" in note for note in data.summary["notes"])
