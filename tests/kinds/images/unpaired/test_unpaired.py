"""Two sets of images without pairs: layouts, keyed independent draws, augmentation, use at any size, and scores."""

import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from ganworks.core.errors import UsageError
from ganworks.core.spec import Draw, Spec
from ganworks.kinds.images.unpaired import measures as unpaired
from ganworks.kinds.images.unpaired.domain import Unpaired, find_sides
from ganworks.kinds.images.unpaired.evaluator import UnpairedEvaluator, translate


def picture(seed: int, size: tuple[int, int] = (20, 24), tint: int = 0) -> Image.Image:
    x = np.random.default_rng(seed).integers(0, 200, (*size, 3), np.uint8)
    x[..., 0] = np.clip(x[..., 0].astype(int) + tint, 0, 255)
    return Image.fromarray(x)


def fill(root: Path, counts: dict[str, int], size: tuple[int, int] = (20, 24)) -> Path:
    for k, (folder, count) in enumerate(counts.items()):
        (root / folder).mkdir(parents=True)
        for n in range(count):
            picture(100 * k + n, size, 50 * k).save(root / folder / f"a day {n}.png")
    return root


@pytest.fixture(scope="module")
def seasons(tmp_path_factory) -> Path:
    counts = {"trainA": 12, "trainB": 9, "testA": 5, "testB": 5}
    return fill(tmp_path_factory.mktemp("my seasons"), counts)


@pytest.mark.parametrize(
    ("folders", "test"),
    [
        (("trainA", "trainB", "testA", "testB"), True),
        (("train/A", "train/B", "val/A", "val/B"), True),
        (("inner/set/TrainA", "inner/set/TrainB"), False),
        (("A", "B"), False),
    ],
)
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_layouts(tmp_path, folders, test, kind):
    root = fill(tmp_path / "set", dict.fromkeys(folders, 2))
    if kind == "zip":
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            for path in sorted(root.rglob("*.png")):
                archive.write(path, path.relative_to(root))
        root = tmp_path / "set.zip"
    train, held = find_sides(root)
    assert train == (root / folders[0], root / folders[1])
    assert (held is not None) == test
    data = Unpaired(size=8, held_out=0.5).open(root)
    assert len(data.train) == (2 if test else 1) and len(data.held) == (2 if test else 1)


def test_two_paths_and_two_arrays(tmp_path):
    fill(tmp_path, {"some summer": 3, "winter": 4})
    data = Unpaired(size=8).open(f"{tmp_path}/some summer, {tmp_path}/winter")
    assert len(data) == 7 and len(data.train) == 3
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 255, (n, 12, 12), np.uint8) for n in (6, 5))
    data = Unpaired(zoom=1).open((a, b))
    assert data.spec.shape == data.spec.source == (1, 12, 12)
    with pytest.raises(UsageError, match="trainA/"):
        Unpaired().open(tmp_path / "winter")
    with pytest.raises(UsageError, match="Two sets"):
        Unpaired().open((a,))


def test_direction_swaps_the_sides_and_the_fingerprint(seasons):
    there, back = (Unpaired(size=8, direction=d).open(seasons) for d in ("AtoB", "BtoA"))
    assert np.array_equal(there.unseen("source"), back.unseen("target"))
    assert not np.array_equal(there.unseen("source"), back.unseen("source"))
    assert there.fingerprint != back.fingerprint
    assert len(there.source) == 12 and len(back.source) == 9 and len(there.train) == len(back.train) == 12


def test_a_range_of_the_training_set_holds_for_the_test_set_and_in_use(tmp_path):
    for folder, ends in (("trainA", (0, 400)), ("testA", (0, 200)), ("trainB", (0, 255)), ("testB", (0, 255))):
        (tmp_path / folder).mkdir()
        for k in range(3):
            values = np.linspace(*ends, 64, dtype=np.float32).reshape(8, 8) + k / 100
            Image.fromarray(values if folder.endswith("A") else values.astype(np.uint8)).save(
                tmp_path / folder / f"{k}.{'tif' if folder.endswith('A') else 'png'}"
            )
    data = Unpaired(size=8).open(tmp_path)
    assert data.spec.facts["range"] == pytest.approx([0, 400.02]) and "target_range" not in data.spec.facts
    assert data.unseen("source").max() == 128  # 200 of 400
    assert "target_range" in Unpaired(size=8, direction="BtoA").open(tmp_path).spec.facts


def test_size_is_looked_up_and_grey_beside_colour_becomes_colour(tmp_path):
    fill(tmp_path, {"A": 3, "B": 3})
    for path in (tmp_path / "A").glob("*.png"):
        Image.open(path).convert("L").save(path)
    data = Unpaired().open(tmp_path)
    assert data.spec.shape == (3, 20, 24) and data.spec.source == (3, 20, 24)


def rows(images: torch.Tensor) -> set[bytes]:
    return {x.numpy().tobytes() for x in images}


