"""The image domain: sizes, channels, augmentation, grids, files written, and the description of a source."""

import numpy as np
import pytest
import torch
from PIL import Image

from ganworks.core.config import from_dict
from ganworks.core.errors import UsageError
from ganworks.core.spec import Draw
from ganworks.files.rasters.pixels import change_channels, resize, to_image
from ganworks.files.sources import open_source
from ganworks.kinds.images.domain import Images
from ganworks.kinds.images.look import look, near_duplicates
from ganworks.kinds.images.shared.photo_pack import open_photos
from ganworks.use.findings import choose

RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GANWORKS_CACHE", str(tmp_path / "cache"))


def save(root, name, array):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0}, {"size": -3}, {"size": 10**6}, {"size": (4, 0)}, {"channels": 0}, {"labels": "maybe"},
        {"crop": -1}, {"rotate": 181.0}, {"rotate": float("nan")}, {"fit": "squash"}, {"on_corrupt":
        "ignore"}, {"background": "nocolour"}, {"held_out": 0.9}, {"held_out": -0.1},
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Images(**wrong)


def test_settings_from_yaml():
    domain = from_dict(Images, {"size": [64, 32], "labels": False, "held_out": 0, "rotate": 10})
    assert domain == Images(size=(64, 32), labels=False, held_out=0.0, rotate=10.0)
    assert from_dict(Images, {"size": 64, "labels": "off"}).labelled is False


def test_looking_at_sizes_and_channels(tmp_path):
    for k in range(5):
        save(tmp_path / "same", f"{k}.png", RNG.integers(0, 256, (20, 31), np.uint8))
        save(tmp_path / "mixed", f"{k}.png", RNG.integers(0, 256, (100 + k, 200, 3), np.uint8))
        save(tmp_path / "small", f"{k}.png", RNG.integers(0, 256, (10 + k, 30, 3), np.uint8))
        save(tmp_path / "greyrgb", f"{k}.png", np.repeat(RNG.integers(0, 256, (9, 9, 1), np.uint8), 3, 2))
    shapes = {n: Images().open(tmp_path / n).spec.shape for n in ("same", "mixed", "small", "greyrgb")}
    assert shapes == {"same": (1, 20, 31), "mixed": (3, 64, 64), "small": (3, 12, 12), "greyrgb": (1, 9, 9)}
    assert Images(size=(7, 9), channels=4).open(tmp_path / "mixed").spec.shape == (4, 7, 9)


@pytest.mark.parametrize("fit", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 10_000), (10_000, 1), (7, 5), (63, 65), (300, 20)])
def test_any_shape_fits(fit, shape):
    for channels in (1, 2, 3, 4, 6):
        out = resize(np.full((channels, *shape), 100, np.uint8), (16, 24), fit, "black")
        assert out.shape == (channels, 16, 24) and out.dtype == np.uint8
        if fit != "pad":
            assert (np.abs(out.astype(int) - 100) <= 1).all()


def test_crop_keeps_the_middle_pad_keeps_all_stretch_keeps_nothing():
    bar = np.zeros((1, 30, 90), np.uint8)
    bar[:, :, :30], bar[:, :, 60:] = 50, 200
    crop, pad, stretch = (resize(bar, (30, 30), fit, "white")[0] for fit in ("crop", "pad", "stretch"))
    assert (crop == 0).all()
    assert (pad[:10] == 255).all() and (pad[20:] == 255).all() and pad[15, 2] == 50 and pad[15, 27] == 200
    assert stretch[15, 4] == 50 and stretch[15, 25] == 200 and stretch[15, 15] == 0


def test_shrinking_averages_instead_of_skipping():
    checks = (np.indices((128, 128)).sum(0) % 2 * 255).astype(np.uint8)[None]
    out = resize(checks, (16, 16), "crop")
    assert abs(out.astype(float).mean() - 127.5) < 2 and out.std() < 12


def test_colour_behind_transparency_does_not_bleed():
    rgba = np.zeros((4, 32, 32), np.uint8)
    rgba[0], rgba[3, :, 16:] = 255, 255
    rgba[0, :, 16:] = 0  # opaque black beside hidden red
    out = resize(rgba, (8, 8), "crop")
    assert out[0].max() <= 8


def test_same_size_is_untouched_and_floats_keep_their_range():
    x = RNG.integers(0, 256, (3, 8, 8), np.uint8)
    assert resize(x, (8, 8), "crop") is x
    y = resize((RNG.random((6, 16, 16)) * 1e4).astype(np.float32), (8, 8), "crop")
    assert y.dtype == np.float32 and 2e3 < y.mean() < 8e3


