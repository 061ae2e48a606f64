"""The report's third part: how the training went, as findings, samples through time and curves."""

from __future__ import annotations

import math
from bisect import bisect_right
from html import escape

from ganworks.report import advice, units, words
from ganworks.report.page import media
from ganworks.report.page.curves import Floor, Series, line_chart
from ganworks.report.page.pictures import spread
from ganworks.report.page.sections import STATES
from ganworks.report.read import Run, frames, mapping, number

_FRAMES, _FRAME_BYTES = 10, 220_000
_REASONS = {
    "budget": "the budget was used up",
    "target": "the target score was reached",
    "interrupted": "it was interrupted",
    "stopped": "it was stopped",
}


def went(run: Run) -> str:
    """How the training went: samples through time, curves, alarms."""
    reason = str(run.finished.get("reason", ""))
    lead = f"{STATES[run.state]}{f': {_REASONS.get(reason, reason)}' if reason else ''}."
    parts = [f'<section id="went"><h2>How it went</h2><p class="lead">{escape(lead)}</p>']
    parts += [_finding(f) for f in advice.findings(run)]
    parts += [_film(run), _charts(run)]
    return "".join(parts) + "</section>"


def _finding(finding: advice.Finding) -> str:
    return f'<div class="finding {finding.kind}"><h3>{escape(finding.title)}</h3><p>{escape(finding.advice)}</p></div>'


_FILM = {
    "sample": ("Samples", "The same random numbers every time, so each place shows one sample grow."),
    "apply": ("Results", "The same held-out examples every time."),
    "predict": ("Pictures", "The same examples every time."),
}


def _film(run: Run) -> str:
    """What was shown, as a strip to scroll; the script turns it into one place with a slider."""
    best = number(run.best.get("seen"))
    chosen = spread(frames(run), _FRAMES, int(best) if math.isfinite(best) else None)
    if len(chosen) < 2:
        return ""
    figures = []
    for seen, path in chosen:
        text = f"After {units.count(seen)} examples" if seen else "Before training"
        if inside := media.shown(run, path, _FRAME_BYTES, f"{_FILM[run.use][0]}: {text.lower()}"):
            figures.append(f"<figure>{inside}<figcaption>{text}</figcaption></figure>")
    if len(figures) < 2:
        return ""
    return (
        f"<h3>{_FILM[run.use][0]} through time</h3><p>{_FILM[run.use][1]}</p>"
        f'<div class="film" tabindex="0" role="group" aria-label="{_FILM[run.use][0]} through '
        f'time">{"".join(figures)}</div>'
    )


_SCORE = {
    False: (
        "Score against the floor",
        "The distance from real data, over time. The dashed line is what held-out real "
        "data gets: the closer to it, the better.",
    ),
    True: ("Score over time", "Measured on held-out examples during the training."),
}


_TERMS = {
    False: ("Penalties", "Terms that keep the discriminator calm. They usually fall as its slopes flatten."),
    True: ("Single terms", "What the losses are made of besides, and what is only watched."),
}


def _charts(run: Run) -> str:
    charts = [
        (*_SCORE[run.task], _score_chart(run)),
        (
            "What the discriminator thinks",
            "Its output on real and on made-up examples; higher means “looks real”. Two "
            "lines that fly apart mean that it has won and the generator learns little.",
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
    figures = "".join(
        f"<figure><h3>{title}</h3>{svg}<figcaption>{text}</figcaption></figure>" for title, text, svg in charts if svg
    )
    return f'<div class="charts">{figures}</div>' if figures else ""


def _score_chart(run: Run) -> str:
    lines: dict[str, list[tuple[float, float]]] = {}
    floors: dict[str, float] = {}
    for event in run.scored:
        for score in words.from_report(event):
            lines.setdefault(score.metric.name, []).append((_seconds_at(run, event), score.value))
            floors[score.metric.name] = score.floor
    name = next((n for n in ("frechet", "kernel") if n in lines), next(iter(lines), ""))
    if not name:
        return ""
    values = [v for _, v in lines[name] if math.isfinite(v)]
    wide = bool(values) and min(values) > 0 and max(values) > 10 * min(values)
    floor = Floor("held-out real data", floors[name]) if math.isfinite(floors[name]) else None
    return line_chart(
        [Series(words.metric_for(name).title, lines[name], marks=len(values) < 30)],
        floor=floor,
        log=wide,
        title=_SCORE[run.task][0],
        x_label="training time",
        time=True,
        y_zero=True,
    )


def _seconds_at(run: Run, event: dict[str, object]) -> float:
    """The training time of an event; of the round closest before it when it does not say."""
    if math.isfinite(own := number(event.get("seconds"))):
        return own
    index = bisect_right(run.rounds, number(event.get("seen")), key=lambda e: number(e.get("seen")))
    return number(run.rounds[index - 1].get("seconds")) if index else 0.0


def _term_lines(run: Run) -> dict[str, list[tuple[float, float]]]:
    lines: dict[str, list[tuple[float, float]]] = {}
    for event in run.rounds:
        for name, value in mapping(event.get("losses")).items():
            lines.setdefault(name.lstrip("_"), []).append((number(event.get("seen")), number(value)))
    return lines


_WATCHED = {"real": "real examples", "fake": "made-up examples"}


def _logit_chart(run: Run) -> str:
    lines = _term_lines(run)
    series = [Series(text, lines[name]) for name, text in _WATCHED.items() if name in lines]
    return line_chart(series, title="Discriminator outputs", x_label="examples seen")


_LOSSES = {"g_loss": "generator", "d_loss": "discriminator"}


def _loss_chart(run: Run) -> str:
    lines = {n: p for n, p in _term_lines(run).items() if n.endswith("loss")}
    order = sorted(lines, key=lambda n: (list(_LOSSES).index(n) if n in _LOSSES else 9, n))
    return line_chart([Series(_LOSSES.get(n, n), lines[n]) for n in order[:6]], title="Losses", x_label="examples seen")


def _penalty_chart(run: Run, title: str) -> str:
    lines = {n: p for n, p in _term_lines(run).items() if not n.endswith("loss") and n not in _WATCHED}
    values = [v for line in lines.values() for _, v in line if math.isfinite(v) and v > 0]
    wide = bool(values) and max(values) > 30 * min(values)
    return line_chart(
        [Series(n, lines[n]) for n in sorted(lines)[:6]],
        title=title,
        x_label="examples seen",
        log=wide,
        y_zero=True,
    )


def _speed_chart(run: Run) -> str:
    points = [(number(e.get("seen")), number(e.get("speed"))) for e in run.rounds]
    return line_chart([Series("examples per second", points)], title="Speed", x_label="examples seen", y_zero=True)
