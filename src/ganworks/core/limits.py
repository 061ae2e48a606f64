"""Checks of arguments: seeds, counts, indices, truncation. Each returns the value or raises UsageError."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganworks.core.errors import UsageError, show

_LARGEST_SEED = 2**63 - 1
_LARGEST_COUNT = 10**9


def _whole(value: Any, name: str, low: int, high: int) -> int:
    if type(value) is not int and not isinstance(value, np.integer):
        raise UsageError(f"{name} must be a whole number, not {show(value)} ({type(value).__name__}).")
    if not low <= value <= high:
        raise UsageError(f"{name} must be from {low} to {high}, not {show(value)}.")
    return int(value)


def check_seed(seed: Any) -> int:
    """A whole number from 0 to 2**63 - 1, else UsageError."""
    return _whole(seed, "seed", 0, _LARGEST_SEED)


def check_count(n: Any, name: str = "n", most: int = _LARGEST_COUNT) -> int:
    """A whole number from 1 to `most`, else UsageError."""
    return _whole(n, name, 1, most)


def check_index(start: Any) -> int:
    """A whole number from 0 to 2**53, else UsageError."""
    return _whole(start, "start", 0, 2**53)


def check_truncation(truncation: Any) -> float:
    """A number above 0 and up to 10, else UsageError."""
    number = isinstance(truncation, int | float | np.number) and not isinstance(truncation, bool)
    if not number or not 0 < truncation <= 10:
        raise UsageError(f"truncation must be a number above 0 and up to 10 (1 = as trained), not {show(truncation)}.")
    return float(truncation)
