"""The report of a run: tolerant reading, honest verdicts, one escaped page that loads nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import fake_run
import numpy as np
import pytest
from PIL import Image
from report_page import page_of

from ganworks.core.errors import UsageError
from ganworks.report import advice, glossary, grades, words
from ganworks.report.page.model_card import card
from ganworks.report.page.pictures import choose_frames, embed
from ganworks.report.read import as_event, frames, read_run
from ganworks.report.terminal.compare import compare
from ganworks.report.terminal.info import info
from ganworks.report.terminal.sparkline import sparkline
from ganworks.report.units import count, duration, short_number, size


@pytest.mark.parametrize("options", [
    {}, {"hostile": True}, {"hostile": True, "evaluated": False}, {"lines": [], "evaluated": False},
    {"lines": fake_run.events(rounds=1, scored=0), "evaluated": False, "pictures": False},
])  # fmt: skip
def test_the_page_is_well_formed_and_loads_nothing(tmp_path: Path, options: dict) -> None:
    page, text = page_of(fake_run.build(tmp_path, **options))
    assert page.open == []
    names = {name for _, attributes in page.tags for name in attributes}
    assert not names & {"style", "onclick", "onload", "onerror", "srcset", "action"}
    assert all(a["src"].startswith("data:image/") for _, a in page.tags if "src" in a)
    assert all(a["href"].startswith("#") for _, a in page.tags if "href" in a)
    assert all(a.get("alt") for a in page.all("img")) and len(page.all("h1")) == 1
    charts = [a for a in page.all("div") if a.get("class") == "chart"]
    assert all(a.get("aria-label") and json.loads(str(a["data-chart"]))["lines"] for a in charts)
    assert len(charts) == (0 if options.get("lines") == [] else 4 if "pictures" in options else 5)
    assert not {"link", "iframe", "object", "form"} & {tag for tag, _ in page.tags}
    assert "nan" not in re.sub(r"base64,[^\"]+", "", text).lower().replace("finance", "")


def test_a_hostile_run_cannot_write_into_the_page(tmp_path: Path) -> None:
    page, text = page_of(fake_run.build(tmp_path, name="<img src=x onerror=alert(1)>", hostile=True))
    assert len(page.all("script")) == 1 and "&lt;script&gt;alert" in text
    assert not any(a.get("src") == "x" for a in page.all("img"))


def test_the_policy_names_exactly_the_style_and_the_script_inside(tmp_path: Path) -> None:
    page, text = page_of(fake_run.build(tmp_path))
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy and "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    for tag in ("style", "script"):
        inside = text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_large_pictures_stay_within_eight_megabytes(tmp_path: Path) -> None:
    run = fake_run.build(tmp_path, pictures=False)
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), np.uint8)
    for i in range(1, 15):
        Image.fromarray(noise).save(run / "samples" / f"{i * 1000:012d}.png", compress_level=1)
    picture = embed(run / "samples" / "000000001000.png", 60_000)
    assert picture and picture.uri.startswith("data:image/webp") and len(picture.uri) <= 60_000 * 4 / 3 + 40
    page, text = page_of(run)
    assert len(page.all("img")) == 11 and 2_000_000 < len(text) < 8_000_000


def test_what_is_no_picture_or_lies_outside_is_left_out(tmp_path: Path) -> None:
    run = fake_run.build(tmp_path, evaluated=False)
    before = len(page_of(run)[0].all("img"))
    (run / "samples" / "000000000001.png").write_bytes(b"<html>not a picture</html>")
    fake_run.grid_png(tmp_path / "secret.png", 0.5)
    (run / "samples" / "000000000002.png").symlink_to(tmp_path / "secret.png")
    assert len(page_of(run)[0].all("img")) == before
    assert all(path.name != "000000000002.png" for _, path in frames(read_run(run)))


def test_a_torn_line_is_ignored_and_damage_is_said(tmp_path: Path) -> None:
    run = fake_run.build(tmp_path)
    lines = fake_run.events(rounds=4, scored=0)[:-1]
    fake_run.write_log(run, lines, torn='{"event": "round", "seen": 99999')
    found = read_run(run)
    assert len(found.rounds) == 4 and found.problems == [] and found.state == "running"
    log = (run / "metrics.jsonl").read_bytes()
    (run / "metrics.jsonl").write_bytes(
        b"\xff\xfe\n[1]\nnull\n{}\n" + log.replace(b'"seen": 45000', b'"seen": true', 1)
    )
    (run / "plan.json").write_text("[" * 100_000)
    (run / "config.yaml").write_text("a: [1, !!python/object/apply:os.system ['echo']")
    found = read_run(run)
    assert len(found.rounds) == 4 and len(found.problems) == 3 and "4 damaged lines" in found.problems[0]
    page_of(run)


def test_a_description_that_is_not_the_saved_one_is_said(tmp_path: Path) -> None:
    run = fake_run.build(tmp_path)
    evaluation = run / "eval.json"
    evaluation.write_text('{"metrics": {"fd": {"value": 12.5}}}')
    old, new = sha256(evaluation.read_bytes()), sha256(b"")
    for files, pending, said in ((old, {}, []), (new, {"eval.json": old.hexdigest()}, []), (new, {}, ["eval.json"])):
        manifest = {"files": {"eval.json": {"sha256": files.hexdigest()}}, "pending": pending}
        (run / "manifest.json").write_text(json.dumps(manifest))
        assert [problem.split()[0] for problem in read_run(run).problems] == said
    (run / "manifest.json").write_text('{"files"')
    assert [problem.split()[0] for problem in read_run(run).problems] == ["manifest.json"]


def test_a_resume_replaces_what_it_does_again(tmp_path: Path) -> None:
    lines = fake_run.events(rounds=10, total=1000, scored=5)[:-1]
    again = [{**e, "speed": 7.0} for e in lines if e["event"] == "round" and e["seen"] > 500]
    run = read_run(fake_run.build(tmp_path, lines=[*lines, {"event": "started", "seen": 500, "total": 1000}, *again]))
    seen = [e["seen"] for e in run.rounds]
    assert seen == sorted(set(seen)) == [100 * i for i in range(1, 11)]
    assert [e["speed"] == 7.0 for e in run.rounds] == [False] * 5 + [True] * 5


def test_only_the_ends_of_a_long_log_are_read(tmp_path: Path) -> None:
    run = fake_run.build(tmp_path, pictures=False, lines=fake_run.events(rounds=3000, scored=3))
    part = read_run(run, tail=20_000)
    assert part.started and 50 < len(part.rounds) < 600 and part.seen == 180_000 and part.problems == []


def test_what_is_no_run_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a run folder"):
        read_run(tmp_path)
    with pytest.raises(UsageError, match="There is no run folder"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(TypeError):
        as_event(3)


@pytest.mark.parametrize(("key", "value", "floor", "grade"), [
    ("fd", 1.7, 1.2, "excellent"), ("fd/clf@1", 3.5, 1.2, "good"), ("fd", 9.0, 1.2, "fair"), ("fd", 21.5,
    1.2, "poor"), ("coverage", 0.92, 0.93, "excellent"), ("coverage", 0.58, 0.93, "fair"), ("recall", 0.1,
    0.9, "poor"), ("authenticity", 0.45, 0.51, "excellent"), ("authenticity", 0.0, 0.51, "poor"),
    ("authenticity", 0.7, 0.51, "excellent"), ("fd", 1.0, math.nan, "unknown"), ("fd", math.nan, 1.0,
    "unknown"), ("kid", 0.1, -0.001, "unknown"), ("copied", 0.03, 0.01, "excellent"),
        ("copied", 0.3, 0.01, "poor"),
        ("kd", -0.002, -0.001, "unknown"), ("density", 1.2, 1.0,
    "excellent"), ("something", 1.0, 1.0, "unknown"),
])  # fmt: skip
def test_verdicts_follow_the_floor(key: str, value: float, floor: float, grade: str) -> None:
    score = grades.Score(glossary.metric_for(key), value, floor, value, value)
    assert grades.verdict_on(score).grade == grade
    at, edges = grades.position(score)
    assert math.isnan(at) or (0 <= at <= 1 and list(edges) == sorted(edges))


def test_a_difference_within_chance_is_no_difference() -> None:
    score = grades.Score(glossary.metric_for("fd"), 1.05, 1.0, low=0.9, high=1.2, floor_low=0.9, floor_high=1.1)
    assert grades.verdict_on(score) == grades.Verdict(
        "excellent", "No difference from real data beyond chance at this number of examples."
    )


@pytest.mark.parametrize(("key", "value", "low", "high", "grade"), [
    ("fd", 2.0, 0.6, 3.6, "unknown"),  # excellent to fair
    ("fd", 1.4, 1.3, 1.6, "good"),  # excellent or good
    ("coverage", 0.96, 0.6, 1.0, "unknown"), ("coverage", 0.96, 0.9, 0.99, "good"),
    ("authenticity", 0.95, 0.92, 0.99, "excellent"), ("authenticity", 0.8, 0.45, 0.95, "unknown"),
    ("copied", 0.03, 0.02, 0.1, "fair"), ("fd", 1.0, math.nan, math.nan, "unknown"),
])  # fmt: skip
def test_a_grade_holds_for_the_whole_interval(key: str, value: float, low: float, high: float, grade: str) -> None:
    floor = 0.01 if key == "copied" else 1.0
    score = grades.Score(glossary.metric_for(key), value, floor, low, high)
    assert grades.verdict_on(score).grade == grade
    uncertain = grades.Score(glossary.metric_for("precision"), 0.9, 0.9, 0.9, 0.9, floor_low=0.5, floor_high=1.0)
    assert grades.verdict_on(uncertain).grade == "good"  # of a floor that is hardly known


def test_the_gauge_and_the_grade_agree() -> None:
    for value in np.linspace(1.0, 30.0, 60):
        score = grades.Score(glossary.metric_for("fd"), float(value), 1.0, float(value), float(value))
        at, edges = grades.position(score)
        zone = sum(at >= edge - 1e-9 for edge in edges)
        assert grades.GRADES[3 - zone] == grades.verdict_on(score).grade


def sharp(**values: tuple[float, float]) -> list[grades.Score]:
    """Scores (value, floor) by name, with intervals of no width."""
    return [grades.Score(glossary.metric_for(name), v, floor, v, v) for name, (v, floor) in values.items()]


def test_the_harsher_of_two_scores_of_one_question_decides() -> None:
    fine = {"fd": (1.0, 1.0), "precision": (0.9, 0.9), "coverage": (0.9, 0.9), "recall": (0.9, 0.9)}
    assert words.headline(sharp(**fine)).grade == "excellent"
    for name, value, grade in (("precision", 0.2, "poor"), ("recall", 0.6, "fair"), ("fd", 4.0, "fair")):
        assert words.headline(sharp(**fine | {name: (value, fine[name][1])})).grade == grade, name
    labels = words.headline(sharp(**fine, agreement=(0.3, 0.95)))
    assert labels.grade == "poor" and "class that it is asked for" in labels.text


def test_scores_of_copying_agree() -> None:
    scores = sharp(authenticity=(0.5, 0.5), copied=(0.09, 0.01), precision=(0.9, 0.9))
    found = grades.verdicts(scores)
    assert [v.grade for v in found] == ["fair", "fair", "excellent"] and "near copies shows one" in found[0].text
    assert "suspiciously close" in words.headline([*scores, *sharp(fd=(1.0, 1.0), coverage=(0.9, 0.9))]).text


def test_copying_overrules_a_perfect_distance() -> None:
    verdict = words.headline(sharp(fd=(0.0, 1.0), coverage=(0.97, 0.93), authenticity=(0.0, 0.51)))
    assert verdict.grade == "poor" and "repeats its training data" in verdict.text


def test_missing_kinds_and_an_absent_evaluation_are_said() -> None:
    assert "leaves kinds of data out" in words.headline(sharp(fd=(2.0, 1.0), coverage=(0.3, 0.9))).text
    assert words.headline([]).grade == "unknown"
    assert words.headline(words.from_report({"scores": {"fd": 2.0}})).grade == "unknown"


def test_reports_of_either_shape_give_the_same_scores() -> None:
    flat = {"scores": {"fd": 2.0, "fd_ratio": 2.0, "kid": None}, "floor": {"fd": 1.0}, "extractor": "clf@1"}
    deep = {"metrics": {"fd": {"value": 2.0, "floor": 1.0, "ratio": None}}, "extractor": "clf@1"}
    assert repr(words.from_report(flat)) == repr(words.from_report(deep))
    assert [s.ratio for s in words.from_report(flat)] == [2.0]


def test_advice_follows_what_was_found(tmp_path: Path) -> None:
    run = read_run(fake_run.build(tmp_path, hostile=True, evaluated=False))
    titles = [f.title for f in advice.findings(run)]
    assert any("(3 alarms of this kind)" in t for t in titles)
    assert any("still getting better" in t for t in titles)
    texts = [c.text for c in advice.commands(run)]
    assert any("budget=4.5m" in t and "init=" in t and "-longer" in t for t in texts)
    import shlex

    assert f"data=/data/{fake_run.HOSTILE}" in shlex.split(next(t for t in texts if t.startswith("ganworks train")))


def test_a_run_that_could_not_be_scored_says_why(tmp_path: Path) -> None:
    run = fake_run.build(tmp_path, evaluated=False, lines=fake_run.events(scored=0))
    assert "has not been evaluated yet" in page_of(run)[1]
    why = "Only 3 recordings are held out; scores need 8."
    (run / "eval.json").write_text(json.dumps({"metrics": {}, "baselines": {}, "warnings": [why]}))
    text = page_of(run)[1]
    assert f"It could not be scored. {why}" in text and "has not been evaluated yet" not in text
    assert f"ganworks eval {run}" not in text and "No verdict" in text and why in card(read_run(run))


def test_a_run_that_has_hardly_begun_is_not_blamed_for_it(tmp_path: Path) -> None:
    lines = fake_run.events(rounds=4, total=500, scored=4)[:4]
    run = read_run(fake_run.build(tmp_path, lines=lines, evaluated=False))
    assert [f.title for f in advice.findings(run)] == ["It has hardly begun"]


def test_an_interrupted_run_is_told_how_to_go_on(tmp_path: Path) -> None:
    run = fake_run.build(tmp_path, lines=fake_run.events()[:-20], evaluated=False)
    import os

    os.utime(run / "metrics.jsonl", (1, 1))
    found = read_run(run)
    assert found.state == "interrupted"
    assert advice.commands(found)[0].text == f"ganworks train image data=digits budget=90s out={run}"


@pytest.mark.parametrize("width", [40, 80])
def test_info_fits_and_says_the_state(tmp_path: Path, width: int) -> None:
    run = fake_run.build(tmp_path, hostile=True)
    lines = info(run, width=width, unicode=False)
    text = "\n".join(lines)
    text.encode("ascii")
    assert "finished (budget)" in text and "Frechet" in text and "\x1b" not in text
    assert all(len(line) <= width or line.startswith("  ganworks ") for line in lines[1:])


def test_info_is_fast_and_needs_no_torch(tmp_path: Path) -> None:
    run = fake_run.build(tmp_path)
    script = (
        "import sys; from ganworks.report.terminal.info import print_info; import ganworks.report.page.model_card; "
        "import ganworks.report.page.html; import ganworks.report.terminal.progress; "
        f"print_info({str(run)!r}); assert not {{'torch', 'sklearn', 'numpy'}} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={"PYTHONPATH": "src"}, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "ganworks sample" in done.stdout


def test_the_card_has_a_readable_head_and_no_markup_from_names(tmp_path: Path) -> None:
    import yaml

    text = card(read_run(fake_run.build(tmp_path, hostile=True)))
    assert yaml.safe_load(text.split("---\n")[1])["library_name"] == "ganworks"
    assert "<script>" not in re.sub(r"`[^`]*`", "", text)
    assert "| Fréchet distance | 2.90 | 2.50 to 3.40 | 1.20 | good |" in text
    empty = card(read_run(fake_run.build(tmp_path, "empty", lines=[], evaluated=False)))
    assert "has not been judged" in empty


def test_sparklines() -> None:
    assert sparkline([1, 2, math.nan, 3], 4) == "▁▅ █" or sparkline([1, 2, math.nan, 3], 4) == "▁▄ █"
    assert sparkline([1, 1], 4, unicode=False) == "__" and sparkline([math.nan], 4) == "" == sparkline([], 4)
    assert len(sparkline(range(1000), 20)) == 20


def test_numbers_as_people_say_them() -> None:
    assert [count(v) for v in (0, 999, 999.9, 12_400, 999_960, 1.5e6)] == [
        "0",
        "999",
        "1k",
        "12.4k",
        "1M",
        "1.5M",
    ]
    assert [duration(v) for v in (0, 8, 90, 3600, 7500, -1)] == [
        "0 s",
        "8 s",
        "1 min 30 s",
        "1 h",
        "2 h 5 min",
        "–",
    ]
    assert [short_number(v) for v in (0, 0.0123, 4.1, 1520, math.inf)] == ["0", "0.012", "4.10", "1,520", "∞"]
    assert [size(v) for v in (812, 999_900, 4.1e9)] == ["812 B", "1.0 MB", "4.1 GB"]


def test_the_film_keeps_its_ends_and_the_best() -> None:
    items = [(1000 * i, Path(f"{i}.png")) for i in range(1, 500)]
    chosen = [seen for seen, _ in choose_frames(items, 10, keep=314_000)]
    assert len(chosen) == 10 and chosen == sorted(chosen)
    assert chosen[0] == 1000 and chosen[-1] == 499_000 and 314_000 in chosen
    assert sum(seen < 100_000 for seen in chosen) >= 5


def test_tensorboard_mirrors_or_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import types

    from ganworks.report.terminal.tensorboard import Mirror

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match="pip install"):
        Mirror(tmp_path)
    calls: list[tuple] = []

    class Writer:
        def __init__(self, folder: str): ...
        def __getattr__(self, name: str) -> object:
            return lambda *a, **k: calls.append((name, *a[:1]))

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=Writer))
    run = fake_run.build(tmp_path)
    with Mirror(run / "tensorboard") as mirror:
        for line in (run / "metrics.jsonl").read_text().splitlines():
            mirror(json.loads(line))
        for suffix in (".txt", ".wav"):  # of texts the text, of sounds nothing
            (run / "samples" / f"x{suffix}").write_text("some text")
            mirror({"event": "shown", "seen": 1, "path": f"samples/x{suffix}"})
    assert {
        ("add_scalar", "loss/d_loss"),
        ("add_scalar", "score/fd"),
        ("add_image", "samples"),
        ("add_text", "samples"),
        ("close",),
    } <= set(calls)


def test_runs_side_by_side_mark_only_what_is_beyond_chance(tmp_path: Path) -> None:
    first, second = fake_run.build(tmp_path, "a"), fake_run.build(tmp_path, "b")
    report = json.loads((second / "eval.json").read_text())
    report["metrics"]["fd"] |= {"value": 1.5, "low": 1.3, "high": 1.7}
    report["metrics"]["coverage"] |= {"value": 0.84, "low": 0.81, "high": 0.87}
    (second / "eval.json").write_text(json.dumps(report))
    rows = {line[:16].strip(): line for line in compare([first, second])}
    assert rows["Fréchet distance"].endswith("1.50 *") and "*" not in rows["Coverage"]
    assert not any(line.startswith("!") for line in rows.values())
    (second / "eval.json").write_text(json.dumps({**report, "extractor": "clf-other@1", "count": 100}))
    text = "\n".join(compare([first, second], unicode=False))
    assert "cannot be compared" in text and "same count" in text
    assert "distance [clf-other@1]" in text and "*" not in text.partition("* better")[0], "no row holds both"
    with pytest.raises(UsageError):
        compare([first])