def test_channel_changes_agree_with_pillow():
    x = RNG.integers(0, 256, (3, 9, 8), np.uint8)
    grey = np.asarray(to_image(x).convert("L"), int)
    assert np.abs(change_channels(x, 1, "white")[0].astype(int) - grey).max() <= 1
    assert np.array_equal(change_channels(x[:1], 3, "white"), x[:1].repeat(3, 0))
    clear = np.concatenate([x, np.zeros((1, 9, 8), np.uint8)])
    assert (change_channels(clear, 3, "#102030") == np.array([16, 32, 48]).reshape(3, 1, 1)).all()


@pytest.mark.parametrize(
    "x, dtype, low, high",
    [
        (RNG.random((20, 6, 6)), "uint8", 0, 255), (RNG.random((20, 6, 6, 3)) * 2 - 1, "uint8", 0, 255),
        (RNG.random((20, 6, 6)) * 65535, "float32", None, None), ((RNG.random((20, 6, 6)) *
        65535).astype(np.uint16), "uint8", 0, 255), (RNG.random((20, 9, 6, 6)), "float32", None, None),
        (RNG.random((20, 6, 6)) > 0.5, "uint8", 0, 255), ((RNG.random((20, 6, 6)) * 255).astype(np.int64),
        "uint8", 0, 255),
    ],
)  # fmt: skip
def test_ranges_of_arrays(x, dtype, low, high):
    data = Images().open(x)
    low, high = (float(x.min()), float(x.max())) if low is None else (low, high)
    assert (data.spec.dtype, data.spec.low, data.spec.high) == (dtype, low, high)
    batch = data.fetch(np.arange(20))["x"]
    assert batch.dtype == torch.float32 and batch.min() >= -1.0001 and batch.max() <= 1.0001
    assert batch.max() - batch.min() > 1.9
    whole = open_source(x).rows(0, 20).astype(float)
    assert np.corrcoef(batch.flatten(), whole.flatten())[0, 1] > 0.999


def test_arrays_with_impossible_values(tmp_path):
    for bad in (np.full((4, 3, 3), 10**9), np.full((4, 3, 3), -5), np.full((4, 3, 3), np.nan)):
        with pytest.raises(UsageError):
            Images().open(bad)
    some = RNG.random((9, 3, 3))
    some[4, 1, 1] = np.inf
    with pytest.raises(UsageError, match=r"array\[4\].*not finite"):
        Images().open(some)
    assert len(Images(on_corrupt="skip").open(some)) == 8


def test_augmentation_is_keyed_and_does_what_it_says():
    x = torch.arange(64 * 3 * 10 * 8, dtype=torch.float32).reshape(64, 3, 10, 8)
    assert Images().vary(x, Draw(0, 64, slice(None))) is x
    flipped = Images(flip=True).vary(x, Draw(0, 64, slice(None)))
    mirrored = (flipped == x.flip(3)).flatten(1).all(1)
    assert (mirrored | (flipped == x).flatten(1).all(1)).all() and 16 <= mirrored.sum() <= 48
    moved = Images(crop=3).vary(x, Draw(1, 64, slice(None)))
    padded = torch.nn.functional.pad(x, (3, 3, 3, 3), mode="reflect")
    places = {(i, j): padded[:, :, i : i + 10, j : j + 8] for i in range(7) for j in range(7)}
    hits = [{at for at, p in places.items() if torch.equal(p[k], moved[k])} for k in range(64)]
    assert all(len(h) == 1 for h in hits) and len(set().union(*hits)) > 25
    everything = Images(flip=True, crop=3, rotate=15.0)
    full = everything.vary(x, Draw(2, 64, slice(None)))
    part = everything.vary(x[16:32], Draw(2, 64, slice(16, 32)))
    assert full.shape == x.shape and torch.equal(full[16:32], part)


def test_rotation_keeps_lengths():
    x = torch.full((40, 1, 31, 81), -1.0)
    x[:, :, 15, 35:46] = 1.0  # a horizontal bar, 11 long
    out = Images(rotate=45.0).vary(x, Draw(0, 40, slice(None)))
    slopes = []
    for picture in (out > -0.8).squeeze(1):
        rows, columns = torch.nonzero(picture, as_tuple=True)
        tall, wide = (int(i.max() - i.min()) for i in (rows, columns))
        assert 8 <= (tall**2 + wide**2) ** 0.5 <= 14
        slopes.append(tall / wide)
    assert min(slopes) < 0.2 and 0.7 < max(slopes) < 1.4


