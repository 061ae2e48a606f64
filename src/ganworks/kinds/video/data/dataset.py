"""Clips as a data set: found, decoded, resized and packed once; then read as a memory-map.

cache/<name>-clips-<key>/x.npy (uint8 [frames of all clips, C, H, W]), at.npy (where each clip begins, and the end),
hash.npy, y.npy and fingerprint.json. An example is a clip, or a piece of a long one.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.files.arrays import release
from ganworks.files.packing.pack import (
    LEAVE_OUT,
    ConvertedItem,
    cache_folder,
    clean,
    converted,
    npy_header,
    sync,
    temporary,
)
from ganworks.files.packing.packed import RELEASE_AFTER, split
from ganworks.files.rasters.decode import printable
from ganworks.kinds.video.data.clips import ClipError, Opened
from ganworks.kinds.video.data.reading import Reading

FORMAT = 1
FEW = 20  # clips below which their pieces are split between training and held-out, not they themselves
_ROOM = 64 << 20  # bytes of clips that are decoded at a time

Progress = Callable[[int, int], None]


def pack_clips(
    source: Any,
    reading: Reading,
    shape: tuple[int, int, int],
    settings: dict[str, Any],
    *,
    cache: str | Path | None = None,
    on_corrupt: str = "error",
    on_progress: Progress | None = None,
    notes: tuple[str, ...] = (),
) -> Path:
    """The folder of a source's pack, made first when there is none.

    reading: how clips are read; its `fit` makes frames of `shape` [C, H, W]. settings: plain values that decide the
    result. on_corrupt: "error" refuses the first clip that cannot be read, "skip" leaves such out and counts them.
    """
    root, more = cache_folder(cache)
    text = json.dumps([FORMAT, source.stamp(), shape, reading.limit, settings, len(source.classes)], sort_keys=True)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(source.path).stem)[:40].strip("-") or "clips"
    mark = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=10).hexdigest()
    folder = root / f"{name}-clips-{mark}"
    facts = read_facts(folder)
    if facts is None:
        clean(root)
        with temporary(root, folder, read_facts) as work:
            writer = _Writer(source, reading, shape, work)
            writer.write(on_corrupt, on_progress)
            writer.finish([*notes, *more])
        facts = read_facts(folder)
    if facts is None:
        raise UsageError(f'The pack in "{folder}" is damaged as soon as it is written; check the disk.')
    if on_corrupt == "error" and facts["corrupt"]:
        raise UsageError(f"{ClipError(*facts['corrupt'][0])} {LEAVE_OUT}")
    return folder


def read_facts(folder: Path) -> dict[str, Any] | None:
    """fingerprint.json of a whole pack, or None."""
    try:
        facts = json.loads((folder / "fingerprint.json").read_text(encoding="utf-8"))
        at = np.load(folder / "at.npy", allow_pickle=False)
        mapped = np.load(folder / "x.npy", mmap_mode="r", allow_pickle=False)
        whole = facts["format"] == FORMAT and len(at) == facts["count"] + 1 and int(at[-1]) == len(mapped)
        return facts if whole and mapped.dtype == np.uint8 else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


@dataclass
class _Writer:
    """Writes clip after clip and counts what happened. Only hashes and places stay in memory."""

    source: Any
    reading: Reading
    shape: tuple[int, int, int]
    work: Path
    at: list[int] = field(default_factory=lambda: [0])
    kept: list[int] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    corrupt: list[tuple[str, str]] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    rates: Counter[float] = field(default_factory=Counter)

    def _convert(self, clip: Opened, name: str) -> ConvertedItem:
        met: Counter[str] = Counter()
        frames, rate, size = self.reading.read(clip, name, met)
        return ConvertedItem(frames, size, f"{rate:.3f}", tuple(met))

    def write(self, on_corrupt: str, on_progress: Progress | None) -> None:
        """Decode and write every clip."""
        row = int(np.prod(self.shape))
        chunk = max(1, min(64, _ROOM // (row * min(self.reading.limit, 256))))
        with (self.work / "x.npy").open("wb") as file:
            npy_header(file, (0, *self.shape), "uint8")
            for index, item in converted(self.source, self._convert, chunk, on_progress):
                if isinstance(item, ConvertedItem):
                    self._add(file, index, item)
                elif on_corrupt == "error":
                    raise UsageError(f"{item} {LEAVE_OUT}") from item
                else:
                    self.corrupt.append((item.name, item.reason))
            if not self.kept:
                name, reason = self.corrupt[0]
                raise UsageError(f'"{self.source.path}": none of its {len(self.source):,} clips can be read. '
                                 f"{name}: {reason}")  # fmt: skip
            file.seek(0)
            npy_header(file, (self.at[-1], *self.shape), "uint8")
            sync(file)

    def _add(self, file: Any, index: int, item: ConvertedItem) -> None:
        frames = np.ascontiguousarray(item.array)
        if shutil.disk_usage(self.work).free < frames.nbytes + (1 << 20):
            raise UsageError(f'The cache "{self.work.parent}" is full. Choose a smaller size, or set GANWORKS_CACHE '
                             "to another disk.")  # fmt: skip
        file.write(frames.data)
        self.at.append(self.at[-1] + len(frames))
        self.hashes.append(hashlib.blake2b(frames.data, digest_size=16).digest())
        self.kept.append(index)
        self.met.update(item.warnings)
        self.sizes["x".join(map(str, item.size))] += 1
        self.rates[float(item.mode)] += 1

    def finish(self, notes: list[str]) -> None:
        """Write places, hashes, labels and, last, fingerprint.json."""
        source = self.source
        np.save(self.work / "at.npy", np.array(self.at, np.int64), allow_pickle=False)
        hashes = np.frombuffer(b"".join(self.hashes), "<u8").reshape(-1, 2)
        np.save(self.work / "hash.npy", hashes, allow_pickle=False)
        if source.labels is not None:
            np.save(self.work / "y.npy", source.labels[np.array(self.kept)], allow_pickle=False)
        facts = {
            "format": FORMAT,
            "source": printable(str(source.path)),
            "kind": source.kind,
            "bytes": source.bytes,
            "count": len(self.kept),
            "corrupt": self.corrupt[:10_000],
            "corrupt_count": len(self.corrupt),
            "classes": list(source.classes),
            "rate": self.rates.most_common(1)[0][0],
            "sizes": dict(self.sizes.most_common(50)),
            "distinct_sizes": len(self.sizes),
            "warnings": dict(self.met.most_common(50)),
            "notes": [*source.notes, *notes],
        }
        with (self.work / "fingerprint.json").open("wb") as file:
            file.write(json.dumps(facts, ensure_ascii=False).encode("utf-8", "backslashreplace"))
            sync(file)


class ClipSet:
    """Packed clips; an example is `length` frames, every `stride`-th, of a clip or of a piece of a long one.

    rows: int64 [N, 3], (clip, first frame, end) of the pieces, each with room for an example or more. spec.shape:
    (T, C, H, W). labels: int64 [N] or None. train, held: indices of rows; the split is by content, with all pieces of
    a clip on one side unless there are fewer than FEW clips.
    """

    def __init__(self, folder: Path, length: int, stride: int, held_out: float, rate: float = 0.0):
        self.folder, self.length, self.stride = folder, length, stride
        facts = read_facts(folder)
        if facts is None:
            raise UsageError(f'The pack in "{folder}" is damaged; delete that folder.')
        self.facts = facts
        self._map = np.load(folder / "x.npy", mmap_mode="r", allow_pickle=False)
        self._x, self._at = np.asarray(self._map), np.load(folder / "at.npy", allow_pickle=False)
        self.hashes, self._touched = np.load(folder / "hash.npy", allow_pickle=False), 0
        self.span = (length - 1) * stride + 1
        self.frames = np.diff(self._at)
        self.rows = pieces(self.frames, self.span)
        if not len(self.rows):
            raise UsageError(
                f'"{facts["source"]}": no clip has the {self.span} frames that length={length} with stride={stride} '
                f"takes; the longest has {int(self.frames.max())}. Set domain.length= or domain.stride= lower."
            )
        own = np.load(folder / "y.npy", allow_pickle=False) if facts["classes"] else None
        self.labels: np.ndarray | None = None if own is None else own[self.rows[:, 0]]
        self.train, self.held, self.duplicates, self._notes = split(self._contents(), held_out)
        facts_of = {"stride": stride, "fps": round((rate or 12.0) / stride, 3)}
        self.spec = Spec("video", (length, *self._x.shape[1:]), tuple(facts["classes"]), facts=facts_of)

    def _contents(self) -> np.ndarray:
        """What decides the side of each row: its clip, or with few clips itself; uint64 [N, 2]."""
        own = self.hashes[self.rows[:, 0]]
        if len(self.frames) >= FEW or len(self.rows) == len(self.frames):
            return own
        each = [
            hashlib.blake2b(h.tobytes() + int(s).to_bytes(8, "little"), digest_size=16).digest()
            for h, s in zip(own, self.rows[:, 1], strict=True)
        ]
        return np.frombuffer(b"".join(each), "<u8").reshape(-1, 2)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 (hex) of all content, labels and settings that shape it."""
        digest = hashlib.sha256(json.dumps([self.spec.to_dict(), self.span], sort_keys=True).encode())
        digest.update(self.hashes.tobytes())
        if self.labels is not None:
            digest.update(self.labels.tobytes())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.rows)

    def raw(self, indices: Any, late: np.ndarray | None = None) -> np.ndarray:
        """Examples uint8 [n, T, C, H, W]. late [n] in [0, 1): where in the room of its piece each begins (None: 0)."""
        _, first, end = self.rows[indices].T
        clips = self._at[self.rows[indices, 0]]
        room = end - first - self.span + 1
        begin = clips + first + (0 if late is None else (late * room).astype(np.int64))
        self._touched += len(begin) * self.length * max(4096, self._x[0].nbytes)
        if self._touched > RELEASE_AFTER:
            release(self._map)  # so that a big pack does not count as resident memory
            self._touched = 0
        return self._x[begin[:, None] + np.arange(self.length) * self.stride]

    def fetch(self, indices: Any, late: np.ndarray | None = None) -> dict[str, Tensor]:
        """x float32 [n, T, C, H, W] in [-1, 1] and, with labels, y int64 [n]; late: see `raw`."""
        batch = {"x": torch.from_numpy(self.raw(indices, late)).float().div_(127.5).sub_(1)}
        if self.labels is not None:
            batch["y"] = torch.from_numpy(self.labels.take(indices))
        return batch

    @property
    def summary(self) -> dict[str, Any]:
        """Plain facts: what was found, what it became, how it is split."""
        facts, counts = self.facts, {}
        if self.labels is not None:
            found = np.bincount(self.labels, minlength=self.spec.num_classes)
            counts = dict(zip(self.spec.classes, found.tolist(), strict=True))
        short = int((self.frames < self.span).sum())
        notes = [f"{short:,} clips of fewer than {self.span} frames left out"] if short else []
        return {
            **{k: facts[k] for k in ("source", "kind", "bytes", "sizes", "distinct_sizes", "warnings")},
            "count": len(self),
            "clips": len(self.frames),
            "short": short,
            "frames": {"shortest": int(self.frames.min()), "median": int(np.median(self.frames)),
                       "longest": int(self.frames.max()), "all": int(self.frames.sum())},
            "rate": facts["rate"],
            "length": self.length,
            "stride": self.stride,
            "size": list(self.spec.shape[2:]),
            "channels": self.spec.shape[1],
            "dtype": "uint8",
            "modes": {f"{self.spec.shape[1]} channels": len(self.frames)},
            "classes": counts,
            "train": len(self.train),
            "held": len(self.held),
            "duplicates": self.duplicates,
            "corrupt": facts["corrupt_count"],
            "corrupt_names": [f"{n}: {r}" for n, r in facts["corrupt"][:20]],
            "notes": [*facts["notes"], *notes, *(n.replace("images", "clips") for n in self._notes)],
            "fingerprint": self.fingerprint,
            "packed": str(self.folder),
        }  # fmt: skip


def pieces(frames: np.ndarray, span: int) -> np.ndarray:
    """Frames of each clip [N] -> rows int64 [M, 3], (clip, first, end); of 4 spans on in pieces of 2 or 3."""
    rows = []
    for clip, count in enumerate(frames.tolist()):
        if count < span:
            continue
        number = max(1, count // (2 * span))
        cuts = np.linspace(0, count, number + 1).astype(int)
        rows += [(clip, a, b) for a, b in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)]
    return np.array(rows, np.int64).reshape(-1, 3)
