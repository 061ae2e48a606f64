"""Recognition by the majority of the pictures: exceptions are named, and close cases name the other meaning."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from ganworks.files.glance import Clues
from ganworks.files.recognise import recognise


def png(tall, wide, seed, seam=False):
    rng = np.random.default_rng(seed)
    x = np.asarray(Image.fromarray(rng.integers(60, 190, (2, 2, 3), np.uint8)).resize((wide, tall)))
    if seam:
        x = np.hstack([x[:, : wide // 2] // 4, 255 - x[:, wide // 2 :] // 4])
    out = io.BytesIO()
    Image.fromarray(x).save(out, "PNG")
    return out.getvalue()


PAIR, SINGLE = (lambda k: png(16, 32, k, True)), (lambda k: png(16, 16, k))
STRIP, LONGER = (lambda k: png(8, 64, k)), (lambda k: png(8, 96, k))


def mixed(folder, usual, odd, many, few):
    """`many` usual pictures and `few` odd ones, which come last by name and first by creation."""
    folder.mkdir()
    for k in range(few):
        (folder / f"z{k}.png").write_bytes(odd(k))
    for k in range(many):
        (folder / f"a{k}.png").write_bytes(usual(k))
    return folder


@pytest.mark.parametrize(
    ("usual", "odd", "many", "few", "recipe", "said", "otherwise"),
    [
        (PAIR, SINGLE, 84, 12, "pix2pix", "looked at: z", "train image"),
        (PAIR, SINGLE, 12, 12, "image", "holds pictures", "train pix2pix"),
        (PAIR, SINGLE, 4, 20, "image", "holds pictures", ""),
        (STRIP, LONGER, 90, 3, "video", "8 frames of 8 x 8", "train image"),
        (STRIP, LONGER, 20, 1, "video", "(but not 1 of the 21 looked at: z0.png)", "train image"),
        (STRIP, SINGLE, 12, 10, "image", "holds pictures", "train video"),
    ],
    ids=["pairs", "half-pairs", "few-pairs", "strips", "one-longer", "half-strips"],
)
def test_the_majority_decides(usual, odd, many, few, recipe, said, otherwise, tmp_path):
    found = recognise(mixed(tmp_path / "d", usual, odd, many, few))
    assert found.recipe == recipe and said in found.because and otherwise in found.otherwise
    assert bool(found.otherwise) == bool(otherwise)


def test_names_in_a_large_folder_are_chosen_evenly(tmp_path):
    names = Clues(mixed(tmp_path / "d", STRIP, LONGER, 210, 30)).names
    assert len(names) == 60 and 4 <= sum(name.startswith("z") for name in names) <= 12


@pytest.mark.parametrize("rest", ["test", "val", "validation"])
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_unused_parts_do_not_vote(rest, packed, tmp_path):
    files = {f"train/{k}.png": PAIR(k) for k in range(6)} | {f"{rest}/{k}.png": SINGLE(k) for k in range(30)}
    if packed:
        with zipfile.ZipFile(tmp_path / "d.zip", "w") as out:
            for name, content in files.items():
                out.writestr(name, content)
    for name, content in files.items():
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / name).write_bytes(content)
    found = recognise(tmp_path / ("d.zip" if packed else "d"))
    assert found.recipe == "pix2pix" and "looked at" not in found.because
    assert recognise(tmp_path / "d" / rest).recipe == "image"


def test_two_sets_of_which_half_have_the_same_names(tmp_path):
    for side in "AB":
        (tmp_path / "d" / side).mkdir(parents=True)
        for k in range(10):
            (tmp_path / "d" / side / f"{k if k % 2 else f'{side}{k}'}.png").write_bytes(SINGLE(k))
    found = recognise(tmp_path / "d")
    assert found.recipe == "cyclegan" and "50 %" in found.because and "train pix2pix" in found.otherwise
