"""Rules that recognise tables."""

from __future__ import annotations

import shlex
from typing import Any

from ganworks.core.errors import UsageError
from ganworks.files.glance import Clues
from ganworks.files.recognise import (
    Found,
    command,
    concluded,
    leads,
    rows_of,
    rows_of_frame,
)
from ganworks.files.rows import Rows


def _one_table(clues: Clues) -> Found | None:
    """Raise UsageError for tables in a folder or zip that are not sequences: the user must name the file."""
    names = clues.of("table")
    if clues.kind == "file" or not names or not leads(clues, "table"):
        return None
    raise UsageError(f'"{clues.name}" holds tables ({", ".join(names[:5])}{", ..." if len(names) > 5 else ""}); say '
                     f"which to learn from: ganworks train {shlex.quote(f'data={clues.path / names[0]}')}")  # fmt: skip


def _table(clues: Clues) -> Found | None:
    rows = rows_of(clues)
    if not rows:
        return concluded(clues, "has the name of a table", "table") if clues.name.lower().endswith(".parquet") else None
    return _of_rows(clues.name, rows, str(clues.path))


def _of_rows(name: str, rows: Rows, path: str = "") -> Found:
    kinds = [f"{len(rows.of(kind))} of {kind}s" for kind in ("number", "word", "date") if rows.of(kind)]
    steps = path and (len(kinds) == 1 or rows.of("date"))
    otherwise = command("its rows are steps in time", "series", path) if steps else ""
    because = f"{name} has {rows.wide} columns ({', '.join(kinds)}) and rows that do not follow from each other"
    return Found("table", f"{because}, so the recipe is `table`.", otherwise)


def _frame(data: Any) -> Found | None:
    rows = rows_of_frame(data)
    return _of_rows("The DataFrame", rows) if rows else None


RULES = ((110, _one_table), (150, _table))
OBJECT_RULES = ((20, _frame),)
