"""Rules that recognise points."""

from __future__ import annotations

from typing import Any

from ganworks.files.glance import Clues
from ganworks.files.recognise import (
    Found,
    array_shape,
    concluded,
    instead,
    rows_of,
    shape_of,
)

FEW = 16  # most columns of an array whose rows are points


def _points(clues: Clues) -> Found | None:
    rows = rows_of(clues)
    if not rows or not clues.counts["table"]:
        return None
    values = [column for column in rows.columns if column.name.lower() not in ("label", "name")]
    plain = all(column.kind == "number" and len(column.given) == len(column.cells) for column in values)
    if not plain or not 2 <= len(values) <= 3 or all("." not in cell for c in values for cell in c.cells[:50]):
        return None
    otherwise = instead(clues, "they are columns of a table", "table")
    return concluded(clues, f"holds rows of {len(values)} numbers", "points", otherwise=otherwise)


def _array(clues: Clues) -> Found | None:
    shape = array_shape(clues)
    return None if shape is None else _of_shape(clues.name, shape)


def _object(data: Any) -> Found | None:
    return _of_shape("It", shape_of(data))


def _of_shape(name: str, shape: tuple[int, ...]) -> Found | None:
    if len(shape) == 2 and shape[1] <= FEW:
        return Found("points", f"{name} holds {shape[0]:,} rows of {shape[1]} numbers, so the recipe is `points`.")
    return None


RULES = ((20, _array), (140, _points))
OBJECT_RULES = ((70, _object),)
