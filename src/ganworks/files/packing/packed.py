"""A packed data set: a memory-map with labels, a fingerprint and a held-out split."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganworks.core.errors import UsageError
from ganworks.core.schema.plain import read_json
from ganworks.core.spec import Spec
from ganworks.files.array_files import load_npy, map_npy
from ganworks.files.arrays import release

FORMAT = 2  # 2: 16-bit colours are rounded, no longer cut
MAX_HELD = 10_000
RELEASE_AFTER = 256 << 20
FAULT = 64 << 10


def open_pack(folder: Path, held_out: float) -> Packed | None:
    """The pack in a folder, or None when there is none or it is damaged."""
    try:
        facts = read_json((folder / "fingerprint.json").read_bytes(), str(folder))
        return Packed(folder, facts, held_out) if facts["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError, IndexError, UsageError):
        return None


class MappedPages:
    """Drops the resident pages of a memory-mapped file now and then, so that a large pack does not fill the memory."""

    def __init__(self, mapped: np.memmap):
        self.mapped, self._touched = mapped, 0

    def touched(self, size: int) -> None:
        """Count `size` bytes as read, and release the pages when many have been read."""
        self._touched += size
        if self._touched > RELEASE_AFTER:
            release(self.mapped)
            self._touched = 0


class Packed:
    """A packed data set, memory-mapped: what training reads.

    spec: describes one example. fingerprint: SHA-256 (hex) of content, labels and the settings that shape it. train,
    held: int64 indices; exact duplicates are on the same side. labels: int64 [N] or None. hashes: uint64 [N, 2], of
    each example's content.
    """

    def __init__(self, folder: Path, facts: dict[str, Any], held_out: float = 0.1):
        self.folder, self.facts = folder, facts
        self.spec = Spec.from_dict(facts["spec"])
        mapped = map_npy(folder / "x.npy")
        self.hashes = load_npy(folder / "hash.npy")
        self.labels: np.ndarray | None = load_npy(folder / "y.npy") if self.spec.classes else None
        self._check(mapped)
        self.labels, classes, empty = present(self.labels, self.spec.classes)
        self.spec = replace(self.spec, classes=classes)
        self._x = np.asarray(mapped)
        self._middle = (self.spec.high + self.spec.low) / 2
        self._half = (self.spec.high - self.spec.low) / 2
        self._pages = MappedPages(mapped)
        self._row = max(FAULT, self._x[0].nbytes) if self._x.nbytes > RELEASE_AFTER else 0
        self.fingerprint = self._fingerprint()
        self.train, self.held, self.duplicates, self._notes = split(self.hashes, held_out)
        self._notes += empty

    def _check(self, x: np.ndarray) -> None:
        count = self.facts["count"]
        whole = x.shape == (count, *self.spec.shape) and x.dtype == self.spec.dtype and self.hashes.shape == (count, 2)
        if not whole or (self.labels is not None and self.labels.shape != (count,)):
            raise ValueError("the arrays of the pack do not fit its fingerprint.json")

    def _fingerprint(self) -> str:
        spec = json.dumps(self.spec.to_dict(), sort_keys=True)
        digest = hashlib.sha256(spec.encode())
        digest.update(self.hashes.tobytes())
        if self.labels is not None:
            digest.update(self.labels.tobytes())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self._x)

    def raw(self, indices: Any) -> np.ndarray:
        """Rows as stored: a copy [n, C, H, W] in spec.dtype."""
        if self._row:
            self._pages.touched(len(indices) * self._row)
        return self._x.take(indices, 0)

    def fetch(self, indices: Any) -> dict[str, Tensor]:
        """x float32 [n, C, H, W] in [-1, 1] and, for labelled data, y int64 [n]."""
        batch = {"x": torch.from_numpy(self.raw(indices)).sub(self._middle).div_(self._half)}
        if self.labels is not None:
            batch["y"] = torch.from_numpy(self.labels.take(indices))
        return batch

    @property
    def summary(self) -> dict[str, Any]:
        """Facts for run.json and `ganworks data`: what was found, how it was converted and split."""
        return plain_facts(self, class_counts(self.labels, self.spec.classes), self._notes)


def split(hashes: np.ndarray, held_out: float) -> tuple[np.ndarray, np.ndarray, int, list[str]]:
    """Content hashes [N, 2] -> (train indices, held-out indices, number of exact duplicates, warnings).

    Rows are sorted by hash and the first ones are held out, at most MAX_HELD and never all; duplicates stay together.
    The split depends on the content alone, not on names or order.
    """
    order = np.lexsort((hashes[:, 1], hashes[:, 0]))
    ordered = hashes[order]
    first = np.ones(len(order), bool)
    first[1:] = (ordered[1:] != ordered[:-1]).any(1)
    count = len(order)
    wanted = min(MAX_HELD, count - 1, max(round(count * held_out), 1 if held_out > 0 else 0))
    cuts = np.flatnonzero(first)
    cut = int(cuts[np.searchsorted(cuts, wanted, "right") - 1])
    notes = []
    if held_out > 0 and cut < 50:
        notes.append(f"held out: {cut}; scores against so few say little")
    if count > 1 and first.sum() == 1:
        notes.append("all images are identical")
    return np.sort(order[cut:]), np.sort(order[:cut]), int(count - first.sum()), notes


def present(
    labels: np.ndarray | None, classes: tuple[str, ...]
) -> tuple[np.ndarray | None, tuple[str, ...], list[str]]:
    """Labels [N] and class names without the classes of which there is no example, and notes that name these.

    With fewer than two classes left there are none: (None, (), notes).
    """
    if labels is None:
        return None, (), []
    has = np.bincount(labels, minlength=len(classes)) > 0
    if has.all():
        return labels, classes, []
    gone = ", ".join(name for name, there in zip(classes, has, strict=True) if not there)
    notes = [f"no class, as it has no example that can be used: {gone}"]
    if has.sum() < 2:
        return None, (), notes
    left = tuple(name for name, there in zip(classes, has, strict=True) if there)
    return (np.cumsum(has) - 1)[labels], left, notes


def class_counts(labels: np.ndarray | None, classes: tuple[str, ...]) -> dict[str, int]:
    """Class name -> number of labels [N] of that class; empty without labels."""
    if labels is None:
        return {}
    return dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))


def plain_facts(pack: Any, classes: dict[str, int], notes: list[str]) -> dict[str, Any]:
    """The summary of a pack (`Packed` or `Photos`). classes: examples in each; notes: added to those of its facts."""
    facts = pack.facts
    return {
        "source": facts["source"],
        "kind": facts["kind"],
        "bytes": facts["bytes"],
        "count": len(pack),
        "size": list(pack.spec.shape[1:]),
        "channels": pack.spec.shape[0],
        "dtype": pack.spec.dtype,
        "classes": classes,
        "train": len(pack.train),
        "held": len(pack.held),
        "duplicates": pack.duplicates,
        "corrupt": facts.get("corrupt_count", len(facts["corrupt"])),
        "corrupt_names": [f"{n}: {r}" for n, r in facts["corrupt"][:20]],
        "sizes": facts["sizes"],
        "distinct_sizes": facts["distinct_sizes"],
        "modes": facts["modes"],
        "warnings": facts["warnings"],
        "notes": [*facts["notes"], *notes],
        "fingerprint": pack.fingerprint,
        "packed": pack.folder.name,
    }
