"""How the cells of a text are separated."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence

from ganworks.files.tables.cells import commas_in, read_column
from ganworks.files.tables.numbers import PLAIN

SEPARATORS = (",", "\t", ";", "|", " ")
ENOUGH = 0.95  # least share of lines with as many cells as most
_LOOKED_AT, _COLUMNS = 100, 64


def split_at(lines: Sequence[str], mark: str) -> list[list[str]]:
    """The cells of lines that are separated by a mark, without blanks around them; " " is any run of blanks.

    Raises csv.Error.
    """
    if mark == " ":
        return [line.split() for line in lines if line.strip()]
    reader = csv.reader(
        io.StringIO("\n".join(line.rstrip("\r\n") for line in lines)), delimiter=mark, skipinitialspace=True
    )
    return [[cell.strip() for cell in row] for row in reader if row]


def find_separator(lines: Sequence[str], marks: Sequence[str] = SEPARATORS) -> str:
    """The mark that separates the cells of nearly all lines into as many cells, two or more; "" if none does.

    Of several, the one after which most columns are numbers or dates, then the one with more cells: 1,5;2,5 has two
    cells. Blanks separate only numbers.
    """
    scores = {mark: _score(lines[:_LOOKED_AT], mark) for mark in marks}
    best = max(scores, key=lambda mark: scores[mark])
    return best if scores[best] > (0.0, 0.0) else ""


def _score(lines: Sequence[str], mark: str) -> tuple[float, float]:
    """(share of the columns that hold numbers or dates, number of cells); (0, 0) if the lines are not alike."""
    try:
        rows = split_at(lines, mark)
    except csv.Error:
        return 0.0, 0.0
    wide, often = Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)
    if wide < 2 or often < ENOUGH * len(rows):
        return 0.0, 0.0
    body = [row for row in rows[1:] if len(row) == wide]
    if mark == " " and not all(
        PLAIN.fullmatch(cell) or cell.lower() == "nan" for row in body for cell in row[:_COLUMNS]
    ):
        return 0.0, 0.0
    columns = [[row[k] for row in body] for k in range(min(wide, _COLUMNS))]
    commas = commas_in(columns)
    typed = sum(read_column(cells, commas=commas).kind not in ("word", "empty") for cells in columns)
    return round(typed / len(columns), 6), float(wide)
