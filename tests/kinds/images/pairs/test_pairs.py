"""Pairs of images: layouts, what belongs together, label maps, augmentation, and use at any size."""

import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from ganworks.core.errors import UsageError
from ganworks.core.spec import Draw, Spec
from ganworks.kinds.images.pairs.domain import Pairs
from ganworks.kinds.images.pairs.domain import _magnified as magnified
from ganworks.kinds.images.pairs.domain import _window as window
from ganworks.kinds.images.pairs.reading import open_pairs
from ganworks.kinds.images.shared.label_maps import find_palette, index_of, majority

COLOURS = np.array([[0, 0, 222], [0, 48, 255], [255, 80, 0], [112, 254, 144], [174, 0, 1]], np.uint8)


def photo(seed, height=16, width=16):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def label_map(seed, side=32):
    blocks = np.random.default_rng(seed).integers(0, len(COLOURS), (side // 8, side // 8))
    return COLOURS[blocks.repeat(8, 0).repeat(8, 1)]


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def opened(path, tmp_path, **settings):
    return Pairs(**{"size": 16, "labels": "off", **settings}).open(path, cache=tmp_path / "cache")


def pixels(x):
    return ((x + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def checked(data, count):
    """Each pair consists of photo(k) and photo(100 + k)."""
    src, x = (pixels(side) for side in data.pairs(np.arange(len(data))))
    a, b = {photo(k).tobytes(): k for k in range(count)}, {photo(100 + k).tobytes(): k for k in range(count)}
    assert [a[s.tobytes()] for s in src] == [b[t.tobytes()] for t in x]
    assert len({s.tobytes() for s in src}) == len(data) == count


def test_side_by_side_and_its_direction(tmp_path):
    for k in range(6):
        save(tmp_path / "d" / f"{k}.png", np.concatenate([photo(k), photo(100 + k)], 1))
    data = opened(tmp_path / "d", tmp_path)
    checked(data, 6)
    assert data.spec.shape == data.spec.source == (3, 16, 16) and not set(data.train) & set(data.held)
    back = opened(tmp_path / "d", tmp_path, direction="BtoA")
    assert torch.equal(back.pairs(np.arange(6))[0], data.pairs(np.arange(6))[1])
    assert back.fingerprint != data.fingerprint


@pytest.mark.parametrize(
    ("a", "b"), [("A", "B"), ("trainA", "trainB"), ("A/train", "B/train"), ("train/a", "train/b"), ("shots", "maps")]
)
def test_two_folders(tmp_path, a, b):
    for k in range(5):
        save(tmp_path / "d" / a / f"{k}.png", photo(k))
        save(tmp_path / "d" / b / f"{k}.bmp", photo(100 + k))
    first, second = sorted([a, b])
    data = opened(tmp_path / "d", tmp_path, direction="AtoB" if first == a else "BtoA")
    checked(data, 5)
    assert second and len(data.held) >= 1


def test_two_paths_and_a_zip(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for k in range(5):
            save(tmp_path / "left" / f"{k}.png", photo(k))
            save(tmp_path / "right" / f"{k}.png", photo(100 + k))
            for side, offset in (("A", 0), ("B", 100)):
                buffer.seek(0)
                buffer.truncate()
                Image.fromarray(photo(k + offset)).save(buffer, "PNG")
                archive.writestr(f"data/{side}/{k}.png", buffer.getvalue())
    checked(opened((tmp_path / "left", tmp_path / "right"), tmp_path), 5)
    checked(opened(f"{tmp_path / 'left'},{tmp_path / 'right'}", tmp_path), 5)
    checked(opened(tmp_path / "d.zip", tmp_path), 5)


def test_own_folders_of_test_pairs_are_judged_by(tmp_path):
    for k in range(9):
        part = ("train", "test", "val")[k % 3]
        save(tmp_path / "d" / part / f"{k}.png", np.concatenate([photo(k), photo(100 + k)], 1))
    data = opened(tmp_path / "d", tmp_path)
    assert len(data) == 6 and len(data.train) == len(data.held) == 3
    names = open_pairs(tmp_path / "d")
    assert [names.name(i).split("/")[0] for i in data.held] == ["test"] * 3
    assert any("val/ are left out" in note for note in data.summary["notes"])


def test_pairs_that_are_judged_and_trained_on_are_counted(tmp_path):
    for part, k in (("train", 0), ("train", 1), ("test", 1), ("test", 2)):
        save(tmp_path / "d" / part / f"{k}.png", np.concatenate([photo(k), photo(100 + k)], 1))
    data = opened(tmp_path / "d", tmp_path)
    assert data.leaked == 1 and any("byte for byte" in note for note in data.summary["notes"])


def test_mistakes_are_explained(tmp_path):
    save(tmp_path / "odd" / "x.png", photo(0, 16, 17))
    with pytest.raises(UsageError, match="17 pixels wide"):
        opened(tmp_path / "odd", tmp_path)
    for name in ("A/1", "A/2", "B/1", "B/3"):
        save(tmp_path / "two" / f"{name}.png", photo(0))
    with pytest.raises(UsageError, match=r"2 images have no partner.*A/2.png"):
        opened(tmp_path / "two", tmp_path)
    save(tmp_path / "shape" / "A" / "1.png", photo(0, 16, 16))
    save(tmp_path / "shape" / "B" / "1.png", photo(0, 16, 24))
    with pytest.raises(UsageError, match="another shape"):
        opened(tmp_path / "shape", tmp_path)
    for name in ("A/1.png", "A/1.bmp", "B/1.png"):
        save(tmp_path / "twice" / name, photo(0))
    with pytest.raises(UsageError, match="same side of the same pair"):
        opened(tmp_path / "twice", tmp_path)
    save(tmp_path / "stray" / "A" / "1.png", photo(0))
    save(tmp_path / "stray" / "1.png", photo(0))
    with pytest.raises(UsageError, match="1 image lies in neither"):
        opened(tmp_path / "stray", tmp_path)
    for wrong in ({"direction": "ab"}, {"size": 4}, {"labels": "some"}, {"crop": -1}, {"palette": ("red",)}):
        with pytest.raises(UsageError):
            Pairs(**wrong)


def test_augmentation_moves_both_sides_alike(tmp_path):
    for k in range(8):
        save(tmp_path / "d" / f"{k}.png", np.concatenate([photo(k), 255 - photo(k)], 1))
    domain = Pairs(size=16, labels="off", crop=3)
    data = domain.open(tmp_path / "d", cache=tmp_path / "cache")
    batch = domain.batch(data, np.arange(8), Draw(1, 8, slice(None)))
    assert torch.allclose(batch["src"], -batch["x"], atol=1e-6)
    plain = data.pairs(np.arange(8))[0]
    moved = [not torch.equal(a, b) for a, b in zip(batch["src"], plain, strict=True)]
    assert sum(moved) >= 6
    again = domain.batch(data, np.arange(8), Draw(1, 8, slice(None)))
    assert torch.equal(again["src"], batch["src"])


def test_a_label_map_is_found_under_jpeg_noise(tmp_path):
    for k in range(24):
        save(
            tmp_path / "d" / f"{k}.jpg", np.concatenate([photo(k, 32, 32), label_map(k)], 1), quality=90, subsampling=0
        )
    data = Pairs(size=32).open(tmp_path / "d", cache=tmp_path / "cache")
    found = np.array(data.spec.facts["target_palette"])
    assert len(found) == len(COLOURS) and "source_palette" not in data.spec.facts
    assert all(np.abs(found - c).max(1).min() <= 12 for c in COLOURS.astype(int))
    made = pixels(data.pairs(np.arange(24))[1])
    true = np.stack([label_map(int(open_pairs(tmp_path / "d").name(k).partition(".")[0])) for k in range(24)])
    wrong = index_of(made.reshape(-1, 32, 3).transpose(2, 0, 1), found.tolist()) != index_of(
        true.reshape(-1, 32, 3).transpose(2, 0, 1), found.tolist()
    )
    assert wrong.mean() < 0.01
    back = Pairs(size=32, direction="BtoA").open(tmp_path / "d", cache=tmp_path / "cache")
    assert back.spec.facts["source_palette"] == data.spec.facts["target_palette"]
    off = Pairs(size=32, labels="off").open(tmp_path / "d", cache=tmp_path / "cache")
    assert "target_palette" not in off.spec.facts


def test_pictures_are_no_label_maps():
    rng = np.random.default_rng(0)
    smooth = [np.asarray(Image.fromarray(photo(k, 4, 4)).resize((64, 64), Image.Resampling.BICUBIC)) for k in range(8)]
    assert find_palette([s.transpose(2, 0, 1) for s in smooth]) is None
    drawing = (rng.random((3, 1, 64, 64)) < 0.1).repeat(3, 1) * np.uint8(255)
    noisy = [np.clip(d.astype(int) + rng.integers(-40, 41, (1, 64, 64)), 0, 255).astype(np.uint8) for d in drawing]
    assert find_palette(noisy) is None  # black and white lines, under noise
    exact = find_palette([np.arange(9, dtype=np.uint8).reshape(1, 3, 3)])
    assert exact == [[k] for k in range(9)]  # class numbers as grey levels


def test_colours_that_the_user_names(tmp_path):
    for k in range(4):
        save(tmp_path / "d" / f"{k}.png", np.concatenate([photo(k, 32, 32), label_map(k)], 1))
    named = ("#0000de", "#0030ff", "#ff5000", "#70fe90", "#ae0001")
    data = Pairs(size=32, palette=named).open(tmp_path / "d", cache=tmp_path / "cache")
    assert data.spec.facts["target_palette"] == COLOURS.tolist() and "source_palette" not in data.spec.facts
    with pytest.raises(UsageError, match="no label map"):
        Pairs(size=32, labels="palette", direction="BtoA").open(tmp_path / "d", cache=tmp_path / "cache")


def test_label_maps_shrink_by_majority():
    index = np.zeros((4, 4), np.uint8)
    index[:2, :2] = [[1, 1], [1, 2]]
    index[2:, 2:] = 2
    assert majority(index, (2, 2), (0, 0, 4, 4), 3).tolist() == [[1, 0], [0, 2]]
    assert majority(index, (1, 1), (2, 2, 4, 4), 3).tolist() == [[2]]


class Negative(nn.Module):
    """A network whose result is known, and which remembers the size that it was given."""

    def forward(self, src, y=None):
        self.size = tuple(src.shape[2:])
        return -src


def test_apply_keeps_the_size_and_works_at_that_of_the_training():
    net, spec = Negative(), Spec("pairs", (3, 32, 32), source=(3, 32, 32))
    x = torch.linspace(-1, 1, 48).expand(1, 3, 96, 48).contiguous()
    out = Pairs().apply(net, x, spec, {})
    assert net.size == (64, 32) and out.shape == x.shape and (out + x).abs().max() < 0.1
    out = Pairs().apply(net, x, spec, {"native": "on"})
    assert net.size == (96, 48) and torch.equal(out, -x)
    with pytest.raises(UsageError, match="native must be on or off"):
        Pairs().apply(net, x, spec, {"native": "maybe"})


def test_apply_makes_label_maps_of_the_palette_only():
    facts = {"target_palette": [[0], [255]]}
    spec = Spec("pairs", (1, 16, 16), source=(1, 16, 16), facts=facts)
    x = torch.rand(1, 1, 50, 40) * 2 - 1
    out = Pairs().apply(Negative(), x, spec, {})
    assert out.shape == x.shape and set(out.unique().tolist()) == {-1.0, 1.0}


def test_zoom_keeps_both_sides_together_and_labels_pure(tmp_path):
    for k in range(6):
        both = label_map(k)
        save(tmp_path / "d" / f"{k}.png", np.concatenate([both, both], 1))
    domain = Pairs(size=32, zoom=1.0, flip=False)
    data = domain.open(tmp_path / "d", cache=tmp_path / "cache")
    batch, plain = domain.batch(data, np.arange(6), Draw(1, 6, slice(None))), data.pairs(np.arange(6))[0]
    assert torch.equal(batch["src"], batch["x"]) and not torch.equal(batch["x"], plain)
    assert {tuple(p) for p in pixels(batch["x"]).reshape(-1, 3)} <= {tuple(c) for c in COLOURS.tolist()}
    ramp = torch.linspace(-1, 1, 64).expand(5, 1, 64, 64)
    shown = magnified(ramp, window(Draw(3, 5, slice(None)), 1.0), False)
    slope = (shown[:, 0, 0, -4] - shown[:, 0, 0, 4]) / (ramp[:, 0, 0, -4] - ramp[:, 0, 0, 4])
    assert ((slope > 0.49) & (slope <= 1.01)).all() and slope.std() > 0.05


def test_tint_changes_the_source_alone(tmp_path):
    for k in range(4):
        save(tmp_path / "d" / f"{k}.png", np.concatenate([photo(k), photo(100 + k)], 1))
    domain = Pairs(size=16, labels="off", tint=0.3, flip=False)
    data = domain.open(tmp_path / "d", cache=tmp_path / "cache")
    batch, (src, x) = domain.batch(data, np.arange(4), Draw(1, 4, slice(None))), data.pairs(np.arange(4))
    assert torch.equal(batch["x"], x) and not torch.equal(batch["src"], src)
    assert batch["src"].abs().max() <= 1 and (batch["src"] - src).abs().mean() < 0.5


def test_either_side_has_a_range_of_its_own_and_label_maps_have_none(tmp_path):
    for k in range(4):
        save(tmp_path / "d" / "A" / f"{k}.tif", np.linspace(-50, 350 - k, 256, dtype=np.float32).reshape(16, 16))
        save(tmp_path / "d" / "B" / f"{k}.png", (photo(k)[..., 0] // 16).astype(np.uint8))
    data = opened(tmp_path / "d", tmp_path)
    assert data.spec.facts == {"direction": "AtoB", "range": [-50, 350]}
    assert opened(tmp_path / "d", tmp_path, direction="BtoA").spec.facts["target_range"] == [-50, 350]
    assert data.pairs(np.arange(4))[0].max(1).values.amax((1, 2)).tolist() == pytest.approx([1.0] * 4, abs=0.02)
    assert any("from 0 to 15" in text for text in data.summary["warnings"])
    maps = opened(tmp_path / "d", tmp_path, labels="auto")
    assert "target_palette" in maps.spec.facts and not any("tenth" in text for text in maps.summary["warnings"])
