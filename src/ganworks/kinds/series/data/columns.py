"""Finds the columns of tables of series: the time, the name of the series, attributes (one value per series), numbers
and categories. Missing values are filled.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from ganworks.core.console.text import counted, printable
from ganworks.core.errors import UsageError
from ganworks.files.tables.clock import Clock, ClockColumn, counters
from ganworks.files.tables.numbers import decimal_places
from ganworks.kinds.series.data.clock import TimeColumn, find_time, in_order
from ganworks.kinds.series.data.frames import Columns
from ganworks.kinds.series.data.layout import MAX_LEVELS, MAX_VALUES
from ganworks.kinds.series.data.reading import Raw, text_of

IDS = ("series", "series_id", "id", "item_id", "unit", "unit_id", "sequence", "sequence_id", "seq", "episode")
LABELS = ("label", "labels", "class", "target", "class_label", "y", "category", "type")
MOST_MISSING = 0.5


class ColumnSettings(Protocol):
    """The settings of `SeriesDomain` about columns."""

    @property
    def time(self) -> str: ...
    @property
    def series(self) -> str: ...
    @property
    def columns(self) -> str: ...
    @property
    def categorical(self) -> str: ...
    @property
    def labels(self) -> Any: ...
    @property
    def gaps(self) -> str: ...
    @property
    def duplicates(self) -> str: ...
    @property
    def missing(self) -> str: ...
    @property
    def max_gap(self) -> int: ...


@dataclass(frozen=True)
class Grid:
    """Where the values of a column lie. levels: all of them, if they are few. decimals: places, None for any number."""

    levels: np.ndarray
    decimals: int | None

    def nearest(self, values: np.ndarray) -> np.ndarray:
        """Values [n] moved to the grid, as filled ones and means have to be."""
        if len(self.levels):
            return self.levels[np.searchsorted((self.levels[1:] + self.levels[:-1]) / 2, values)]
        return values if self.decimals is None else np.round(values, self.decimals)


def grid_of(parts: list[np.ndarray]) -> Grid:
    """The grid of a column of all series; of text there is none."""
    none = np.zeros(0)
    if not parts or any(p.dtype == object for p in parts):
        return Grid(none, None)
    values = np.concatenate(parts)
    values = values[np.isfinite(values)]
    levels = np.unique(values)
    few = 0 < len(levels) <= min(MAX_LEVELS, len(values) / 4)
    return Grid(levels if few else none, decimal_places(values))


@dataclass
class FoundSeries:
    """Series with typed columns. numbers: float64 [T, n] each, without missing values; categories: int64 [T, m] each.

    names: of the number columns. values: category column -> its values. attributes: name -> one text per series. clock:
    the time column. begins: first stamp of each series in seconds; dated: whether stamps are dates. order: all columns
    in their original order. constants: column -> its only value. same: column -> the one it equals in every row.
    numbered: columns whose names are whole numbers.
    """

    numbers: list[np.ndarray]
    categories: list[np.ndarray]
    names: list[str]
    values: dict[str, tuple[str, ...]]
    attributes: dict[str, list[str]]
    clock: TimeColumn | None
    order: list[str]
    begins: list[float] = field(default_factory=list)
    dated: bool = False
    constants: dict[str, Any] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)
    numbered: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


def find_columns(raw: Raw, wish: ColumnSettings) -> FoundSeries:
    """Apply the rules of this module and of `data.clock`. Raises UsageError that names the column or series."""
    notes = list(raw.notes)
    tables, attributes = _apart(raw, wish, notes)
    grids = {name: grid_of([t[name] for t in tables if name in t]) for name in (tables[0] if tables else ())}
    tables, attributes, begins, clock, dated = _timed(tables, attributes, wish, notes)
    kept = [k for k, t in enumerate(tables) if len(next(iter(t.values()), ())) > 0]
    if len(kept) < len(tables):
        notes.append(f"{len(tables) - len(kept)} series without a single step left out")
    if not kept:
        raise UsageError(f'"{raw.source}" holds no rows: there is no series in it.')
    tables, attributes = [tables[k] for k in kept], [attributes[k] for k in kept]
    begins = [begins[k] for k in kept] if begins else []
    longest = max(len(next(iter(t.values()))) for t in tables)
    if longest < 2:
        raise UsageError(f'"{raw.source}": the longest series has {longest} step; two are needed.')
    order = list(tables[0])
    other = next((k for k, t in enumerate(tables) if set(t) != set(order)), None)
    if other is not None:
        raise UsageError(f"Series {other} has the columns {list(tables[other])[:8]}, the first one {order[:8]}.")
    chosen = _chosen(order, wish)
    found = FoundSeries([], [], [], {}, {}, clock, order, begins, dated, numbered=raw.numbered, notes=notes)
    for name in list(attributes[0]) if attributes[0] else []:
        found.attributes[name] = [a.get(name, "") for a in attributes]
    _sort_out(tables, chosen, wish, found, grids)
    if not found.names and not found.values:
        raise UsageError(f'"{raw.source}" has no column that changes: {", ".join(order[:10])}.')
    return found


def _apart(raw: Raw, wish: ColumnSettings, notes: list[str]) -> tuple[list[Columns], list[dict[str, str]]]:
    """(one table per series, attributes of each): a single table is split by its id column."""
    attributes = raw.attributes or [{} for _ in raw.tables]
    if len(raw.tables) > 1 or not raw.tables[0]:
        return raw.tables, attributes
    table = raw.tables[0]
    name = raw.series if raw.series and wish.series == "auto" else _id_column(table, wish)
    if name is None:
        return raw.tables, attributes
    keys = np.array([text_of(v) for v in table[name]])
    first, group = np.unique(keys, return_index=True, return_inverse=True)[1:]
    rows = np.argsort(group.reshape(-1), kind="stable")
    cuts = np.cumsum(np.bincount(group.reshape(-1)))[:-1]
    parts = [np.sort(p) for p in np.split(rows, cuts)]
    parts.sort(key=lambda p: p[0])
    notes.append(f"{name} tells {len(first):,} series apart")
    rest = {k: v for k, v in table.items() if k != name}
    return [{k: v[p] for k, v in rest.items()} for p in parts], [{} for _ in parts]


def _id_column(table: Columns, wish: ColumnSettings) -> str | None:
    if wish.series == "off":
        return None
    if wish.series != "auto":
        if wish.series not in table:
            raise UsageError(f'There is no column "{wish.series}"; there are {", ".join(list(table)[:20])}.')
        return wish.series
    for name, values in table.items():
        if name.strip().lower() in IDS and len(values) > 1:
            keys = [text_of(v) for v in values]
            runs = 1 + sum(a != b for a, b in zip(keys[1:], keys[:-1], strict=True))
            if 1 < len(set(keys)) <= len(keys) / 2 and runs <= len(keys) / 2:
                return name
    return None


def _timed(
    tables: list[Columns], attributes: list[dict[str, str]], wish: ColumnSettings, notes: list[str]
) -> tuple[list[Columns], list[dict[str, str]], list[float], TimeColumn | None, bool]:
    """(sorted tables, their attributes, first stamps, time column, whether stamps are dates)."""
    names = set(next((t for t in tables if _length(t)), {}))
    alike = [k for k, t in enumerate(tables) if set(t) == names and _length(t)]
    stamps = find_time([tables[k] for k in alike], wish.time, wish.duplicates)
    tables = _without_counters(tables, stamps, notes) if wish.time != "off" else tables
    if stamps is None:
        return tables, attributes, [], None, False
    cuts = np.cumsum([_length(tables[k]) for k in alike])[:-1]
    seconds = dict(zip(alike, np.split(stamps.seconds, cuts), strict=True))
    if stamps.counter:
        return tables, attributes, [], None, False
    out, given, begins, said, clock = [], [], [], {}, None
    for k, (table, attribute) in enumerate(zip(tables, attributes, strict=True)):
        if k not in seconds:
            parts, told = [({n: v for n, v in table.items() if n not in stamps.columns}, 0.0)], []
        else:
            mine = replace(stamps, seconds=seconds[k])
            parts, one, told = in_order(table, mine, wish.gaps, wish.duplicates, wish.max_gap)
            clock = clock or one
            if one.step != clock.step:
                clock = TimeColumn(clock.name, 0.0, clock.start)
        for text in told:
            said[text.split(":")[-1][:24]] = text
        out += [part for part, _ in parts]
        begins += [begin for _, begin in parts]
        given += [attribute] * len(parts)
    notes += list(said.values())[:6]
    step = f", one step every {clock.step:g} s" if clock and clock.step else ""
    notes.append(f"{stamps.name} is the time{step} (domain.time=off: no time, each row is a step)")
    return out, given, begins, clock, stamps.dated


def _without_counters(tables: list[Columns], stamps: Clock | None, notes: list[str]) -> list[Columns]:
    """The tables without columns that only number the rows, unless nothing else would be left."""
    some = {n: ClockColumn("number", v) for n, v in tables[0].items() if v.dtype != object}
    kept = () if stamps is None or stamps.counter else stamps.columns
    lost = [name for name in counters(some) if name not in kept]
    if not lost or len(lost) + len(kept) >= len(tables[0]):
        return tables
    notes.append(f"{', '.join(lost)}: only the number of the row, left out")
    return [{k: v for k, v in t.items() if k not in lost} for t in tables]


def _length(table: Columns) -> int:
    return len(next(iter(table.values()), ()))


def _chosen(order: list[str], wish: ColumnSettings) -> list[str]:
    names = _listed(wish.columns)
    unknown = [n for n in [*names, *_listed(wish.categorical)] if n not in order]
    if unknown:
        raise UsageError(f'There is no column "{unknown[0]}"; there are {", ".join(order[:20])}.')
    return [n for n in order if not names or n in names]


def _listed(text: str) -> list[str]:
    return [part.strip() for part in str(text).split(",") if part.strip()]


def _sort_out(
    tables: list[Columns], chosen: list[str], wish: ColumnSettings, found: FoundSeries, grids: dict[str, Grid]
) -> None:
    """Fill `found` with numbers, categories, attributes and constants; missing values are interpolated. grids: of the
    columns as they were read.
    """
    numbers: dict[str, list[np.ndarray]] = {}
    texts: dict[str, list[np.ndarray]] = {}
    filled, named = 0, _listed(wish.categorical)
    for name in chosen:
        parts = [t[name] for t in tables]
        if any(p.dtype == object for p in parts) or name in named:
            parts = [np.array([text_of(v) for v in p], object) for p in parts]
            if len(tables) > 1 and _one_each(parts):
                found.attributes[name] = [str(p[0]) for p in parts]
            else:
                texts[name] = parts
            continue
        missing = sum(int(np.isnan(p).sum()) for p in parts)
        total = sum(map(len, parts))
        if missing == total:
            found.notes.append(f"{name}: no value at all, left out")
            continue
        if len(tables) > 1 and not missing and _one_each(parts):
            found.attributes[name] = [text_of(p[0]) for p in parts]
            continue
        if missing and wish.missing == "error":
            raise UsageError(
                f"{name}: {missing:,} of {counted(total, 'value is', 'values are')} missing; "
                "missing=interpolate fills them."
            )
        if missing > MOST_MISSING * total:
            raise UsageError(
                f"{name}: {missing:,} of {counted(total, 'value is', 'values are')} missing, too many to "
                "fill. Leave the column out with "
                f"domain.columns={','.join(n for n in chosen if n != name)[:200]}."
            )
        middle = float(np.nanmedian(np.concatenate(parts))) if missing else 0.0
        filled += missing
        numbers[name] = [grids[name].nearest(fill(p, middle)) for p in parts]
    if filled:
        found.notes.append(
            f"{counted(filled, 'missing or infinite value')} filled by straight lines within their series"
        )
    _finish(numbers, texts, found, len(tables), [len(next(iter(t.values()))) for t in tables])


def _one_each(parts: list[np.ndarray]) -> bool:
    return all((p == p[0]).all() for p in parts) and len({p[0] for p in parts}) > 1


def fill(values: np.ndarray, middle: float) -> np.ndarray:
    """Replace NaN by linear interpolation, at the ends by the nearest value; a series without any value becomes
    `middle`.
    """
    known = np.isfinite(values)
    if known.all():
        return values
    if not known.any():
        return np.full(len(values), middle)
    at = np.arange(len(values))
    return np.interp(at, at[known], values[known])


def _finish(
    numbers: dict[str, list[np.ndarray]],
    texts: dict[str, list[np.ndarray]],
    found: FoundSeries,
    count: int,
    lengths: list[int],
) -> None:
    for name in list(numbers):
        low = min(float(p.min()) for p in numbers[name])
        if all(float(p.max()) <= low for p in numbers[name]):
            found.constants[name] = low
            found.notes.append(f"{name} is always {low:g}: kept as it is")
            del numbers[name]
    for name in list(numbers)[1:]:
        twin = next((n for n in numbers if n != name and _equal(numbers[n], numbers[name])), None)
        if twin is not None and list(numbers).index(twin) < list(numbers).index(name):
            found.same[name] = twin
            found.notes.append(f"{name} equals {twin} in every row: made as its copy")
    for name in found.same:
        del numbers[name]
    for name in list(texts):
        values = sorted({str(v) for p in texts[name] for v in p})
        if len(values) > MAX_VALUES:
            found.notes.append(
                f"{printable(name)}: {counted(len(values), 'different text')}, left out ({MAX_VALUES} at most)"
            )
            del texts[name]
        elif len(values) == 1:
            found.constants[name] = values[0]
            del texts[name]
        else:
            found.values[name] = tuple(values)
    found.names = list(numbers)
    for k in range(count):
        empty = np.zeros((lengths[k], 0))
        found.numbers.append(np.stack([numbers[n][k] for n in numbers], 1) if numbers else empty)
        codes = [np.array([found.values[n].index(str(v)) for v in texts[n][k]], np.int64) for n in found.values]
        found.categories.append(np.stack(codes, 1) if codes else empty.astype(np.int64))


def _equal(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def label_of(found: FoundSeries, wish: ColumnSettings) -> str:
    """The attribute that is the class: the one requested, else one with a usual name, else the first of few values.
    Raises UsageError.
    """
    asked = "auto" if wish.labels is True else "off" if wish.labels is False else str(wish.labels)
    if asked.lower() in ("off", "no", "false", "none"):
        return ""
    if asked not in ("auto", "on"):
        if asked not in found.attributes:
            raise UsageError(f"labels={asked}: the series have the attributes {sorted(found.attributes) or 'none'}.")
        return asked
    few = [n for n, v in found.attributes.items() if is_category(v) and len(set(v)) > 1]
    return next((n for n in few if n.strip().lower() in LABELS), few[0] if few else "")


def is_category(values: list[str]) -> bool:
    """Whether an attribute is a category: text, or whole numbers with few values for the number of series."""
    distinct = set(values)
    try:
        whole = all(float(v).is_integer() for v in distinct if v)
    except ValueError:
        return len(distinct) <= max(2, min(MAX_VALUES, len(values) // 2))
    return whole and len(distinct) <= max(2, min(20, len(values) // 10))
