"""Rows unlike all others, also where several are alike: foreign pictures come as a batch of one kind.

The distance of a row is that to its k-th neighbour among a random sample of the data (Sugiyama and Borgwardt 2013,
"Rapid distance-based outlier detection via sampling"), with k about 3 % of the sample: a foreign batch of up to that
share does not vouch for itself. Distances are on a logarithmic scale, and their spread is taken from the middle to the
85th hundredth, where outliers do not reach.
"""

from __future__ import annotations

import numpy as np

FAR = 3.5  # deviations from which a row is an outlier
SAMPLE, ALLOWED = 1_000, 0.03
FEWEST = 40  # rows
_BLOCK = 4_000


def deviations(rows: np.ndarray) -> np.ndarray:
    """How far each row [n, d] lies from the others, in deviations above the median: float [n]; 0 for too few rows."""
    if len(rows) < FEWEST:
        return np.zeros(len(rows))
    x = np.asarray(rows, np.float32)
    x = x - x.mean(0)
    spread = x.std(0)
    x = x / (spread + 0.1 * max(1e-9, float(spread.mean())))
    count = min(SAMPLE, len(x))
    k = max(3, round(ALLOWED * count))
    sample = x[np.random.default_rng(0).permutation(len(x))[:count]]
    parts, sizes = [], np.square(sample).sum(1)
    for start in range(0, len(x), _BLOCK):
        part = x[start : start + _BLOCK]
        squared = np.square(part).sum(1)[:, None] + sizes - 2 * part @ sample.T
        parts.append(np.partition(squared, k, axis=1)[:, k])
    far = 0.5 * np.log(np.maximum(np.concatenate(parts), 1e-12))
    middle, upper = np.quantile(far, [0.5, 0.85])
    return (far - middle) / max(1e-6, float(upper - middle) / 1.036)


def strangers(views: list[np.ndarray]) -> list[tuple[int, float]]:
    """Rows that are outliers in any of the views [n, d] of the same rows, the farthest first: (row, deviations)."""
    far = np.max([deviations(view) for view in views], axis=0)
    order = np.argsort(-far, kind="stable")
    return [(int(i), float(far[i])) for i in order if far[i] >= FAR]
