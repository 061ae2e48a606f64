"""Recordings as a data set: decoded, resampled, normalised and packed once, then read through a memory map.

A pack is the folder cache/<name>-<key> with x.npy (int16 [C, n] of each recording in turn, flat), at.npy (where each
recording begins), hash.npy, y.npy and fingerprint.json. `sources` says where recordings come from.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ganworks.core.contracts import Progress
from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.files.array_files import load_npy, map_npy
from ganworks.files.packing.cache import open_or_pack, refuse_corrupt
from ganworks.files.packing.joined import contents, read_facts
from ganworks.files.packing.packed import MappedPages, class_counts, present, split
from ganworks.files.packing.writer import ConvertedItem, PackWriter
from ganworks.kinds.audio.data import sound
from ganworks.kinds.audio.data.long import LongSound

FORMAT = 2
FEW = 20  # with fewer recordings, their pieces are split into training and held-out parts, not whole recordings


def pack_sounds(
    source: Any,
    *,
    rate: int,
    channels: int = 1,
    normalize: sound.Normalize = "peak",
    cache: str | Path | None = None,
    on_corrupt: str = "error",
    on_progress: Progress | None = None,
) -> Path:
    """The folder of a source's pack, which is written first if there is none.

    rate: Hz, to which all recordings are resampled. channels: how many they are mixed to. normalize: "peak" or "off".
    on_corrupt: "error" refuses the first recording that cannot be read, "skip" leaves such recordings out and counts
    them. Raises UsageError.
    """
    by_name, labelled = getattr(source, "by_name", ""), source.labels is not None
    key = [FORMAT, source.stamp(), rate, channels, normalize, by_name, labelled]

    def write(work: Path, notes: list[str]) -> None:
        writer = PackWriter(source, work, "recordings")
        _write(writer, rate, channels, normalize, on_corrupt, on_progress, notes)

    folder, facts = open_or_pack(source.path, key, _facts, write, cache=cache, usual="sounds", kind="sound")
    refuse_corrupt(facts, on_corrupt, sound.SoundError)
    return folder


def _facts(folder: Path) -> dict[str, Any] | None:
    return read_facts(folder, FORMAT, "int16")


def _write(
    writer: PackWriter,
    rate: int,
    channels: int,
    how: sound.Normalize,
    on_corrupt: str,
    on_progress: Progress | None,
    notes: list[str],
) -> None:
    """Convert and write every recording; the mode of an item is the recording's own rate."""
    at, source = [0], writer.source

    def convert(data: Any, name: str) -> ConvertedItem:
        met: Counter[str] = Counter()
        if isinstance(data, LongSound):
            made, own = data.converted(rate, channels, how, writer.work, met)
            return ConvertedItem(made, (), f"{own} Hz", tuple(met))
        x, own = sound.read_sound(data, name, met) if isinstance(data, bytes) else data
        try:
            x = sound.normalize(sound.resample(sound.mix(x, channels, met), own, rate), how, met)
        except UsageError as error:
            raise sound.SoundError(name, str(error)) from error
        return ConvertedItem(sound.to_int16(x), (), f"{own} Hz", tuple(met))

    def accept(index: int, samples: np.ndarray) -> None:
        at.append(at[-1] + samples.size)

    chunked = {"chunk": 16, "on_corrupt": on_corrupt, "on_progress": on_progress}
    writer.write("x.npy", (), "int16", convert, accept=accept, **chunked)
    writer.save("at.npy", np.array(at, np.int64))
    facts = {
        **writer.about(FORMAT),
        "rate": rate,
        "channels": channels,
        "normalize": how,
        "count": len(writer.kept),
        "corrupt": writer.corrupt[:10_000],
        "corrupt_count": len(writer.corrupt),
        "rates": dict(writer.modes.most_common(50)),
        "classes": list(source.classes),
        "names": [source.name(k) for k in writer.kept[:100_000]],
        "warnings": dict(writer.warnings.most_common(50)),
        "notes": [*source.notes, *notes],
    }
    writer.finish(facts, source.labels)


