"""Packs of items of different lengths (recordings, clips), concatenated in one file.

x.npy holds the items, at.npy int64 [N + 1] their first rows and the end. An example is a whole item or a piece of a
long one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.core.schema.plain import read_json
from ganworks.files.array_files import load_npy, map_npy

FEW = 20  # with fewer items, their pieces are split into training and held-out ones, not whole items


def read_facts(folder: Path, format: int, dtype: str) -> dict[str, Any] | None:
    """The content of fingerprint.json of a complete pack of this format and dtype, or None."""
    try:
        facts = read_json((folder / "fingerprint.json").read_bytes(), str(folder))
        at = load_npy(folder / "at.npy")
        mapped = map_npy(folder / "x.npy")
        whole = facts["format"] == format and len(at) == facts["count"] + 1 and int(at[-1]) == len(mapped)
        return facts if whole and mapped.dtype == dtype else None
    except (OSError, ValueError, KeyError, TypeError, IndexError, UsageError):
        return None


def contents(hashes: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The content hash uint64 [M, 2] of each piece, by which pieces are split into training and held-out ones.

    All pieces of an item share its hash, so they fall on one side; with fewer than FEW items each piece gets its own.
    hashes: uint64 [N, 2] of the items. rows: int64 [M, 3], (item, first, end) of each piece.
    """
    own = hashes[rows[:, 0]]
    if len(hashes) >= FEW or len(rows) == len(hashes):
        return own
    each = [
        hashlib.blake2b(h.tobytes() + int(s).to_bytes(8, "little"), digest_size=16).digest()
        for h, s in zip(own, rows[:, 1], strict=True)
    ]
    return np.frombuffer(b"".join(each), "<u8").reshape(-1, 2)