def test_batches_are_keyed_cover_the_source_and_draw_the_target_independently(seasons):
    domain = Unpaired(size=8, zoom=1, flip=False)
    data = domain.open(seasons)
    batch = lambda seed: domain.batch(data, data.train, Draw(seed, 12, slice(None)))  # noqa: E731
    first, again, other = batch(1), batch(1), batch(2)
    assert all(torch.equal(first[k], again[k]) for k in ("x", "src"))
    assert len(rows(first["src"])) == 12  # an epoch shows every source image once
    assert torch.equal(first["src"], other["src"]) and not torch.equal(first["x"], other["x"])
    half = domain.batch(data, data.train[::2], Draw(1, 12, slice(0, None, 2)))
    assert torch.equal(half["x"], first["x"][::2]) and torch.equal(half["src"], first["src"][::2])


def test_flips_and_crops_happen(seasons):
    """Regression: an anchor compares a bool with "True", so that its flips never run."""
    plain = Unpaired(size=8, zoom=1, flip=False)
    data = plain.open(seasons)
    indices = np.zeros(64, np.int64)
    still = rows(plain.batch(data, indices, Draw(3, 64, slice(None)))["src"])
    assert len(still) == 1
    flipped = Unpaired(size=8, zoom=1, flip=True).batch(data, indices, Draw(3, 64, slice(None)))["src"]
    (one,) = plain.batch(data, indices[:1], Draw(3, 1, slice(None)))["src"]
    mirrored = sum(torch.equal(x, one.flip(2)) for x in flipped)
    assert mirrored + sum(torch.equal(x, one) for x in flipped) == 64 and 16 < mirrored < 48
    cropped = Unpaired(size=8, zoom=1.5, flip=False)
    crops = cropped.batch(cropped.open(seasons), indices, Draw(3, 64, slice(None)))["src"]
    assert crops.shape == (64, 3, 8, 8) and len(rows(crops)) > 12


def test_held_out_images_are_never_trained_on(tmp_path):
    root = fill(tmp_path, {"A": 10, "B": 10})
    domain = Unpaired(size=8, zoom=1, flip=False, held_out=0.3)
    data = domain.open(root)
    held = {x.tobytes() for x in data.unseen("source")}
    seen = {x.tobytes() for x in data.seen("source", 100)}
    assert len(held) == 3 and len(seen) == 7 and not held & seen
    shown = domain.batch(data, np.arange(64), Draw(0, 64, slice(None)))["src"]
    assert {((x + 1) * 127.5).round().byte().numpy().tobytes() for x in shown} <= seen


