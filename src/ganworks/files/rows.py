"""The first rows of a file as a table: how cells are separated, which columns hold numbers or dates, and regular time
steps.

At most 200 rows are read: enough to tell a table from a text, and independent rows from steps in time.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal

import numpy as np

from ganworks.core.machine import memory

ROWS, COLUMNS, CELL = 200, 64, 200
CELL_BYTES = 150  # of a cell as a Python object, with its copies in work: measured on tables of numbers
WINDOW = 40  # rows of a window in which neighbouring rows are compared
ALIKE = 0.65  # lag-1 autocorrelation within a window: prices 0.9, rows in any order 0, iris sorted by class 0.5
MISSING = ("", "?", "na", "n/a", "nan", "null", "none", "nat", "<na>", "-")
_FORMATS = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y", "%Y%m%d", "%Y-%m", "%b %d %Y", "%d %b %Y")
_CLOCKS = ("", " %H:%M", " %H:%M:%S")
_TIMES = re.compile(r"(date|time|datetime|timestamp|stamp|day|month|week|hour|t|step|ds|epoch|seconds?)(_?utc)?")
_IDS = ("series", "series_id", "id", "item_id", "unit", "unit_id", "sequence", "sequence_id", "subject", "patient")
_SENTENCE = 3.5  # mean number of words from which cells are sentences
_UNITS = ((86400 * 365, "year"), (86400 * 28, "month"), (86400 * 7, "week"), (86400, "day"), (3600, "hour"),
          (60, "minute"), (1, "second"))  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column: its name ("" without a header) and its cells as text."""

    name: str
    cells: tuple[str, ...]

    @cached_property
    def given(self) -> tuple[str, ...]:
        """The cells that are not missing."""
        return tuple(cell for cell in self.cells if cell.lower() not in MISSING)

    @cached_property
    def kind(self) -> Literal["number", "date", "word", "empty"]:
        """The type of at least 95 % of the cells that are not missing; "empty" if all are missing."""
        if not self.given:
            return "empty"
        some = len(self.given) * 0.95
        plain = not (self.given[0].isdigit() and len(self.given[0]) == 8)  # 20160701 is a date rather than a number
        for kind, read in (
            (("number", number_in), ("date", _when)) if plain else (("date", _when), ("number", number_in))
        ):
            if sum(read(cell) is not None for cell in self.given) >= some:
                return kind
        return "word"

    @cached_property
    def values(self) -> np.ndarray:
        """Numbers, or dates in seconds, as float64 [cells]; NaN for cells that are neither."""
        read = _when if self.kind == "date" else number_in
        found = [read(cell) for cell in self.cells]
        return np.array([math.nan if value is None else value for value in found])


@dataclass(frozen=True)
class Rows:
    """The first rows of a table: at most 200 rows and 64 columns. count: rows read; wide: columns in the file."""

    columns: tuple[Column, ...]
    count: int
    wide: int

    def of(self, kind: str) -> list[Column]:
        """The columns of a kind, in order."""
        return [column for column in self.columns if column.kind == kind]

    @property
    def titled(self) -> bool:
        """Whether the first row names the columns."""
        return any(column.name for column in self.columns)

    def clock(self) -> tuple[str, str] | None:
        """(column, step) of time stamps at regular steps, over all rows or those of the first id; None if there are
        none.
        """
        first = next((c for c in self.columns if c.name.lower().strip() in _IDS), None)
        kept = [cell == first.cells[0] for cell in first.cells] if first else [True] * self.count
        if sum(kept) < 3:  # nearly every row has an id of its own: a table with keys
            kept = [True] * self.count
        for column in self.columns:
            named = _TIMES.fullmatch(column.name.lower().strip())
            if column.kind == "date" or (named and column.kind == "number"):
                cells = tuple(cell for cell, keep in zip(column.cells, kept, strict=True) if keep)
                if step := steady(replace(column, cells=cells)):
                    return column.name or "1", step
        return None

    def prose(self) -> Column | None:
        """The column of sentences, with at most one column (a label) beside it; None if rows are not labelled texts."""
        found = [c for c in self.of("word") if _words(c) >= _SENTENCE and len(set(c.given)) >= 0.8 * len(c.given)]
        alone = self.wide == 1 and self.of("word")
        return found[0] if len(found) == 1 and self.wide <= 2 else alone[0] if alone else None

    def alike(self) -> float:
        """How similar neighbouring rows are: the median over number columns of the lag-1 autocorrelation within 40
        rows.

        About 0 for rows in any order, even if they are sorted by one column; NaN if there are no usable numbers.
        """
        found = [_autocorrelation(column.values) for column in self.of("number")]
        found = [value for value in found if math.isfinite(value)]
        return float(np.median(found)) if found else math.nan


