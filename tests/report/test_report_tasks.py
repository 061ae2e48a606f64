"""The report of tasks: their own metrics and words, simple methods beside them, pairs to slide over."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from math import nan
from pathlib import Path

import fake_run
import numpy as np
import pytest
from PIL import Image
from report_page import Page, page_of
from standins import publish

from ganworks.cli.evaluate import print_report
from ganworks.metrics import tasks as measured
from ganworks.report import advice, glossary, grades
from ganworks.report.glossary import title_of
from ganworks.report.page.model_card import card
from ganworks.report.read import read_run
from ganworks.report.terminal.compare import compare

HOSTILE = fake_run.HOSTILE


def build(folder: Path, name: str = "task", use: str = "apply", value: float = 0.1) -> Path:
    """A finished run of a translator or classifier with an evaluation, hostile words in it, and a pair of pictures."""
    run = fake_run.build(folder, name, evaluated=False)
    nets = publish(folder / "nets")
    kept = "classifier.safetensors" if use == "predict" else "generator.safetensors"
    shutil.copy(nets / kept, run / kept)
    report = measured.TaskReport(
        metrics={
            "l1": measured.metric([value, value + 0.02], 0.03, meaning=f"absolute error {HOSTILE}"),
            "psnr": measured.metric(20.0, better="higher", meaning="in dB"),
        },
        count=2,
        baselines={"mean image": {"l1": 0.16, "psnr": 13.0}, HOSTILE: {"l1": 0.2}, "copy": {"l1": 0.01, "psnr": 40.0}},
        tables=[{"title": f"By mask {HOSTILE}", "columns": ["area", "l1"], "rows": [["small", 0.1], [HOSTILE, None]]}],
        pictures={f"Rows {HOSTILE}": "rows.png"},
        protocol=["Values in [0, 1]."],
    )
    (run / "eval").mkdir(exist_ok=True)
    (run / "eval.json").write_text(json.dumps(report.to_dict()))
    fake_run.grid_png(run / "eval" / "rows.png", 0.1)
    for kind, side in (("before", 16), ("after", 32)):
        Image.fromarray(np.full((side, side, 3), side, np.uint8)).save(run / "eval" / f"one-{kind}.png")
    return run


def test_the_page_shows_what_was_measured_beside_simple_methods(tmp_path: Path) -> None:
    page, text = page_of(build(tmp_path))
    assert page.open == [] and not {"style", "onclick"} & {name for _, a in page.tags for name in a}
    assert len(page.all("script")) == 1 and "<script>alert" not in re.sub(r"<script>.*?</script>", "", text, flags=re.S)
    for said in (
        "Better than mean image (0.160)",
        "Behind copy (0.010)",
        "lower is better",
        "By mask",
        "Values in [0, 1]",
    ):
        assert said in text, said
    assert "Not judged yet" not in text and "Measured" in text and "L1 0.110 on held-out data." in text
    assert "A network that turns pictures into pictures" in text and "None of these are real" not in text
    assert "Label agreement" not in text and "nan" not in re.sub(r"base64,[^\"]+", "", text).lower().replace(
        "finance", ""
    )


def test_pairs_become_sliders_and_stand_side_by_side_without_script(tmp_path: Path) -> None:
    run = build(tmp_path)
    page, text = page_of(run)
    slides = [a for _, a in page.tags if a.get("class") == "slide"]
    alts = [a.get("alt") or "" for a in page.all("img")]
    assert [s["data-title"] for s in slides] == ["One"] and alts.count("One, before") == alts.count("One, after") == 1
    assert sum("ne-before" in a or "One before" in a for a in alts) == 0  # not a second time among the pictures
    assert 'querySelectorAll(".slide")' in text and ".style.clipPath" in text  # set by script: no inline style
    pair = next(a for a in page.all("img") if a.get("alt") == "One, before")
    assert "class" not in pair  # a smaller original is enlarged smoothly
    (run / "eval" / "one-after.png").unlink()
    fake_run.grid_png(tmp_path / "secret.png", 0.5)
    (run / "eval" / "one-after.png").symlink_to(tmp_path / "secret.png")
    assert not [a for _, a in page_of(run)[0].tags if a.get("class") == "slide"]


@pytest.mark.parametrize(("use", "verb"), [("apply", "ganworks apply"), ("predict", "ganworks predict")])
def test_commands_and_card_fit_the_use(tmp_path: Path, use: str, verb: str) -> None:
    found = read_run(build(tmp_path, use=use))
    texts = [c.text for c in advice.commands(found)]
    assert found.use == use and texts[0].startswith(verb) and not any("ganworks sample" in t for t in texts)
    assert f"model.{use}(" in card(found) and "<script>" not in re.sub(r"`[^`]*`", "", card(found))


def test_damaged_network_files_do_not_stop_the_report(tmp_path: Path) -> None:
    run = fake_run.build(tmp_path)
    for content in (b"", b"\xff" * 40, (40).to_bytes(8, "little") + b"[" * 40, (2).to_bytes(8, "little") + b"[]"):
        (run / "generator.safetensors").write_bytes(content)
        assert read_run(run).use == "sample"
    assert isinstance(page_of(run)[0], Page)


def test_directions_decide_what_is_better() -> None:
    beside = (("a", 0.2), ("b", 0.05), ("c", 0.11))
    lower = grades.Score(glossary.stated("l1", {"better": "lower"}), 0.1, low=0.08, high=0.12, beside=beside)
    assert grades.comparison(lower) == "Better than a (0.200). Level with c (0.110). Behind b (0.050)."
    assert "without an interval that would tell them apart: b (0.050), c" in grades.comparison(replace(lower, low=nan))
    higher = grades.Score(glossary.stated("psnr", {"better": "higher"}), 0.1, low=0.1, high=0.1, beside=beside[:2])
    assert grades.comparison(higher) == "Better than b (0.050). Behind a (0.200)."
    near = grades.Score(glossary.stated("share", {"better": "floor"}), 0.1, beside=(("a", 0.2),))
    assert grades.comparison(near) == "" and grades.verdict_on(near).grade == "unknown"
    assert glossary.stated("fd", {"meaning": "of patches"}).title == "Fréchet distance"
    assert [title_of(n) for n in ("l1", "miou", "gradient_energy", "psnr_y")] == [
        "L1",
        "mIoU",
        "Gradient energy",
        "PSNR y",
    ]


def test_runs_of_tasks_can_be_compared_and_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [build(tmp_path, "a", value=0.1), build(tmp_path, "b", value=0.3)]
    lines = compare(runs)
    assert any(re.search(r"^L1 .*0\.110 \*", line) for line in lines), lines
    print_report(json.loads((runs[0] / "eval.json").read_text()))
    said = capsys.readouterr().out
    assert "2 held-out examples" in said and "mean image" in said and "this model" in said
