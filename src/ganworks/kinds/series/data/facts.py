"""What is found out about series before they are cut: attribute columns, how changes grow with the level, times."""

from __future__ import annotations

import numpy as np
import torch

from ganworks.kinds.series.data.columns import Found, is_category
from ganworks.kinds.series.data.layout import Column, quantiles, to_uniform


def uneven(x: np.ndarray, both: np.ndarray) -> float:
    """How much the changes of values [n, T] grow with their level: |correlation|."""
    change, level = np.abs(np.diff(x, axis=1))[both], x[:, :-1][both]
    return abs(float(np.corrcoef(change, level)[0, 1])) if change.std() > 0 and level.std() > 0 else 0.0


def attribute_columns(found: Found, notes: list[str]) -> tuple[tuple[Column, ...], np.ndarray]:
    """Attribute columns, and their places in the vector for each series, float32 [series, A]."""
    columns, parts = [], []
    for name, texts in found.attributes.items():
        distinct = sorted(set(texts))
        if len(distinct) < 2:
            continue
        if is_category(texts):
            shares = tuple(texts.count(t) / len(texts) for t in distinct)
            columns.append(Column(name, "category", tuple(distinct), shares=shares))
            parts.append(np.eye(len(distinct), dtype=np.float32)[[distinct.index(t) for t in texts]])
            continue
        try:
            values = np.array([float(t) if t else np.nan for t in texts])
        except ValueError:
            notes.append(f"{name}: {len(distinct)} different texts for {len(texts)} series, left out")
            continue
        values = np.where(np.isfinite(values), values, np.nanmedian(values))
        whole = bool((values == np.round(values)).all())
        column = Column(name, "number", (), whole, knots=quantiles(values), low=float(values.min()))
        columns.append(column)
        table = torch.tensor([column.knots], dtype=torch.float64)
        parts.append(to_uniform(table, torch.from_numpy(values)[:, None]).numpy())
    count = len(found.numbers)
    return tuple(columns), np.concatenate(parts, 1) if parts else np.zeros((count, 0), np.float32)


def clock_face(seconds: float) -> str:
    return f"{int(seconds) // 3600:02d}:{int(seconds) % 3600 // 60:02d}"
