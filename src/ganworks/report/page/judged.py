"""The report's second part: every score beside its floor, with a verdict in words and a gauge."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path

from ganworks.report import words
from ganworks.report.page import media, tasks
from ganworks.report.read import SHOWN, Run, mapping, number
from ganworks.report.words import Score

_PICTURE_BYTES, _PICTURES = 450_000, 6
_ALL_BYTES, _LEAST_BYTES, _FILES = 3_500_000, 40_000, 30  # of all that the evaluation made; of one when much is there
_DRAWN = (".png", ".webp", ".gif")
_CLASSES = 100
_COLUMNS = (
    ("Share of samples", "share", "real_share"),
    ("Made as asked", "agreement", ""),
    ("Covered", "coverage", "coverage_floor"),
)


def good(run: Run) -> str:
    """Every score beside its floor, with a verdict in words, and the evaluation's pictures."""
    scores = words.scores_of(run)
    head = '<section id="good"><h2>How good it is</h2>'
    if not scores:
        return head + (
            "<p>This run has not been judged yet. What it makes may look fine to the eye and still miss half of "
            "the data, so have it judged before you rely on it; the command is below.</p></section>"
        )
    source = (
        "From the full evaluation."
        if words.from_report(run.evaluation)
        else "From the quick scores during training; the full evaluation, with confidence intervals, is one command."
    )
    extractors = sorted({s.extractor for s in scores if s.extractor})
    if extractors:
        source += f" Features: {', '.join(extractors)}. Scores of other features cannot be compared with these."
    intro = _FLOOR if not run.task else _MADE if run.use == "sample" else _TASK
    rows = "".join(_score_row(s) for s in scores)
    table = (
        '<div class="table"><table class="scores"><thead><tr><th scope="col">What is measured</th>'
        f'<th scope="col">This {"generator" if run.use == "sample" else "model"}</th>'
        f'<th scope="col">{"Held-out real data" if run.use == "sample" else "Best that can be had"}</th>'
        f'<th scope="col">What it means</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )
    beside = tasks.baselines(run) + tasks.tables(run) + tasks.protocol(run) if "baselines" in run.evaluation else ""
    tail = f'<p class="dim">{escape(source)}</p>{_warnings(run)}{beside}{_explain(scores)}{_classes(run)}'
    return head + intro + table + tail + _evaluation_pictures(run) + "</section>"


_FLOOR = (
    "<p>Each score stands beside its <b>floor</b>: the same score of real examples that were held out "
    "and never trained on. Real data does not score perfectly either, so the floor is what perfect "
    "looks like.</p>"
)
_TASK = (
    "<p>Measured on examples that were held out and never trained on. A number alone says little: read each beside "
    "what simple methods get on the same examples, and beside the best that can be had, where that is known.</p>"
)


_MADE = (
    "<p>Measured on new samples and on examples that were held out and never trained on. A number alone says little: "
    "read each beside what real data itself gets, and beside what simple methods get on the same examples.</p>"
)


def _warnings(run: Run) -> str:
    """What the evaluation itself says must be kept in mind."""
    said = run.evaluation.get("warnings")
    items = "".join(f"<li>{escape(str(s))}</li>" for s in said) if isinstance(said, list) else ""
    return f'<ul class="notes">{items}</ul>' if items else ""


def _classes(run: Run) -> str:
    """One row per class: how much of it is made, whether it is right, how much of it is covered."""
    raw = run.evaluation.get("classes")
    entries = [mapping(entry) for entry in raw[:_CLASSES]] if isinstance(raw, list) else []
    if len(entries) < 2:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(str(entry.get("name", "")))}</th>'
        + "".join(_cell(entry, *c) for c in _COLUMNS)
        + "</tr>"
        for entry in entries
    )
    heads = "".join(f'<th scope="col">{title}</th>' for title, _, _ in _COLUMNS)
    return (
        '<details><summary>Class by class</summary><div class="table"><table class="classes"><thead><tr>'
        f'<th scope="col">Class</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div></details>'
    )


