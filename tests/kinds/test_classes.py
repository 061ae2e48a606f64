"""A class of which no example can be used is no class, whatever the kind of data."""

import wave

import numpy as np
import pytest
from PIL import Image

import ganworks as gw
from ganworks.core import registry
from ganworks.core.config import find_class
from ganworks.core.errors import UsageError
from ganworks.core.settings import Budget, Facts
from ganworks.files.packing.packed import present


def pictures(folder, wide=8):
    for name in ("cat", "dog", "eel"):
        (folder / name).mkdir(parents=True)
        for k in range(6):
            x = np.random.default_rng(k).integers(0, 255, (8, wide, 3), np.uint8)
            Image.fromarray(x).save(folder / name / f"{k}.png")
    for path in (folder / "dog").iterdir():
        path.write_bytes(b"no picture")
    return folder


def sounds(folder):
    for name in ("high", "low", "none"):
        (folder / name).mkdir(parents=True)
        for k in range(6):
            with wave.open(str(folder / name / f"{k}.wav"), "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                file.writeframes(np.random.default_rng(k).integers(-9999, 9999, 2000).astype("<i2").tobytes())
    for path in (folder / "none").iterdir():
        path.write_bytes(b"no sound")
    return folder


@pytest.mark.parametrize(("recipe", "lay", "classes"), [
    ("image", pictures, ("cat", "eel")), ("classify", pictures, ("cat", "eel")), ("stargan", pictures, ("cat", "eel")),
    ("video", lambda folder: pictures(folder, 64), ("cat", "eel")), ("audio", sounds, ("high", "low")),
])  # fmt: skip
def test_a_class_without_readable_files_is_none(recipe, lay, classes, tmp_path):
    settings = {"on_corrupt": "skip"} | ({"length": 8} if recipe == "video" else {})
    found = gw.look(lay(tmp_path / "d"), recipe=recipe, **settings)
    assert found.data.spec.classes == classes and set(found.facts["classes"]) == set(classes)
    assert set(found.data.labels.tolist()) == {0, 1}
    gone = next(iter({"dog", "none"} & {path.name for path in (tmp_path / "d").iterdir()}))
    assert any(note.endswith(f"no example that can be used: {gone}") for note in found.facts["notes"])


@pytest.mark.parametrize(("recipe", "lay"), [
    ("image", pictures), ("acgan", pictures), ("audio", sounds),
    ("video", lambda folder: pictures(folder, 64)),
])  # fmt: skip
def test_the_watch_for_collapse_is_told_the_classes(recipe, lay, tmp_path):
    """Of real and of generated examples, in each kind: one example per class would else look varied."""
    settings = {"on_corrupt": "skip"} | ({"length": 8} if recipe == "video" else {})
    data = gw.look(lay(tmp_path / "d"), recipe=recipe, **settings).data
    made, domain = registry.recipe_function(recipe)
    config = made(Facts(data.spec, len(data.train), Budget(1000), "cpu", 10.0, find_class(domain)()))
    nets = {name: net.eval() for name, net in config.networks.build(data.spec).items()}
    evaluator = config.domain.evaluator(data, tmp_path / "d", config, lambda *_: None)
    (x, y), (z, asked) = evaluator.examples(), evaluator.sample(nets)
    assert len(x) == len(y) and len(z) == len(asked) and x.shape[1:] == z.shape[1:]
    assert set(y.tolist()) == set(asked.tolist()) == {0, 1}


def test_a_class_of_series_that_are_all_too_short_is_none(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "d").mkdir()
    for k in range(12):
        lines = [f"{a:.3f},{b:.3f}" for a, b in rng.normal(size=(3 if k % 3 == 2 else 20, 2))]
        (tmp_path / "d" / f"s{k}.csv").write_text("\n".join(["u,v", *lines]))
    (tmp_path / "d" / "about.csv").write_text("id,kind\n" + "".join(f"{k},{'abc'[k % 3]}\n" for k in range(12)))
    data = gw.look(tmp_path / "d", recipe="series", labels="kind", length=8).data
    assert data.spec.classes == ("a", "b") and set(data.labels.tolist()) == {0, 1}


def test_one_class_that_is_left_is_none(tmp_path):
    folder = pictures(tmp_path / "d")
    for path in (folder / "eel").iterdir():
        path.write_bytes(b"no picture")
    data = gw.look(folder, recipe="image").data
    assert data.labels is None and data.spec.classes == ()
    with pytest.raises(UsageError, match="no classes to translate between"):
        gw.look(folder, recipe="stargan")


def test_numbers_follow():
    labels, classes, notes = present(np.array([3, 0, 3, 2]), ("a", "b", "c", "d"))
    assert labels.tolist() == [2, 0, 2, 1] and classes == ("a", "c", "d") and notes[0].endswith(": b")
    assert present(None, ("a", "b")) == (None, (), [])
    same = np.array([0, 1])
    assert present(same, ("a", "b"))[0] is same and present(np.array([1, 1]), ("a", "b"))[:2] == (None, ())
