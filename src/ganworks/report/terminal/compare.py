"""`ganworks compare A B`: runs side by side, and whether their scores may be compared at all."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganworks.core.console.text import plain, shown
from ganworks.core.errors import UsageError
from ganworks.report import glossary, grades, units, words
from ganworks.report.grades import Score
from ganworks.report.read import RunView, as_float, mapping, read_run
from ganworks.report.terminal.screen import Screen, clip

_TAIL = 4 << 20
_NAMES = 24  # columns of the longest name that is shown in full


def compare(folders: Sequence[str | Path], *, width: int = 80, unicode: bool = True) -> list[str]:
    """A table of the runs: training, then each score with its interval; the best of a row is marked with *.

    Intervals must be known and not overlap for a mark. Raises UsageError for fewer than two runs.
    """
    if len(folders) < 2:
        raise UsageError("A comparison needs two or more run folders.")
    runs = [read_run(folder, tail=_TAIL) for folder in folders]
    columns = [column_of(run) for run in runs]
    lines = [*table(columns, width), *(f"! {text}" for text in _cautions(runs, [c.scores for c in columns]))]
    return [plain(line, unicode) for line in lines]


def print_comparison(folders: Sequence[str | Path]) -> None:
    """Print `compare` to standard output, in its width."""
    with Screen(sys.stdout) as screen:
        for line in compare(folders, width=screen.width, unicode=screen.unicode):
            screen.say(line)


@dataclass(frozen=True)
class Column:
    """A run, or several of one recipe, in a table. about: (title, text) of the training.

    scores: by (metric, features).
    """

    name: str
    about: list[tuple[str, str]]
    scores: dict[tuple[str, str], Score]


def column_of(run: RunView) -> Column:
    """A run as a column."""
    return Column(run.name, _training(run), {(s.metric.name, s.extractor): s for s in words.scores_of(run)})


def table(columns: Sequence[Column], width: int, *, whole: bool = False) -> list[str]:
    """The lines of a table. whole: with the interval below each score, and a last column for real data."""
    rows = [("", [column.name for column in columns]), *_abouts(columns)]
    all_ = dict.fromkeys(kind for column in columns for kind in column.scores)
    known = list(glossary.METRICS)
    kinds = sorted(all_, key=lambda kind: known.index(kind[0]) if kind[0] in known else len(known))
    several = len({extractor for _, extractor in kinds if extractor}) > 1
    for kind in kinds:
        found = [column.scores.get(kind) for column in columns]
        rows.append(_row(kind[1] if several else "", found))
        if whole:
            rows.append(("  95 % interval", [_interval(score) for score in found]))
    if whole:
        real = iter(kinds)
        ends = ["real data" if not n else "" for n in range(1 + len(columns[0].about))]
        for kind in real:
            ends += [_real([column.scores.get(kind) for column in columns]), ""]
        rows = [(title, [*cells, end]) for (title, cells), end in zip(rows, ends, strict=True)]
    rows = [(title, [shown(cell) for cell in cells]) for title, cells in rows]
    left = max(len(title) for title, _ in rows)
    count = len(rows[0][1])
    column = max(8, min(max(len(c) for _, cells in rows for c in cells), _NAMES, (width - left) // count - 2))
    lines = [(f"{title:<{left}}" + "".join(f"  {clip(c, column):>{column}}" for c in cells)) for title, cells in rows]
    return lines + (["", "* better than the others beyond chance: the intervals do not overlap"] if kinds else [])


def _interval(score: Score | None) -> str:
    if score is None or not score.bounded:
        return "-  "
    low, high = (grades.score_text(score.metric, end) for end in (score.low, score.high))
    return f"{low.removesuffix(' %')} – {high}  "


def _real(scores: list[Score | None]) -> str:
    """What held-out real data gets; the same for all runs on the same data and count."""
    found = [s for s in scores if s is not None and math.isfinite(s.floor)]
    return grades.score_text(found[0].metric, found[0].floor) if found else "-"


def _abouts(columns: Sequence[Column]) -> list[tuple[str, list[str]]]:
    return [(title, [column.about[n][1] for column in columns]) for n, (title, _) in enumerate(columns[0].about)]


def _training(run: RunView) -> list[tuple[str, str]]:
    sizes = [as_float(size) for size in mapping(run.plan.get("parameters")).values()]
    return [
        ("Recipe", str(run.config.get("recipe") or "")),
        ("State", run.state),
        ("Parameters", units.count(sum(sizes)) if sizes else "-"),
        ("Examples seen", units.count(run.seen)),
        ("Training time", units.duration(run.seconds)),
        ("Examples/s", units.short_number(run.seen / run.seconds if run.seconds else math.nan)),
    ]


def _row(extractor: str, scores: list[Score | None]) -> tuple[str, list[str]]:
    """The scores of one metric by the same features, which the title names where there are several."""
    metric = next(s.metric for s in scores if s is not None)
    best = _best([s for s in scores if s is not None])
    cells = [grades.score_text(metric, s.value) + (" *" if s is best else "  ") if s else "-  " for s in scores]
    return f"{metric.title} [{extractor}]" if extractor else metric.title, cells


def _best(scores: list[Score]) -> Score | None:
    """The score that is better than every other beyond their intervals; None when none is, or one has no interval."""
    if len(scores) < 2 or scores[0].metric.better == "near" or any(s.unsure or not s.bounded for s in scores):
        return None
    sign = 1 if scores[0].metric.better == "lower" else -1
    ordered = sorted(scores, key=lambda s: sign * s.value)
    first, second = ordered[0], ordered[1]
    near, far = (first.high, second.low) if sign > 0 else (-first.low, -second.high)
    return first if near < far else None


def _cautions(runs: list[RunView], found: list[dict[tuple[str, str], Score]]) -> list[str]:
    """Why these scores may not be comparable."""
    said = []
    if len({s.extractor for scores in found for s in scores.values() if s.extractor}) > 1:
        said.append("The scores come from different feature extractors: they cannot be compared.")
    if len({str(mapping(run.plan.get("data")).get("fingerprint")) for run in runs}) > 1:
        said.append("The runs were trained on different data.")
    counts = {as_float(run.evaluation.get("count")) for run in runs if run.evaluation}
    if len(counts) > 1 or len({bool(run.evaluation) for run in runs}) > 1:
        said.append("The scores come from different numbers of samples: evaluate them with the same count first.")
    said += [f"{run.name} has not been evaluated." for run, scores in zip(runs, found, strict=True) if not scores]
    return said
