"""Samples that a page shows as text: rows of tables, lines, numbers. Plain values, as JSON has them."""

from __future__ import annotations

import math
from typing import Any

MOST = 200  # rows of one table, or steps of one series, that are shown
_LONGEST = 2000  # characters of a text


def readable(items: Any) -> tuple[list[dict[str, Any]], list[str] | None]:
    """(entries, columns or None) of `Samples.items` that are no pictures.

    A table: {"row": [values]} with its columns. Texts: {"text"}. Series: {"rows": [[values]]} with their columns.
    Other arrays: {"row": [values]}.
    """
    if hasattr(items, "columns"):
        columns, rows = _table(items)
        return [{"row": row} for row in rows], columns
    entries, columns = [], None
    for item in items:
        if hasattr(item, "columns"):
            columns, rows = _table(item)
            entries.append({"rows": rows})
        elif isinstance(item, str):
            entries.append({"text": item[:_LONGEST]})
        else:
            entries.append({"row": _plain(getattr(item, "tolist", lambda item=item: item)())})
    return entries, columns


def media_of(items: Any) -> str:
    """What `readable` made of items: "table", "series", "text" or "points"."""
    if hasattr(items, "columns"):
        return "table"
    first = next(iter(items), "")
    return "series" if hasattr(first, "columns") else "text" if isinstance(first, str) else "points"


def _table(frame: Any) -> tuple[list[str], list[list[Any]]]:
    shown = frame.head(MOST)
    return [str(name) for name in frame.columns], [[_plain(v) for v in row] for row in shown.to_numpy(object).tolist()]


def _plain(value: Any) -> Any:
    """A value as JSON has it: None for what is missing, text for dates."""
    if isinstance(value, list):
        return [_plain(inner) for inner in value[:MOST]]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if hasattr(value, "item"):
        return _plain(value.item())
    return None if str(value) in ("NaT", "<NA>", "nan") else str(value)