@pytest.mark.parametrize("wrong", [{"direction": "AB"}, {"zoom": 0.5}, {"size": 0}, {"held_out": 2}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(UsageError):
        Unpaired(**wrong)


class Invert(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(-1.0))
        self.sizes = []

    def forward(self, src, y=None):
        self.sizes.append(tuple(src.shape[2:]))
        return self.scale * src


def test_apply_works_at_the_scale_of_the_training_or_at_its_own():
    spec, net = Spec("unpaired", (3, 16, 16), source=(3, 16, 16)), Invert()
    x = torch.nn.functional.interpolate(torch.rand(1, 3, 4, 8) - 0.5, size=(32, 70), mode="bicubic").clamp(-1, 1)
    with torch.no_grad():
        scaled, native = (Unpaired().apply(net, x, spec, {"native": n}) for n in ("off", "on"))
    assert net.sizes == [(16, 35), (32, 70)]
    assert scaled.shape == x.shape and torch.equal(native, -x)
    assert (scaled + x).abs().mean() < 0.05
    with torch.no_grad():
        grey = Unpaired().apply(net, x[:, :1], spec, {})
    assert grey.shape == x.shape


def test_three_held_out_images_are_too_few_to_evaluate(tmp_path):
    few = UnpairedEvaluator(SimpleNamespace(held=np.arange(3), spec=Spec("image", (3, 16, 16), source=(3, 16, 16))))
    report = few.evaluate({}, count=16, seed=0, pictures=tmp_path, progress=print, about={})
    assert report.metrics == {} and "Only 3 images of a side are held out; scores need 4." in report.warnings[0]


def test_judge_knows_a_perfect_translator_from_a_poor_one(tmp_path):
    (tmp_path / "set").mkdir()
    for folder in ("trainA", "trainB", "testA", "testB"):
        (tmp_path / "set" / folder).mkdir()
        for n in range(8):
            image = picture(n + 50 * folder.startswith("test"), (16, 16))
            made = Image.fromarray(255 - np.asarray(image)) if folder.endswith("B") else image
            made.save(tmp_path / "set" / folder / f"{n}.png")
    data = Unpaired(size=16).open(tmp_path / "set")
    assert data.paired
    evaluator, good, poor = UnpairedEvaluator(data), Invert(), Invert()
    torch.nn.init.constant_(poor.scale, 0.2)
    right, floors, key = evaluator.score({"G": good, "G_back": good})
    wrong, *_ = evaluator.score({"G": poor, "G_back": poor})
    assert key.startswith("randconv") and floors["kid"] < 0.05
    assert right["truth"] < 0.01 < wrong["truth"] and right["cycle"] < 0.01 < wrong["cycle"]
    assert right["structure"] > 0.99 and right["kid"] < 0.01 < wrong["kid"] and right["stats"] < wrong["stats"]
    report = evaluator.evaluate(
        {"G": good}, count=8, seed=0, pictures=tmp_path / "eval", progress=lambda *a: None, about={}
    )
    assert "cycle" not in report.metrics and report.baselines["the input itself"]["structure"] == pytest.approx(1)
    assert (tmp_path / "eval" / "translations.png").exists() and report.to_dict()["warnings"]
    assert np.array_equal(translate(good, data.unseen("source"), data.spec), data.unseen("target"))


def test_statistics_see_colour_and_sharpness_and_structure_sees_neither():
    x = np.random.default_rng(0).integers(0, 256, (40, 3, 16, 16)).astype(np.uint8)
    assert unpaired.statistics(x).shape == (40, 12)
    flat = np.full((1, 3, 4, 4), 51, np.uint8)
    flat[:, :, :, 2:] = 102
    found = unpaired.statistics(flat)[0].reshape(4, 3)[:, 0]
    assert found == pytest.approx([0.3, 0.1, 0.2 / 3, 0])
    dark, other = x // 2, np.roll(x, 5, 0)
    for independent in (False, True):
        assert unpaired.statistics_distance(x, other, independent) == pytest.approx(0, abs=1e-6)
        assert unpaired.statistics_distance(x, dark, independent) > 50
    assert unpaired.structure(x, 255 - dark).min() > 0.95
    assert abs(unpaired.structure(x, other).mean()) < 0.1


def test_colour_transfer_gives_the_other_set_its_colours():
    rng = np.random.default_rng(1)
    x, y = rng.integers(60, 200, (8, 3, 8, 8)).astype(np.uint8), rng.integers(100, 160, (8, 3, 8, 8)).astype(np.uint8)
    y[:, 2] += 40
    moved = unpaired.colour_transfer(x, x, y).astype(float)
    assert np.abs(moved.mean((0, 2, 3)) - y.mean((0, 2, 3))).max() < 6
    assert np.abs(unpaired.colour_transfer(x, x, x).astype(int) - x).max() <= 1


COLOURS = np.array([[0, 0, 170], [0, 85, 255], [255, 170, 0], [170, 0, 0]], np.uint8)


def test_label_maps_become_planes_and_colours_again(tmp_path):
    rng = np.random.default_rng(0)
    for folder in ("trainA", "trainB", "testA", "testB"):
        (tmp_path / folder).mkdir()
        for n in range(5):
            maps = COLOURS[rng.integers(0, 4, (6, 6))].repeat(4, 0).repeat(4, 1)
            image = Image.fromarray(maps) if folder.endswith("B") else picture(n, (24, 24))
            image.save(tmp_path / folder / f"{n}.png")
    domain = Unpaired(size=12, labels="on")
    data = domain.open(tmp_path)
    assert data.palettes[0] is None and sorted(data.palettes[1]) == sorted(COLOURS.tolist())
    assert data.spec.shape == (4, 12, 12) and data.spec.source == (3, 12, 12)
    one = domain.batch(data, data.train, Draw(0, 5, slice(None)))
    assert one["x"].abs().min() >= 0.7 and one["x"].abs().max() <= 1 and ((one["x"] > 0).sum(1) == 1).all()
    held = data.unseen("target")
    assert {tuple(c) for c in held.transpose(0, 2, 3, 1).reshape(-1, 3)} <= {tuple(c) for c in COLOURS}
    spec, turned = data.spec, Spec.from_dict({**data.spec.to_dict(), "shape": [3, 12, 12], "source": [4, 12, 12]})
    same = torch.nn.Conv2d(4, 4, 1, bias=False)
    torch.nn.init.eye_(same.weight[:, :, 0, 0])
    to_labels = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1))
    x = torch.from_numpy(held[:1]).float() / 127.5 - 1
    with torch.no_grad():
        made = domain.apply(to_labels, torch.rand(1, 3, 30, 30) * 2 - 1, spec, {})
        back = domain.apply(torch.nn.Sequential(same, torch.nn.Conv2d(4, 3, 1)), x, turned, {"native": "on"})
    assert made.shape == (1, 3, 30, 30) and back.shape == x.shape
    colours = (made + 1) * 127.5
    assert {tuple(c) for c in colours.round().byte().permute(0, 2, 3, 1).reshape(-1, 3).tolist()} <= {
        tuple(c) for c in COLOURS.tolist()
    }
    same_maps = translate(same, held, Spec.from_dict({**spec.to_dict(), "source": [4, 12, 12], "facts": {
        "palettes": [data.palettes[1]] * 2, "given": [4, 12, 12]}}))  # fmt: skip
    assert np.array_equal(same_maps, held)
    net = torch.nn.ModuleDict({"G": to_labels, "G_back": torch.nn.Conv2d(4, 3, 1)})
    scores, *_ = UnpairedEvaluator(data).score(net)
    assert {"cycle", "truth", "kid_back"} <= set(scores)
    UnpairedEvaluator(data).show(net)
