"""Time stamps: found, parsed and sorted; gaps are filled, duplicates merged, irregular stamps reported.

The rules apply in this order. Rows are sorted by their stamp. Rows with the same stamp become one: the mean of numbers,
the first of texts. The step is the median difference of stamps. If at least REGULAR of the differences are one step or
whole multiples of it, missing stamps are filled by linear interpolation, at most `max_gap` in a row; a longer gap ends
a series and begins another. Otherwise each row counts as one step, and a note says that the stamps are irregular.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.kinds.series.data.reading import Columns

NAMES = ("date", "datetime", "time", "timestamp", "ts", "date_time", "day", "month", "index_time")
FORMATS = (
    "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y",
    "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y",
    "%Y%m%d", "%Y-%m", "%b %d, %Y", "%d %b %Y",
)  # fmt: skip
REGULAR = 0.98  # smallest share of multiples of the step among the differences of regular stamps
DAY, MOST_TIMES = 86400.0, 96  # seconds of a day; most times of the day as categories
LARGEST_FILL = 4  # most rows after filling, as a multiple of the rows before


@dataclass(frozen=True)
class TimeColumn:
    """The time column: its name, the seconds of one step (0: unknown) and the first stamp as text."""

    name: str
    step: float = 0.0
    start: str = ""


def find_time(table: Columns, asked: str) -> str | None:
    """The time column: the one requested, else the first with a usual name, else the first of dates; None if there is
    none. Raises UsageError.
    """
    if asked == "off":
        return None
    if asked != "auto":
        if asked not in table:
            raise UsageError(f'There is no column "{asked}" to be the time; there are {", ".join(list(table)[:20])}.')
        return asked
    for name, values in table.items():
        if name.strip().lower() in NAMES and (values.dtype != object or _looks_dated(values)):
            return name
    return next((name for name, values in table.items() if values.dtype == object and _looks_dated(values)), None)


def _looks_dated(values: np.ndarray) -> bool:
    some = [v for v in values[:50] if v]
    return bool(some) and all(re.search(r"\d", v) for v in some) and read_stamps(some) is not None


def read_stamps(values: Sequence[Any] | np.ndarray) -> np.ndarray | None:
    """Seconds since 1970, float64 [n], of dates in ISO form or one of FORMATS; numbers stay as they are. None: no
    dates.

    Missing stamps are NaN.
    """
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values.astype(np.float64)
    texts = [str(v).strip().removesuffix("Z") or "NaT" for v in values]
    try:
        stamps = np.array(texts, "datetime64[us]")
    except ValueError:
        return _by_format(texts)
    return np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64) / 1e6)


def _by_format(texts: list[str]) -> np.ndarray | None:
    for form in FORMATS:
        try:
            return np.array([_seconds(datetime.strptime(t, form)) if t != "NaT" else np.nan for t in texts])
        except ValueError:
            continue
    try:
        return np.array([_seconds(datetime.fromisoformat(t)) if t != "NaT" else np.nan for t in texts])
    except ValueError:
        return None


def _seconds(moment: datetime) -> float:
    offset = moment.utcoffset()
    return (moment.replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds() - (
        offset.total_seconds() if offset is not None else 0.0
    )


def in_order(
    table: Columns, name: str, gaps: str, duplicates: str, max_gap: int
) -> tuple[list[tuple[Columns, float]], TimeColumn, list[str]]:
    """Apply the rules above: (list of (table without the time column, its first stamp), time column, notes).

    gaps: "auto" as above, "fill" for any stamps, "rows" never fills, "error" refuses irregular stamps. duplicates:
    "mean" or "error". max_gap: most missing stamps in a row that are filled. Raises UsageError for stamps that are
    neither dates nor numbers, and for what the settings refuse.
    """
    seconds = read_stamps(table[name])
    if seconds is None:
        bad = next(v for v in table[name] if (v and read_stamps([v]) is None) or not str(v)[:1].isdigit())
        raise UsageError(f'The time column "{name}" holds "{str(bad)[:40]}", which is not a date. Use time=off.')
    rest, notes = {k: v for k, v in table.items() if k != name}, []
    rest, seconds = _sorted(rest, seconds, name, notes)
    if len(seconds) < 2:
        return [(rest, float(seconds[0]) if len(seconds) else 0.0)], TimeColumn(name), notes
    rest, seconds = _merged(rest, seconds, name, duplicates, notes)
    distance = np.diff(seconds)
    step = float(np.median(distance)) if len(distance) else 0.0
    whole = np.abs(distance / step - np.round(distance / step)) < 0.01 if step > 0 else np.zeros(0, bool)
    single = whole & (np.round(distance / step) == 1) if step > 0 else whole
    clock = TimeColumn(name, step if single.all() else 0.0, _stamp(seconds[0], table[name]))
    if not len(distance) or single.all():
        return [(rest, float(seconds[0]))], clock, notes
    told = f"{name}: {int((~single).sum()):,} of {len(distance):,} distances are not the usual step of {_span(step)}"
    if gaps == "error":
        raise UsageError(f"{told}. gaps=fill fills them, gaps=rows takes each row as a step.")
    regular = single.mean() >= REGULAR and whole.mean() >= REGULAR
    if gaps == "rows" or (gaps == "auto" and not regular):
        notes.append(f"{told}: each row counts as one step (gaps=fill puts them on a regular grid)")
        return [(rest, float(seconds[0]))], clock, notes
    tables, filled = _filled(rest, seconds, step, max_gap)
    parts = f"; {len(tables) - 1} longer gaps end a series there" if len(tables) > 1 else ""
    notes.append(f"{told}: {filled:,} stamps filled by straight lines{parts}")
    return tables, TimeColumn(name, step, clock.start), notes


def _sorted(rest: Columns, seconds: np.ndarray, name: str, notes: list[str]) -> tuple[Columns, np.ndarray]:
    known = np.isfinite(seconds)
    if not known.all():
        notes.append(f"{name}: {int((~known).sum()):,} rows without a stamp were left out")
    order = np.flatnonzero(known)[np.argsort(seconds[known], kind="stable")]
    if (np.diff(seconds[known]) < 0).any():
        notes.append(f"{name}: the rows were not in order; sorted")
    return {k: v[order] for k, v in rest.items()}, seconds[order]


def _merged(rest: Columns, seconds: np.ndarray, name: str, rule: str, notes: list[str]) -> tuple[Columns, np.ndarray]:
    first, group = np.unique(seconds, return_index=True)[1], np.unique(seconds, return_inverse=True)[1].reshape(-1)
    twice = len(seconds) - len(first)
    if not twice:
        return rest, seconds
    if rule == "error":
        raise UsageError(
            f"{name}: {twice:,} rows repeat the stamp of another. If they belong to several series, name the column "
            "that tells them apart with domain.series=NAME; domain.duplicates=mean merges them."
        )
    notes.append(f"{name}: {twice:,} rows repeat the stamp of another; merged to their mean")
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


def _stamp(seconds: float, values: np.ndarray) -> str:
    if values.dtype != object:
        return f"{seconds:g}"
    return str(np.datetime64(int(seconds * 1e6), "us").astype("datetime64[s]"))
