"""Evidence of data whose examples are numbers of one shape: exact copies, outliers, labels, constant examples."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from ganworks.audit.evidence import Evidence, Rows
from ganworks.core.contracts import labels_of
from ganworks.files.packing.exclusions import sha256_of

_PART, _ROOM = 512, 40_000_000


def plain_evidence(data: Any, what: str, name: Any = None) -> Evidence:
    """The evidence of an opened data set with `raw(rows)`. what: its examples, in the plural. name: of a row.

    Its rows have no file of their own, so that a list of exclusions names their numbers.
    """
    count, held = len(data), np.zeros(len(data), bool)
    held[data.held] = True
    hashes = np.empty((count, 2), np.uint64)
    for start in range(0, count, _PART):
        rows = np.arange(start, min(start + _PART, count))
        for row, x in zip(rows, data.raw(rows), strict=True):
            digest = hashlib.blake2b(np.ascontiguousarray(x).tobytes(), digest_size=16).digest()
            hashes[row] = np.frombuffer(digest, "<u8")
    size = int(np.prod(data.spec.shape))
    shown = {k: v for k, v in data.summary.items() if k in ("count", "train", "held", "classes")}

    def vectors(rows: Rows) -> np.ndarray:
        return data.raw(rows).reshape(len(rows), -1).astype(np.float32)

    def flat(rows: Rows) -> np.ndarray:
        x = vectors(rows)
        return (
            np.ptp(x, axis=1) <= 1e-6 * np.maximum(1e-12, np.abs(x).max(1))
            if x.shape[1] > 1
            else np.zeros(len(x), bool)
        )

    return Evidence(
        what,
        count,
        name or (lambda row: f"[{row}]"),
        lambda row: sha256_of(data.raw(np.array([row]))[0]),
        hashes,
        held,
        labels_of(data),
        data.spec.classes,
        vectors=vectors,
        by="the numbers of the examples",
        costs=max(500, min(60_000, _ROOM // size)),
        flat=flat,
        facts=shown,
    )