def parse(data: bytes, whole: bool = True, least: int = 2) -> Rows | None:
    """The rows of a text in which nearly all lines have the same number of cells; None for other texts.

    data: the first bytes of the file. whole: False if the file is longer, so that the last line may be cut. Comment
    lines (#) above the rows are skipped, but the last of them may name the columns. least: 1 accepts lines of a single
    cell as a table, too.
    """
    text = data[: 1 << 20].decode("utf-8-sig", "replace")
    lines = [line for line in text.splitlines() if line.strip()]
    if not whole and len(lines) > 1:
        lines.pop()
    head = 0
    while head < len(lines) and lines[head].startswith("#"):
        head += 1
    named = (
        [lines[head - 1].lstrip("# ")] if head and "{" not in lines[head - 1] else []
    )  # a note of provenance names no columns
    lines = lines[head : head + ROWS + 1]
    for mark in (",", "\t", ";", "|", " "):
        if rows := _parted(lines, mark):
            titles = (_parted(named, mark) or [[]])[0]
            return table(rows, titles if len(titles) == len(rows[0]) else [])
    return table([[line.strip().strip('"')[:CELL]] for line in lines], []) if lines and least == 1 else None


def _parted(lines: Sequence[str], mark: str) -> list[list[str]] | None:
    """The cells of lines split at `mark` if 95 % of them have the same number of cells, two or more; else None."""
    if mark == " ":
        rows = [line.split() for line in lines]
        if not all(number_in(cell) is not None for row in rows for cell in row[:COLUMNS]):
            return None
    else:
        try:
            rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=mark, skipinitialspace=True))
        except csv.Error:
            return None
    rows = [[cell.strip()[:CELL] for cell in row] for row in rows if row]
    wide, often = Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)
    return [row for row in rows if len(row) == wide] if wide > 1 and often >= 0.95 * len(rows) else None


def table(rows: list[list[str]], titles: list[str]) -> Rows:
    """Rows of cells as columns. Without titles, the first row is the header if it holds no number and others do, or if
    none of its words occurs again in its column.
    """
    first, rest = rows[0], rows[1:]
    if not titles and rest and _is_header(first, rest):
        titles, rows = first, rest
    rows, wide = rows[:ROWS], len(first)
    columns = tuple(
        Column(titles[k] if titles else "", tuple(row[k] for row in rows)) for k in range(min(wide, COLUMNS))
    )
    return Rows(columns, len(rows), wide)


def _is_header(first: list[str], rest: list[list[str]]) -> bool:
    if any(number_in(cell) is not None for cell in first) or len(set(first)) < len(first):
        return False
    plain = any(number_in(row[k]) is not None for row in rest[:20] for k in range(min(len(first), COLUMNS)))
    return plain or not any(first[k] in {row[k] for row in rest} for k in range(min(len(first), COLUMNS)))


def steady(column: Column) -> str:
    """The usual step as text, such as "1 hour", if stamps rise (or fall) in mostly equal steps; "" otherwise."""
    at = column.values
    if len(at) < 3 or not np.isfinite(at).all():
        return ""
    steps = np.diff(at)
    steps = -steps if steps.mean() < 0 else steps
    if (steps <= 0).any():
        return ""
    usual, often = Counter(np.round(steps, 6).tolist()).most_common(1)[0]
    if often < 0.6 * len(steps) and steps.max() > 1.25 * steps.min():
        return ""
    return spell(usual) if column.kind == "date" else f"{usual:g}"


def spell(seconds: float) -> str:
    """3600.0 -> "1 hour", 900.0 -> "15 minutes"."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1, "second"))
    many = round(seconds / size, 2)
    return f"{many:g} {unit}{'s' * (many != 1)}"


def _autocorrelation(values: np.ndarray) -> float:
    """Lag-1 autocorrelation within windows, with sums over all windows; NaN for constant values."""
    both = own = 0.0
    for start in range(0, max(1, len(values) - WINDOW // 2), WINDOW):
        part = values[start : start + WINDOW]
        part = part[np.isfinite(part)]
        if len(part) > 3:
            part = (part - part.mean()) / (abs(part).max() or 1.0)
            both, own = both + float((part[1:] * part[:-1]).sum()), own + float((part * part).sum())
    return both / own if own > 0 else math.nan


def _words(column: Column) -> float:
    """Mean number of words in a cell; in scripts without spaces three characters count as a word."""
    cells = column.given
    return sum(max(len(c.split()), 0 if c.isascii() else len(c) / 3) for c in cells) / max(1, len(cells))


def check_cells(parts: Iterable[bytes], where: str) -> None:
    """Raise UsageError when a table of text does not fit into memory as Python objects; parts: its bytes.

    Most of that memory is not for its letters but for its cells, which are counted by their separators.
    """
    size, cells, marks = 0, 0, (b",", b";", b"\t", b" ")
    for part in parts:
        size += len(part)
        cells += part.count(b"\n") + max(part.count(mark) for mark in marks)
    memory.check_bytes(4 * size + CELL_BYTES * cells, where)


def number_in(cell: str) -> float | None:
    """The number in a cell of a table; None if the cell is not a number."""
    try:
        return float(cell)
    except ValueError:
        return None


def _when(cell: str) -> float | None:
    """A date, with or without a time of day, in seconds since 1970; None for other cells."""
    if not 6 <= len(cell) <= 35 or not any(c.isdigit() for c in cell):
        return None
    try:
        return datetime.fromisoformat(cell).replace(tzinfo=UTC).timestamp()
    except ValueError:
        pass
    for form in _FORMATS:
        for clock in _CLOCKS:
            try:
                return datetime.strptime(cell, form + clock).replace(tzinfo=UTC).timestamp()
            except ValueError:
                continue
    return None
