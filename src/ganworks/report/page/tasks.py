"""Parts of a report for tasks: simple methods beside the model, tables, and before-and-after pairs with a slider."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganworks.report import grades, units, words
from ganworks.report.page.pictures import EmbeddedPicture, embed
from ganworks.report.read import RunView, as_float, mapping

_PAIRS, _PAIR_BYTES = 4, 300_000
_ROWS, _COLUMNS = 100, 24


@dataclass(frozen=True)
class TextTable:
    """A table of plain words; the first column names the rows."""

    head: list[str]
    rows: list[list[str]]
    kind: str = "classes"


def beside(run: RunView) -> dict[str, Any]:
    """Simple methods on the same examples, further tables, and how it was measured."""
    return {"baselines": baselines(run), "tables": tables(run), "protocol": protocol(run)}


def baselines(run: RunView) -> TextTable | None:
    """This model and the simple methods on the same examples, a row each; None without any."""
    scores = [s for s in words.scores_of(run) if s.beside]
    if not scores:
        return None
    names = list(dict.fromkeys(name for score in scores for name, _ in score.beside))[:_ROWS]
    rows = [["This model", *(grades.score_text(s.metric, s.value) for s in scores)]]
    for name in names:
        rows.append([name, *(grades.score_text(s.metric, dict(s.beside).get(name, math.nan)) for s in scores)])
    arrows = {"lower": " (lower is better)", "higher": " (higher is better)", "near": ""}
    head = ["Method", *(f"{s.metric.title}{arrows[s.metric.better]}" for s in scores)]
    return TextTable(head, rows, "classes beside")


def tables(run: RunView) -> list[tuple[str, TextTable]]:
    """The further tables of an evaluation with their titles."""
    raw = run.evaluation.get("tables")
    parts = []
    for entry in map(mapping, raw if isinstance(raw, list) else []):
        columns, rows = entry.get("columns"), entry.get("rows")
        if not isinstance(columns, list) or not isinstance(rows, list):
            continue
        cells = [[_cell(cell) for cell in row[:_COLUMNS]] for row in rows[:_ROWS] if isinstance(row, list)]
        title = str(entry.get("title") or "More numbers")
        parts.append((title, TextTable([str(c) for c in columns[:_COLUMNS]], cells)))
    return parts


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return units.short_number(as_float(value)) if isinstance(value, float) else str(value)


def protocol(run: RunView) -> list[str]:
    """How it was measured, as sentences."""
    raw = run.evaluation.get("protocol")
    return [str(line) for line in raw] if isinstance(raw, list) else []


def is_pair(path: Path) -> bool:
    """Whether a picture of an evaluation belongs to a pair of before and after."""
    return path.stem.endswith(("-before", "-after"))


@dataclass(frozen=True)
class Pair:
    """One example before and after. smooth: a smaller original, which is enlarged smoothly."""

    title: str
    before: EmbeddedPicture
    after: EmbeddedPicture

    @property
    def smooth(self) -> bool:
        return self.before.width != self.after.width


def pairs(run: RunView) -> list[Pair]:
    """Held-out pictures before and after; the script lays one over the other, with a handle."""
    found = []
    for path in sorted((run.folder / "eval").glob("*-before.png"))[:_PAIRS]:
        other = path.with_name(path.name.removesuffix("-before.png") + "-after.png")
        inside = all(p.is_file() and p.resolve().is_relative_to(run.folder.resolve()) for p in (path, other))
        before, after = (embed(p, _PAIR_BYTES) if inside else None for p in (path, other))
        if before and after:
            title = path.name.removesuffix("-before.png").replace("-", " ").replace("_", " ").capitalize()
            found.append(Pair(title, before, after))
    return found
