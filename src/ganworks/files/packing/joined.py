"""Packs of items of different lengths, one behind the other in one file: recordings, clips.

x.npy holds them, at.npy int64 [N + 1] where each begins, and the end. An example is an item, or a piece of a long one.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

FEW = 20  # items below which their pieces are split between training and held-out, not they themselves


def read_facts(folder: Path, format: int, dtype: str) -> dict[str, Any] | None:
    """fingerprint.json of a whole pack of this format and type, or None."""
    try:
        facts = json.loads((folder / "fingerprint.json").read_text(encoding="utf-8"))
        at = np.load(folder / "at.npy", allow_pickle=False)
        mapped = np.load(folder / "x.npy", mmap_mode="r", allow_pickle=False)
        whole = facts["format"] == format and len(at) == facts["count"] + 1 and int(at[-1]) == len(mapped)
        return facts if whole and mapped.dtype == dtype else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def contents(hashes: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """What decides on which side of the split a row lies, uint64 [M, 2]: its item, or with few items itself.

    hashes: uint64 [N, 2], of the items. rows: int64 [M, 3], (item, first, end) of the pieces.
    """
    own = hashes[rows[:, 0]]
    if len(hashes) >= FEW or len(rows) == len(hashes):
        return own
    each = [
        hashlib.blake2b(h.tobytes() + int(s).to_bytes(8, "little"), digest_size=16).digest()
        for h, s in zip(own, rows[:, 1], strict=True)
    ]
    return np.frombuffer(b"".join(each), "<u8").reshape(-1, 2)