def _cell(entry: dict[str, object], title: str, key: str, beside: str) -> str:
    raw = entry.get(key)
    value, real = number(mapping(raw).get("value", raw)), number(entry.get(beside))
    share = words.METRICS["coverage"]
    sub = f"<small>real {words.score_text(share, real)}</small>" if math.isfinite(real) else ""
    return f'<td class="num" data-name="{title}">{words.score_text(share, value)}{sub}</td>'


_COPYING = {"excellent": "Clear", "fair": "Doubtful", "poor": "Copies"}


def _score_row(score: Score) -> str:
    verdict = words.judge(score)
    arrow = {"lower": "lower is better", "higher": "higher is better", "near": ""}[score.metric.better]
    sub = f'<span class="sub">{escape(score.metric.short)} {arrow and f"({arrow})"}</span>'
    name = _COPYING.get(verdict.grade) if score.metric.better == "near" else verdict.grade.capitalize()
    pill = f'<span class="pill {verdict.grade}">{name}</span>' if verdict.grade != "unknown" else ""
    text = f'<span class="sub">{escape(verdict.text)}</span>'
    return (
        f'<tr><th scope="row">{escape(score.metric.title)}{sub}</th>'
        f'<td class="num" data-name="This model">{_with_interval(score, score.value, score.low, score.high)}</td>'
        f'<td class="num" data-name="Held-out real data">'
        f"{_with_interval(score, score.floor, score.floor_low, score.floor_high)}</td>"
        f'<td><div class="grade">{pill}{_gauge(score)}</div>{text}</td></tr>'
    )


def _with_interval(score: Score, value: float, low: float, high: float) -> str:
    text = words.score_text(score.metric, value)
    if math.isfinite(low) and math.isfinite(high):
        text += f"<small>{words.score_text(score.metric, low)} to {words.score_text(score.metric, high)}</small>"
    return text


def _gauge(score: Score) -> str:
    """A small scale from poor (left) to real data (right) with a mark for this score; "" without grade."""
    at, edges = words.position(score)
    if not math.isfinite(at):
        return ""
    stops = [0.0, *edges, 1.0]
    grades = words.GRADES[::-1] if len(edges) == 3 else ("poor", "fair", "excellent")
    zones = "".join(
        f'<rect class="zone {grade}" x="{4 + 112 * a:.1f}" y="5" width="{112 * (b - a) - 2:.1f}" height="6" rx="2"/>'
        for grade, a, b in zip(grades, stops[:-1], stops[1:], strict=True)
    )
    return (
        f'<svg class="gauge" viewBox="0 0 120 16" aria-hidden="true">{zones}'
        f'<circle class="mark" cx="{4 + 112 * at:.1f}" cy="8" r="5"/></svg>'
    )


def _explain(scores: list[Score]) -> str:
    items = "".join(f"<p><b>{escape(s.metric.title)}.</b> {escape(s.metric.long)}</p>" for s in scores if s.metric.long)
    graded = any(words.judge(score).grade != "unknown" for score in scores)
    bands = (
        "A distance up to 1.5 times the floor counts as excellent, up to 3 as good, up to 8 as "
        "fair. A share counts as excellent from 95 % of the floor, good from 80 %, fair from 55 %."
    )
    intervals = (
        "<p>The intervals are 95 % confidence intervals: with other random samples the value would mostly "
        f"fall inside. {bands if graded else ''}</p>"
    )
    return f"<details><summary>What these numbers measure</summary>{items}{intervals}</details>"


def _evaluation_pictures(run: Run) -> str:
    """What the evaluation drew, wrote, recorded and filmed, with its own titles."""
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
            figures.append(f"<figure>{inside}<figcaption><b>{escape(title)}.</b> {text}</figcaption></figure>")
    return f'<div class="pictures">{"".join(figures)}</div>' if figures else ""


_CAPTIONS = {
    "samples": "Not chosen by hand.",
    "real": "What the samples should look like.",
    "neighbours": "The same picture twice would be a copy.",
    "classes": "Each class as it was asked for.",
    "failures": "Those furthest from real data: the worst to expect.",
    "missed": "What the generator leaves out.",
    "before-after": "Held-out examples, chosen evenly and not by hand.",
}
