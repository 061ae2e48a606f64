"""What an audit may look at in a table: cells, copies of rows, the column that is predicted as labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganworks.audit.data.words import column_vectors, spread
from ganworks.audit.evidence import Evidence, Rows
from ganworks.files.packing.exclusions import sha256_of

CLASSES, ROWS = 50, 60_000  # values of the target that count as classes; rows that are looked at with features
_ROOM = 4_000_000  # numbers of features


def evidence_of(data: Any) -> Evidence:
    """The evidence of an opened `TableSet`."""
    columns = cells_of(data.frame)
    held = np.zeros(len(data), bool)
    held[data.held] = True
    labels, classes = _labels(columns.get(data.spec.facts.get("target") or "", []))
    target = data.spec.facts.get("target") if labels is not None else None
    parts = [column_vectors(cells) for name, cells in columns.items() if name != target]
    numbers = [far for cells in columns.values() if (far := spread(cells)) is not None]
    names = list(columns)
    vectors, simple = np.concatenate(parts, 1), np.stack(numbers, 1) if numbers else None
    return Evidence(
        "rows",
        len(data),
        row_name,
        lambda row: row_digest(columns, row),
        data.hashes,
        held,
        labels,
        classes,
        vectors=lambda rows: vectors[rows],
        by=f"all columns{f' but {target}' if target else ''}",
        costs=min(ROWS, max(1000, _ROOM // vectors.shape[1])),
        simple=None if simple is None else lambda rows: simple[rows],
        columns=columns,
        shown=lambda row: _line(columns, names, row),
        facts={name: data.summary[name] for name in ("count", "columns", "kinds", "train", "held")},
    )


def cells_of(frame: Any) -> dict[str, list[str]]:
    """Name -> cells as text, "" for missing ones, of a DataFrame."""
    return {
        str(name): [
            "" if missing else str(value) for value, missing in zip(frame[name], frame[name].isna(), strict=True)
        ]
        for name in frame.columns
    }


def row_name(row: int) -> str:
    """The name of a row in lists: its number, counted from 0."""
    return f"row {row}"


def row_digest(columns: dict[str, list[str]], row: int) -> str:
    """SHA-256 (hex) of the cells of a row."""
    return sha256_of("\x1f".join(cells[row] for cells in columns.values()))


def _labels(cells: list[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    names = sorted({cell for cell in cells if cell})
    if not 2 <= len(names) <= CLASSES:
        return None, ()
    number = {name: k for k, name in enumerate(names)}
    return np.array([number.get(cell, -1) for cell in cells], np.int64), tuple(names)


def _line(columns: dict[str, list[str]], names: list[str], row: Rows | int) -> str:
    return ", ".join(f"{name} {columns[name][int(row)]}" for name in names[:12])
