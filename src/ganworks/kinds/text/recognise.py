"""Rules that recognise texts."""

from __future__ import annotations

from typing import Any

from ganworks.files.glance import Clues
from ganworks.files.recognise import (
    Found,
    all_text,
    concluded,
    instead,
    is_text,
    leads,
    rows_of,
)

_MARKUP = (".json", ".jsonl", ".ndjson", ".xml", ".html", ".yaml", ".yml")


def _texts(clues: Clues) -> Found | None:
    rows = rows_of(clues)
    column = rows.prose() if rows else None
    if not rows or column is None:
        return None
    what = "holds texts with labels" if rows.wide == 2 else "holds texts"
    return concluded(clues, what, "text", otherwise=instead(clues, "they are a table", "table"))


def _lines(clues: Clues) -> Found | None:
    """A file of text, or a folder of such files."""
    if clues.name.lower().removesuffix(".gz").endswith(_MARKUP):
        return None
    names = clues.names if clues.kind == "file" else clues.of("text")
    if not names or (clues.kind != "file" and not leads(clues, "text")) or not is_text(clues.head(names[0])):
        return None
    return concluded(clues, "holds lines of text" if clues.kind == "file" else "holds files of text", "text")


def _object(data: Any) -> Found | None:
    if all_text(data):
        return Found("text", "A list of texts is learned with the recipe `text`.")
    if isinstance(data, tuple) and len(data) == 2 and all_text(data[0]):
        return Found("text", "A list of texts with labels is learned with the recipe `text`.")
    return None


RULES = ((120, _texts), (160, _lines))
OBJECT_RULES = ((30, _object),)
