"""The first rows of a file as a table: how cells are separated, which columns hold numbers or dates, and regular time
steps.

At most 200 rows are read: enough to tell a table from a text, and independent rows from steps in time.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ganworks.core.machine import memory
from ganworks.files.tables.cells import MARKS, Reading, commas_in, read_column
from ganworks.files.tables.clock import ClockColumn, clocks
from ganworks.files.tables.header import find_header, remarks
from ganworks.files.tables.split import ENOUGH, find_separator, split_at

ROWS, COLUMNS, CELL = 200, 64, 200
CELL_BYTES = 150  # of a cell as a Python object, with its copies in work: measured on tables of numbers
WINDOW = 40  # rows of a window in which neighbouring rows are compared
ALIKE = 0.65  # lag-1 autocorrelation within a window: prices 0.9, rows in any order 0, iris sorted by class 0.5
_IDS = ("series", "series_id", "id", "item_id", "unit", "unit_id", "sequence", "sequence_id", "subject", "patient")
_SENTENCE = 3.5  # mean number of words from which cells are sentences
_UNITS = ((86400 * 365.25, "year"), (86400 * 30.44, "month"), (86400 * 7, "week"), (86400, "day"), (3600, "hour"),
          (60, "minute"), (1, "second"))  # fmt: skip
_KINDS = {"time": "date", "code": "word"}
_TWICE = 0.2  # largest share of steps of a clock that are none, since some rows come twice


@dataclass(frozen=True)
class Column:
    """A column: its name ("" without a header), its cells as text, and whether its file writes decimal commas."""

    name: str
    cells: tuple[str, ...]
    commas: bool = False

    @cached_property
    def reading(self) -> Reading:
        """What its cells are taken for."""
        return read_column(self.cells, self.name, self.commas)

    @cached_property
    def given(self) -> tuple[str, ...]:
        """The cells that are not missing."""
        return tuple(cell for cell in self.cells if cell.lower() not in MARKS)

    @property
    def kind(self) -> str:
        """ "number", "date" (also a time of the day), "word" or "empty"."""
        return _KINDS.get(self.reading.kind, self.reading.kind)

    @cached_property
    def values(self) -> np.ndarray:
        """Numbers, or dates in seconds, as float64 [cells]; NaN for cells that are neither."""
        return self.reading.values(self.cells)


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
        """(columns, step) of time stamps at regular steps, over all rows or those of the first id; None if there are
        none.
        """
        first = next((c for c in self.columns if c.name.lower().strip() in _IDS), None)
        kept = [cell == first.cells[0] for cell in first.cells] if first else [True] * self.count
        if sum(kept) < 3:  # nearly every row has an id of its own: a table with keys
            kept = [True] * self.count
        some = {}
        for k, column in enumerate(self.columns):
            cells = [cell for cell, keep in zip(column.cells, kept, strict=True) if keep]
            some[column.name or str(k + 1)] = ClockColumn.of_cells(cells, column.name)
        for clock in clocks(some):
            if not clock.counter and (step := steady(clock.seconds, clock.dated)):
                return clock.name, step
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
    below = [line for line in lines[: ROWS + 20] if not line.startswith("#")]
    mark = find_separator(below[: ROWS + 1])
    if not mark:
        lines = below[: ROWS + 1]
        return table([[line.strip().strip('"')[:CELL]] for line in lines], []) if lines and least == 1 else None
    head = remarks(lines, lambda line: len((split_at([line], mark) or [[]])[0]))
    titled = lines[head : head + 1] if lines[head : head + 1] and lines[head].startswith("#") else []
    lines = lines[head + len(titled) :][: ROWS + 1]
    rows = [[cell[:CELL] for cell in row] for row in split_at(lines, mark)]
    wide = Counter(map(len, rows)).most_common(1)[0][0]
    rows = [row for row in rows if len(row) == wide]
    if wide < 2 or len(rows) < ENOUGH * len(lines):
        return None
    return table(rows, split_at([titled[0].lstrip("# ")], mark)[0] if titled else [])


def table(rows: list[list[str]], titles: Sequence[str]) -> Rows:
    """Rows of cells as columns. Without titles, the first row is taken as the header if it looks like one."""
    first, rest = rows[0], rows[1:]
    if not titles and rest and find_header(first, rest).named:
        titles, rows = first, rest
    rows, wide = [row for row in rows[:ROWS] if any(row)] or rows[:1], len(first)
    cells = [tuple(row[k] for row in rows) for k in range(min(wide, COLUMNS))]
    commas = commas_in(cells)
    return Rows(tuple(Column(titles[k] if titles else "", c, commas) for k, c in enumerate(cells)), len(rows), wide)


def steady(at: np.ndarray, dated: bool) -> str:
    """The usual step as text, such as "1 hour", if stamps [n] rise (or fall) in mostly equal steps; "" otherwise."""
    if len(at) < 3 or not np.isfinite(at).all():
        return ""
    steps = np.diff(at)
    steps = -steps if steps.mean() < 0 else steps
    if (steps < 0).any() or (steps == 0).mean() > _TWICE:
        return ""
    steps = steps[steps > 0]
    usual, often = Counter(np.round(steps, 6).tolist()).most_common(1)[0]
    if often < 0.6 * len(steps) and steps.max() > 1.25 * steps.min():
        return ""
    return spell(usual) if dated else f"{usual:g}"


def spell(seconds: float) -> str:
    """3600.0 -> "1 hour", 900.0 -> "15 minutes"."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= 0.9 * size), (1, "second"))
    many = seconds / size
    many = round(many) if unit in ("year", "month") and abs(many - round(many)) < 0.1 else round(many, 2)
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
