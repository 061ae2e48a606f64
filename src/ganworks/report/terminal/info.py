"""`ganworks info RUN`: the state of a run in a few lines, in well under half a second and without torch."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path

from ganworks.core.console.text import plain, shown
from ganworks.report import advice, grades, units, words
from ganworks.report.read import RunView, as_float, mapping, read_run, size_on_disk
from ganworks.report.terminal.screen import Screen, bar, clip
from ganworks.report.terminal.sparkline import sparkline

_TAIL = 4 << 20  # bytes of a long log's end that are read
_STATES = {
    "finished": "finished", "stopped": "stopped; the train command below goes on from here",
    "running": "running", "interrupted": "interrupted; the train command below goes on from here",
    "empty": "not started",
}  # fmt: skip

Rows = list[tuple[str, str]]


def info(folder: str | Path, *, width: int = 80, unicode: bool = True) -> list[str]:
    """The lines that describe a run: state, losses, scores beside their floor, files, next commands.

    width: columns to fit. unicode: False for ASCII only. Raises UsageError when the folder is no run.
    """
    run = read_run(folder, tail=_TAIL)
    parts = [("", _state(run, width, unicode)), ("Last losses", _losses(run, width, unicode)),
             ("Scores", _scores(run)), (f"Options of {run.use}", _options(run)),
             ("Warnings", _warnings(run)), ("Files", _files(run))]  # fmt: skip
    lines = [run.name]
    for title, rows in parts:
        if rows:
            lines += ["", title] if title else []
            lines += _table(rows, width)
    if found := advice.commands(run):
        lines += ["", "Next"]
        for command in found:
            lines += textwrap.wrap(f"# {command.why}", width - 2, initial_indent="  ", subsequent_indent="  # ")
            lines.append(f"  {command.text}")
    return [plain(line, unicode).rstrip() for line in lines]


def print_info(folder: str | Path) -> None:
    """Print `info` to standard output, in its width."""
    import sys

    with Screen(sys.stdout) as screen:
        for line in info(folder, width=min(100, screen.width), unicode=screen.unicode):
            screen.say(line)


def _table(rows: Rows, width: int) -> list[str]:
    """Rows in two columns; a value that does not fit is wrapped in its column."""
    rows = [(shown(name), shown(value)) for name, value in rows]
    left = min(max(len(name) for name, _ in rows), width // 3)
    lines = []
    for name, value in rows:
        pieces = textwrap.wrap(value, max(10, width - left - 4)) or [""]
        lines.append(f"  {clip(name, left):<{left}}  {pieces[0]}")
        lines += [" " * (left + 4) + piece for piece in pieces[1:]]
    return lines


def _state(run: RunView, width: int, unicode: bool) -> Rows:
    reason = str(run.finished.get("reason", ""))
    rows = [("State", _STATES[run.state] + (f" ({reason})" if reason and run.state == "finished" else ""))]
    if run.state == "running":
        rows[0] = ("State", f"running; last update {units.duration(run.age)} ago")
    if run.total:
        part = run.seen / run.total
        text = f"{100 * min(1.0, part):.0f} %  {units.count(run.seen)}/{units.count(run.total)} examples"
        rows.append(("Progress", f"{bar(part, max(5, min(24, width - 46)), unicode)} {text}"))
    if run.seconds:
        speed = as_float(run.last.get("speed"))
        pace = f", {units.short_number(speed)} examples/s" if math.isfinite(speed) else ""
        rows.append(("Time", units.duration(run.seconds) + pace))
        if run.state == "running" and speed > 0 and run.total > run.seen:
            rows.append(("Left", units.duration((run.total - run.seen) / speed)))
    if run.config.get("recipe"):
        rows.append(("Recipe", str(run.config["recipe"])))
    if path := advice.data_path(run):
        rows.append(("Data", path))
    return rows


def _losses(run: RunView, width: int, unicode: bool) -> Rows:
    names = sorted(
        mapping(run.last.get("losses")),
        key=lambda n: (n.lstrip("_") in ("real", "fake"), not n.endswith("loss"), n),
    )
    rows = []
    for name in names:
        values = [as_float(mapping(e.get("losses")).get(name)) for e in run.rounds[-2000:]]
        line = sparkline(values, max(8, min(32, width - 34)), unicode)
        rows.append((name, f"{units.short_number(values[-1]):>9}  {line}"))
    return rows


def _scores(run: RunView) -> Rows:
    rows = []
    scores = words.scores_of(run)
    for score, verdict in zip(scores, grades.verdicts(scores), strict=True):
        value = grades.score_text(score.metric, score.value)
        if math.isfinite(score.low) and math.isfinite(score.high):
            low, high = (grades.score_text(score.metric, v) for v in (score.low, score.high))
            value += f" ({low} to {high})"
        if math.isfinite(score.floor):
            floor = grades.score_text(score.metric, score.floor)
            value += f", {'real data' if run.use == 'sample' else 'best'} {floor}"
        grade = "" if verdict.grade == "unknown" else f": {verdict.grade}"
        rows.append((score.metric.title, value + grade))
    if rows or words.unscored(run):
        rows.append(("Verdict", words.verdict(run).text))
    return rows


def _warnings(run: RunView) -> Rows:
    rows = [(f.title, f.advice) for f in advice.findings(run) if f.kind == "bad"]
    return [("!", f"{title.rstrip('.')}. {text}") for title, text in rows] + [("!", p) for p in run.problems]


def _options(run: RunView) -> Rows:
    """The model's own options of `ganworks apply` or `ganworks sample`."""
    return [(name, str(meaning)) for name, meaning in mapping(run.card.get("options")).items() if run.use != "predict"]


def _files(run: RunView) -> Rows:
    sizes = size_on_disk(run.folder)
    nets = [name for name in sizes if name.endswith(".safetensors")]
    known = (*nets, "state/", "samples/", "metrics.jsonl", "eval.json", "report.html")
    rows = [(name, units.size(sizes[name])) for name in known if name in sizes]
    return [*rows, ("all", f"{units.size(sum(sizes.values()))} in {run.folder}")]