class Sounds:
    """Packed recordings; an example is a whole recording, or a piece of one.

    piece: length in samples of the pieces that recordings longer than 1.5 pieces are cut into; a remainder of at least
    half a piece is kept; 0: never cut. rows: int64 [N, 3], (recording, start, stop) in samples. rate: Hz. channels: C.
    labels: int64 [N] or None. train, held: int64 indices of rows; the split is by content, with all pieces of a
    recording on one side unless there are fewer than FEW recordings.
    """

    def __init__(self, folder: Path, *, piece: int = 0, held_out: float = 0.1, spec: Spec | None = None):
        self.folder, facts = folder, _facts(folder)
        if facts is None:
            raise UsageError(f'The pack in "{folder}" is damaged; delete that folder.')
        self.facts, self.rate, self.channels = facts, int(facts["rate"]), int(facts["channels"])
        self._map = map_npy(folder / "x.npy")
        self._x, self._at = np.asarray(self._map), load_npy(folder / "at.npy")
        self.hashes = load_npy(folder / "hash.npy")
        self.lengths = np.diff(self._at) // self.channels
        self.rows = _pieces(self.lengths, piece)
        own = load_npy(folder / "y.npy") if facts["classes"] else None
        labels = None if own is None else own[self.rows[:, 0]]
        self.labels, self.classes, empty = present(labels, tuple(facts["classes"]))
        self.piece, self._pages = piece, MappedPages(self._map)
        self.train, self.held, self.duplicates, self._notes = split(contents(self.hashes, self.rows), held_out)
        self._notes += empty
        self.spec = spec or Spec(
            "sounds",
            (self.channels, min(65536, int(self.lengths.max()))),
            self.classes,
            -1,
            1,
            "float32",
            facts={"rate": self.rate},
        )

    @cached_property
    def fingerprint(self) -> str:
        """sha256 (hex) of the content, the labels and the settings that determine the examples."""
        digest = hashlib.sha256(json.dumps([self.spec.to_dict(), self.rate, self.piece], sort_keys=True).encode())
        digest.update(self.hashes.tobytes())
        if self.labels is not None:
            digest.update(self.labels.tobytes())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.rows)

    def length(self, row: int) -> int:
        """Length of an example in samples."""
        return int(self.rows[row, 2] - self.rows[row, 1])

    def read(self, row: int, start: int = 0, length: int | None = None) -> np.ndarray:
        """An example as float32 [C, n]: `length` samples from `start` on (silence outside of it), or all of it."""
        number, first, last = (int(v) for v in self.rows[row])
        x = self._x[self._at[number] : self._at[number + 1]].reshape(self.channels, -1)[:, first:last]
        x = x if length is None else sound.fit(x, length, start)
        self._pages.touched(x.nbytes)
        return x.astype(np.float32) / np.float32(32768)

    def name(self, row: int) -> str:
        """The file that an example comes from."""
        number, names = int(self.rows[row, 0]), self.facts["names"]
        return names[number] if number < len(names) else f"recording {number}"

    @property
    def summary(self) -> dict[str, Any]:
        """Plain facts about the source, the conversion and the split."""
        facts = self.facts
        seconds = self.lengths / self.rate
        return {
            **{name: facts[name] for name in ("source", "kind", "bytes", "rate", "channels", "rates", "warnings")},
            "count": len(self),
            "recordings": len(self.lengths),
            "seconds": round(float(seconds.sum()), 3),
            "shortest": round(float(seconds.min()), 4),
            "median": round(float(np.median(seconds)), 4),
            "longest": round(float(seconds.max()), 4),
            "classes": class_counts(self.labels, self.classes),
            "train": len(self.train),
            "held": len(self.held),
            "duplicates": self.duplicates,
            "corrupt": facts["corrupt_count"],
            "corrupt_names": [f"{n}: {r}" for n, r in facts["corrupt"][:20]],
            "notes": [*facts["notes"], *(n.replace("images", "recordings") for n in self._notes)],
            "fingerprint": self.fingerprint,
            "packed": self.folder.name,
        }


def _pieces(lengths: np.ndarray, piece: int) -> np.ndarray:
    """Lengths [N] -> rows int64 [M, 3] of (recording, start, stop) in samples."""
    rows = []
    for number, length in enumerate(lengths.tolist()):
        if not piece or length <= piece * 3 // 2:
            rows.append((number, 0, length))
            continue
        starts = range(0, length, piece)
        rows += [(number, s, min(s + piece, length)) for s in starts if min(s + piece, length) - s >= piece / 2]
    return np.array(rows, np.int64).reshape(-1, 3)
