"""What the report says of tasks: simple methods beside the model, tables, pairs of before and after to slide over."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path
from typing import Any

from ganworks.report import words
from ganworks.report.page.pictures import Picture, embed, image_tag
from ganworks.report.read import Run, mapping, number

_PAIRS, _PAIR_BYTES = 4, 300_000
_ROWS, _COLUMNS = 100, 24


def table(head: list[str], rows: list[list[str]], kind: str = "classes") -> str:
    """A table of plain words; the first column names the rows."""
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0] if row else "")}</th>'
        + "".join(f'<td class="num">{escape(cell)}</td>' for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="table"><table class="{kind}"><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def baselines(run: Run) -> str:
    """This model and the simple methods on the same examples, a row each; "" without any."""
    scores = [s for s in words.scores_of(run) if s.beside]
    if not scores:
        return ""
    names = list(dict.fromkeys(name for score in scores for name, _ in score.beside))[:_ROWS]
    rows = [["This model", *(words.score_text(s.metric, s.value) for s in scores)]]
    for name in names:
        rows.append([name, *(words.score_text(s.metric, dict(s.beside).get(name, math.nan)) for s in scores)])
    arrows = {"lower": " (lower is better)", "higher": " (higher is better)", "near": ""}
    head = ["Method", *(f"{s.metric.title}{arrows[s.metric.better]}" for s in scores)]
    return f"<h3>Beside simple methods, on the same examples</h3>{table(head, rows, 'classes beside')}"


def tables(run: Run) -> str:
    """The further tables of an evaluation, folded away."""
    raw = run.evaluation.get("tables")
    parts = []
    for entry in map(mapping, raw if isinstance(raw, list) else []):
        columns, rows = entry.get("columns"), entry.get("rows")
        if not isinstance(columns, list) or not isinstance(rows, list):
            continue
        cells = [[_cell(cell) for cell in row[:_COLUMNS]] for row in rows[:_ROWS] if isinstance(row, list)]
        title = str(entry.get("title") or "More numbers")
        shown = table([str(c) for c in columns[:_COLUMNS]], cells)
        parts.append(f"<details><summary>{escape(title)}</summary>{shown}</details>")
    return "".join(parts)


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return words.short_number(number(value)) if isinstance(value, float) else str(value)


def protocol(run: Run) -> str:
    """How the numbers were made, folded away."""
    raw = run.evaluation.get("protocol")
    said = "".join(f"<li>{escape(str(line))}</li>" for line in raw) if isinstance(raw, list) else ""
    return f'<details><summary>How it was measured</summary><ul class="notes">{said}</ul></details>' if said else ""


def is_pair(path: Path) -> bool:
    """Whether a picture of an evaluation belongs to a pair of before and after."""
    return path.stem.endswith(("-before", "-after"))


def sliders(run: Run) -> str:
    """Held-out pictures before and after, one over the other with a handle between; side by side without script."""
    folder, parts = run.folder / "eval", []
    for path in sorted(folder.glob("*-before.png"))[:_PAIRS]:
        other = path.with_name(path.name.removesuffix("-before.png") + "-after.png")
        inside = all(p.is_file() and p.resolve().is_relative_to(run.folder.resolve()) for p in (path, other))
        before, after = (embed(p, _PAIR_BYTES) if inside else None for p in (path, other))
        if before and after:
            title = path.name.removesuffix("-before.png").replace("-", " ").replace("_", " ").capitalize()
            parts.append(_slider(before, after, title))
    if not parts:
        return ""
    return (
        '<section id="pairs"><h2>Before and after</h2><p>Examples that it was not trained on: what it was given, and '
        f'what it made of it.</p><div class="pairs">{"".join(parts)}</div></section>'
    )


def _slider(before: Picture, after: Picture, title: str) -> str:
    """Two figures, which the script lays over each other. A smaller original is enlarged smoothly."""
    figures = "".join(
        f'<figure class="{name.lower()}">{image_tag(picture, f"{title}, {name.lower()}")}'
        f"<figcaption>{name}</figcaption></figure>"
        for name, picture in (("Before", before), ("After", after))
    )
    if before.width != after.width:
        figures = figures.replace(' class="pixels"', "")
    return f'<div class="slide" data-title="{escape(title)}">{figures}</div>'
