"""Photos of any size: packed once, split by content, cut at keyed places."""

import numpy as np
import pytest
import torch
from PIL import Image

from ganworks.core.errors import UsageError
from ganworks.core.spec import Draw
from ganworks.kinds.images.shared.photo_pack import open_photos

SIZES = [(40, 30), (33, 57), (90, 20), (24, 24), (50, 50)]


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for k, (h, w) in enumerate(SIZES):
        Image.fromarray(rng.integers(0, 256, (h, w, 3), np.uint8)).save(tmp_path / "photos" / f"{k}.png")
    return tmp_path / "photos"


def draw(rows: int, seed: int = 1) -> Draw:
    return Draw(seed, rows, slice(None))


def test_photos_keep_their_pixels_and_sizes(folder, tmp_path):
    photos = open_photos(folder, cache=tmp_path / "cache")
    assert [tuple(s) for s in photos.shapes] == [(3, h, w) for h, w in SIZES]
    for k in range(len(SIZES)):
        stored = np.asarray(Image.open(folder / f"{k}.png")).transpose(2, 0, 1)
        np.testing.assert_array_equal(photos.whole(k), stored)
    assert photos.summary["count"] == 5
    assert photos.summary["sizes"]["33x57"] == 1


def test_a_second_open_reads_the_pack(folder, tmp_path, monkeypatch):
    first = open_photos(folder, cache=tmp_path / "cache")
    monkeypatch.setattr("ganworks.kinds.images.shared.photo_pack._write", None)
    second = open_photos(folder, cache=tmp_path / "cache")
    assert second.fingerprint == first.fingerprint
    np.testing.assert_array_equal(second.held, first.held)


def test_the_fingerprint_is_of_the_content(folder, tmp_path):
    before = open_photos(folder, cache=tmp_path / "cache").fingerprint
    pixels = np.asarray(Image.open(folder / "3.png")).copy()
    pixels[5, 5, 0] ^= 1
    Image.fromarray(pixels).save(folder / "3.png")
    assert open_photos(folder, cache=tmp_path / "cache").fingerprint != before


def test_the_split_depends_on_content_and_keeps_duplicates_together(folder, tmp_path):
    for k in range(5):
        (folder / f"copy{k}.png").write_bytes((folder / f"{k}.png").read_bytes())
    photos = open_photos(folder, cache=tmp_path / "cache", held_out=0.3)
    assert len(photos.held) == 2
    first, second = (photos.whole(i) for i in photos.held)
    np.testing.assert_array_equal(first, second)
    assert photos.duplicates == 5
    assert sorted([*photos.train, *photos.held]) == list(range(10))


def test_a_crop_is_a_part_of_its_photo(folder, tmp_path):
    photos = open_photos(folder, cache=tmp_path / "cache")
    crops = photos.crops([0, 1, 4, 4], (16, 12), draw(4), flip=False)
    assert crops.shape == (4, 3, 16, 12)
    assert crops.dtype == torch.float32
    for row, index in zip(crops, [0, 1, 4, 4], strict=True):
        windows = torch.from_numpy(photos.whole(index).astype(np.float32)).sub(127.5).div(127.5)
        windows = windows.unfold(1, 16, 1).unfold(2, 12, 1)
        hits = (windows - row[:, None, None]).abs().amax((0, 3, 4)) < 1e-6
        assert hits.sum() == 1
    assert not torch.equal(crops[2], crops[3])


def test_crops_are_keyed_and_rank_independent(folder, tmp_path):
    photos = open_photos(folder, cache=tmp_path / "cache")
    indices = np.array([0, 1, 2, 3])
    both = photos.crops(indices, (16, 16), draw(4), turn=True)
    torch.testing.assert_close(photos.crops(indices, (16, 16), draw(4), turn=True), both)
    part = photos.crops(indices[2:], (16, 16), Draw(1, 4, slice(2, 4)), turn=True)
    torch.testing.assert_close(part, both[2:])
    assert not torch.equal(photos.crops(indices, (16, 16), draw(4, 2), turn=True), both)


def test_all_places_and_positions_occur(tmp_path):
    pixels = np.arange(81, dtype=np.uint8).reshape(1, 1, 9, 9)
    photos = open_photos(pixels, cache=tmp_path)
    crops = photos.crops([0] * 600, (8, 8), draw(600), turn=True)
    assert len(crops.view(600, -1).unique(dim=0)) == 8 * 4
    plain = photos.crops([0] * 100, (8, 8), draw(100), flip=False)
    assert len(plain.view(100, -1).unique(dim=0)) == 4
    mirrored = photos.crops([0] * 100, (9, 9), draw(100))
    assert len(mirrored.view(100, -1).unique(dim=0)) == 2


def test_turned_crops_may_be_oblong(folder, tmp_path):
    photos = open_photos(folder, cache=tmp_path)
    assert photos.crops([0] * 8, (20, 30), draw(8), turn=True).shape == (8, 3, 20, 30)


def test_a_photo_smaller_than_the_crop_is_reflected(folder, tmp_path):
    photos = open_photos(folder, cache=tmp_path)
    crop = photos.middles([3], (24, 70))[0]
    whole = photos.scaled(photos.whole(3))
    torch.testing.assert_close(crop[:, :, 23:47], whole)
    torch.testing.assert_close(crop[:, :, 22], whole[:, :, 1])
    torch.testing.assert_close(crop[:, :, 0], whole[:, :, 23])
    assert photos.smaller((32, 32)) == 3  # widths 30, 20 and 24


def test_channels(folder, tmp_path):
    assert open_photos(folder, 1, cache=tmp_path).whole(0).shape == (1, 40, 30)
    assert open_photos(folder, 4, cache=tmp_path).whole(0).shape == (4, 40, 30)
    for file in folder.glob("*.png"):
        Image.open(file).convert("L").save(file)
    assert open_photos(folder, cache=tmp_path).spec.shape[0] == 1


def test_arrays_of_many_channels_keep_their_range(tmp_path):
    values = np.linspace(-3, 5, 2 * 6 * 16 * 20, dtype=np.float32).reshape(2, 6, 16, 20)
    photos = open_photos(values, cache=tmp_path)
    assert photos.spec.dtype == "float32"
    assert photos.middles([0, 1], (16, 20)).aminmax() == (-1.0, 1.0)
    with pytest.raises(UsageError, match="6 channels"):
        open_photos(values, 3, cache=tmp_path)


def test_corrupt_and_tiny_images_are_named(folder, tmp_path):
    (folder / "bad.png").write_bytes(b"\x89PNG nothing")
    Image.new("RGB", (5, 60)).save(folder / "thin.png")
    with pytest.raises(UsageError, match=r"bad\.png.*on_corrupt=skip"):
        open_photos(folder, cache=tmp_path / "cache")
    photos = open_photos(folder, cache=tmp_path / "cache", on_corrupt="skip")
    assert len(photos) == 5
    assert len(photos.summary["corrupt_names"]) == 2
    assert "at least 8 x 8" in str(photos.summary["corrupt_names"])
    with pytest.raises(UsageError, match="on_corrupt=skip"):
        open_photos(folder, cache=tmp_path / "cache")


def test_a_damaged_pack_is_made_again(folder, tmp_path):
    photos = open_photos(folder, cache=tmp_path / "cache")
    (photos.folder / "shapes.npy").write_bytes(b"")
    with pytest.warns(UserWarning, match="was damaged"):
        again = open_photos(folder, cache=tmp_path / "cache")
    assert again.fingerprint == photos.fingerprint
