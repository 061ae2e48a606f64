"""Whether two sources of the same data differ: a classifier two-sample test (Lopez-Paz and Oquab 2017, 1610.06545).

Cross-validated ridge regression on features tells the rows of one source from those of all others, as many of each and,
where there are labels, of each class. An accuracy of one half means that no difference was seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ganworks.audit.data.labels import _scaled, cross_validated

FEWEST, MOST = 30, 2_000  # rows of a source
SEEN = 0.65  # accuracy from which a difference is reported
CHANCE = 1e-4  # p-value below which it counts


@dataclass(frozen=True)
class Shift:
    """A source that differs: how often its rows are told from others, of `rows` rows, and the chance of that."""

    name: str
    accuracy: float
    rows: int
    chance: float


def shifts(vectors: np.ndarray, sources: Sequence[str], labels: np.ndarray | None) -> tuple[list[Shift], int]:
    """(sources that differ from all others, the worst first; how many were compared).

    vectors: [n, d]. sources: a word for each row, "" for unknown. labels: int64 [n], -1 for none; rows are compared
    with rows of the same class.
    """
    words = np.array(sources, dtype=object)
    names = [name for name in dict.fromkeys(sources) if name]
    found, compared = [], 0
    for name in names:
        inside, outside = _matched(words == name, (words != name) & (words != ""), labels)
        if len(inside) < FEWEST:
            continue
        compared += 1
        rows = np.concatenate([inside, outside])
        side = np.repeat([0, 1], [len(inside), len(outside)])
        right = cross_validated(_scaled(vectors[rows]), side, 2).argmax(1) == side
        accuracy = float(right.mean())
        chance = 0.5 * math.erfc((accuracy - 0.5) * 2 * math.sqrt(len(rows)) / math.sqrt(2))
        if accuracy >= SEEN and chance < CHANCE:
            found.append(Shift(name, accuracy, len(inside), chance))
    return sorted(found, key=lambda shift: -shift.accuracy), compared


def _matched(inside: np.ndarray, outside: np.ndarray, labels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """As many rows of both sides, of each class, at most MOST."""
    rng, left, right = np.random.default_rng(0), [], []
    kinds = np.zeros(len(inside), np.int64) if labels is None else labels
    for kind in np.unique(kinds):
        a, b = (np.flatnonzero(side & (kinds == kind)) for side in (inside, outside))
        count = min(len(a), len(b))
        left.append(rng.permutation(a)[:count])
        right.append(rng.permutation(b)[:count])
    a, b = np.concatenate(left), np.concatenate(right)
    if len(a) > MOST:
        kept = rng.permutation(len(a))[:MOST]
        a, b = a[kept], b[kept]
    return a, b
