"""Verdicts on a run in plain words, for the report, the terminal and the model card alike.

A score means nothing alone. Every verdict compares it with its floor: the same score of held-out real data, computed by
the same code at the same count. `grades.py` has the rules for single scores.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ganworks.core.console.text import counted
from ganworks.report.glossary import METRICS, metric_for, stated
from ganworks.report.grades import GRADES, Score, Verdict, comparison, score_text, verdicts
from ganworks.report.read import RunView, as_float, mapping
from ganworks.report.units import count

FEW_HELD_OUT = 50  # real examples below which there is no grade
FEW_COMPARED = 20  # real examples below which a task is not compared with simple methods
_NOTHING = 0.05  # share of what real data gets, up to which next to nothing is reached
_ALWAYS = 0.95  # shortfall from which next to everything is told apart


def scores_of(run: RunView) -> list[Score]:
    """The scores to show: the full evaluation when there is one, else the best one made during training."""
    found = from_report(run.evaluation)
    if not found and (best := run.best):
        found = from_report(best)
    if few := _few(run):
        found = [replace(score, ungraded=few) for score in found]
    if run.task:
        return found
    order = list(METRICS)
    return sorted(found, key=lambda s: order.index(s.metric.name) if s.metric.name in METRICS else 99)


def _few(run: RunView) -> str:
    """Why there are too few real examples for any verdict; "" if there are enough, or if it is not known."""
    held, used = (as_float(part) for part in (mapping(run.plan.get("data")).get("held"), run.evaluation.get("real")))
    held = used if used > 0 else held
    if not held < (FEW_COMPARED if run.task else FEW_HELD_OUT):
        return ""
    few = counted(round(held), "example is", "examples are")
    return f"Only {few} held out, too few for a verdict: look at what it makes."


def from_report(report: Mapping[str, Any]) -> list[Score]:
    """Scores of eval.json ("metrics": a dict with value, floor and intervals for each name) or of a "scored"
    event ("scores" and "floor": a number for each name). What is not finite is left out."""
    values = mapping(report.get("metrics")) or mapping(report.get("scores"))
    floors, extractor = mapping(report.get("floor")), str(report.get("extractor") or "")
    baselines = {name: mapping(values) for name, values in mapping(report.get("baselines")).items()}
    scores = []
    for key, raw in values.items():
        item = mapping(raw) or {"value": raw, "floor": floors.get(key)}
        if key != "fd_ratio" and math.isfinite(as_float(item.get("value"))):
            value, low, high, floor, floor_low, floor_high = (as_float(item.get(name)) for name in _FIELDS)
            own = key.partition("/")[2] or key.partition("[")[2].rstrip("]") or extractor
            others = {name: as_float(values.get(key)) for name, values in baselines.items()}
            beside = tuple((name, other) for name, other in others.items() if math.isfinite(other))
            told = "baselines" in report or metric_for(key).name not in METRICS
            metric = stated(key, item) if told else metric_for(key)
            scores.append(Score(metric, value, floor, low, high, floor_low, floor_high, own, beside))
    return scores


_FIELDS = ("value", "low", "high", "floor", "floor_low", "floor_high")
_LIKE, _VARIETY = ("frechet", "precision", "density"), ("coverage", "recall")


def headline(scores: list[Score]) -> Verdict:
    """The verdict on the whole: the worst of likeness, variety and labels; copying overrules them."""
    by_name = {s.metric.name: v.grade for s, v in zip(reversed(scores), reversed(verdicts(scores)), strict=True)}
    graded = {name: grade for name, grade in by_name.items() if grade != "unknown"}
    like, variety = (_worst([graded[name] for name in names if name in graded]) for names in (_LIKE, _VARIETY))
    mains = [next((by_name[name] for name in names if name in by_name), "unknown") for names in (_LIKE, _VARIETY)]
    copying = graded.get("authenticity") or graded.get("copied") or "unknown"
    if copying == "poor":
        return Verdict("poor", "The generator repeats its training data, so its other scores cannot be trusted.")
    worst = _worst([grade for grade in (like, variety) if grade != "unknown"])
    if worst == "unknown" or ("unknown" in mains and worst in ("excellent", "good")):
        return Verdict("unknown", _undecided(scores))
    labels = graded.get("agreement", "excellent")
    text = {
        "excellent": "By these measures the samples are very hard to tell from real data, and as varied.",
        "good": "The samples are close to real data, with small differences that a careful look finds.",
        "fair": "The samples are recognisable, but clearly different from real data.",
        "poor": "The samples are still far from real data.",
    }[worst]
    if like in ("excellent", "good") and variety in ("fair", "poor"):
        text = "Single samples look right, but the generator leaves kinds of data out."
    if GRADES.index(labels) > GRADES.index(worst):
        worst, text = labels, f"{text} But it does not always make the class that it is asked for."
    if copying == "fair":
        text += " Some of them are suspiciously close to training examples."
    return Verdict(worst, text)


def _worst(grades: list[Any]) -> Any:
    return max(grades, key=GRADES.index) if grades else "unknown"


def _undecided(scores: list[Score]) -> str:
    """Why there is no verdict on scores."""
    if not any(math.isfinite(score.floor) for score in scores):
        return "Not judged yet: there is no evaluation with a held-out value to compare with."
    if not any(score.bounded for score in scores):
        return "Not judged yet: the quick scores have no intervals. The full evaluation has them."
    return "The intervals are too wide for a verdict: evaluate more samples, or hold more examples out."


def verdict(run: RunView) -> Verdict:
    """The verdict on a run. Its first sentence says when the model saw too little or has reached next to nothing."""
    scores = scores_of(run)
    found = _on_task(run, scores) if run.task and scores else _on_samples(run, scores)
    judge = str(mapping(run.evaluation.get("about")).get("judge") or "")
    first = [said for said in (judge, _hardly_trained(run), _bottom(scores)) if said]
    return replace(found, text=" ".join([*first, found.text])) if scores else found


def _on_samples(run: RunView, scores: list[Score]) -> Verdict:
    """`headline`, unless too few real examples or untrained features make it unreliable."""
    if not scores and (why := unscored(run)):
        return Verdict("unknown", why)
    if scores and (few := _few(run)):
        return Verdict("unknown", few)
    found = headline(scores)
    untrained = any(score.extractor.startswith("randconv") for score in scores)
    if untrained and found.grade in ("excellent", "good"):
        return Verdict(
            "good",
            f"{found.text} The features came from an untrained network, which hardly notices when kinds of data are "
            "missing; data with labels gets a network trained on them.",
        )
    return found


def unscored(run: RunView) -> str:
    """Why an evaluation that was made has no scores; "" when it has some, or when there is none."""
    said = run.evaluation.get("warnings")
    if not run.evaluation or from_report(run.evaluation) or not isinstance(said, list):
        return ""
    return " ".join(str(line) for line in said)


def _on_task(run: RunView, scores: list[Score]) -> Verdict:
    """The harshest of the scores that ask how far all of it is from real data, beside simple methods."""
    main, milder = _leading(scores)
    text = comparison(main) or "Compare it with other runs on the same data."
    real = f", real data {score_text(main.metric, main.floor)}" if math.isfinite(main.floor) else ""
    on = real if run.use == "sample" else " on held-out data"
    more = [f"{score.metric.title} {score_text(score.metric, score.value)}" for score in milder[:2]]
    kinder = f" Kinder: {', '.join(more)}." if more and not main.unsure else ""
    said = f"{main.metric.title} {score_text(main.metric, main.value)}{on}. {text}{kinder}"
    return Verdict("unknown", said)


def _leading(scores: list[Score]) -> tuple[Score, list[Score]]:
    """(the score that leads the verdict on a task: the first, or the harshest of its rivals; the other rivals)."""
    rivals = [score for score in scores if score.metric.rival and math.isfinite(score.shortfall)]
    if not scores[0].metric.rival or not rivals:
        return scores[0], []
    rivals.sort(key=lambda score: -score.shortfall)
    return rivals[0], rivals[1:]


def _hardly_trained(run: RunView) -> str:
    """Says when the network that is judged saw each example less than once; "" otherwise."""
    given, data = mapping(run.plan.get("given")), mapping(run.plan.get("data"))
    seen = as_float(mapping(run.evaluation.get("about")).get("seen"))
    seen, train = seen if seen > 0 else run.seen, as_float(data.get("train"))
    if given.get("init") or given.get("train.init") or not 0 < seen < train:
        return ""
    return f"It saw each example less than once ({count(seen)} of {count(train)}), so this says little yet."


def _bottom(scores: list[Score]) -> str:
    """Says when scores are as bad as can be, or no better than the worst simple method; "" otherwise."""
    for score in scores:
        if score.unsure or not score.bounded:
            continue
        name, text = score.metric.title, score_text(score.metric, score.value)
        if score.metric.scale and score.shortfall >= _ALWAYS:
            return f"It is told from real data nearly every time ({name.lower()}: {text})."
        if score.metric.name in (*_LIKE[1:], *_VARIETY) and score.high <= _NOTHING * score.floor:
            return f"It reaches next to nothing of real data ({name.lower()}: {text})."
    return _beaten(_leading(scores)[0]) if scores else ""


def _beaten(main: Score) -> str:
    """Says when a score is not better, beyond its interval, than any simple method beside it; "" otherwise."""
    if main.unsure or not main.bounded or not main.simple:
        return ""
    sign = 1 if main.metric.better == "lower" else -1
    worst = main.high if sign > 0 else main.low
    beaten = main.metric.better == "near" or any(sign * value > sign * worst for _, value in main.simple)
    return "" if beaten else "It is no better than any of the simple methods beside it."
