"""What a column of text holds: numbers, dates, times of day, codes or words; and which cells are marks for missing
ones.

One reader for tables, series and recognition. A mark such as "?" counts as missing only where the rest of the column
reads as numbers or dates: NA is Namibia among the codes of countries.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from ganworks.core.console.text import counted
from ganworks.files.tables.dates import DateForm, find_date_forms
from ganworks.files.tables.numbers import NumberForm, comma_decimals, find_number_form

MARKS = frozenset(
    ("?", "-", "--", "---", "–", "—", ".", "..", "...", "*", "n/a", "na", "n.a.", "#n/a", "#na", "nan", "-nan", "nat",
     "null", "(null)", "none", "nil", "<na>", "\\n", "missing", "unknown", "not available", "n/d", "nd", "k.a.", "s/d",
     "#value!", "#div/0!", "#ref!", "error", "err", "inv", "invalid", "bad")
)  # fmt: skip
ENOUGH = 0.95  # least share of the cells (but marks) that read as numbers or dates; the others count as missing
FEW_MARKS = 0.95  # largest share of marks in a column of numbers or dates
LONGEST_NUMBER = 15  # digits that a float keeps
_CODE = re.compile(rf"\s*(?:0\d+|\+\d{{7,}}|[+-]?\d{{{LONGEST_NUMBER + 1},}})\s*", re.ASCII)
_COMPACT = re.compile(r"\s*(?:19|20)\d{6}(?:\d{2}){0,3}\s*", re.ASCII)
_CODE_NAMES = re.compile(
    r"(^|[_\W])(zip|zip_?code|postal|post_?code|postal_?code|plz|cap|phone|tel|telephone|mobile|iban|isbn|ean|gtin|sku|"
    r"fips|ssn|area_?code)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Reading:
    """What the cells of a column are taken for.

    kind: "time" is a time of day in seconds, "code" text of digits that is no quantity. number, date: how they are
    written; other: a second reading of the dates, if there is one. marks: marks for missing cells, odd: other cells
    that do not fit and count as missing; both with their numbers.
    """

    kind: Literal["number", "date", "time", "code", "word", "empty"]
    number: NumberForm = field(default_factory=NumberForm)
    date: DateForm | None = None
    other: DateForm | None = None
    marks: Counter[str] = field(default_factory=Counter)
    odd: Counter[str] = field(default_factory=Counter)

    def values(self, cells: Sequence[str]) -> np.ndarray:
        """Numbers, or dates and times in seconds, float64 [n]; NaN for missing cells, and for all words."""
        if self.kind == "number" and self.number.plain:
            try:
                if not any("_" in cell for cell in cells):
                    return np.array(cells, np.float64) if len(cells) else np.zeros(0)
            except ValueError:
                pass
        if self.kind not in ("number", "date", "time"):
            return np.full(len(cells), math.nan)
        read = self.number.read if self.kind == "number" else (self.date or DateForm("")).read
        known = {cell: read(cell) for cell in dict.fromkeys(cells)}
        return np.array([known[cell] for cell in cells], np.float64)

    @cached_property
    def text(self) -> str:
        """What it is, for people: "date (day.month.year)", "number with decimal commas"."""
        if self.kind in ("date", "time") and self.date:
            named = {"date": "date", "time": "time of day"}[self.kind]
            return f"{named} ({self.date.spoken})"
        if self.kind == "number" and not self.number.plain:
            form = self.number
            parts = ["decimal commas"] * (form.decimal == ",") + [f"{form.thousands!r} between thousands"] * bool(
                form.thousands
            )
            parts += [repr(t.strip()) for t in (form.prefix, form.suffix) if t]
            return f"number with {' and '.join(parts)}"
        return {"word": "words", "code": "codes", "empty": "nothing"}.get(self.kind, self.kind)

    def notes(self, name: str) -> list[str]:
        """What a user should know: which cells count as missing, and another reading of the dates."""
        out = []
        if self.marks:
            out.append(f"{name}: {_counted(self.marks)} as marks for missing values")
        if self.odd:
            what = {"number": "numbers", "date": "dates", "time": "times"}[self.kind]
            which = f"among {what} ({', '.join(map(repr, sorted(self.odd)[:3]))})"
            words = counted(sum(self.odd.values()), f"word {which} counts", f"words {which} count")
            out.append(f"{name}: {words} as missing")
        if self.other and self.date:
            out.append(
                f"{name}: read as {self.date.spoken}; the values would also fit {self.other.spoken}. Write them as "
                "year-month-day if that is meant"
            )
        return out


def read_column(cells: Iterable[str], name: str = "", commas: bool = False) -> Reading:
    """What a column is taken for.

    commas: the file writes decimal commas (see `commas_in`). Words are missing only where they are empty.
    """
    counts = Counter(cells)
    given = {cell: n for cell, n in counts.items() if cell.strip()}
    marks = Counter({cell: n for cell, n in given.items() if cell.strip().lower() in MARKS})
    rest = [cell for cell in given if cell not in marks]
    if not given or not rest:
        return Reading("word" if given else "empty")
    total = sum(given.values()) - sum(marks.values())
    if sum(marks.values()) > FEW_MARKS * (total + sum(marks.values())):
        return Reading("word")
    found = _typed(rest, given, name, commas)
    if found is None:
        return Reading("word")
    odd = Counter({c: given[c] for c, v in zip(rest, found.values(rest), strict=True) if math.isnan(v)})
    if found.kind == "code":
        return found
    if sum(odd.values()) > (1 - ENOUGH) * total:
        return Reading("word")
    return Reading(found.kind, found.number, found.date, found.other, marks, odd)


def _typed(rest: list[str], given: dict[str, int], name: str, commas: bool) -> Reading | None:
    """The type of most of the distinct cells `rest`, before odd ones are counted; None for words."""
    if all(_COMPACT.fullmatch(cell) for cell in rest) and (dates := find_date_forms(rest, 1.0)):
        return Reading("date", date=dates[0])
    number = find_number_form(rest, commas)
    if number is not None:
        codes = any(_CODE.fullmatch(cell) for cell in rest) or named_code(name)
        return Reading("code") if codes else Reading("number", number)
    if number is None and _mostly(rest, given, NumberForm()):
        return Reading("code") if any(_CODE.fullmatch(cell) for cell in rest) else Reading("number")
    if dates := find_date_forms(rest):
        other = next((d for d in dates[1:] if d.format != dates[0].format), None)
        return Reading("time" if dates[0].daily else "date", date=dates[0], other=other)
    return None


def named_code(name: str) -> bool:
    """Whether a column of this name holds codes of digits: zip, phone, isbn."""
    return _CODE_NAMES.search(name.strip()) is not None


def _mostly(rest: list[str], given: dict[str, int], form: NumberForm) -> bool:
    """Whether a form reads enough of the cells, though not of the distinct ones."""
    read = sum(given[cell] for cell in rest if not math.isnan(form.read(cell)))
    return read >= ENOUGH * sum(given[cell] for cell in rest)


def commas_in(columns: Iterable[Sequence[str]]) -> bool:
    """Whether any column of a file shows that it writes decimal commas (its first 200 cells are looked at)."""
    return any(
        comma_decimals([c for c in column[:200] if c.strip().lower() not in MARKS and c.strip()]) for column in columns
    )


def _counted(marks: Counter[str]) -> str:
    return ", ".join(f"{n:,} {mark.strip()!r}" for mark, n in marks.most_common(3))