def test_crop_larger_than_the_image():
    x = torch.rand(4, 1, 1, 3)
    assert Images(crop=50, flip=True).vary(x, Draw(0, 4, slice(None))).shape == x.shape


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_grid(channels):
    x = RNG.integers(0, 256, (10, channels, 8, 8), np.uint8)
    sheet = Images().show(x, columns=5)
    assert sheet.size == (5 * 66 + 2, 2 * 66 + 2)  # 8 pixels shown as 64
    if channels in (1, 3):
        shown = np.asarray(sheet).reshape(sheet.size[1], sheet.size[0], -1)[2 : 2 + 64 : 8, 2 + 66 : 2 + 66 + 64 : 8]
        assert np.array_equal(shown.transpose(2, 0, 1), x[1])
        floats = torch.from_numpy(x).float() / 127.5 - 1
        assert np.array_equal(np.asarray(Images().show(floats, columns=5)), np.asarray(sheet))
    assert Images().show(x, labels=["a long name of a class"] * 10).size[1] > Images().show(x).size[1]
    assert Images().show(x[:1]).size == (68, 68)


def test_look_counts_names_and_draws(tmp_path):
    for k in range(9):
        save(tmp_path / "d", f"{'cat' if k < 6 else 'dog'}/{k}.png", RNG.integers(0, 256, (12, 12, 3), np.uint8))
    first = np.asarray(Image.open(tmp_path / "d" / "cat" / "0.png")).copy()
    save(tmp_path / "d", "cat/copy.png", first)
    first[0, 0] ^= 8
    save(tmp_path / "d", "dog/near.png", first)
    (tmp_path / "d" / "dog" / "bad\n.png").write_bytes(b"GIF89a")
    found = look(tmp_path / "d", Images())
    facts = found.facts
    assert (facts["count"], facts["duplicates"], facts["corrupt"]) == (11, 1, 1)
    assert facts["classes"] == {"cat": 7, "dog": 4} and facts["near"] == [(0, 10), (6, 10)]
    text = "\n".join(found.lines)
    for part in (
        "11 images",
        "12x12 (11)",
        "RGB (11)",
        "cat 7",
        r"bad\n.png",
        "exact duplicates: 1",
        "near duplicates: 2",
    ):
        assert part in text
    assert found.sheet.width > 100


def test_a_sheet_shows_all_classes():
    labels = np.repeat([0, 1, 2], [1000, 30, 2])
    assert (
        np.bincount(labels[choose(labels, 1032, 64)]).tolist() == [31, 31, 2]
        or np.bincount(labels[choose(labels, 1032, 64)])[2] == 2
    )
    assert len(choose(None, 10, 64)) == 10


def test_files_of_a_set_share_one_range_which_the_spec_keeps(tmp_path):
    for k, (low, high) in enumerate(((0, 1), (-50, 350))):
        save(tmp_path / "heights", f"{k}.tif", np.linspace(low, high, 64, dtype=np.float32).reshape(8, 8))
    data = Images(held_out=0).open(tmp_path / "heights")
    assert data.spec.facts["range"] == [-50, 350] and data.spec.dtype == "uint8"
    assert sorted(data.raw([0, 1]).max((1, 2, 3)).tolist()) == [33, 255]
    assert any("-50 is black and 350 is white" in note for note in data.summary["notes"])
    photos = open_photos(tmp_path / "heights").describe(kind="restore", facts={"scale": 2})
    assert photos.spec.facts == {"range": [-50, 350], "scale": 2}
    save(tmp_path / "other", "0.png", np.eye(8, dtype=np.uint8))
    assert Images().open(tmp_path / "other").spec.facts == {}


@pytest.mark.parametrize("opened", [Images(held_out=0).open, open_photos], ids=["images", "photos"])
def test_a_set_that_uses_little_of_its_range_is_told(tmp_path, opened):
    for name, factor in (("twelve", 1), ("sixteen", 16)):
        save(tmp_path / name, "0.png", (np.arange(64, dtype=np.uint16) * 64).reshape(8, 8) * np.uint16(factor))
    few, all_ = (opened(tmp_path / name).summary["warnings"] for name in ("twelve", "sixteen"))
    assert any("from 0 to 16 of 0 to 255, less than a tenth" in text and "12 bits in 16" in text for text in few)
    assert not any("tenth" in text for text in all_)


def test_near_duplicates_are_looked_for_in_small_parts(monkeypatch):
    """Many pictures at once were several hundred megabytes in float32."""
    x = np.random.default_rng(0).integers(0, 256, (3000, 28, 28)).astype(np.uint8)
    data, parts = Images().open(x), []
    fetch = data.fetch
    monkeypatch.setattr(data, "fetch", lambda rows: parts.append(len(rows)) or fetch(rows))
    assert near_duplicates(data) == [] and sum(parts) == 3000 and max(parts) * 28 * 28 <= 1 << 20
