"""`ganworks compare A B`: runs side by side, and whether their scores may be compared at all."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
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
    found = [{s.metric.name: s for s in words.scores_of(run)} for run in runs]
    rows = [("", [run.name for run in runs]), *_training(runs)]
    others = [name for scores in found for name in scores if name not in glossary.METRICS]
    names = [n for n in dict.fromkeys([*glossary.METRICS, *others]) if any(n in scores for scores in found)]
    rows += [_row(name, [scores.get(name) for scores in found]) for name in names]
    rows = [(title, [shown(cell) for cell in cells]) for title, cells in rows]
    left = max(len(title) for title, _ in rows)
    column = max(8, min(max(len(c) for _, cells in rows for c in cells), _NAMES, (width - left) // len(runs) - 2))
    lines = [(f"{title:<{left}}" + "".join(f"  {clip(c, column):>{column}}" for c in cells)) for title, cells in rows]
    lines += ["", "* better than the others beyond chance: the intervals do not overlap"] if names else []
    return [plain(line, unicode) for line in lines + [f"! {text}" for text in _cautions(runs, found)]]


def print_comparison(folders: Sequence[str | Path]) -> None:
    """Print `compare` to standard output, in its width."""
    with Screen(sys.stdout) as screen:
        for line in compare(folders, width=screen.width, unicode=screen.unicode):
            screen.say(line)


def _training(runs: list[RunView]) -> list[tuple[str, list[str]]]:
    speeds = [run.seen / run.seconds if run.seconds else math.nan for run in runs]
    return [
        ("Recipe", [str(run.config.get("recipe") or "") for run in runs]),
        ("State", [run.state for run in runs]),
        ("Examples seen", [units.count(run.seen) for run in runs]),
        ("Training time", [units.duration(run.seconds) for run in runs]),
        ("Examples/s", [units.short_number(speed) for speed in speeds]),
    ]


def _row(name: str, scores: list[Score | None]) -> tuple[str, list[str]]:
    metric = next(s.metric for s in scores if s is not None)
    best = _best([s for s in scores if s is not None])
    cells = [grades.score_text(metric, s.value) + (" *" if s is best else "  ") if s else "-  " for s in scores]
    return metric.title, cells


def _best(scores: list[Score]) -> Score | None:
    """The score that is better than every other beyond their intervals; None when none is, or one has no interval."""
    if len(scores) < 2 or scores[0].metric.better == "near" or any(s.unsure or not s.bounded for s in scores):
        return None
    sign = 1 if scores[0].metric.better == "lower" else -1
    ordered = sorted(scores, key=lambda s: sign * s.value)
    first, second = ordered[0], ordered[1]
    near, far = (first.high, second.low) if sign > 0 else (-first.low, -second.high)
    return first if near < far else None


def _cautions(runs: list[RunView], found: list[dict[str, Score]]) -> list[str]:
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
