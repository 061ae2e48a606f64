"""Columns whose value follows from another column's: a city from its station.

Such a column holds, as "follows", {"column": name of the other, "codes": its own combined code for each of the other's,
-1 where the other's occurs in no row}. Rows in which one of the two is missing are free.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.kinds.tables.data import columns as table_columns


def exact(column: dict[str, Any]) -> bool:
    """Whether every code of a column is one value: categories, and numbers and dates of few values."""
    return bool(column["sizes"]) and not column["scalar"] and "edges" not in column and "means" not in column


def codes_of(column: dict[str, Any], series: Any) -> np.ndarray:
    """The combined codes int64 [n] of cells; -1 where they are missing."""
    code = table_columns.combined(column, table_columns.encode(column, series, np.random.default_rng(0))[0])
    return np.where(code == _gap(column), -1, code)


def usual(x: np.ndarray, y: np.ndarray, size: int) -> np.ndarray:
    """The commonest of y [n] for each x [n], int64 [size]; -1 for what does not occur, and for pairs with a -1."""
    there = (x >= 0) & (y >= 0)
    width = int(y.max(initial=0)) + 1
    both, counts = np.unique(x[there].astype(np.int64) * width + y[there], return_counts=True)
    order, out = np.argsort(counts, kind="stable"), np.full(size, -1, np.int64)
    out[both[order] // width] = both[order] % width
    return out


def kept(columns: list[dict[str, Any]], k: int, codes: Callable[[int], np.ndarray]) -> np.ndarray:
    """Which rows have, in column k, the code that follows from the other column. codes(k): combined codes [n]."""
    of = next((j for j, c in enumerate(columns) if c["name"] == columns[k]["follows"]["column"]), None)
    wanted = np.array(columns[k]["follows"]["codes"], np.int64)
    if of is None or len(wanted) != int(np.prod(columns[of]["sizes"])):
        raise UsageError(f'The data spec is damaged: "{columns[k]["name"]}" follows from no column.')
    aim, code = wanted[codes(of)], codes(k)
    return (aim < 0) | (code == aim) | (code == _gap(columns[k])) | (codes(of) == _gap(columns[of]))


def _gap(column: dict[str, Any]) -> int:
    """The combined code of a missing value, -2 where there is none."""
    if not column["missing"]:
        return -2
    if column["kind"] == "category":
        return len(column["values"]) + int(column["other"])
    return (column["sizes"][0] - 1) * (column["sizes"][1] if len(column["sizes"]) > 1 else 1)
