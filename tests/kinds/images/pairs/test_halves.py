"""Pairs side by side: what is no pair of a set is named, and left out or refused, never cut in half."""

import numpy as np
import pytest
from PIL import Image

import ganworks as gw
from ganworks.core.errors import UsageError
from ganworks.kinds.images.pairs.domain import Pairs


def save(path, height, width, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    x = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(x).save(path)


def lay(folder, shapes):
    """{name: (height, width)} as pictures."""
    for seed, (name, (height, width)) in enumerate(shapes.items()):
        save(folder / f"{name}.png", height, width, seed)
    return folder


def opened(path, **settings):
    return Pairs(size=8, labels="off", **settings).open(path)


PAIRS = {f"{k}": (8, 16) for k in range(12)}


def test_a_lone_picture_is_named_and_refused_or_left_out(tmp_path):
    folder = lay(tmp_path / "d", {**PAIRS, "lone": (16, 16)})
    with pytest.raises(
        UsageError, match=r'"lone.png" cannot be taken for a pair.*8 x 16.*others 8 x 8.*on_corrupt=skip'
    ):
        opened(folder)
    data = opened(folder, on_corrupt="skip")
    assert len(data) == 12 and data.summary["corrupt_names"][0].startswith("lone.png: its halves are 8 x 16 pixels")
    with pytest.raises(UsageError, match=r'"lone.png" cannot be taken for a pair'):
        opened(folder)  # from the pack


def test_a_test_folder_of_single_pictures_is_not_cut_in_half(tmp_path):
    train = {f"train/{name}": shape for name, shape in PAIRS.items()}
    folder = lay(tmp_path / "d", {**train, **{f"test/{k}": (16, 16) for k in range(6)}})
    with pytest.raises(UsageError, match=r'"test/0.png".*those of the pairs that train 8 x 8'):
        opened(folder)
    data = opened(folder, on_corrupt="skip")
    assert len(data) == 12 and 1 <= len(data.held) < 12 and not set(data.held) & set(data.train)
    notes = " ".join(data.summary["notes"])
    assert "no pair of the folder for evaluation can be used" in notes and "no class" not in notes


def test_pairs_that_are_held_out_never_train(tmp_path):
    folder = lay(tmp_path / "d", {f"{part}/{k}": (8, 16) for part in ("train", "test") for k in range(3)})
    for k in range(3):
        path = folder / "train" / f"{k}.png"
        path.write_bytes(path.read_bytes()[:200])  # the header is whole, the pixels are not
    with pytest.raises(UsageError, match=r'none of the pairs for training can be used. "train/0.png" cannot be taken'):
        opened(folder, on_corrupt="skip")


def test_halves_of_many_proportions_are_a_set(tmp_path):
    varied = {f"train/{k}": (8, 16 + 4 * k) for k in range(8)}
    data = opened(lay(tmp_path / "d", {**varied, "test/0": (8, 24)}))
    assert len(data) == 9 and len(data.held) == 1
    assert any("several proportions" in note for note in data.summary["notes"])
    save(tmp_path / "d" / "test" / "1.png", 16, 8, 50)
    with pytest.raises(UsageError, match=r'"test/1.png" cannot be taken'):
        opened(tmp_path / "d")


def test_other_sizes_of_the_same_proportions_are_pairs(tmp_path):
    assert len(opened(lay(tmp_path / "d", {**PAIRS, "large": (16, 32)}))) == 13


def test_a_partner_of_another_shape_is_left_out_when_asked(tmp_path):
    shapes = {f"{side}/{k}": (8, 8) for side in "AB" for k in range(6)}
    folder = lay(tmp_path / "d", {**shapes, "B/0": (8, 12)})
    with pytest.raises(UsageError, match=r'"A/0.png" cannot be taken for a pair.*its partner "B/0.png" is 12 x 8'):
        opened(folder)
    assert len(opened(folder, on_corrupt="skip")) == 5


def test_looking_gives_the_verdict_of_the_training(tmp_path):
    folder = lay(tmp_path / "d", {**PAIRS, "lone": (16, 16)})
    found = gw.look(folder, recipe="pix2pix")
    assert found.lines[0].startswith("12 pairs from") and found.facts["size"] == [8, 8] and found.sheet is not None
    assert any(line.startswith("  lone.png: its halves") for line in found.lines)
    sides = lay(tmp_path / "sides", {f"A/{k}": (8, 8) for k in range(6)})
    lay(sides, {f"B/{k or 'x'}": (8, 8) for k in range(6)})
    with pytest.raises(UsageError, match="2 images have no partner"):
        gw.look(sides, recipe="pix2pix")
    both = gw.look(sides, recipe="cyclegan", size=8)
    assert both.facts["count"] == 12 and both.facts["classes"] == {} and "sides/A -> " in both.lines[0]
    assert both.sheet is not None and both.facts["sizes"] == {"8x8": 12}
