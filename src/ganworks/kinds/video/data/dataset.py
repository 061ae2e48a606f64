"""Clips as a data set: decoded, resized and packed once, then read through a memory map.

A pack is the folder cache/<name>-clips-<key> with x.npy (uint8 [frames of all clips, C, H, W]), at.npy (where each clip
begins, and the end), hash.npy, y.npy and fingerprint.json. An example is from a clip, or from a piece of a long one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganworks.core.console.text import counted
from ganworks.core.contracts import Progress
from ganworks.core.errors import UsageError
from ganworks.core.machine import memory
from ganworks.core.spec import Spec
from ganworks.files.array_files import load_npy, map_npy
from ganworks.files.packing.cache import open_or_pack, refuse_corrupt
from ganworks.files.packing.joined import contents, read_facts
from ganworks.files.packing.packed import MappedPages, class_counts, present, split
from ganworks.files.packing.writer import ConvertedItem, PackWriter
from ganworks.files.rasters.stored import common_range, range_notes
from ganworks.kinds.video.data.clips import ClipError, Opened
from ganworks.kinds.video.data.reading import FrameReading

FORMAT = 2  # 2: frames of 16-bit colours are rounded, no longer cut; pixels are square, transparent ones composited
_ROOM = 64 << 20  # bytes of decoded clips in memory at a time


def pack_clips(
    source: Any,
    reading: FrameReading,
    shape: tuple[int, int, int],
    settings: dict[str, Any],
    *,
    cache: str | Path | None = None,
    on_corrupt: str = "error",
    on_progress: Progress | None = None,
    notes: tuple[str, ...] = (),
) -> Path:
    """The folder of a source's pack, which is written first if there is none.

    reading: how clips are read; its `fit` makes frames of `shape` [C, H, W]. settings: plain values on which the result
    depends. on_corrupt: "error" refuses the first clip that cannot be read, "skip" leaves such clips out and counts
    them. Raises UsageError.
    """
    key = [FORMAT, source.stamp(), shape, reading.limit, settings, len(source.classes)]

    def write(work: Path, more: list[str]) -> None:
        _write(PackWriter(source, work, "clips"), reading, shape, on_corrupt, on_progress, [*notes, *more])

    folder, facts = open_or_pack(source.path, key, clip_facts, write, cache=cache, usual="clips", kind="clips")
    refuse_corrupt(facts, on_corrupt, ClipError)
    return folder


def clip_facts(folder: Path) -> dict[str, Any] | None:
    """The facts in fingerprint.json of a complete pack, or None."""
    return read_facts(folder, FORMAT, "uint8")


def _write(
    writer: PackWriter,
    reading: FrameReading,
    shape: tuple[int, int, int],
    on_corrupt: str,
    on_progress: Progress | None,
    notes: list[str],
) -> None:
    """Decode and write every clip; the mode of an item is the frame rate of its clip."""
    at, source = [0], writer.source
    reading = replace(reading, known=common_range(source.files()))  # pyrefly: ignore
    notes = [*notes, *range_notes(reading.known)]

    def convert(clip: Opened, name: str) -> ConvertedItem:
        met: Counter[str] = Counter()
        frames, rate, size = reading.read(clip, name, met)
        return ConvertedItem(frames, size, f"{rate:.3f}", tuple(met))

    def accept(index: int, frames: np.ndarray) -> None:
        if shutil.disk_usage(writer.work).free < frames.nbytes + (1 << 20):
            raise UsageError(f'The cache "{writer.work.parent}" is full. Choose a smaller size, or set GANWORKS_CACHE '
                             "to another disk.")  # fmt: skip
        at.append(at[-1] + len(frames))

    frame = int(np.prod(shape))
    chunk = max(1, min(64, _ROOM // (frame * min(reading.limit, 256)), memory.room() // (3 * frame * reading.limit)))
    how = {"chunk": chunk, "on_corrupt": on_corrupt, "on_progress": on_progress}
    writer.write("x.npy", shape, "uint8", convert, accept=accept, **how)
    writer.save("at.npy", np.array(at, np.int64))
    facts = {
        **writer.about(FORMAT),
        "count": len(writer.kept),
        "corrupt": writer.corrupt[:10_000],
        "corrupt_count": len(writer.corrupt),
        "classes": list(source.classes),
        "rate": float(writer.modes.most_common(1)[0][0]),
        "sizes": dict(writer.sizes.most_common(50)),
        "distinct_sizes": len(writer.sizes),
        "warnings": dict(writer.warnings.most_common(50)),
        "notes": [*source.notes, *notes],
    }
    writer.finish(facts, source.labels)


class ClipSet:
    """Packed clips; an example is `length` frames, every `stride`-th one of a clip or of a piece of a long clip.

    rows: int64 [N, 3], (clip, first frame, end) of the pieces, each of which holds at least one example. spec.shape:
    (T, C, H, W). labels: int64 [N] or None. train, held: indices of rows; the split is by content, with all pieces of
    a clip on one side unless there are fewer than FEW clips.
    """

    def __init__(self, folder: Path, length: int, stride: int, held_out: float, rate: float = 0.0):
        self.folder, self.length, self.stride = folder, length, stride
        facts = clip_facts(folder)
        if facts is None:
            raise UsageError(f'The pack in "{folder}" is damaged; delete that folder.')
        self.facts = facts
        self._map = map_npy(folder / "x.npy")
        self._x, self._at = np.asarray(self._map), load_npy(folder / "at.npy")
        self.hashes, self._pages = load_npy(folder / "hash.npy"), MappedPages(self._map)
        self.span = (length - 1) * stride + 1
        self.frames = np.diff(self._at)
        self.rows = clip_pieces(self.frames, self.span)
        if not len(self.rows):
            raise UsageError(
                f'"{facts["source"]}": no clip has the {counted(self.span, "frame")} that length={length} '
                f"with stride={stride} "
                f"takes; the longest has {int(self.frames.max())}. Set domain.length= or domain.stride= lower."
            )
        own = load_npy(folder / "y.npy") if facts["classes"] else None
        labels = None if own is None else own[self.rows[:, 0]]
        self.labels, classes, empty = present(labels, tuple(facts["classes"]))
        self.train, self.held, self.duplicates, self._notes = split(contents(self.hashes, self.rows), held_out)
        self._notes += empty
        facts_of = {"stride": stride, "fps": round((rate or 12.0) / stride, 3)}
        self.spec = Spec("video", (length, *self._x.shape[1:]), classes, facts=facts_of)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 (hex) of the content, the labels and the settings that determine the examples."""
        digest = hashlib.sha256(json.dumps([self.spec.to_dict(), self.span], sort_keys=True).encode())
        digest.update(self.hashes.tobytes())
        if self.labels is not None:
            digest.update(self.labels.tobytes())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.rows)

    def raw(self, indices: Any, late: np.ndarray | None = None) -> np.ndarray:
        """Examples uint8 [n, T, C, H, W]. late: [n] in [0, 1), their relative starts in their pieces; None: at 0."""
        _, first, end = self.rows[indices].T
        clips = self._at[self.rows[indices, 0]]
        room = end - first - self.span + 1
        begin = clips + first + (0 if late is None else (late * room).astype(np.int64))
        self._pages.touched(len(begin) * self.length * max(4096, self._x[0].nbytes))
        return self._x[begin[:, None] + np.arange(self.length) * self.stride]

    def fetch(self, indices: Any, late: np.ndarray | None = None) -> dict[str, Tensor]:
        """x float32 [n, T, C, H, W] in [-1, 1] and, with labels, y int64 [n]; late: see `raw`."""
        batch = {"x": torch.from_numpy(self.raw(indices, late)).float().div_(127.5).sub_(1)}
        if self.labels is not None:
            batch["y"] = torch.from_numpy(self.labels.take(indices))
        return batch

    @property
    def summary(self) -> dict[str, Any]:
        """Plain facts about the source, the conversion and the split."""
        facts = self.facts
        short = int((self.frames < self.span).sum())
        notes = [f"{counted(short, 'clip')} of fewer than {self.span} frames left out"] if short else []
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
            "modes": {f"{counted(self.spec.shape[1], 'channel')}": len(self.frames)},
            "classes": class_counts(self.labels, self.spec.classes),
            "train": len(self.train),
            "held": len(self.held),
            "duplicates": self.duplicates,
            "corrupt": facts["corrupt_count"],
            "corrupt_names": [f"{n}: {r}" for n, r in facts["corrupt"][:20]],
            "notes": [*facts["notes"], *notes, *(n.replace("images", "clips") for n in self._notes)],
            "fingerprint": self.fingerprint,
            "packed": self.folder.name,
        }  # fmt: skip


def clip_pieces(frames: np.ndarray, span: int) -> np.ndarray:
    """Frames of each clip [N] -> rows int64 [M, 3], (clip, first, end); clips of 4 spans or more are cut."""
    rows = []
    for clip, count in enumerate(frames.tolist()):
        if count < span:
            continue
        number = max(1, count // (2 * span))
        cuts = np.linspace(0, count, number + 1).astype(int)
        rows += [(clip, a, b) for a, b in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)]
    return np.array(rows, np.int64).reshape(-1, 3)
