"""Time stamps: found, parsed and sorted; gaps are filled, duplicates merged, irregular stamps reported.

The rules apply in this order. Rows are sorted by their stamp. Rows with the same stamp become one: the mean of numbers,
the first of texts; if they are more than 1 %, these are no stamps of one series, and the data are refused. The step is
the median difference of stamps. If at least REGULAR of the differences are one step or whole multiples of it, missing
stamps are filled by linear interpolation, at most `max_gap` in a row; a longer gap ends a series and begins another.
Otherwise each row counts as one step, and a note says that the stamps are irregular.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ganworks.core.console.text import counted
from ganworks.core.errors import UsageError
from ganworks.files.tables.cells import read_column
from ganworks.files.tables.clock import MERGED, Clock, ClockColumn, find_clock, named
from ganworks.kinds.series.data.frames import Columns

REGULAR = 0.98  # smallest share of multiples of the step among the differences of regular stamps
DAY, MOST_TIMES = 86400.0, 96  # seconds of a day; most times of the day as categories
LARGEST_FILL = 4  # most rows after filling, as a multiple of the rows before


@dataclass(frozen=True)
class TimeColumn:
    """The time column: its name, the seconds of one step (0: unknown) and the first stamp as text."""

    name: str
    step: float = 0.0
    start: str = ""


def find_time(tables: Sequence[Columns], asked: str, duplicates: str = "auto") -> Clock | None:
    """The clock of tables with the same columns: the requested columns (a,b), else the first that rises in each table.

    None if there is none. Raises UsageError for columns that do not exist or are no dates or numbers, and for dates
    that repeat, unless `duplicates` says that rows are merged.
    """
    if asked == "off" or not tables:
        return None
    names = [name.strip() for name in asked.split(",") if name.strip()] if asked != "auto" else list(tables[0])
    if asked in tables[0]:
        names = [asked]
    lost = next((name for name in names if any(name not in table for table in tables)), None)
    if lost is not None and asked != "auto":
        raise UsageError(f'There is no column "{lost}" to be the time; there are {", ".join(list(tables[0])[:20])}.')
    groups = np.repeat(np.arange(len(tables)), [len(next(iter(t.values()), ())) for t in tables])
    together = {n: _column(np.concatenate([t[n] for t in tables]), n) for n in names if all(n in t for t in tables)}
    if asked != "auto":
        clock = named(together, names)
        if clock is None:
            raise UsageError(f"time={asked}: {_no_date(tables[0], names)}. Use time=off.")
        return clock
    found, nearest = find_clock(together, groups)
    if found is None and nearest is not None and duplicates != "mean":
        raise UsageError(_repeats(nearest, nearest.repeated(groups), _keys(nearest, together, tables)))
    return found or nearest


def _column(values: np.ndarray, name: str) -> ClockColumn:
    return ClockColumn.of_cells(list(values), name) if values.dtype == object else ClockColumn("number", values)


def _no_date(table: Columns, names: Sequence[str]) -> str:
    """What is wrong with columns that were asked for as the time."""
    for name in names:
        if table[name].dtype == object and read_stamps(table[name]) is None:
            bad = next((v for v in table[name] if v and read_stamps([v]) is None), "words")
            return f'the column "{name}" holds "{str(bad)[:40]}", which is not a date'
    return f"the columns {', '.join(names)} do not make a date together"


def _repeats(clock: Clock, twice: int, keys: Sequence[str]) -> str:
    """The sentence about a clock that stands still."""
    known = int(np.isfinite(clock.seconds).sum())
    each = f" It looks as if {' or '.join(keys)} did: domain.series={keys[0]}." if keys else ""
    return (
        f"{clock.name} would be the time, but {twice:,} of {counted(known, 'row repeats', 'rows repeat')} "
        "the stamp of another, and "
        f"{counted(len(clock.seconds) - known, 'has', 'have')} none. If rows belong to several series, "
        "name the column that tells them "
        f"apart with domain.series=NAME.{each} Otherwise domain.duplicates=mean merges rows of the same stamp to their "
        "mean, and domain.time=off takes each row as a step."
    )


def _keys(clock: Clock, columns: Mapping[str, ClockColumn], tables: Sequence[Columns]) -> list[str]:
    """The columns with which the stamps would not repeat: those of few words or whole numbers."""
    found = []
    for name in columns:
        values = np.concatenate([table[name] for table in tables])
        codes = np.unique(values.astype(str), return_inverse=True)[1].reshape(-1)
        if name not in clock.columns and 1 < codes.max() + 1 <= len(values) / 4 and clock.rises(codes):
            found.append(name)
    return found[:3]


def read_stamps(values: Sequence[Any] | np.ndarray) -> np.ndarray | None:
    """Seconds since 1970 (times of a day: since midnight), float64 [n], of dates; numbers stay as they are. None: no
    dates. Missing stamps are NaN.
    """
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values.astype(np.float64)
    found = read_column([str(v) for v in values])
    return found.values([str(v) for v in values]) if found.kind in ("date", "time") else None


def in_order(
    rest: Columns, stamps: Clock, gaps: str, duplicates: str, max_gap: int
) -> tuple[list[tuple[Columns, float]], TimeColumn, list[str]]:
    """Apply the rules above: (list of (table without the time columns, its first stamp), time column, notes).

    stamps: of these rows. gaps: "auto" as above, "fill" for any stamps, "rows" never fills, "error" refuses irregular
    stamps. duplicates: "auto" merges at most 1 %, "mean" any number, "error" none. max_gap: most missing stamps in a
    row that are filled. Raises UsageError for what the settings refuse.
    """
    name, notes = stamps.name, []
    rest = {k: v for k, v in rest.items() if k not in stamps.columns}
    rest, seconds = _sorted(rest, stamps.seconds, name, notes)
    if len(seconds) < 2:
        return [(rest, float(seconds[0]) if len(seconds) else 0.0)], TimeColumn(name), notes
    rest, seconds = _merged(rest, seconds, name, duplicates, notes)
    distance = np.diff(seconds)
    step = float(np.median(distance)) if len(distance) else 0.0
    whole = np.abs(distance / step - np.round(distance / step)) < 0.01 if step > 0 else np.zeros(0, bool)
    single = whole & (np.round(distance / step) == 1) if step > 0 else whole
    clock = TimeColumn(name, step if single.all() else 0.0, _stamp(seconds[0], stamps.dated))
    if not len(distance) or single.all():
        return [(rest, float(seconds[0]))], clock, notes
    others = f"{int((~single).sum()):,} of {counted(len(distance), 'distance is', 'distances are')}"
    told = f"{name}: {others} not the usual step of {_span(step)}"
    if gaps == "error":
        raise UsageError(f"{told}. gaps=fill fills them, gaps=rows takes each row as a step.")
    regular = single.mean() >= REGULAR and whole.mean() >= REGULAR
    if gaps == "rows" or (gaps == "auto" and not regular):
        notes.append(f"{told}: each row counts as one step (gaps=fill puts them on a regular grid)")
        return [(rest, float(seconds[0]))], clock, notes
    tables, filled = _filled(rest, seconds, step, max_gap)
    parts = (
        f"; {counted(len(tables) - 1, 'longer gap ends', 'longer gaps end')} a series there" if len(tables) > 1 else ""
    )
    notes.append(f"{told}: {counted(filled, 'stamp')} filled by straight lines{parts}")
    return tables, TimeColumn(name, step, clock.start), notes


def _sorted(rest: Columns, seconds: np.ndarray, name: str, notes: list[str]) -> tuple[Columns, np.ndarray]:
    known = np.isfinite(seconds)
    if not known.all():
        notes.append(
            f"{name}: {counted(int((~known).sum()), 'row without a stamp was', 'rows without a stamp were')} left out"
        )
    order = np.flatnonzero(known)[np.argsort(seconds[known], kind="stable")]
    if (np.diff(seconds[known]) < 0).any():
        notes.append(f"{name}: the rows were not in order; sorted")
    return {k: v[order] for k, v in rest.items()}, seconds[order]


def _merged(rest: Columns, seconds: np.ndarray, name: str, rule: str, notes: list[str]) -> tuple[Columns, np.ndarray]:
    first, group = np.unique(seconds, return_index=True)[1], np.unique(seconds, return_inverse=True)[1].reshape(-1)
    twice = len(seconds) - len(first)
    if not twice:
        return rest, seconds
    if rule == "error" or (rule == "auto" and twice > MERGED * len(seconds)):
        raise UsageError(
            f"{name}: {counted(twice, 'row repeats', 'rows repeat')} the stamp of another. If they belong to "
            "several series, name the column "
            "that tells them apart with domain.series=NAME; domain.duplicates=mean merges them."
        )
    notes.append(f"{name}: {counted(twice, 'row repeats', 'rows repeat')} the stamp of another; merged to their mean")
    out: Columns = {}
    for key, values in rest.items():
        if values.dtype == object:
            out[key] = values[first]
            continue
        known = np.isfinite(values)
        count = np.bincount(group[known], minlength=len(first))
        with np.errstate(invalid="ignore"):
            out[key] = np.bincount(group[known], values[known], len(first)) / np.where(count, count, np.nan)
    return out, seconds[first]


def _filled(rest: Columns, seconds: np.ndarray, step: float, max_gap: int) -> tuple[list[tuple[Columns, float]], int]:
    """(tables on a grid of `step`, split where more than max_gap stamps are missing; number of filled rows)."""
    cuts = np.flatnonzero(np.diff(seconds) > (max_gap + 1.5) * step) + 1
    bounds = [0, *cuts.tolist(), len(seconds)]
    tables, filled = [], 0
    for low, high in pairwise(bounds):
        at = (seconds[low:high] - seconds[low]) / step
        count = round(float(at[-1])) + 1
        if count > LARGEST_FILL * (high - low) + max_gap:
            raise UsageError(f"Filling would make {count:,} rows of {high - low:,}; use gaps=rows.")
        grid = np.arange(count)
        filled += count - (high - low)
        table = {key: _on_grid(values[low:high], at, grid) for key, values in rest.items()}
        tables.append((table, float(seconds[low])))
    return tables, max(0, filled)


def _on_grid(values: np.ndarray, at: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Numbers by linear interpolation between known values; texts of the row before."""
    if values.dtype == object:
        return values[np.clip(np.searchsorted(at, grid + 0.5) - 1, 0, len(values) - 1)]
    known = np.isfinite(values)
    return np.interp(grid, at[known], values[known]) if known.any() else np.full(len(grid), np.nan)


def calendar(clock: TimeColumn | None, dated: bool) -> tuple[str, int, float]:
    """(name, number of values, seconds of each) of the attribute that repeats with the step: time of the day or day of
    the week.

    ("", 0, 0) if there is none. dated: whether the stamps are dates.
    """
    if clock is None or not dated or clock.step <= 0:
        return "", 0, 0.0
    if DAY / MOST_TIMES <= clock.step <= DAY / 2 and (DAY / clock.step).is_integer():
        return "time_of_day", round(DAY / clock.step), clock.step
    return ("day_of_week", 7, DAY) if clock.step == DAY else ("", 0, 0.0)


def _span(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def _stamp(seconds: float, dated: bool) -> str:
    if not dated:
        return f"{seconds:g}"
    return str(np.datetime64(int(seconds * 1e6), "us").astype("datetime64[s]"))
