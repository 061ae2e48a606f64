"""Rows as points and as records, for audits of what a generator gives away."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ganworks.kinds.tables.data.layout import to_frame
from ganworks.kinds.tables.data.reading import pandas
from ganworks.kinds.tables.metrics.measures import Coder, numbers

MOST = 100  # values of a category with a place of their own
_KNOWN: WeakKeyDictionary[Any, Comparison] = WeakKeyDictionary()
_MISSING = -1.0  # of a number, as far from its range as the range is long


class Comparison:
    """Points of encoded rows. data: a `TableSet`, to whose training rows the scales are fitted."""

    def __init__(self, data: Any):
        self.spec = data.spec
        self.coder = Coder(data.columns, data.frame.iloc[data.train])
        real = self.coder.matrix(data.frame.iloc[data.train])
        self.ranks = [np.sort(x[np.isfinite(x)]) for x in real.T]
        self.places = [min(MOST, int(r.max(initial=-1)) + 1) for r in self.ranks]

    def __call__(self, examples: np.ndarray) -> np.ndarray:
        """Encoded rows [n, D] -> points float32 [n, d].

        Numbers by their rank among training rows, from 0 to 1; categories so that two different values are 1 apart.
        """
        frame = to_frame(self.spec, examples, np.arange(len(examples)), 0)
        columns = zip(self.coder.words, self.coder.matrix(frame).T, self.ranks, self.places, strict=True)
        return np.concatenate([_category(x, n) if word else _number(x, ranks) for word, x, ranks, n in columns], 1)


def comparison_of(data: Any) -> Comparison:
    """The comparison of a data set; made once for it."""
    if data not in _KNOWN:
        _KNOWN[data] = Comparison(data)
    return _KNOWN[data]


def _category(x: np.ndarray, places: int) -> np.ndarray:
    code = np.where(np.isnan(x), places, np.minimum(x, places)).astype(np.int64)
    return np.eye(places + 1, dtype=np.float32)[code] * np.float32(np.sqrt(0.5))


def _number(x: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    place = (np.searchsorted(ranks, x, "left") + np.searchsorted(ranks, x, "right")) / (2 * max(1, len(ranks)))
    return np.where(np.isnan(x), _MISSING, place)[:, None].astype(np.float32)


def records(data: Any, rows: np.ndarray) -> Any:
    """The learnt columns of real rows (indices [n]) or of encoded ones [n, D], as numbers and texts."""
    coder = comparison_of(data).coder
    real = np.asarray(rows).ndim == 1
    frame = data.frame.iloc[rows] if real else to_frame(data.spec, rows, np.arange(len(rows)), 0)
    out = {}
    for column in coder.columns:
        name = column["name"]
        words = column["kind"] == "category"
        out[name] = frame[name].astype(object).map(str).to_numpy(object) if words else numbers(column, frame)
    return pandas().DataFrame(out)
