"""Columns of series from data frames, Arrow and cells of text: numbers as float64, everything else as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ganworks.core.console.text import printable
from ganworks.core.errors import UsageError
from ganworks.files.tables.cells import MARKS, read_column
from ganworks.files.tables.numbers import shortest

Columns = dict[str, np.ndarray]  # name -> values [rows], float64 or text (object)


def frame_columns(data: Any, notes: list[str]) -> Columns:
    names = unique_names([str(name) for name in data])
    columns = {}
    for name, key in zip(names, data, strict=True):
        given = data[key]
        if str(getattr(given, "dtype", "")).startswith("datetime64[") and "," in str(given.dtype):
            given = given.dt.tz_localize(None)  # the time of the day where it was measured
        values = np.asarray(given)
        if values.ndim != 1:
            raise UsageError(f'Column "{printable(name)}" occurs twice or is not a plain column.')
        long = values.dtype.kind in "iu" and len(values) and max(-int(values.min()), int(values.max())) > 2**53
        if values.dtype.kind == "M":
            columns[name] = np.array(["" if np.isnat(v) else str(v.astype("datetime64[us]")) for v in values], object)
        elif values.dtype.kind in "biuf" and not long:
            columns[name] = finite(shortest(values))
        else:
            gaps = ("nan", "NaT", "<NA>", "None")
            columns[name] = typed(["" if v is None or str(v) in gaps else str(v) for v in values], name, notes)
    return columns


def arrow_values(column: Any) -> np.ndarray:
    """A column of a Parquet file; whole numbers of 64 bits with gaps stay whole, as objects."""
    if column.null_count and str(column.type) in ("int64", "uint64"):
        return np.array(column.to_pylist(), object)
    return column.to_numpy()


def unique_names(names: Sequence[str]) -> list[str]:
    """The same names, with .2, .3, ... appended to those that occur again."""
    seen: Counter[str] = Counter()
    out = []
    for name in names:
        seen[name] += 1
        out.append(name if seen[name] == 1 else f"{name}.{seen[name]}")
    return out


def typed(cells: list[str], name: str, notes: list[str], commas: bool = False) -> np.ndarray:
    """float64 if the cells are numbers or marks for missing ones (infinite numbers count as missing), else text, in
    which missing cells are empty. commas: the file writes decimal commas.
    """
    found = read_column(cells, name, commas)
    notes += found.notes(printable(name))
    if found.kind == "number":
        return finite(found.values([cell if cell.strip() else "nan" for cell in cells]))
    if found.kind == "empty":
        return np.full(len(cells), np.nan)
    gaps = MARKS if found.kind in ("date", "time") else ()
    return np.array(["" if cell.strip().lower() in gaps else cell for cell in cells], object)


def finite(values: np.ndarray) -> np.ndarray:
    """float64 with NaN for everything that is not finite."""
    values = values.astype(np.float64)
    return np.where(np.isfinite(values), values, np.nan)
