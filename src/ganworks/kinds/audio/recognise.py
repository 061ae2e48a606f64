"""Rules that recognise sound data."""

from __future__ import annotations

from typing import Any

from ganworks.files.glance import Clues, suffixes
from ganworks.files.recognise import (
    Found,
    concluded,
    leads,
)


def _sounds(clues: Clues) -> Found | None:
    what = f"holds sounds ({suffixes(clues.of('sound'))})"
    return concluded(clues, what, "audio") if leads(clues, "sound") else None


def _object(data: Any) -> Found | None:
    if isinstance(data, tuple) and 2 <= len(data) <= 3 and isinstance(data[1], int):
        return Found("audio", f"Arrays with a rate of {data[1]:,} are sounds, so the recipe is `audio`.")
    return None


RULES = ((40, _sounds),)
OBJECT_RULES = ((40, _object),)
