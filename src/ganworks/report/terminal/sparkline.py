"""Sparklines: a series of values in one line of text."""

from __future__ import annotations

import math
from collections.abc import Iterable


def sparkline(values: Iterable[float], width: int = 24, unicode: bool = True) -> str:
    """A series of values as bars of one line of text; a blank where it is not finite."""
    marks = "▁▂▃▄▅▆▇█" if unicode else "_.-~=+*#"
    values = list(values)
    slots = min(width, len(values))
    cells = []
    for i in range(slots):
        part = values[i * len(values) // slots : (i + 1) * len(values) // slots]
        good = [v for v in part if math.isfinite(v)]
        cells.append(math.fsum(v / len(good) for v in good) if good else math.nan)
    finite = [c for c in cells if math.isfinite(c)]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    scale = (len(marks) - 1) / (high - low) if high > low else 0.0
    return "".join(marks[round((c - low) * scale)] if math.isfinite(c) else " " for c in cells)
