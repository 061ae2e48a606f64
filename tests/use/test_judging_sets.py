"""`ganworks eval REAL MADE`: two sets of pictures or points, whoever made them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganworks import api
from ganworks.cli import main as cli
from ganworks.core.errors import UsageError


def pictures(folder: Path, count: int, seed: int, side: int = 12, classes: tuple[str, ...] = ("",)) -> Path:
    """Sixteen patches of random colours, one channel of which is strong in each class."""
    rng = np.random.default_rng(seed)
    for k in range(count):
        patches = rng.integers(0, 130, (4, 4, 3), dtype=np.uint8)
        patches[..., k % len(classes)] += 100
        place = folder / classes[k % len(classes)]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(patches).resize((side, side), Image.Resampling.NEAREST).save(place / f"{k}.png")
    return folder


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Path:
    return pictures(tmp_path_factory.mktemp("real"), 120, 0)


def test_other_real_pictures_are_near_and_noise_is_far(real, tmp_path):
    other = api.evaluate_sets(real, pictures(tmp_path / "other", 60, 1))
    assert other.count == 60 and other.train == other.held == 60
    noise = np.random.default_rng(0).integers(0, 255, (60, 3, 12, 12)).astype(np.uint8)
    np.save(tmp_path / "noise.npy", noise)
    far = api.evaluate_sets(real, tmp_path / "noise.npy")
    assert far.metrics["fd"].value > 5 * other.metrics["fd"].value
    assert far.metrics["coverage"].value < 0.2 and other.metrics["coverage"].value > 0.6


def test_copies_are_found_at_another_size_and_order_does_not_matter(real, tmp_path):
    for k, path in enumerate(sorted(real.rglob("*.png"))):
        (tmp_path / "copies").mkdir(exist_ok=True)
        Image.open(path).resize((24, 24), Image.Resampling.NEAREST).save(tmp_path / "copies" / f"{120 - k}.png")
    report = api.evaluate_sets(real, tmp_path / "copies", count=100)
    assert report.memorisation["flagged"] and report.metrics["copied"].value > 0.4 and report.count == 100
    assert "half are found" in report.protocol[-1]


def test_folders_of_the_same_classes_are_compared_by_class(tmp_path):
    one = pictures(tmp_path / "one", 160, 0, classes=("red", "green"))
    right = pictures(tmp_path / "right", 60, 1, classes=("red", "green"))
    wrong = pictures(tmp_path / "wrong", 60, 2, classes=("green", "red"))
    named = pictures(tmp_path / "named", 60, 3, classes=("a", "b"))
    agreement = [api.evaluate_sets(one, path).metrics["agreement"].value for path in (right, wrong)]
    assert agreement[0] > 0.9 and agreement[1] < 0.1
    assert "agreement" not in api.evaluate_sets(one, named).metrics


def test_the_command_keeps_scores_and_pictures_in_a_new_folder(real, tmp_path, capsys):
    other = pictures(tmp_path / "other", 30, 1)
    out = tmp_path / "judged"
    assert cli.main(["eval", str(real), str(other), f"out={out}", "seed=1"]) == 0
    said = capsys.readouterr().out
    assert "coverage" in said and f"Pictures {out}/" in said
    assert json.loads((out / "eval.json").read_text())["count"] == 30 and (out / "samples.png").is_file()
    assert cli.main(["eval", str(real), str(other), f"out={out}"]) == 2
    assert "exists already" in capsys.readouterr().err


def test_points_are_judged_too_and_what_cannot_be_is_refused(real, tmp_path, capsys):
    for name, rows in (("a", 80), ("b", 40), ("c", 12)):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(len(name)).normal(size=(rows, 2)).astype(np.float32))
    assert api.evaluate_sets(tmp_path / "a.npy", tmp_path / "b.npy").metrics["fd"].value < 1
    with pytest.raises(UsageError, match="too few to judge by"):
        api.evaluate_sets(tmp_path / "c.npy", tmp_path / "b.npy")
    (tmp_path / "lines.txt").write_text("".join(f"line {k} of words\n" for k in range(50)))
    with pytest.raises(UsageError, match="Sets of pictures and of points"):
        api.evaluate_sets(tmp_path / "lines.txt", tmp_path / "lines.txt")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text("{}")
    assert cli.main(["eval", str(real), str(tmp_path / "run")]) == 2
    assert "is a run" in capsys.readouterr().err
