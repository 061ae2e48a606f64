"""The report's third part: how the training went, as findings, samples through time and curves."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Any

from ganworks.report import advice, glossary, units, words
from ganworks.report.page import media
from ganworks.report.page.charts import Chart, Floor, Line, line_chart
from ganworks.report.page.pictures import choose_frames
from ganworks.report.page.sections import STATES
from ganworks.report.read import RunView, as_float, frames, mapping

_FRAMES, _FRAME_BYTES = 10, 220_000
_REASONS = {
    "budget": "the budget was used up",
    "target": "the target score was reached",
    "interrupted": "it was interrupted",
    "stopped": "it was stopped",
}


def went(run: RunView) -> dict[str, Any]:
    """How the training went: samples through time, curves, alarms."""
    reason = str(run.finished.get("reason", ""))
    return {
        "lead": f"{STATES[run.state]}{f': {_REASONS.get(reason, reason)}' if reason else ''}.",
        "findings": advice.findings(run),
        "film": _film(run),
        "charts": _charts(run),
    }


_FILM = {
    "sample": ("Samples", "The same random numbers every time, so each place shows one sample grow."),
    "apply": ("Results", "The same held-out examples every time."),
    "predict": ("Pictures", "The same examples every time."),
}


def _film(run: RunView) -> dict[str, Any] | None:
    """The pictures of the training as a strip to scroll; the script shows them in one place, with a slider."""
    best = as_float(run.best.get("seen"))
    chosen = choose_frames(frames(run), _FRAMES, int(best) if math.isfinite(best) else None)
    title, about = _FILM[run.use]
    figures = []
    for seen, path in chosen if len(chosen) > 1 else ():
        text = f"After {units.count(seen)} examples" if seen else "Before training"
        if inside := media.shown(run, path, _FRAME_BYTES, f"{title}: {text.lower()}"):
            figures.append({"inside": inside, "caption": text})
    return {"title": title, "about": about, "figures": figures} if len(figures) > 1 else None


_SCORE = {
    False: (
        "Score against the floor",
        "The distance from real data, over time. The dashed line is what held-out real "
        "data gets: the closer to it, the better.",
    ),
    True: ("Score over time", "Measured on held-out examples during the training."),
}


_TERMS = {
    False: (
        "Penalties",
        "Terms that keep the gradients of the discriminator small. They usually fall over time.",
    ),
    True: ("Single terms", "The other terms of the losses, and values that are only recorded."),
}


def _charts(run: RunView) -> list[tuple[str, str, Chart]]:
    """(title, text, chart) of every chart that has data."""
    charts = [
        (*_SCORE[run.task], _score_chart(run)),
        (
            "Discriminator outputs",
            "Its outputs for real and for generated examples; higher means “looks real”. Two "
            "lines that move far apart mean that it has won and the generator learns little.",
            _logit_chart(run),
        ),
        (
            "Losses",
            "They balance each other and need not fall. Sudden jumps or a flat zero are warnings.",
            _loss_chart(run),
        ),
        (*_TERMS[run.task], _penalty_chart(run, _TERMS[run.task][0])),
        ("Speed", "Training examples per second.", _speed_chart(run)),
    ]
    return [(title, text, chart) for title, text, chart in charts if chart]


def _score_chart(run: RunView) -> Chart | None:
    lines: dict[str, list[tuple[float, float]]] = {}
    floors: dict[str, float] = {}
    for event in run.scored:
        for score in words.from_report(event):
            lines.setdefault(score.metric.name, []).append((_seconds_at(run, event), score.value))
            floors[score.metric.name] = score.floor
    name = next((n for n in ("frechet", "kernel") if n in lines), next(iter(lines), ""))
    if not name:
        return None
    values = [v for _, v in lines[name] if math.isfinite(v)]
    wide = bool(values) and min(values) > 0 and max(values) > 10 * min(values)
    floor = Floor("held-out real data", floors[name]) if math.isfinite(floors[name]) else None
    return line_chart(
        [Line(glossary.metric_for(name).title, lines[name], marks=len(values) < 30)],
        floor=floor,
        log=wide,
        title=_SCORE[run.task][0],
        x_label="training time",
        time=True,
        y_zero=True,
    )


def _seconds_at(run: RunView, event: dict[str, object]) -> float:
    """The training time of an event, or of the last round before it when the event has none."""
    if math.isfinite(own := as_float(event.get("seconds"))):
        return own
    index = bisect_right(run.rounds, as_float(event.get("seen")), key=lambda e: as_float(e.get("seen")))
    return as_float(run.rounds[index - 1].get("seconds")) if index else 0.0


def _term_lines(run: RunView) -> dict[str, list[tuple[float, float]]]:
    lines: dict[str, list[tuple[float, float]]] = {}
    for event in run.rounds:
        for name, value in mapping(event.get("losses")).items():
            lines.setdefault(name.lstrip("_"), []).append((as_float(event.get("seen")), as_float(value)))
    return lines


_WATCHED = {"real": "real examples", "fake": "generated examples"}


def _logit_chart(run: RunView) -> Chart | None:
    lines = _term_lines(run)
    series = [Line(text, lines[name]) for name, text in _WATCHED.items() if name in lines]
    return line_chart(series, title="Discriminator outputs", x_label="examples seen")


_LOSSES = {"g_loss": "generator", "d_loss": "discriminator"}


def _loss_chart(run: RunView) -> Chart | None:
    lines = {n: p for n, p in _term_lines(run).items() if n.endswith("loss")}
    order = sorted(lines, key=lambda n: (list(_LOSSES).index(n) if n in _LOSSES else 9, n))
    return line_chart([Line(_LOSSES.get(n, n), lines[n]) for n in order[:6]], title="Losses", x_label="examples seen")


def _penalty_chart(run: RunView, title: str) -> Chart | None:
    lines = {n: p for n, p in _term_lines(run).items() if not n.endswith("loss") and n not in _WATCHED}
    values = [v for line in lines.values() for _, v in line if math.isfinite(v) and v > 0]
    wide = bool(values) and max(values) > 30 * min(values)
    return line_chart(
        [Line(n, lines[n]) for n in sorted(lines)[:6]],
        title=title,
        x_label="examples seen",
        log=wide,
        y_zero=True,
    )


def _speed_chart(run: RunView) -> Chart | None:
    points = [(as_float(e.get("seen")), as_float(e.get("speed"))) for e in run.rounds]
    return line_chart([Line("examples per second", points)], title="Speed", x_label="examples seen", y_zero=True)
