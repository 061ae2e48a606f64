"""Verdicts on scores in plain words, for the report, the terminal and the model card alike.

A score means nothing alone. Every verdict compares it with its floor: the same score of held-out real data, computed by
the same code at the same count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ganworks.core.console.text import counted
from ganworks.report.glossary import METRICS, MetricText, metric_for, stated
from ganworks.report.read import RunView, as_float, mapping
from ganworks.report.units import percent, short_number, times

Grade = Literal["excellent", "good", "fair", "poor", "unknown"]
GRADES: tuple[Grade, ...] = ("excellent", "good", "fair", "poor")
RATIO_STEPS = (1.5, 3.0, 8.0)  # distances over their floor: excellent, good, fair up to here
SHARE_STEPS = (0.95, 0.8, 0.55)  # shares over their floor: excellent, good, fair from here
GAP_STEPS = (0.1, 0.25)  # shortfall of authenticity below its floor: no sign, some sign of copying up to here
_WORST_RATIO, _WORST_GAP = 24.0, 0.5  # the far ends of the gauges


@dataclass(frozen=True)
class Score:
    """A metric's value beside its floor. low, high: 95 % interval; NaN where not known.

    beside: (name, value) of simple methods and ceilings on the same examples, where a task measures them.
    """

    metric: MetricText
    value: float
    floor: float = math.nan
    low: float = math.nan
    high: float = math.nan
    floor_low: float = math.nan
    floor_high: float = math.nan
    extractor: str = ""
    beside: tuple[tuple[str, float], ...] = ()

    @property
    def ratio(self) -> float:
        """value / floor for a positive floor, else NaN."""
        return self.value / self.floor if self.floor > 0 and math.isfinite(self.value) else math.nan


@dataclass(frozen=True)
class Verdict:
    """A grade and the sentence that explains it."""

    grade: Grade
    text: str


def verdict_on(score: Score) -> Verdict:
    """The verdict on one score (rules in docs/numbers.md). Without a floor there is none."""
    if not math.isfinite(score.value):
        return Verdict("unknown", "This could not be computed.")
    if score.metric.name not in METRICS:
        return Verdict("unknown", comparison(score))
    if not math.isfinite(score.floor):
        return Verdict("unknown", "There is no held-out value to compare with.")
    if score.metric.better == "near":
        return _verdict_on_copying(score)
    return _verdict_on_distance(score) if score.metric.better == "lower" else _verdict_on_share(score)


def comparison(score: Score, most: int = 4) -> str:
    """Which simple methods a score beats, and which it does not; "" when there are none."""
    if score.metric.better == "near" or not math.isfinite(score.value):
        return ""
    sign = 1 if score.metric.better == "lower" else -1
    named = sorted(score.beside, key=lambda pair: sign * pair[1])
    parts = []
    groups = (("Better than", [p for p in named if sign * p[1] > sign * score.value]),
              ("Level with", [p for p in named if p[1] == score.value]),
              ("Behind", [p for p in reversed(named) if sign * p[1] < sign * score.value]))  # fmt: skip
    for text, kept in groups:
        shown = [f"{name} ({score_text(score.metric, value)})" for name, value in kept[:most]]
        more = [f"{len(kept) - most} more"] if len(kept) > most else []
        parts += [f"{text} {', '.join([*shown, *more])}."] if kept else []
    return " ".join(parts)


def _verdict_on_distance(score: Score) -> Verdict:
    """Distances by their ratio to the floor; 1.5, 3 and 8 are the bounds between the four grades.

    Measured on digits: faint noise gives a ratio of 1.2, one missing class 2.4 to 6, blur or five missing
    classes 8 to 70. The floor of the kernel distance is about zero by construction, so it has no ratio: it
    is graded only when chance explains it.
    """
    if score.low <= score.floor_high or score.value <= max(score.floor, 0.0):
        return Verdict("excellent", "No difference from real data beyond chance.")
    if score.metric.name == "kernel" or not math.isfinite(score.ratio):
        beyond = math.isfinite(score.low) and score.low > score.floor
        return Verdict(
            "unknown",
            "A difference from real data that is beyond chance."
            if beyond
            else "Close to zero is best; compare it between runs of the same data.",
        )
    text = f"{times(score.ratio)} the distance of real data itself."
    hints = {
        "excellent": "Hard to tell from real data by this measure.",
        "good": "Small differences: a little noise or blur, or a rare kind missing.",
        "fair": "Clear differences: softness, artefacts or a kind of data that is missing.",
        "poor": "Far from real data: an early stage, or a training that went wrong.",
    }
    grade = _grade(sum(score.ratio > step for step in RATIO_STEPS))
    return Verdict(grade, f"{text} {hints[grade]}")


def _grade(steps: int) -> Grade:
    return GRADES[steps]


def _verdict_on_share(score: Score) -> Verdict:
    """Shares by their ratio to the floor; 95, 80 and 55 per cent are the bounds between the four grades."""
    if score.floor <= 0:
        return Verdict("unknown", "Real data itself gets 0 here, so there is nothing to compare with.")
    part = score.value / score.floor
    grade = _grade(sum(part < step for step in SHARE_STEPS))
    text = "As high as real data." if part >= 0.995 else f"{percent(part)} of what real data gets."
    hints = {
        "recall": "Kinds of data are missing.",
        "coverage": "Kinds of data are missing.",
        "agreement": "It does not always make the class that it is asked for.",
    }
    if grade in ("fair", "poor"):
        text += " " + hints.get(score.metric.name, "Many samples do not look like real data.")
    return Verdict(grade, text)


def _verdict_on_copying(score: Score) -> Verdict:
    """Copying: authenticity up to 0.1 below its floor, or near copies up to 0.05 above, are no sign of it."""
    gap = _gap(score)
    if gap <= GAP_STEPS[0]:
        return Verdict("excellent", "No sign of copying: as new as real data that it has never seen.")
    if gap <= GAP_STEPS[1]:
        return Verdict("fair", "Some samples are closer to training examples than new real data would be.")
    return Verdict("poor", "Many samples nearly repeat training examples. Look at the nearest neighbours before use.")


def _gap(score: Score) -> float:
    """How far authenticity lies below its floor; near copies count double, as their floor is only 1 %."""
    return 2 * (score.value - score.floor) if score.metric.name == "copied" else score.floor - score.value


def position(score: Score) -> tuple[float, tuple[float, ...]]:
    """(place of a score from far off (0) to real data (1), places of the bounds between grades); NaN: none.

    Every grade takes an equal part of the scale; distances are logarithmic.
    """
    if verdict_on(score).grade == "unknown" or score.metric.name == "kernel":
        return math.nan, ()
    if score.metric.better == "lower":
        if not math.isfinite(score.ratio):
            return math.nan, ()
        bounds = [-math.log(step) for step in (_WORST_RATIO, *reversed(RATIO_STEPS), 1.0)]
        return _place(-math.log(max(score.ratio, 1.0)), bounds)
    if score.metric.better == "higher":
        return _place(score.value / score.floor, [0.0, *reversed(SHARE_STEPS), 1.0])
    return _place(-_gap(score), [-_WORST_GAP, *(-step for step in reversed(GAP_STEPS)), 0.0])


def _place(value: float, bounds: list[float]) -> tuple[float, tuple[float, ...]]:
    """Where a value lies among rising bounds, each step as wide as the others, and the inner bounds."""
    steps = len(bounds) - 1
    edges = tuple(i / steps for i in range(1, steps))
    at = max((i for i in range(steps) if value >= bounds[i]), default=0)
    return _clip((at + (value - bounds[at]) / (bounds[at + 1] - bounds[at])) / steps), edges


def _clip(part: float) -> float:
    return min(1.0, max(0.0, part))


def scores_of(run: RunView) -> list[Score]:
    """The scores to show: the full evaluation when there is one, else the best one made during training."""
    found = from_report(run.evaluation)
    if not found and (best := run.best):
        found = from_report(best)
    if run.task:
        return found
    order = list(METRICS)
    return sorted(found, key=lambda s: order.index(s.metric.name) if s.metric.name in METRICS else 99)


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
            own = key.partition("/")[2] or extractor
            others = {name: as_float(values.get(key)) for name, values in baselines.items()}
            beside = tuple((name, other) for name, other in others.items() if math.isfinite(other))
            metric = stated(key, item) if "baselines" in report else metric_for(key)
            scores.append(Score(metric, value, floor, low, high, floor_low, floor_high, own, beside))
    return scores


_FIELDS = ("value", "low", "high", "floor", "floor_low", "floor_high")


def headline(scores: list[Score]) -> Verdict:
    """The verdict on the whole: the worse of likeness and variety; copying overrules both."""
    by_name = {s.metric.name: verdict_on(s) for s in reversed(scores)}
    like = by_name.get("frechet") or by_name.get("kernel") or Verdict("unknown", "")
    variety = by_name.get("coverage") or by_name.get("recall") or Verdict("unknown", "")
    copying = by_name.get("authenticity") or by_name.get("copied") or Verdict("unknown", "")
    graded = [v.grade for v in (like, variety) if v.grade != "unknown"]
    if not graded:
        return Verdict("unknown", "Not judged yet: there is no evaluation with a held-out value to compare with.")
    worst = max(graded, key=GRADES.index)
    if copying.grade == "poor":
        return Verdict("poor", "The generator repeats its training data, so its other scores cannot be trusted.")
    text = {
        "excellent": "By these measures the samples are very hard to tell from real data, and as varied.",
        "good": "The samples are close to real data, with small differences that a careful look finds.",
        "fair": "The samples are recognisable, but clearly different from real data.",
        "poor": "The samples are still far from real data.",
    }[worst]
    if like.grade in ("excellent", "good") and variety.grade in ("fair", "poor"):
        text = "Single samples look right, but the generator leaves kinds of data out."
    if copying.grade == "fair":
        text += " Some of them are suspiciously close to training examples."
    return Verdict(worst, text)


FEW_HELD_OUT = 50  # held-out examples below which there is no verdict


def verdict(run: RunView) -> Verdict:
    """The verdict on a run: `headline`, unless too few real examples or untrained features make it unreliable."""
    scores = scores_of(run)
    if run.task and scores:
        main = scores[0]
        text = comparison(main) or "Compare it with other runs on the same data."
        real = f", real data {score_text(main.metric, main.floor)}" if math.isfinite(main.floor) else ""
        on = real if run.use == "sample" else " on held-out data"
        return Verdict("unknown", f"{main.metric.title} {score_text(main.metric, main.value)}{on}. {text}")
    found, held = headline(scores), as_float(mapping(run.plan.get("data")).get("held"))
    if scores and held < FEW_HELD_OUT:
        return Verdict(
            "unknown",
            f"Only {counted(round(held), 'example is', 'examples are')} held out, too few for a verdict: "
            "look at pictures.",
        )
    untrained = any(score.extractor.startswith("randconv") for score in scores)
    if untrained and found.grade in ("excellent", "good"):
        return Verdict(
            "good",
            f"{found.text} The features came from an untrained network, which hardly notices when kinds of data are "
            "missing; data with labels gets a network trained on them.",
        )
    return found


def score_text(metric: MetricText, value: float) -> str:
    """A score as people read it: shares in per cent, all others with three digits."""
    if not metric.share or not math.isfinite(value):
        return short_number(value)
    return f"{value * 100:.{1 if 0.0005 <= value < 0.02 or 0.98 < value < 0.9995 else 0}f} %"
