"""Grades of single scores, and their comparison with simple methods, where their intervals support them.

A grade holds for the whole interval of a score over its floor: where that reaches over two grades the worse one is
given, and where it reaches over more there is none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ganworks.report.glossary import METRICS, MetricText
from ganworks.report.units import percent, short_number, times

Grade = Literal["excellent", "good", "fair", "poor", "unknown"]
GRADES: tuple[Grade, ...] = ("excellent", "good", "fair", "poor")
COPYING: tuple[Grade, ...] = ("excellent", "fair", "poor")
RATIO_STEPS = (1.5, 3.0, 8.0)  # distances over their floor: excellent, good, fair up to here
SHARE_STEPS = (0.95, 0.8, 0.55)  # shares over their floor: excellent, good, fair from here
GAP_STEPS = (0.1, 0.25)  # shortfall of authenticity below its floor: no sign, some sign of copying up to here
SURE_JUDGE = 0.75  # share of real examples on which a classifier is right, from which its opinion counts
_WORST_RATIO, _WORST_GAP = 24.0, 0.5  # the far ends of the gauges


@dataclass(frozen=True)
class Score:
    """A metric's value beside its floor. low, high: 95 % interval; NaN where not known.

    beside: (name, value) of simple methods and ceilings on the same examples, where a task measures them. ungraded: why
    nothing can be said of it, a sentence; "" where something can.
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
    ungraded: str = ""

    @property
    def ratio(self) -> float:
        """value / floor for a positive floor, else NaN."""
        return self.value / self.floor if self.floor > 0 and math.isfinite(self.value) else math.nan

    @property
    def bounded(self) -> bool:
        """Whether its interval is known."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def unsure(self) -> str:
        """Why nothing can be said of it; "" where something can."""
        return self.ungraded or _distrust(self)

    @property
    def simple(self) -> tuple[tuple[str, float], ...]:
        """`beside` without real data, whose value is the floor."""
        return tuple(pair for pair in self.beside if pair[1] != self.floor)

    @property
    def shortfall(self) -> float:
        """How far from real data (0) towards the worst that can be (1), or towards the worst simple method.

        NaN where one of them is not known, or where the worst simple method is no worse than real data.
        """
        if self.metric.better == "near":
            return math.nan
        sign = 1 if self.metric.better == "lower" else -1
        start, end = self.metric.scale or (self.floor, math.nan)
        start = self.floor if math.isfinite(self.floor) else start
        if not math.isfinite(end) and self.simple:
            end = max((value for _, value in self.simple), key=lambda value: sign * value)
        return (self.value - start) / (end - start) if sign * (end - start) > 0 else math.nan


@dataclass(frozen=True)
class Verdict:
    """A grade and the sentence that explains it."""

    grade: Grade
    text: str


def verdicts(scores: Sequence[Score]) -> list[Verdict]:
    """The verdict on each score. All scores of copying get the grade of the worst of them: one sign is enough."""
    found = [verdict_on(score) for score in scores]
    copying = [(v, s) for v, s in zip(found, scores, strict=True) if s.metric.better == "near" and v.grade in COPYING]
    if not copying:
        return found
    worst, source = max(copying, key=lambda pair: COPYING.index(pair[0].grade))
    other = Verdict(worst.grade, f"No sign of copying by itself, but {source.metric.title.lower()} shows one.")
    milder = {id(s) for v, s in copying if COPYING.index(v.grade) < COPYING.index(worst.grade)}
    return [other if id(s) in milder else v for v, s in zip(found, scores, strict=True)]


def verdict_on(score: Score) -> Verdict:
    """The verdict on one score (rules in docs/numbers.md). Without a floor and an interval there is no grade."""
    if not math.isfinite(score.value):
        return Verdict("unknown", "This could not be computed.")
    if score.unsure:
        return Verdict("unknown", score.unsure)
    if score.metric.name not in METRICS:
        return Verdict("unknown", comparison(score))
    if not math.isfinite(score.floor):
        return Verdict("unknown", "There is no held-out value to compare with.")
    if not score.bounded:
        return Verdict("unknown", "Without an interval there is no grade.")
    if score.metric.better == "near":
        return _verdict_on_copying(score)
    return _verdict_on_distance(score) if score.metric.better == "lower" else _verdict_on_share(score)


def _distrust(score: Score) -> str:
    """Why the classifier behind a score cannot be trusted; "" if it can, or if there is none."""
    least = score.floor_low if math.isfinite(score.floor_low) else score.floor
    if not score.metric.judged or not least < SURE_JUDGE:
        return ""
    span = f" ({percent(score.floor_low)} to {percent(score.floor_high)})" if math.isfinite(score.floor_low) else ""
    return f"Its classifier is right on {percent(score.floor)}{span} of real examples, too unsure for a verdict."


def comparison(score: Score, most: int = 4) -> str:
    """Which simple methods a score beats beyond its interval, and which it does not; "" when there are none."""
    if score.metric.better == "near" or not math.isfinite(score.value) or not score.beside:
        return ""
    if score.unsure:
        return score.unsure
    sign = 1 if score.metric.better == "lower" else -1
    named = sorted(score.beside, key=lambda pair: sign * pair[1])
    if not score.bounded:
        return f"Beside it, without an interval that would tell them apart: {_listed(score, named, most)}."
    best, worst = (score.low, score.high) if sign > 0 else (score.high, score.low)
    groups = (
        ("Better than", [p for p in named if sign * p[1] > sign * worst]),
        ("Level with", [p for p in named if sign * best <= sign * p[1] <= sign * worst]),
        ("Behind", [p for p in reversed(named) if sign * p[1] < sign * best]),
    )
    return " ".join(f"{text} {_listed(score, kept, most)}." for text, kept in groups if kept)


def _listed(score: Score, named: list[tuple[str, float]], most: int) -> str:
    shown = [f"{name} ({score_text(score.metric, value)})" for name, value in named[:most]]
    return ", ".join([*shown, *([f"{len(named) - most} more"] if len(named) > most else [])])


def _ends(score: Score) -> tuple[float, float]:
    """(kindest, harshest) value of what is graded that the intervals of the score and of its floor allow.

    Of a distance and a share: the ratio to the floor, by the errors of both in quadrature; of copying: the gap.
    """
    below, above = score.value - score.low, score.high - score.value
    known = math.isfinite(score.floor_low) and math.isfinite(score.floor_high)
    down, up = (score.floor - score.floor_low, score.floor_high - score.floor) if known else (0.0, 0.0)
    if score.metric.better == "near":
        sign, gap = (1, _gap(score)) if score.metric.name == "copied" else (-1, _gap(score))
        kind, harsh = (math.hypot(below, up), math.hypot(above, down))[::sign]
        weight = 2 if score.metric.name == "copied" else 1 / (2 * score.floor)
        return gap - weight * kind, gap + weight * harsh
    ratio = score.value / score.floor
    low = ratio - math.hypot(below, ratio * up) / score.floor
    high = ratio + math.hypot(above, ratio * down) / score.floor
    return (low, high) if score.metric.better == "lower" else (high, low)


def _supported(score: Score) -> tuple[Grade, tuple[float, float]]:
    """The grade that the whole interval supports, the worse of two; "unknown" if it reaches over more. And `_ends`."""
    ends, better = _ends(score), score.metric.better
    grades = COPYING if better == "near" else GRADES
    steps = {"near": GAP_STEPS, "lower": RATIO_STEPS, "higher": SHARE_STEPS}[better]
    sign = -1 if better == "higher" else 1
    first, last = (sum(sign * end > sign * step for step in steps) for end in ends)
    return (grades[last] if last - first <= 1 else "unknown"), ends


_WIDE = "Its interval is too wide for a grade"


def _verdict_on_distance(score: Score) -> Verdict:
    """Distances by their ratio to the floor; 1.5, 3 and 8 are the bounds between the four grades.

    Measured on digits: faint noise gives a ratio of 1.2, one missing class 2.4 to 6, blur or five missing classes 8 to
    70. The floor of the kernel distance is about zero by construction, so it has no ratio and no grade.
    """
    beyond = score.low > (score.floor_high if math.isfinite(score.floor_high) else score.floor)
    chance = "A difference from real data that is beyond chance." if beyond else (
        "No difference from real data beyond chance at this number of examples.")  # fmt: skip
    if score.metric.name == "kernel" or not math.isfinite(score.ratio):
        return Verdict("unknown", chance)
    grade, (low, high) = _supported(score)
    if grade == "unknown":
        return Verdict(grade, f"{_WIDE}: {times(max(low, 0.0))} to {times(high)} the distance of real data itself.")
    hints = {
        "excellent": "Hard to tell from real data by this measure.",
        "good": "Small differences: a little noise or blur, or a rare kind missing.",
        "fair": "Clear differences: softness, artefacts or a kind of data that is missing.",
        "poor": "Far from real data: an early stage, or a training that went wrong.",
    }
    if not beyond and grade in ("excellent", "good"):
        return Verdict(grade, chance)
    return Verdict(grade, f"{times(score.ratio)} the distance of real data itself. {hints[grade]}")


def _verdict_on_share(score: Score) -> Verdict:
    """Shares by their ratio to the floor; 95, 80 and 55 per cent are the bounds between the four grades."""
    if score.floor <= 0:
        return Verdict("unknown", "Real data itself gets 0 here, so there is nothing to compare with.")
    part, (grade, (high, low)) = score.value / score.floor, _supported(score)
    if grade == "unknown":
        return Verdict(grade, f"{_WIDE}: {percent(max(low, 0.0))} to {percent(high)} of what real data gets.")
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
    """Copying: authenticity down to 80 % of its floor, or near copies up to 0.05 above theirs, are no sign of it."""
    if not math.isfinite(_gap(score)):
        return Verdict("unknown", "Real data itself gets 0 here, so there is nothing to compare with.")
    texts = {
        "excellent": "No sign of copying: as new as real data that it has never seen.",
        "fair": "Some samples are closer to training examples than new real data would be.",
        "poor": "Many samples nearly repeat training examples. Look at the nearest neighbours before use.",
        "unknown": f"{_WIDE}: it allows no copying, and much.",
    }
    grade = _supported(score)[0]
    return Verdict(grade, texts[grade])


def _gap(score: Score) -> float:
    """How far authenticity lies below its floor, as if that were one half; near copies, being rare, count double."""
    if score.metric.name == "copied":
        return 2 * (score.value - score.floor)
    return (score.floor - score.value) / (2 * score.floor) if score.floor > 0 else math.nan


def position(score: Score) -> tuple[float, tuple[float, ...]]:
    """(place of a score from far off (0) to real data (1), places of the bounds between grades); NaN: none.

    Every grade takes an equal part of the scale; distances are logarithmic.
    """
    if verdict_on(score).grade == "unknown":
        return math.nan, ()
    if score.metric.better == "lower":
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


def score_text(metric: MetricText, value: float) -> str:
    """A score as people read it: shares in per cent, all others with three digits."""
    if not metric.share or not math.isfinite(value):
        return short_number(value)
    return f"{value * 100:.{1 if 0.0005 <= value < 0.02 or 0.98 < value < 0.9995 else 0}f} %"
