"""The report's second part: every score beside its floor, with a verdict in words and a gauge."""

from __future__ import annotations

import math
from html import escape

from ganworks.report import words
from ganworks.report.pictures import embed, image_tag
from ganworks.report.read import Run
from ganworks.report.words import Score

_PICTURE_BYTES, _PICTURES = 450_000, 6


def good(run: Run) -> str:
    """Every score beside its floor, with a verdict in words, and the evaluation's pictures."""
    scores = words.scores_of(run)
    head = '<section id="good"><h2>How good it is</h2>'
    if not scores:
        return head + (
            "<p>This run has not been judged yet. Samples may look fine to the eye and still miss half of "
            "the data, so have it judged before you rely on it; the command is below.</p></section>"
        )
    source = (
        "From the full evaluation."
        if words.from_report(run.evaluation)
        else "From the quick scores during training; the full evaluation, with confidence intervals, is one "
        "command."
    )
    extractors = sorted({s.extractor for s in scores if s.extractor})
    if extractors:
        source += (
            f" Features: {', '.join(extractors)}. Scores of other features cannot be compared with these."
        )
    intro = (
        "<p>Each score stands beside its <b>floor</b>: the same score of real examples that were held out "
        "and never trained on. Real data does not score perfectly either, so the floor is what perfect "
        "looks like.</p>"
    )
    rows = "".join(_score_row(s) for s in scores)
    table = (
        '<div class="table"><table class="scores"><thead><tr><th scope="col">What is measured</th>'
        '<th scope="col">This generator</th><th scope="col">Held-out real data</th>'
        f'<th scope="col">What it means</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )
    tail = f'<p class="dim">{escape(source)}</p>{_explain(scores)}{_evaluation_pictures(run)}</section>'
    return head + intro + table + tail


def _score_row(score: Score) -> str:
    verdict = words.judge(score)
    arrow = {"lower": "lower is better", "higher": "higher is better", "near": ""}[score.metric.better]
    sub = f'<span class="sub">{escape(score.metric.short)} {arrow and f"({arrow})"}</span>'
    pill = (
        ""
        if verdict.grade == "unknown"
        else f'<span class="pill {verdict.grade}">{verdict.grade.capitalize()}</span>'
    )
    text = f'<span class="sub">{escape(verdict.text)}</span>'
    return (
        f'<tr><th scope="row">{escape(score.metric.title)}{sub}</th>'
        f'<td class="num" data-name="This '
        f'generator">{_with_interval(score, score.value, score.low, score.high)}</td>'
        f'<td class="num" data-name="Held-out real data">'
        f"{_with_interval(score, score.floor, score.floor_low, score.floor_high)}</td>"
        f'<td><div class="grade">{pill}{_gauge(score)}</div>{text}</td></tr>'
    )


def _with_interval(score: Score, value: float, low: float, high: float) -> str:
    text = words.score_text(score.metric, value)
    if math.isfinite(low) and math.isfinite(high):
        text += (
            f"<small>{words.score_text(score.metric, low)} to {words.score_text(score.metric, high)}</small>"
        )
    return text


def _gauge(score: Score) -> str:
    """A small scale from poor (left) to real data (right) with a mark for this score; "" without grade."""
    at, edges = words.position(score)
    if not math.isfinite(at):
        return ""
    stops = [0.0, *edges, 1.0]
    grades = words.GRADES[::-1] if len(edges) == 3 else ("poor", "fair", "excellent")
    zones = "".join(
        f'<rect class="zone {grade}" x="{4 + 112 * a:.1f}" y="5" width="{112 * (b - a) - 2:.1f}" height="6" '
        'rx="2"/>'
        for grade, a, b in zip(grades, stops[:-1], stops[1:], strict=True)
    )
    return (
        f'<svg class="gauge" viewBox="0 0 120 16" aria-hidden="true">{zones}'
        f'<circle class="mark" cx="{4 + 112 * at:.1f}" cy="8" r="5"/></svg>'
    )


def _explain(scores: list[Score]) -> str:
    items = "".join(
        f"<p><b>{escape(s.metric.title)}.</b> {escape(s.metric.long)}</p>" for s in scores if s.metric.long
    )
    bands = (
        "<p>The intervals are 95 % confidence intervals: with other random samples the value would mostly "
        "fall inside. A distance up to 1.5 times the floor counts as excellent, up to 3 as good, up to 8 as "
        "fair. A share counts as excellent from 95 % of the floor, good from 80 %, fair from 55 %.</p>"
    )
    return f"<details><summary>What these numbers measure</summary>{items}{bands}</details>"


def _evaluation_pictures(run: Run) -> str:
    """What the evaluation drew; a file's name says what it shows."""
    folder = run.folder / "eval"
    figures = []
    for path in sorted(folder.glob("*.png"))[:_PICTURES] if folder.is_dir() else []:
        image = embed(path, _PICTURE_BYTES) if path.resolve().is_relative_to(run.folder.resolve()) else None
        if image:
            title = path.stem.replace("_", " ").replace("-", " ").capitalize()
            text = _CAPTIONS.get(path.stem, "")
            figures.append(
                f"<figure>{image_tag(image, title)}<figcaption><b>{escape(title)}.</b> "
                f"{text}</figcaption></figure>"
            )
    return f'<div class="pictures">{"".join(figures)}</div>' if figures else ""


_CAPTIONS = {
    "samples": "New samples, not chosen by hand.",
    "neighbours": "Each sample beside the training examples closest to it. The same picture twice would be "
    "a copy.",
    "nearest": "Each sample beside the training examples closest to it. The same picture twice would be a "
    "copy.",
    "classes": "One row for each class that was asked for.",
    "failures": "The samples furthest from real data: the worst to expect.",
    "missing": "Real examples that no sample comes near: what the generator leaves out.",
}
