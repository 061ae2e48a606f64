"""A small patch that an unlikely share of pictures has at one place: what a backdoor's trigger looks like.

Natural pictures are alike at neighbouring places: a pattern of edges that is common at one pixel is about as common one
pixel beside it. A patch that was put into pictures is at one place alone. For squares of several sizes at every place,
the edges in and around the square are coded by their signs; a code that occurs more often than at the places around it
can explain (Poisson) is a patch, and the pictures are those whose edges fit it; unless their common edges go on beyond
a small area, as those of an object do that always lies at one place. Opaque and blended patches of any
pattern are found alike, as only edges count; a patch at another place in every picture is not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

SIDES = (2, 3, 4, 5)  # of the squares, in pixels
STEPS = (10.0, 40.0)  # differences of neighbouring pixels that count as an edge, of 255
SAMPLE, LEAST = 2_500_000, 1_500  # pixels, and pictures, in which codes are counted; what is found is looked for in all
RARE = 1e-10  # chance of a count, above which it is none: about 10^6 codes are tested
AROUND = 2  # pixels to all sides where the same code is counted for comparison
FITS = 0.9  # share of a patch's edges that a picture has to have
MOST = 6  # patches that are told apart
FEWEST = 6  # pictures
LARGEST, COMMON, SHARERS = 9, 0.6, 2_000  # pixels of an area with common edges; share that has them; pictures looked at
SMALLEST = 16  # pixels a side: below, places differ too much from each other
TRIED = 60  # codes that are looked for in the pictures themselves


@dataclass(frozen=True)
class Patch:
    """One patch: the place of the edges that its pictures share, these pictures, and how many would have it by chance.

    rows: int64 [m]. expected: pictures with the same edges at an average place around it.
    """

    top: int
    left: int
    height: int
    width: int
    rows: np.ndarray
    expected: float


def find_patches(pictures: np.ndarray, most: int = MOST) -> list[Patch]:
    """The patches in pictures [n, C, H, W] of 0..255, the most common first; a picture belongs to one at most."""
    n, _, height, width = pictures.shape
    if min(height, width) < SMALLEST:
        return []
    taken, found = np.zeros(n, bool), []
    count = max(LEAST, SAMPLE // (height * width))
    some = np.sort(np.random.default_rng(0).permutation(n)[:count])
    sample = pictures[some]
    best = sorted((c for plane in range(_planes(pictures)) for c in _candidates(sample, plane)), reverse=True)
    for candidate in best[:TRIED]:
        if len(found) >= most:
            break
        if _confirmed(sample, candidate, taken[some]) and (patch := _confirmed(pictures, candidate, taken)):
            taken[patch.rows] = True
            found.append(patch)
    return sorted(found, key=lambda patch: -len(patch.rows))


@dataclass(frozen=True, order=True)
class _Candidate:
    surprise: float
    size: int
    top: int
    left: int
    side: int
    plane: int
    step: float
    edges: bytes = b""


def _planes(pictures: np.ndarray) -> int:
    return 3 if pictures.shape[1] >= 3 else 1


def _plane(pictures: np.ndarray, plane: int) -> np.ndarray:
    """Brightness, or one of two differences of colours, float32 [n, H, W]."""
    x = pictures.astype(np.float32)
    if x.shape[1] < 3:
        return x[:, 0]
    if plane == 0:
        return x[:, :3].mean(1)
    return x[:, 0] - x[:, 1] if plane == 1 else x[:, 2] - (x[:, 0] + x[:, 1]) / 2


def _signs(x: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Edges of x [H, W, n] to the left [H, W + 1, n] and above [H + 1, W, n]: -1, 0 or 1, and 0 at the border."""
    across, down = np.diff(x, axis=1), np.diff(x, axis=0)
    left, above = ((d > step).astype(np.int8) - (d < -step).astype(np.int8) for d in (across, down))
    return np.pad(left, ((0, 0), (1, 1), (0, 0))), np.pad(above, ((1, 1), (0, 0), (0, 0)))


def _candidates(pictures: np.ndarray, plane: int) -> list[_Candidate]:
    x, found = np.ascontiguousarray(_plane(pictures, plane).transpose(1, 2, 0)), []
    for step in STEPS:
        left, above = _signs(x, step)
        for side in (s for s in SIDES if s < min(x.shape[:2])):
            found += _unlikely(left, above, side, plane, step)
    return found


