"""Which columns of a table are its clock: dates, dates and times apart, years to seconds in columns of their own, or
numbers that rise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from ganworks.files.tables.cells import read_column
from ganworks.files.tables.dates import MONTHS, DateForm, epoch_unit

MERGED = 0.01  # largest share of rows that may repeat the stamp of another
_PARTS = {
    "year": "year yr yyyy jahr année annee año ano anno",
    "month": "month mnth mon mo mm monat mois mes mese",
    "day": "day dy dd dayofmonth mday tag jour dia día giorno",
    "hour": "hour hr hh hours stunde heure hora ora",
    "minute": "minute min mi minutes minuto",
    "second": "second sec ss seconds sekunde seconde segundo",
    "quarter": "quarter qtr quartal trimestre",
    "week": "week wk weekofyear kw woche semaine semana",
    "dayofyear": "dayofyear doy yday julianday jday",
}
_PART_OF = {name: part for part, names in _PARTS.items() for name in names.split()}
_RANGE = {"year": (1000, 2500), "month": (1, 12), "day": (1, 31), "hour": (0, 24), "minute": (0, 59),
          "second": (0, 60), "quarter": (1, 4), "week": (1, 53), "dayofyear": (1, 366)}  # fmt: skip
_BESIDE = re.compile(r"\b(of|the|utc|gmt|local|lst|cet|est|obs|observation|start|begin|time)\b")
NAMES = re.compile(
    r"(date|time|datetime|timestamp|stamp|ts|t|step|ds|epoch|unixtime|seconds?|elapsed|datum|zeit|uhrzeit|fecha|index_time|"
    r"day|month|week|hour|year|date_time|local_time|time_stamp|dt|frame|cycle|period)((_?|\s*\(?)(utc|gmt|s|sec|seconds|ms|local)\)?)?",
)
COUNTERS = re.compile(
    r"(no|nr|num|number|index|idx|instant|row|rowid|row_id|record|id|#|unnamed: 0|column_1|column 1|)"
)


@dataclass(frozen=True)
class ClockColumn:
    """A column as a possible part of a clock. values: float64 [n], dates and times in seconds; NaN for words."""

    kind: Literal["number", "date", "time", "word"]
    values: np.ndarray
    form: DateForm | None = None

    @staticmethod
    def of_cells(cells: Sequence[str], name: str = "") -> ClockColumn:
        """A column of text; 01 is the number 1 here, and Jan the month 1."""
        reading = read_column(cells)
        if reading.kind in ("date", "time"):
            here = 60 * reading.date.offset if reading.date else 0  # the time of the day where it was measured
            return ClockColumn(reading.kind, reading.values(cells) + here, reading.date)
        if reading.kind == "code":
            return ClockColumn("number", _digits(cells))
        if reading.kind == "word" and part_of(name) == "month":
            months = {m[:3]: k + 1.0 for k, m in enumerate(MONTHS)}
            return ClockColumn("number", np.array([months.get(c.strip().lower()[:3], np.nan) for c in cells]))
        return ClockColumn("number" if reading.kind == "number" else "word", reading.values(cells))


@dataclass(frozen=True)
class Clock:
    """The columns that make up the stamps, and the stamps: seconds float64 [n], NaN where there is none.

    dated: whether they are dates or times rather than mere numbers. counter: they only number the rows.
    """

    columns: tuple[str, ...]
    seconds: np.ndarray
    dated: bool = True
    counter: bool = False

    @property
    def name(self) -> str:
        """The columns, with commas."""
        return ", ".join(self.columns)

    def repeated(self, groups: np.ndarray | None = None) -> int:
        """How many rows repeat the stamp of another of their group [n]."""
        known = np.isfinite(self.seconds)
        keys = self.seconds[known] if groups is None else np.stack([groups[known], self.seconds[known]], 1)
        return int(known.sum()) - len(np.unique(keys, axis=0))

    def rises(self, groups: np.ndarray | None = None) -> bool:
        """Whether almost all rows have a stamp, and at most 1 % repeat that of another."""
        known = np.isfinite(self.seconds)
        return bool(known.mean() >= 0.95) and self.repeated(groups) <= MERGED * known.sum()


def _digits(cells: Sequence[str]) -> np.ndarray:
    return np.array([float(c) if c.strip().isdecimal() and len(c) < 16 else np.nan for c in cells])


def part_of(name: str) -> str:
    """Which part of a date a column of this name holds: "year", "month", ...; "" for none."""
    plain = re.sub(r"[\W_]+", " ", name.lower()).strip()
    joined = plain.replace(" ", "")
    return _PART_OF.get(joined) or _PART_OF.get(_BESIDE.sub("", plain).replace(" ", ""), "")


def clocks(columns: Mapping[str, ClockColumn]) -> Iterator[Clock]:
    """All readings of the columns as a clock, the likeliest first."""
    usual = sorted(columns, key=lambda name: not NAMES.fullmatch(name.strip().lower()))
    parts = {part: name for name in reversed(list(columns)) if (part := _part(name, columns[name]))}
    dates = [name for name in usual if columns[name].kind == "date"]
    for name in dates:
        yield Clock((name,), columns[name].values)
    for name in dates:
        form = columns[name].form
        if form is None or form.dayless:
            yield from _with_time(name, columns, usual, parts)
    yield from _of_parts(columns, parts)
    for name in usual:
        if columns[name].kind == "time":
            yield Clock((name,), columns[name].values)
    for name in usual:
        if columns[name].kind == "number" and NAMES.fullmatch(name.strip().lower()):
            unit = epoch_unit(columns[name].values)
            seconds = columns[name].values * (unit or 1.0)
            if _goes_up(seconds):
                yield Clock((name,), seconds, bool(unit))
    for name in counters(columns):
        yield Clock((name,), columns[name].values, False, True)


def counters(columns: Mapping[str, ClockColumn]) -> list[str]:
    """The columns that only number the rows, by their names and values."""
    some = [n for n, c in columns.items() if c.kind == "number" and COUNTERS.fullmatch(n.strip().lower())]
    return [name for name in some if len(columns[name].values) > 2 and (np.diff(columns[name].values) == 1).all()]


def _goes_up(x: np.ndarray) -> bool:
    """Whether numbers never fall (or never rise) from row to row, or do so only where a series may begin anew."""
    steps = np.diff(x[np.isfinite(x)])
    return len(steps) == 0 or bool((steps >= 0).all() or (steps <= 0).all() or (steps < 0).mean() <= 0.5)


def _part(name: str, column: ClockColumn) -> str:
    """The part of a date that a column holds by its name and its values; "" for none."""
    part = part_of(name)
    x = column.values[np.isfinite(column.values)]
    if not part or column.kind != "number" or not len(x):
        return ""
    low, high = _RANGE[part]
    return part if (x == np.round(x)).all() and x.min() >= low and x.max() <= high else ""


def _with_time(
    name: str, columns: Mapping[str, ClockColumn], usual: Sequence[str], parts: Mapping[str, str]
) -> Iterator[Clock]:
    """A column of days with the columns of the times of the day."""
    day = columns[name].values
    for other in usual:
        if columns[other].kind == "time":
            yield Clock((name, other), day + columns[other].values)
    if "hour" in parts:
        used, seconds = _time(columns, parts)
        yield Clock((name, *used), day + seconds)


def _time(columns: Mapping[str, ClockColumn], parts: Mapping[str, str]) -> tuple[list[str], np.ndarray]:
    """(columns, seconds of the day) of hours and, if there are any, minutes and seconds."""
    used, seconds = [parts["hour"]], columns[parts["hour"]].values * 3600
    for part, size in (("minute", 60), ("second", 1)):
        if part not in parts:
            break
        used.append(parts[part])
        seconds = seconds + columns[parts[part]].values * size
    return used, seconds


def _of_parts(columns: Mapping[str, ClockColumn], parts: Mapping[str, str]) -> Iterator[Clock]:
    """Clocks of a year with a month and day, a day of the year, a week or a quarter, each with the time if there is
    one.
    """
    if "year" not in parts:
        return
    year = parts["year"]
    for chain in (("month", "day"), ("dayofyear",), ("week",), ("month",), ("quarter",), ()):
        if not all(part in parts for part in chain):
            continue
        used = [year, *(parts[part] for part in chain)]
        days = _days([columns[name].values for name in used], chain)
        if "hour" in parts and chain not in (("month",), ("quarter",), ("week",), ()):
            hours, seconds = _time(columns, parts)
            yield Clock((*used, *hours), days * 86400 + seconds)
        yield Clock(tuple(used), days * 86400)


def _days(values: Sequence[np.ndarray], chain: tuple[str, ...]) -> np.ndarray:
    """Days since 1970 [n] of years and the parts in `chain`; NaN where there is no such day."""
    rows, place = np.unique(np.stack(values, 1), axis=0, return_inverse=True)
    days = np.full(len(rows), np.nan)
    for k, row in enumerate(rows):
        try:
            year, *rest = (int(v) for v in row)
            if chain == ("dayofyear",):
                days[k] = date(year, 1, 1).toordinal() + rest[0] - 1
            elif chain == ("week",):
                days[k] = date.fromisocalendar(year, rest[0], 1).toordinal()
            else:
                month = 3 * rest[0] - 2 if chain == ("quarter",) else rest[0] if rest else 1
                days[k] = date(year, month, rest[1] if len(rest) > 1 else 1).toordinal()
        except ValueError:
            continue
    return days[place.reshape(-1)] - date(1970, 1, 1).toordinal()


def named(columns: Mapping[str, ClockColumn], names: Sequence[str]) -> Clock | None:
    """The clock made of exactly these columns; None if they are none."""
    some = {name: columns[name] for name in names}
    if len(names) == 1:
        column = some[names[0]]
        unit = epoch_unit(column.values) if column.kind == "number" else 0.0
        if column.kind == "word":
            return None
        return Clock(tuple(names), column.values * (unit or 1.0), column.kind != "number" or bool(unit))
    return next((clock for clock in clocks(some) if set(clock.columns) == set(names)), None)


def find_clock(
    columns: Mapping[str, ClockColumn], groups: np.ndarray | None = None
) -> tuple[Clock | None, Clock | None]:
    """(the first reading that rises within each group [n], else None; the dates that come nearest to it, else None)."""
    nearest = None
    for clock in clocks(columns):
        if len(np.unique(clock.seconds[np.isfinite(clock.seconds)])) < 2:
            continue  # a constant tells no time
        if clock.rises(groups):
            return clock, nearest
        if clock.dated and (nearest is None or clock.repeated(groups) < nearest.repeated(groups)):
            nearest = clock
    return None, nearest
