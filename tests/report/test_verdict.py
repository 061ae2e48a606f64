"""The verdict is held back where the scores cannot carry it, follows the harsher score, and says first what matters."""

from pathlib import Path

import pytest

from ganworks.cli.evaluate import print_report
from ganworks.metrics.tasks import TaskReport
from ganworks.report import advice, grades, words
from ganworks.report.page import scores as page
from ganworks.report.page import sections
from ganworks.report.read import RunView
from ganworks.report.terminal import info


def entry(value: float, floor: float, error: float = 0.0, **more: object) -> dict:
    """A metric of eval.json whose interval is the value plus and minus the error."""
    return {"value": value, "floor": floor, "low": value - error, "high": value + error, **more}


def run(held: int = 1000, extractor: str = "clf-1@2", train: int = 9000, seen: int = 10**6, **metrics: dict) -> RunView:
    """A finished run with an evaluation."""
    metrics = metrics or {"fd": entry(1.1, 1.0), "coverage": entry(0.97, 0.98), "precision": entry(1.0, 0.9)}
    return RunView(
        Path("runs/a"),
        plan={"data": {"held": held, "train": train}},
        evaluation={"metrics": metrics, "extractor": extractor, "about": {"seen": seen}},
        finished={"seen": seen},
    )


def task(held: int = 1000, baselines: dict | None = None, use: str = "sample", **metrics: dict) -> RunView:
    """A finished run of a task."""
    evaluation = {"metrics": metrics, "baselines": baselines or {}, "about": {"seen": 10**6}}
    return RunView(Path("runs/a"), plan={"data": {"held": held, "train": 9000}}, evaluation=evaluation,
                   finished={"seen": 10**6}, card={"use": use})  # fmt: skip


@pytest.mark.parametrize(
    ("held", "extractor", "grade", "said"),
    [
        (1000, "clf-1@2", "excellent", "very hard to tell"),
        (1000, "randconv-s0@2", "good", "untrained network"),
        (16, "clf-1@2", "unknown", "Only 16 examples"),
    ],
)
def test_verdict(held, extractor, grade, said):
    found = words.verdict(run(held, extractor))
    assert found.grade == grade and said in found.text


def test_no_rating_words_stand_where_there_is_no_verdict():
    few = run(held=10)
    rows = page.good(few)
    assert rows["rows"] and not rows["graded"]
    assert [(row["pill"], row["gauge"]) for row in rows["rows"]] == [("", None)] * 3
    assert sections.hero(few)["pill"] == "No verdict"
    assert "Distance to real data" not in dict(sections.hero(few)["tiles"])
    assert [f.kind for f in advice.findings(few)] == []


def test_quick_scores_have_no_intervals_and_get_no_grade():
    scored = {"seen": 10**6, "scores": {"fd": 1.0, "coverage": 0.98}, "floor": {"fd": 1.0, "coverage": 0.98}}
    quick = RunView(Path("runs/a"), plan={"data": {"held": 900}}, scored=[scored])
    assert words.verdict(quick).grade == "unknown" and "no intervals" in words.verdict(quick).text


def test_praise_needs_both_questions_and_blame_only_one():
    wide = entry(2.0, 1.0, 1.5)
    assert "too wide" in words.verdict(run(fd=wide, coverage=entry(0.97, 0.98))).text
    assert words.verdict(run(fd=wide, coverage=entry(0.1, 0.98))).grade == "poor"


def test_the_first_sentence_says_that_examples_were_not_seen_once():
    text = words.verdict(run(train=9000, seen=4500)).text
    assert text.startswith("It saw each example less than once (4.5k of 9k), so this says little yet. By these")
    assert words.verdict(run(train=9000, seen=9000)).text.startswith("By these")
    longer = run(train=9000, seen=4500)
    longer.plan["given"] = {"init": "runs/before"}
    assert words.verdict(longer).text.startswith("By these")


def test_the_first_sentence_says_that_a_model_reaches_nothing():
    nothing = run(fd=entry(90.0, 1.0), coverage=entry(0.0, 0.9), precision=entry(0.5, 0.9))
    assert words.verdict(nothing).text.startswith("It reaches next to nothing of real data (coverage: 0 %).")
    beside = {"mean image": {"l1": 0.2}, "the input": {"l1": 0.31}}
    worse = task(use="apply", baselines=beside, l1=entry(0.3, 0.0, 0.02, better="lower"))
    assert words.verdict(worse).text.startswith("It is no better than any of the simple methods beside it. L1 0.300")
    told = task(detection=entry(0.99, 0.5, 0.005, better="lower"))
    assert words.verdict(told).text.startswith("It is told from real data nearly every time (told from real rows: 0.99")


def test_the_harsher_of_two_judges_leads_the_verdict():
    beside = {"real": {"told_by_gru": 0.01, "told_by_trees": 0.02}, "a Gaussian": {"told_by_trees": 0.4}}
    found = words.verdict(task(
        baselines=beside, told_by_gru=entry(0.02, 0.01, 0.01, better="lower"),
        told_by_trees=entry(0.45, 0.02, 0.01, better="lower"),
    ))  # fmt: skip
    assert (
        "Told apart by trees 0.450, real data 0.020." in found.text and "Kinder: Told apart by a network" in found.text
    )
    pairs = entry(0.906, 0.936, 0.001, better="higher")
    beside = {"each column by itself": {"pairs": 0.5, "detection": 0.99}}
    found = words.verdict(task(baselines=beside, pairs=pairs, detection=entry(0.9, 0.5, 0.01, better="lower")))
    assert found.text.startswith("Told from real rows 0.900, real data 0.500. Better than each column by itself (0.99")


@pytest.mark.parametrize(
    ("held", "accuracy", "low", "said"),
    [
        (16, 1.0, 0.81, "Only 16 examples are held out"),
        (300, 0.56, 0.5, "right on 56 % (50 % to 62 %) of real examples, too unsure"),
        (300, 0.95, 0.92, "Better than unchanged image (10 %)"),
    ],
)
def test_a_verdict_rests_on_no_judge_that_is_unsure(held, accuracy, low, said):
    agreement = entry(0.5, accuracy, 0.02, floor_low=low, floor_high=accuracy + 0.06, better="higher")
    found = task(held, {"unchanged image": {"agreement": 0.1}}, "apply", agreement=agreement)
    assert said in words.verdict(found).text
    assert ("Better" in words.verdict(found).text) == said.startswith("Better")
    usual = run(agreement=agreement)
    assert grades.verdict_on(words.scores_of(usual)[0]).grade == ("unknown" if accuracy < 0.6 else "poor")


def test_what_cannot_be_scored_is_not_advised_to_be(capsys):
    why = "Only 3 recordings are held out; scores need 8."
    report = TaskReport.of_nothing(why, {}).to_dict()
    none = RunView(Path("runs/a"), plan={"data": {"held": 3}}, evaluation=report, finished={"seen": 5})
    assert words.verdict(none).text == why and [f.advice for f in advice.findings(none)] == [why]
    assert not [c for c in advice.commands(none) if "eval" in c.text]
    assert dict(info._scores(none))["Verdict"] == why
    print_report(report)
    said = capsys.readouterr().out
    assert why in said and "Judged on" not in said
