"""The report's second part: every score beside its floor, with a verdict in words, and outputs of the evaluation."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ganworks.report import glossary, grades, words
from ganworks.report.grades import Score, Verdict
from ganworks.report.page import media, tasks
from ganworks.report.read import SHOWN, RunView, as_float, mapping

_PICTURE_BYTES, _PICTURES = 450_000, 7
_ALL_BYTES, _LEAST_BYTES, _FILES = 3_500_000, 40_000, 30  # of all that the evaluation made; of one when much is there
_DRAWN = (".png", ".webp", ".gif")
_CLASSES = 100
_COLUMNS = (
    ("Share of samples", "share", "real_share"),
    ("Made as asked", "agreement", ""),
    ("Covered", "coverage", "coverage_floor"),
)


def good(run: RunView) -> dict[str, Any] | None:
    """Every score beside its floor, with a verdict in words, and the evaluation's pictures; None without scores."""
    scores = words.scores_of(run)
    if not scores:
        return None
    judged = grades.verdicts(scores)
    source = (
        "From the full evaluation."
        if words.from_report(run.evaluation)
        else "From the quick scores during training; the full evaluation, with confidence intervals, is one command."
    )
    extractors = sorted({s.extractor for s in scores if s.extractor})
    if extractors:
        source += f" Features: {', '.join(extractors)}. Scores of other features cannot be compared with these."
    return {
        "about": "floor" if not run.task else "samples" if run.use == "sample" else "task",
        "sampled": run.use == "sample",
        "rows": [_score_row(s, v) for s, v in zip(scores, judged, strict=True)],
        "source": source,
        "warnings": _warnings(run),
        "beside": tasks.beside(run) if "baselines" in run.evaluation else None,
        "meanings": [(s.metric.title, s.metric.long) for s in scores if s.metric.long],
        "graded": any(verdict.grade != "unknown" for verdict in judged),
        "classes": _classes(run),
        "pictures": _evaluation_pictures(run),
    }


def _warnings(run: RunView) -> list[str]:
    """The warnings of the evaluation itself."""
    said = run.evaluation.get("warnings")
    return [str(s) for s in said] if isinstance(said, list) else []


def _classes(run: RunView) -> dict[str, Any] | None:
    """One row per class: how much of it is made, whether it is right, how much of it is covered."""
    raw = run.evaluation.get("classes")
    entries = [mapping(entry) for entry in raw[:_CLASSES]] if isinstance(raw, list) else []
    if len(entries) < 2:
        return None
    rows = [(str(entry.get("name", "")), [_cell(entry, *column) for column in _COLUMNS]) for entry in entries]
    return {"heads": [title for title, _, _ in _COLUMNS], "rows": rows}


def _cell(entry: dict[str, object], title: str, key: str, beside: str) -> tuple[str, str, str]:
    """(title of the column, value, value of real data or "")."""
    raw = entry.get(key)
    value, real = as_float(mapping(raw).get("value", raw)), as_float(entry.get(beside))
    share = glossary.METRICS["coverage"]
    return title, grades.score_text(share, value), grades.score_text(share, real) if math.isfinite(real) else ""


_COPYING = {"excellent": "Clear", "fair": "Doubtful", "poor": "Copies"}


_ARROWS = {"lower": "(lower is better)", "higher": "(higher is better)", "near": ""}


def _score_row(score: Score, verdict: Verdict) -> dict[str, Any]:
    name = _COPYING.get(verdict.grade) if score.metric.better == "near" else verdict.grade.capitalize()
    return {
        "title": score.metric.title,
        "short": f"{score.metric.short} {_ARROWS[score.metric.better]}",
        "value": _with_interval(score, score.value, score.low, score.high),
        "floor": _with_interval(score, score.floor, score.floor_low, score.floor_high),
        "grade": verdict.grade,
        "pill": name if verdict.grade != "unknown" else "",
        "verdict": verdict.text,
        "gauge": _gauge(score) if verdict.grade != "unknown" else None,
    }


def _with_interval(score: Score, value: float, low: float, high: float) -> tuple[str, str]:
    """(the value, its interval or "")."""
    known = math.isfinite(low) and math.isfinite(high)
    interval = f"{grades.score_text(score.metric, low)} to {grades.score_text(score.metric, high)}" if known else ""
    return grades.score_text(score.metric, value), interval


def _gauge(score: Score) -> dict[str, Any] | None:
    """A small scale from poor (left) to real data (right) with a mark for this score; None without grade.

    zones: (grade, left, width) and mark: the score's place, in the units of a scale 120 wide.
    """
    at, edges = grades.position(score)
    if not math.isfinite(at):
        return None
    stops = [0.0, *edges, 1.0]
    zoned = (grades.GRADES if len(edges) == 3 else grades.COPYING)[::-1]
    steps = zip(zoned, stops[:-1], stops[1:], strict=True)
    zones = [(grade, f"{4 + 112 * a:.1f}", f"{112 * (b - a) - 2:.1f}") for grade, a, b in steps]
    return {"zones": zones, "mark": f"{4 + 112 * at:.1f}"}


def _evaluation_pictures(run: RunView) -> list[dict[str, Any]]:
    """Pictures, texts, sounds and films of the evaluation, with its own titles."""
    folder = run.folder / "eval"
    named = {Path(str(name)).name: title for title, name in mapping(run.evaluation.get("pictures")).items()}
    others = (path.name for path in sorted(folder.glob("*")) if path.suffix.lower() in SHOWN)
    names = [name for name in dict.fromkeys((*named, *others)) if not tasks.is_pair(Path(name))]
    figures, left, pictures = [], _ALL_BYTES, 0
    for name in names[:_FILES]:
        title = named.get(name) or Path(name).stem.replace("_", " ").replace("-", " ").capitalize()
        drawn = Path(name).suffix.lower() in _DRAWN
        if drawn and pictures >= _PICTURES:
            continue
        if inside := media.shown(run, folder / name, min(left, _PICTURE_BYTES), title):
            left, pictures = max(_LEAST_BYTES, left - len(inside)), pictures + drawn
            text = _CAPTIONS.get(Path(name).stem, "")
            figures.append({"inside": inside, "title": title, "caption": text})
    return figures


_CAPTIONS = {
    "samples": "Not chosen by hand.",
    "real": "What the samples should look like.",
    "neighbours": "The same picture twice would be a copy.",
    "classes": "Each class as it was asked for.",
    "failures": "Those furthest from real data: the worst to expect.",
    "reconstructions": "Encoded and decoded; never trained on.",
    "missed": "What the generator leaves out.",
    "before-after": "Held-out examples, chosen evenly and not by hand.",
}
