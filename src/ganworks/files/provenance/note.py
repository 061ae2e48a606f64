"""The note that says what made a file: the program, the model, the seed, the index, and a digest of the content.

The terms are those of IPTC's vocabulary "Digital Source Type" (https://cv.iptc.org/newscodes/digitalsourcetype/).
"""

from __future__ import annotations

import json
from typing import Any

from ganworks.core.errors import UsageError
from ganworks.core.schema.plain import read_json

SOURCE = "trainedAlgorithmicMedia"
EDITED = "compositeWithTrainedAlgorithmicMedia"
TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
LARGEST = 4 * 2**20  # bytes of a note that are read
UNSEALED = "pixels:" + 64 * "0"  # stands where the digest of the content goes, once that is known


def note(**facts: Any) -> dict[str, Any]:
    """The note that a file carries: the program, that the content is generated, and `facts` (model, seed, index,
    label).
    """
    facts = {name: fact for name, fact in facts.items() if fact not in (None, "")}
    return {"software": "ganworks", "generated": True, "digitalSourceType": SOURCE, **facts}


def is_own(found: Any) -> bool:
    """Whether a decoded value is a note of ganworks, of this version or an older one."""
    return isinstance(found, dict) and found.get("software") == "ganworks"


def parsed(text: str | bytes | None) -> dict[str, Any] | None:
    """The note in a text of any origin; None for anything but a note of ganworks."""
    if not text or len(text) > LARGEST:
        return None
    try:
        found = read_json(text, "the note")
    except UsageError:
        return None
    return found if is_own(found) else None


def unsealed(mark: dict[str, Any]) -> dict[str, Any]:
    """The note with an empty place for the digest of the content, see `content.seal`."""
    return {**mark, "content": UNSEALED}


def text_of(mark: dict[str, Any]) -> str:
    """The note as JSON in one line."""
    return json.dumps(mark, default=str)