def _codes(left: np.ndarray, above: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Of the squares at every place: hash int32 [H', W', n] of their edges, and how many these are, int8."""
    rng = np.random.default_rng(side)
    a, b, c, d = (rng.integers(-(2**31), 2**31, size=k).astype(np.int32) | 1 for k in (side, side + 1, side + 1, side))
    code = _sum(left.astype(np.int32), a, b) + _sum(above.astype(np.int32), c, d)
    one = np.ones(side + 1, np.int8)
    return code, _sum(np.abs(left), one[:side], one) + _sum(np.abs(above), one, one[:side])


def _sum(x: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Sums over windows with separable weights: [H, W, n] -> [H - len(down) + 1, W - len(across) + 1, n]; it wraps."""
    height, width = x.shape[0] - len(down) + 1, x.shape[1] - len(across) + 1
    rows = down[0] * x[:height]
    for k in range(1, len(down)):
        rows += down[k] * x[k : k + height]
    total = across[0] * rows[:, :width]
    for k in range(1, len(across)):
        total += across[k] * rows[:, k : k + width]
    return total


def _unlikely(left: np.ndarray, above: np.ndarray, side: int, plane: int, step: float) -> list[_Candidate]:
    """Codes that are much more common at one place than around it."""
    codes, edges = _codes(left, above, side)
    tables = {
        (top, start): np.unique(codes[top, start][edges[top, start] >= 2 * side], return_counts=True)
        for top in range(codes.shape[0])
        for start in range(codes.shape[1])
    }
    found = []
    for (top, start), (names, counts) in tables.items():
        if counts.max(initial=0) < FEWEST:
            continue
        around = _around(tables, top, start, names)
        for k in np.flatnonzero((counts >= FEWEST) & (counts > around.max(0))):
            surprise = _surprise(int(counts[k]), around[:, k].tolist())
            if surprise > -math.log(RARE):
                row = int(np.flatnonzero(codes[top, start] == names[k])[0])
                pattern = _pattern(left[..., row : row + 1], above[..., row : row + 1], top, start, side)[0]
                found.append(_Candidate(surprise, side, top, start, side, plane, step, pattern.tobytes()))
    return found


def _around(
    tables: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]], top: int, left: int, names: np.ndarray
) -> np.ndarray:
    """How often codes [k] occur at each place around: int64 [places, k]."""
    out = []
    for down in range(-AROUND, AROUND + 1):
        for across in range(-AROUND, AROUND + 1):
            there = tables.get((top + down, left + across)) if down or across else None
            if there is not None:
                known, counts = there
                k = np.minimum(np.searchsorted(known, names), max(0, len(known) - 1))
                out.append(np.where(known[k] == names, counts[k], 0) if len(known) else np.zeros(len(names), np.int64))
    return np.array(out)


def _surprise(count: int, around: list[int]) -> float:
    """- log of the chance of `count` or more where 1.5 times the most common of the places around is expected."""
    expected = 1.5 * max(max(around, default=0), (sum(around) + 1) / max(1, len(around)))
    if count <= expected:
        return 0.0
    return expected - count * math.log(expected) + math.lgamma(count + 1)


def _pattern(left: np.ndarray, above: np.ndarray, top: int, start: int, side: int) -> np.ndarray:
    """The edges of the square at a place: int8 [n, 2 * side * (side + 1)]."""
    a = left[top : top + side, start : start + side + 1]
    b = above[top : top + side + 1, start : start + side]
    return np.concatenate([a.reshape(-1, a.shape[-1]), b.reshape(-1, b.shape[-1])]).T


def _confirmed(pictures: np.ndarray, at: _Candidate, taken: np.ndarray) -> Patch | None:
    """The patch of a candidate among all pictures that are not taken, or None where it is no longer unlikely."""
    wanted, reach = np.frombuffer(at.edges, np.int8), AROUND + 1
    top, left = max(0, at.top - reach), max(0, at.left - reach)
    near = pictures[:, :, top : at.top + at.side + reach, left : at.left + at.side + reach]
    x = np.ascontiguousarray(_plane(near, at.plane).transpose(1, 2, 0))
    across, down = _signs(x, at.step)
    whole = {
        (i, j): _fits(_pattern(across, down, i, j, at.side), wanted) & ~taken
        for i in range(max(0, at.top - AROUND) - top, min(at.top + AROUND, pictures.shape[2] - at.side) - top + 1)
        for j in range(max(0, at.left - AROUND) - left, min(at.left + AROUND, pictures.shape[3] - at.side) - left + 1)
    }
    own = (at.top - top, at.left - left)
    rows, others = np.flatnonzero(whole[own]), [int(fit.sum()) for place, fit in whole.items() if place != own]
    if len(rows) < FEWEST or _surprise(len(rows), others) < -math.log(RARE):
        return None
    top, left, height, width = _extent(pictures, at, rows)
    if max(height, width) > LARGEST:
        return None
    return Patch(top, left, height, width, rows, sum(others) / max(1, len(others)))


def _extent(pictures: np.ndarray, at: _Candidate, rows: np.ndarray) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the area around a square in which most pictures of `rows` share their edges."""
    top, left = max(0, at.top - LARGEST), max(0, at.left - LARGEST)
    part = pictures[rows[:SHARERS], :, top : at.top + at.side + LARGEST, left : at.left + at.side + LARGEST]
    across, down = _signs(np.ascontiguousarray(_plane(part, at.plane).transpose(1, 2, 0)), at.step)
    a, b = (np.abs(edges.mean(-1)) >= COMMON for edges in (across, down))
    shared = a[:, :-1] | a[:, 1:] | b[:-1] | b[1:]  # pixels with such an edge at one of their sides
    low, high = np.array([at.top - top, at.left - left]), np.array([at.top - top, at.left - left]) + at.side
    while True:
        near = shared[max(0, low[0] - 1) : high[0] + 1, max(0, low[1] - 1) : high[1] + 1]
        found = np.argwhere(near) + np.maximum(0, low - 1)
        new_low, new_high = np.minimum(low, found.min(0)), np.maximum(high, found.max(0) + 1)
        if (new_low == low).all() and (new_high == high).all():
            return int(low[0]) + top, int(low[1]) + left, int(high[0] - low[0]), int(high[1] - low[1])
        low, high = new_low, new_high


def _fits(edges: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Whether the edges [n, k] of pictures are those of a patch [k]: nearly all of its edges, and hardly another."""
    there = wanted != 0
    return ((edges == wanted)[:, there].mean(1) >= FITS) & ((edges == wanted).mean(1) >= FITS)
