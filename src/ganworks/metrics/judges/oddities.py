"""What is odd in a set of examples by their features: near duplicates, outliers, and labels that do not fit.

Features are centred over the set, and every row is scaled to length 1, so that similarities are relative to what the
set's own examples have in common: 1 is the same, 0 is as alike as any two.
"""

from __future__ import annotations

import numpy as np

ALIKE = 0.65  # similarity from which two rows may be one picture; cats and dogs: strangers .63, crops and JPEGs .72
NEARER = 0.8  # and their distance at most, in units of that to the fifth neighbour
AMONG_VIEWS = 0.25  # the same where the fifth neighbour is alike, too, as with views of one turning object
FAR = 4.0  # robust standard deviations from which a row is an outlier
RIDGE = 3.0  # of the classifier that doubts labels; 5 of 160 swapped: best of .3, 1, 3 and 10
DOUBT = -0.25  # margin of a given label below which it is doubted; the same data: recall .9, precision .95
BLOCK = 4_000  # rows that are compared at a time
_FIFTH = 5


def unit(features: np.ndarray) -> np.ndarray:
    """Rows [n, d], centred and of length 1, float64."""
    x = np.asarray(features, np.float64)
    x = x - x.mean(0)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def evened(features: np.ndarray) -> np.ndarray:
    """Columns [n, d] with mean 0 and deviation 1, over the root of d: blocks of them count alike when joined."""
    x = np.asarray(features, np.float64)
    return (x - x.mean(0)) / (x.std(0) + 1e-6) / np.sqrt(x.shape[1])


def twins(features: np.ndarray) -> list[tuple[int, int, float]]:
    """Pairs of rows [n, d] that are near duplicates, the most alike first: (i, j, similarity), i < j.

    A pair is at least ALIKE, and clearly nearer than the fifth neighbour of either row: views are no copies.
    """
    x = unit(features)
    fifth = _distances(x, _FIFTH)[:, -1] if len(x) > _FIFTH else np.full(len(x), np.inf)
    limits = fifth * np.where(fifth > np.sqrt(2 - 2 * ALIKE), NEARER, AMONG_VIEWS)
    found = []
    for start in range(0, len(x), BLOCK):
        alike = x[start : start + BLOCK] @ x.T
        for a, b in zip(*np.nonzero(alike >= ALIKE), strict=True):
            i, j = start + int(a), int(b)
            if i < j and np.sqrt(max(0.0, 2 - 2 * alike[a, b])) <= min(limits[i], limits[j]) + 1e-6:
                found.append((i, j, float(alike[a, b])))
    return sorted(found, key=lambda pair: -pair[2])


def strangers(features: np.ndarray) -> list[tuple[int, float]]:
    """Rows [n, d] that lie far from all others, the farthest first: (row, robust standard deviations above the median).

    The distance of a row is the mean of those to its five nearest neighbours.
    """
    x = np.asarray(features, np.float64)
    if len(x) < 2 * _FIFTH:
        return []
    x = x - x.mean(0)
    x = x / max(1e-12, float(np.sqrt((x * x).sum(1).mean())))
    mean = _distances(x, _FIFTH).mean(1)
    spread = 1.4826 * float(np.median(np.abs(mean - np.median(mean))))
    score = (mean - np.median(mean)) / max(spread, 1e-12)
    order = np.argsort(-score, kind="stable")
    return [(int(i), float(score[i])) for i in order if score[i] >= FAR]


def doubts(features: np.ndarray, labels: np.ndarray, classes: int) -> list[tuple[int, int, float]]:
    """Rows whose label does not fit, the worst first: (row, the class that fits better, margin below 0).

    labels: int64 [n]; rows with -1 are left out. Each row is classified by all others (`left_out`).
    """
    known = np.flatnonzero(np.asarray(labels) >= 0)
    found = []
    for rows in np.array_split(np.random.default_rng(0).permutation(known), max(1, -(-len(known) // BLOCK))):
        if len(rows) < 3:
            continue
        scores = left_out(unit(features[rows]), labels[rows], classes)
        given = scores[np.arange(len(rows)), labels[rows]].copy()
        scores[np.arange(len(rows)), labels[rows]] = -np.inf
        margin = given - scores.max(1)
        found += [(int(rows[k]), int(scores[k].argmax()), float(margin[k])) for k in np.flatnonzero(margin < DOUBT)]
    return sorted(found, key=lambda doubt: doubt[2])


def left_out(x: np.ndarray, labels: np.ndarray, classes: int, ridge: float = RIDGE) -> np.ndarray:
    """Scores [n, K] of each row [n, d] by ridge regression on all other rows, towards the shares of the classes.

    In closed form: with H the inverse of x x' + ridge, and a = H (Y - shares), the residual of a row that is left out
    is a_i / H_ii (Wahba 1990, section 4.2). The shares are those of all rows.
    """
    wanted = np.eye(classes)[labels]
    inverse = np.linalg.inv(x @ x.T + ridge * np.eye(len(x)))
    return wanted - inverse @ (wanted - wanted.mean(0)) / np.diag(inverse)[:, None]


def _distances(x: np.ndarray, k: int) -> np.ndarray:
    """Distances [n, k] to the nearest other rows, nearest first."""
    norms, parts = (x * x).sum(1), []
    for start in range(0, len(x), BLOCK):
        part = x[start : start + BLOCK]
        squared = (part * part).sum(1)[:, None] + norms - 2 * part @ x.T
        squared[np.arange(len(part)), start + np.arange(len(part))] = np.inf
        parts.append(np.sort(np.partition(squared, k - 1, axis=1)[:, :k], axis=1))
    return np.sqrt(np.maximum(np.concatenate(parts), 0))
