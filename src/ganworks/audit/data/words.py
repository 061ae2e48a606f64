"""Cells of tables and texts as numbers, so that the checks on features see them."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

COMMON, WIDTH = 20, 512  # values of a column that have a place of their own; places of the words of texts
_WORD = re.compile(r"\w+", re.UNICODE)


def column_vectors(cells: Sequence[str]) -> np.ndarray:
    """One column as float32 [n, k]: the rank of numbers and whether one is missing, or one place for each common
    word.
    """
    numbers = _numbers(cells)
    if numbers is not None:
        missing = np.isnan(numbers)
        rank = np.searchsorted(np.sort(numbers[~missing]), np.where(missing, 0, numbers)) / max(1, (~missing).sum())
        return np.stack([np.where(missing, 0.5, rank), missing], 1).astype(np.float32)
    common = [word for word, _ in Counter(cells).most_common(COMMON)]
    place = {word: k for k, word in enumerate(common)}
    codes = np.array([place.get(cell, COMMON) for cell in cells])
    return np.eye(COMMON + 1, dtype=np.float32)[codes][:, : len(common)]


def spread(cells: Sequence[str]) -> np.ndarray | None:
    """A column of numbers as float32 [n] in robust deviations, cut at 50; None for other columns."""
    numbers = _numbers(cells)
    if numbers is None or np.isnan(numbers).all():
        return None
    middle = np.nanmedian(numbers)
    wide = np.nanquantile(np.abs(numbers - middle), 0.75) or np.nanstd(numbers) or 1.0
    return np.clip(np.nan_to_num((numbers - middle) / wide), -50, 50).astype(np.float32)


def _numbers(cells: Sequence[str]) -> np.ndarray | None:
    """float64 [n] with NaN where a cell is no number; None where fewer than nine in ten are."""
    values = np.full(len(cells), np.nan)
    given = 0
    for row, cell in enumerate(cells):
        if cell:
            given += 1
            try:
                values[row] = float(cell)
            except ValueError:
                continue
    good = int(np.isfinite(values).sum())
    values[~np.isfinite(values)] = np.nan
    return values if given and good >= 0.9 * given and len(set(cells)) > 2 else None


def text_vectors(texts: Sequence[str]) -> np.ndarray:
    """Words and pairs of words, hashed to WIDTH places, as float32 [n, WIDTH] of length 1."""
    x = np.zeros((len(texts), WIDTH), np.float32)
    for row, text in enumerate(texts):
        words = _WORD.findall(text.lower())[:400]
        for word in (*words, *map(" ".join, pairwise(words))):
            code = zlib.crc32(word.encode("utf-8", "surrogatepass"))
            x[row, code % WIDTH] += 1 if code & 0x10000 else -1
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)


def text_measures(texts: Sequence[str]) -> np.ndarray:
    """Length, words, and shares of letters, digits, capitals, spaces and letters beyond ASCII: float32 [n, 8]."""
    rows = []
    for text in texts:
        n, words = max(1, len(text)), _WORD.findall(text)
        kinds = [sum(map(test, text)) / n for test in (str.isalpha, str.isdigit, str.isupper, str.isspace)]
        beyond = sum(ord(c) > 127 for c in text) / n
        rows.append([np.log1p(len(text)), np.log1p(len(words)), *kinds, beyond, len(set(text.lower())) / n**0.5])
    return np.array(rows, np.float32).reshape(-1, 8)


def plainly(text: str) -> str:
    """A text without case, marks and figures: texts that are equal then are nearly the same."""
    return " ".join(word for word in _WORD.findall(text.lower()) if not word.isdigit())


def same_plainly(texts: Sequence[str]) -> list[tuple[int, int, float]]:
    """Pairs of neighbours among texts that are equal but for case, marks and figures: (row, next row, 0)."""
    last: dict[str, int] = {}
    pairs = []
    for row, text in enumerate(texts):
        if len(plain := plainly(text)) >= 12:
            if plain in last:
                pairs.append((last[plain], row, 0.0))
            last[plain] = row
    return pairs
