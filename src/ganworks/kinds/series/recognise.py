"""Rules that recognise time series."""

from __future__ import annotations

from typing import Any

from ganworks.files.glance import Clues
from ganworks.files.recognise import (
    Found,
    command,
    concluded,
    leads,
    rows_of,
    rows_of_frame,
)
from ganworks.files.rows import ALIKE, Rows, parse


def _sequences(clues: Clues) -> Found | None:
    """Many tables of numbers in one place: one file per sequence."""
    names = [name for name in clues.of("table") if not name.lower().endswith(".parquet")]
    if clues.kind == "file" or not leads(clues, "table") or len(names) < 3:
        return None
    some = [parse(clues.head(name), False) for name in names[:: max(1, len(names) // 8)]]
    numbers = [rows for rows in some if rows and not rows.of("word")]
    if len(numbers) < 0.75 * len(some):
        return None
    return concluded(clues, "holds many tables of numbers, a sequence in each file", "series")


def _series(clues: Clues) -> Found | None:
    rows = rows_of(clues)
    return _of_steps(clues.name, rows, str(clues.path)) if rows else None


def _of_steps(name: str, rows: Rows, path: str = "") -> Found | None:
    """Rows that are steps in time, by a column of regular stamps, else by the similarity of neighbouring rows."""
    otherwise = command("its rows stand for themselves", "table", path) if path else ""
    if clock := rows.clock():
        column, step = clock
        because = f'{name} has the column "{column}" that goes on in steps of {step}'
        return Found("series", f"{because}, so its rows are steps in time and the recipe is `series`.", otherwise)
    if not rows.of("word") and not rows.of("date") and rows.alike() >= ALIKE:
        because = f"{name} has rows of {rows.wide} numbers, each much like the last (correlation {rows.alike():.2f})"
        return Found("series", f"{because}, so they are steps in time and the recipe is `series`.", otherwise)
    return None


def _frame(data: Any) -> Found | None:
    some = data[0] if isinstance(data, tuple) and len(data) == 2 else data
    if (
        isinstance(some, list)
        and some
        and all(hasattr(item, "iloc") and hasattr(item, "columns") for item in some[:100])
    ):
        return Found("series", "A list of data frames is a set of series, so the recipe is `series`.")
    rows = rows_of_frame(data)
    return _of_steps("The DataFrame", rows) if rows else None


def _arrays(data: Any) -> Found | None:
    if isinstance(data, list) and all(getattr(item, "ndim", 0) == 2 for item in data[:100]):
        return Found("series", "A list of arrays [T, C] is a set of series, so the recipe is `series`.")
    return None


RULES = ((100, _sequences), (130, _series))
OBJECT_RULES = ((10, _frame), (60, _arrays))
