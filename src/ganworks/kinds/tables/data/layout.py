"""Where each choice and position lies in an encoded row, and the way from encoded rows back to tables.

An encoded row [D] holds the one-hot choices of all columns in order, then the positions in [-1, 1] of number columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.kinds.tables.data import columns as table_columns
from ganworks.kinds.tables.data.reading import pandas

MOST_CODES = 2**20  # most combined codes of a column


@dataclass(frozen=True)
class TableLayout:
    """The choices of an encoded row.

    sizes: number of codes of each choice. owner: the column of each choice. positions: for each position, the last
    choice of its column. ordered: the range [first, last) of codes of each choice in which neighbouring codes are
    neighbouring values; codes of frequent single values and of missing ones lie outside.
    """

    sizes: tuple[int, ...]
    owner: tuple[int, ...]
    positions: tuple[int, ...]
    ordered: tuple[tuple[int, int], ...]

    @staticmethod
    def of(spec: Spec) -> TableLayout:
        """The layout described by the facts of a data spec; raises UsageError for damaged facts."""
        try:
            layout = TableLayout.of_columns(spec.facts["columns"])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise UsageError(f"The data spec describes no table ({error!r}).") from error
        if spec.shape != (layout.width,):
            raise UsageError(f"The data spec is damaged: its columns need {layout.width} numbers, not {spec.shape}.")
        return layout

    @staticmethod
    def of_columns(columns: list[dict[str, Any]]) -> TableLayout:
        """The layout of fitted columns; raises ValueError if there is none or if codes are too many."""
        sizes, owner, positions, ordered = [], [], [], []
        for k, column in enumerate(columns):
            if len(column["sizes"]) > 2 or np.prod([float(n) for n in column["sizes"]]) > MOST_CODES:
                raise ValueError(f"column {k} has too many codes")
            for digit, size in enumerate(column["sizes"]):
                sizes.append(int(size))
                owner.append(k)
                ordered.append(_ordered(column, digit, int(size)))
            if column["scalar"]:
                positions.append(len(sizes) - 1)
        if not sizes or min(sizes) < 1:
            raise ValueError("no column to learn")
        return TableLayout(tuple(sizes), tuple(owner), tuple(positions), tuple(ordered))

    @property
    def codes(self) -> int:
        """Total size of all one-hot choices."""
        return sum(self.sizes)

    @property
    def width(self) -> int:
        """Length D of an encoded row."""
        return self.codes + len(self.positions)

    @property
    def starts(self) -> list[int]:
        """The first place of each choice."""
        return [0, *np.cumsum(self.sizes[:-1]).tolist()]

    def blocks(self, column: int) -> list[int]:
        """The choices of a column."""
        return [k for k, owner in enumerate(self.owner) if owner == column]

    def read(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(codes int64 [n, choices], positions [n, P]) of rows [n, D]; the code is the largest entry of each choice."""
        parts = [x[:, a : a + size].argmax(1) for a, size in zip(self.starts, self.sizes, strict=True)]
        return np.stack(parts, 1), x[:, self.codes :]

    def column(self, k: int, codes: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The codes [n, 1 or 2] and the position [n] or None of column k."""
        blocks = self.blocks(k)
        place = self.positions.index(blocks[-1]) if blocks and blocks[-1] in self.positions else None
        return codes[:, blocks], None if place is None else positions[:, place]


def _ordered(column: dict[str, Any], digit: int, size: int) -> tuple[int, int]:
    """The range of codes of a choice that are in the order of their values."""
    if column["kind"] not in ("number", "date") or "means" in column:
        return (0, 0)
    if digit:
        return (0, size)
    return (len(column["atoms"]) if "edges" in column else 0, size - int(column["missing"]))


def to_frame(spec: Spec, x: np.ndarray, indices: np.ndarray, seed: int | None) -> Any:
    """Rows [n, D] -> DataFrame with the source's columns and dtypes. indices, seed: identify the rows, for ids."""
    layout, columns = TableLayout.of(spec), spec.facts["columns"]
    codes, positions = layout.read(x)
    out: dict[str, Any] = {}
    for k, column in enumerate(columns):
        if column["kind"] != "sum":
            out[column["name"]] = table_columns.decode(column, *layout.column(k, codes, positions), indices, seed)
    for column in columns:
        if column["kind"] == "sum":
            numbers = table_columns.total(column, lambda name: _numbers(columns, out, name))
            gaps = any(c["missing"] for c in columns if c["name"] in column["sum"]["terms"])
            out[column["name"]] = table_columns.from_numbers({**column, "missing": int(gaps)}, numbers)
    return pandas().DataFrame({column["name"]: out[column["name"]] for column in columns})


def _numbers(columns: list[dict[str, Any]], series: dict[str, Any], name: str) -> np.ndarray:
    column = next(c for c in columns if c["name"] == name)
    return table_columns.as_numbers(column, series[name])
