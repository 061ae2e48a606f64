"""Exact and near copies: groups of rows, those that cross classes or the split, and near copies in features."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

BITS = 64  # of a random projection's signs, by which near copies find each other
_BAND, _LARGEST = 16, 400  # bits that candidates share; rows of a band that are compared


def exact(hashes: np.ndarray) -> list[np.ndarray]:
    """Groups int64 of rows with the same hash uint64 [N, 2], two rows or more in each, in the order of their rows."""
    numbers = np.unique(hashes, axis=0, return_inverse=True)[1].reshape(-1)
    order = np.argsort(numbers, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)
    return sorted((g for g in groups if len(g) > 1), key=lambda g: int(g[0]))


def joined(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Pairs of rows -> groups of rows that are linked by them, rising."""
    parent: dict[int, int] = {}

    def root(row: int) -> int:
        while parent.setdefault(row, row) != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for a, b in pairs:
        parent[root(max(a, b))] = root(min(a, b)) if root(a) != root(b) else root(max(a, b))
    groups: dict[int, list[int]] = {}
    for row in sorted(parent):
        groups.setdefault(root(row), []).append(row)
    return [group for group in groups.values() if len(group) > 1]


def crossing(groups: Iterable[Iterable[int]], values: np.ndarray | None) -> int:
    """How many groups hold rows of different values [N]; values below 0 count as none."""
    if values is None:
        return 0
    return sum(len({int(values[r]) for r in group if values[r] >= 0}) > 1 for group in groups)


def near(vectors: np.ndarray, within: float) -> list[tuple[int, int, float]]:
    """Pairs (i, j, distance) of rows [n, d] of length 1 whose distance is at most `within`, i < j.

    Candidates share one of four bands of 16 signs of a random projection (Charikar 2002), so that very many rows need
    no comparison of all with all.
    """
    rng = np.random.default_rng(0)
    signs = vectors @ rng.standard_normal((vectors.shape[1], BITS)).astype(np.float32) > 0
    found: dict[tuple[int, int], float] = {}
    for band in range(0, BITS, _BAND):
        part = np.packbits(signs[:, band : band + _BAND], 1).view(np.uint16)[:, 0]
        order = np.argsort(part, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(part[order])) + 1):
            if len(group) > 1:
                rows = np.sort(group[:_LARGEST])
                squared = np.maximum(0, 2 - 2 * vectors[rows] @ vectors[rows].T)
                for a, b in zip(*np.nonzero(np.triu(squared <= within**2, 1)), strict=True):
                    found[int(rows[a]), int(rows[b])] = float(np.sqrt(squared[a, b]))
    return [(i, j, far) for (i, j), far in sorted(found.items())]
