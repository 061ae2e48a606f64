"""Squares of small pictures whose contents do not vary as contents do: a trigger in pictures of a few pixels.

Where a picture differs from the usual content of a place, such as an empty corner, it does so in many ways. A mark that
was put into pictures is always the same: of the pictures whose square is not the usual one, most then have one content.
For pictures too small to have edges by which `patches` tells a mark.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ganworks.audit.data import patches
from ganworks.audit.data.checks import Examined
from ganworks.audit.evidence import Finding, Group
from ganworks.core.console.text import counted

SIDES = (1, 2, 3)
STEPS = 16  # of brightness that are told apart
USUAL = 0.5  # share of pictures from which a content is the usual one of a place
ALIKE = 0.4  # share of the others that have one content, from which it is a mark
APART = STEPS // 3  # steps between a mark and the usual content: weak noise has few values, too
LEVELS = 0.002  # share of pixels from which a step of brightness is used; half of the steps have to be
LEAST, FEWEST = 0.003, 6  # share and number of pictures


@dataclass(frozen=True)
class Square:
    """A place and the pictures, int64 [m], that have the same unusual content there."""

    top: int
    left: int
    side: int
    rows: np.ndarray


def find_squares(pictures: np.ndarray) -> list[Square]:
    """The marks in pictures [n, C, H, W] of 0..255; each picture belongs to one, that of most pictures.

    None in pictures of few values, such as black and white ones: a place has few contents in them anyway.
    """
    coarse = np.minimum(pictures.astype(np.int64) * STEPS // 256, STEPS - 1)
    if (np.bincount(coarse.reshape(-1), minlength=STEPS) > LEVELS * coarse.size).sum() < STEPS // 2:
        return []
    found = [s for side in SIDES for s in _at_all_places(coarse, side)]
    taken, kept = np.zeros(len(pictures), bool), []
    for square in sorted(found, key=lambda s: (-len(s.rows), -s.side)):
        rows = square.rows[~taken[square.rows]]
        if len(rows) >= max(FEWEST, LEAST * len(pictures)):
            taken[rows] = True
            kept.append(Square(square.top, square.left, square.side, rows))
    return kept


def _at_all_places(coarse: np.ndarray, side: int) -> list[Square]:
    n, _, height, width = coarse.shape
    shares, met = [], []
    for top in range(height - side + 1):
        for left in range(width - side + 1):
            content = coarse[:, :, top : top + side, left : left + side].reshape(n, -1)
            kinds, place, counts = np.unique(content, axis=0, return_inverse=True, return_counts=True)
            order = np.argsort(-counts, kind="stable")
            others = n - int(counts[order[0]])
            if len(order) > 1 and others >= max(FEWEST, LEAST * n):
                shares.append(counts[order[1]] / others)
                apart = np.abs(kinds[order[1]] - kinds[order[0]]).max()
                if counts[order[0]] >= USUAL * n and apart >= APART:
                    met.append((shares[-1], Square(top, left, side, np.flatnonzero(place.reshape(-1) == order[1]))))
    alike = max(ALIKE, 2 * float(np.median(shares))) if shares else 1.0  # where few contents exist, one is often common
    return [s for share, s in met if share >= alike and len(s.rows) >= max(FEWEST, LEAST * n)]


def same_squares(at: Examined) -> Finding | None:
    """A mark in pictures that are too small for the search of patches; None for others."""
    e = at.of
    if e.pictures is None or min(e.pictures(np.arange(1)).shape[2:]) >= patches.SMALLEST:
        return None
    found = find_squares(e.pictures(np.arange(e.count)))
    groups, out = [], {}
    for square in found:
        place = f"{square.side} x {square.side} pixels at row {square.top}, column {square.left}"
        says = f"{counted(len(square.rows), 'picture has', 'pictures have')} the same unusual content: {place}"
        groups.append(Group(square.rows[:24].tolist(), says))
        out |= {int(row): f"mark of {place}, shared by {len(square.rows):,}" for row in square.rows}
    shared = counted(len(out), "picture shares", "pictures share")
    return Finding(
        "squares",
        "Marks in small pictures",
        len(out),
        e.count,
        e.count,
        f"{counted(len(found), 'mark')} that {shared}." if found else f"No mark is shared by many of {e.count:,}.",
        f"Squares of {SIDES[0]} to {SIDES[-1]} pixels at places where most pictures are alike, such as an empty "
        "border. A mark where contents vary, and one in black and white, is not seen.",
        groups,
        out,
    )
