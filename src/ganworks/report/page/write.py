"""Writes a page beside the run it describes."""

from __future__ import annotations

from pathlib import Path

from ganworks.files.atomic import replace_file


def write_text(target: Path, text: str) -> Path:
    """Writes the text as UTF-8, atomically: a reader finds the old page or the new one; returns the path.

    Raises GanworksError when it cannot be written.
    """
    replace_file(target, text.encode("utf-8", "replace"))
    return target
