"""Recipes side by side: means over seeds, the table, the CSV and the picture; and what cannot be compared."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import fake_run
import numpy as np
import pytest
from PIL import Image

import ganworks as gw
from ganworks.core.errors import UsageError
from ganworks.report.contest import Contest, mean_of
from ganworks.report.glossary import METRICS
from ganworks.report.grades import Score


def score(value: float) -> Score:
    return Score(METRICS["frechet"], value, 1.0, value - 0.1, value + 0.1)


def run(folder: Path, name: str, fd: float) -> Path:
    """A run as a training leaves it, with another main score."""
    made = fake_run.build(folder, name)
    report = json.loads((made / "eval.json").read_text())
    report["metrics"]["fd"] |= {"value": fd, "low": fd - 0.1, "high": fd + 0.1}
    (made / "eval.json").write_text(json.dumps(report))
    plan = json.loads((made / "plan.json").read_text()) | {"parameters": {"G": 1_200_000, "D": 800_000}}
    (made / "plan.json").write_text(json.dumps(plan))
    return made


def test_a_mean_over_seeds_has_the_interval_of_students_t():
    """2, 4 and 6: mean 4, standard error 2 / sqrt 3, and 4.303 of them for two degrees of freedom."""
    found = mean_of([score(v) for v in (2.0, 4.0, 6.0)])
    assert (found.value, found.floor) == (4.0, 1.0)
    assert found.high - found.value == pytest.approx(4.303 * 2 / 3**0.5) == found.value - found.low
    assert mean_of([score(3.0)]) == score(3.0), "one run keeps the interval of its evaluation"


def test_the_table_has_intervals_real_data_and_sizes(tmp_path):
    contest = Contest({"one": [run(tmp_path, "a", 5.0)], "two": [run(tmp_path, "b", 3.0), run(tmp_path, "c", 3.2)]})
    lines = contest.lines(100, unicode=True)
    assert lines[0].split() == ["one", "two", "real", "data"]
    rows = {line[:26].strip(): line[26:] for line in lines}
    assert rows["Parameters"].split() == ["2M", "2M"]
    assert rows["Fréchet distance"].split()[0] == "5.00" and "3.10" in rows["Fréchet distance"]
    assert "4.90 – 5.10" in lines[1 + next(n for n, line in enumerate(lines) if line.startswith("Fr"))]
    assert "2 seeds" in "\n".join(lines)


def test_the_csv_has_a_row_for_each_run_and_the_picture_all_recipes(tmp_path):
    contest = Contest({"one": [run(tmp_path, "a", 5.0)], "two": [run(tmp_path, "b", 3.0), run(tmp_path, "c", 3.2)]})
    table, picture = contest.write(tmp_path)
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [row["recipe"] for row in rows] == ["one", "two", "two"]
    name = next(key for key in rows[0] if key.startswith("frechet") and key.endswith("]"))
    assert [float(row[name]) for row in rows] == [5.0, 3.0, 3.2] and float(rows[0][f"{name}_low"]) == 4.9
    assert rows[0]["sampler_parameters"] == "1200000" and float(rows[0][f"{name}_real"]) > 0
    assert Image.open(picture).width > 2 * 360


def test_recipes_are_trained_once_and_put_side_by_side(tmp_path):
    x = np.random.default_rng(0).integers(0, 255, (60, 1, 8, 8), np.uint8)
    told = []
    settings = {"budget": 32, "batch": 16, "evaluate": False, "train.threads": 1, "train.precision": "fp32"}
    contest = gw.compare(["mlp", "dcgan"], x, tmp_path, on_run=lambda *about: told.append(about), **settings)
    assert told == [("mlp", tmp_path / "mlp"), ("dcgan", tmp_path / "dcgan")]
    assert [column.name for column in contest.columns] == ["mlp", "dcgan"]
    before = (tmp_path / "mlp" / "generator.safetensors").read_bytes()
    gw.compare(["mlp", "dcgan"], x, tmp_path, **settings)
    assert (tmp_path / "mlp" / "generator.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("recipes", "settings", "said"),
    [
        (["mlp"], {}, "two recipes"),
        (["mlp", "mlp"], {}, "two recipes"),
        (["mlp", "table"], {}, "different kinds"),
        (["mlp", "mpl"], {}, "mlp"),
        (["mlp", "vae"], {"loss": "hinge"}, "vae does not take"),
        (["mlp", "vae"], {"budget": "soon"}, "budget"),
    ],
)
def test_what_cannot_be_compared_is_told_before_anything_is_trained(recipes, settings, said, tmp_path):
    with pytest.raises(UsageError, match=said):
        gw.compare(recipes, np.zeros((40, 1, 8, 8), np.uint8), tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()
