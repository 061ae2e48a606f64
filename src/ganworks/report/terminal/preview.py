"""Samples as lines to read on a terminal."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganworks.core.console.text import counted


def preview_lines(items: Any, most: int = 5) -> list[str]:
    """The first `most` samples as lines to read: texts, rows of a table, or the first values of a series."""
    if hasattr(items, "to_string"):
        text = items.head(most).to_string(index=False, max_colwidth=24, line_width=116)
        return [f"  {line}" for line in text.split("\n")]
    lines, items = [], list(items)[:most]
    for item in items if not hasattr(next(iter(items), None), "to_string") else items[:2]:
        if isinstance(item, str):
            lines.append(f"  {item[:200]}")
        elif hasattr(item, "to_string"):
            lines += [*preview_lines(item, 4), ""]
        elif getattr(item, "ndim", 0) == 2:
            lines.append(f"  {counted(len(item), 'step')}, the first {np.round(np.asarray(item)[:2], 3).tolist()}")
        else:
            lines.append(f"  {str(item)[:200]}")
    return lines
