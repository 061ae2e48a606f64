"""Statistics of series for the layout: attribute columns, how changes grow with the level, and `Decorrelation`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ganworks.core.console.text import counted
from ganworks.kinds.series.data.columns import FoundSeries, is_category
from ganworks.kinds.series.data.layout import SeriesColumn, SeriesLayout, quantiles, to_uniform

MOST_NAMED = 30  # most columns that a line names
LEAST = 1e-3  # smallest share of a column's deviation that counts as independent of the other columns


def uneven(x: np.ndarray, both: np.ndarray) -> float:
    """How much the changes of values [n, T] grow with their level: the absolute correlation."""
    change, level = np.abs(np.diff(x, axis=1))[both], x[:, :-1][both]
    return abs(float(np.corrcoef(change, level)[0, 1])) if change.std() > 0 and level.std() > 0 else 0.0


def attribute_columns(found: FoundSeries, notes: list[str]) -> tuple[tuple[SeriesColumn, ...], np.ndarray]:
    """(attribute columns, encoded attributes of each series float32 [series, A])."""
    columns, parts = [], []
    for name, texts in found.attributes.items():
        distinct = sorted(set(texts))
        if len(distinct) < 2:
            continue
        if is_category(texts):
            shares = tuple(texts.count(t) / len(texts) for t in distinct)
            columns.append(SeriesColumn(name, "category", tuple(distinct), shares=shares))
            parts.append(np.eye(len(distinct), dtype=np.float32)[[distinct.index(t) for t in texts]])
            continue
        try:
            values = np.array([float(t) if t else np.nan for t in texts])
        except ValueError:
            notes.append(f"{name}: {counted(len(distinct), 'different text')} for {len(texts):,} series, left out")
            continue
        values = np.where(np.isfinite(values), values, np.nanmedian(values))
        whole = bool((values == np.round(values)).all())
        column = SeriesColumn(name, "number", (), whole, knots=quantiles(values), low=float(values.min()))
        columns.append(column)
        table = torch.tensor([column.knots], dtype=torch.float64)
        parts.append(to_uniform(table, torch.from_numpy(values)[:, None]).numpy())
    count = len(found.numbers)
    return tuple(columns), np.concatenate(parts, 1) if parts else np.zeros((count, 0), np.float32)


def taken(layout: SeriesLayout) -> list[str]:
    """What the columns are taken for, one line for each kind of column."""
    groups = {
        "time": [layout.clock["name"]] if layout.clock else [],
        "whole numbers": [c.name for c in layout.numbers if c.integer],
        "numbers": [c.name for c in layout.numbers if not c.integer],
        "words": [f"{c.name} ({len(c.values)})" for c in layout.categories],
        "one value for each series": [layout.label] * bool(layout.label) + [c.name for c in layout.attributes],
        "always the same": list(layout.constants),
        "copies of another column": list(layout.same),
    }
    return [
        f"{kind}: {', '.join(names[:MOST_NAMED])}" + ", ..." * (len(names) > MOST_NAMED)
        for kind, names in groups.items()
        if names
    ]


def clock_face(seconds: float) -> str:
    return f"{int(seconds) // 3600:02d}:{int(seconds) % 3600 // 60:02d}"


def chain_facts(layout: SeriesLayout, x: np.ndarray, active: np.ndarray) -> dict[str, Any]:
    """The facts of `Decorrelation` from training examples.

    x: values [n, T, numbers]. active: bool [n, T], which steps exist.
    """
    count = len(layout.numbers)
    if not count:
        return {}
    grid = np.array([c.grid for c in layout.numbers])
    rng = np.random.default_rng(0)
    x = x + rng.uniform(-0.5, 0.5, (len(x), 1, count)) * grid  # one shift per series leaves changes unchanged
    both, log = active[:, 1:] & active[:, :-1], []
    for i in range(count):
        safe = np.where(active, x[:, :, i], 1.0)
        log.append(bool((safe > 0).all()) and uneven(np.log(safe), both) < uneven(x[:, :, i], both))
    y = np.where(log, np.log(np.where(np.array(log) & (x > 0), x, 1.0)), x)
    mean = y[active].mean(0)
    spread = np.cov((y[active] - mean).T).reshape(count, count)
    lower = np.linalg.cholesky(spread + np.diag(spread.diagonal() * LEAST**2 + 1e-24))
    w = np.linalg.solve(lower, (y - mean).reshape(-1, count).T).T.reshape(y.shape)
    move = np.diff(w, axis=1)[both].std(0) if both.any() else np.ones(count)
    return {"log": log, "mean": mean.tolist(), "lower": lower.tolist(), "move": np.maximum(move, LEAST).tolist()}
