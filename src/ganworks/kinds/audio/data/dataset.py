"""Recordings as a data set: found, decoded, resampled, normalised and packed once; then read as a memory-map.

cache/<name>-<key>/x.npy (int16 [C, n] of each recording in turn, flat), at.npy, hash.npy, y.npy and fingerprint.json.
Sources: see `sound_sources`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

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
from ganworks.kinds.audio.data import sound

FORMAT = 1
FEW = 20  # recordings below which their pieces are split between training and held-out, not they themselves

Progress = Callable[[int, int], None]


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
    """The folder of a source's pack, made first when there is none.

    rate: Hz, to which all is resampled. channels: mixed to so many. normalize: "peak" or "off". on_corrupt: "error"
    refuses the first recording that cannot be read, "skip" leaves such out and counts them. Raises UsageError.
    """
    root, notes = cache_folder(cache)
    text = json.dumps(
        [FORMAT, source.stamp(), rate, channels, normalize, getattr(source, "by_name", ""), source.labels is not None]
    )
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(source.path).stem)[:40].strip("-") or "sounds"
    mark = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=10).hexdigest()
    folder = root / f"{name}-sound-{mark}"
    facts = _facts(folder)
    if facts is None:
        clean(root)
        with temporary(root, folder, _facts) as work:
            _write(source, work, rate, channels, normalize, on_corrupt, on_progress, notes)
        facts = _facts(folder)
    if facts is None:
        raise UsageError(f'The pack in "{folder}" is damaged as soon as it is written; check the disk.')
    if on_corrupt == "error" and facts["corrupt"]:
        raise UsageError(f"{sound.SoundError(*facts['corrupt'][0])} {LEAVE_OUT}")
    return folder


def _facts(folder: Path) -> dict[str, Any] | None:
    try:
        facts = json.loads((folder / "fingerprint.json").read_text(encoding="utf-8"))
        at = np.load(folder / "at.npy", allow_pickle=False)
        mapped = np.load(folder / "x.npy", mmap_mode="r", allow_pickle=False)
        whole = facts["format"] == FORMAT and len(at) == facts["count"] + 1 and int(at[-1]) == len(mapped)
        return facts if whole and mapped.dtype == np.int16 else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(
    source: Any,
    work: Path,
    rate: int,
    channels: int,
    how: sound.Normalize,
    on_corrupt: str,
    on_progress: Progress | None,
    notes: list[str],
) -> None:
    """Convert and write every recording; only hashes and places stay in memory."""
    warnings, corrupt, kept, at, hashes = Counter[str](), [], [], [0], []
    rates: Counter[str] = Counter()

    def convert(data: Any, name: str) -> ConvertedItem:
        met: Counter[str] = Counter()
        x, own = sound.read_sound(data, name, met) if isinstance(data, bytes) else data
        try:
            x = sound.normalize(sound.resample(sound.mix(x, channels, met), own, rate), how, met)
        except UsageError as error:
            raise sound.SoundError(name, str(error)) from error
        return ConvertedItem(sound.to_int16(x), (own, len(x)), "", tuple(met))

    with (work / "x.npy").open("wb") as file:
        npy_header(file, (0,), "int16")
        for index, item in converted(source, convert, 16, on_progress):
            if isinstance(item, ConvertedItem):
                file.write(item.array.tobytes())
                at.append(at[-1] + item.array.size)
                hashes.append(hashlib.blake2b(item.array.tobytes(), digest_size=16).digest())
                kept.append(index)
                rates[f"{item.size[0]} Hz"] += 1
                warnings.update(item.warnings)
            elif on_corrupt == "error":
                raise UsageError(f"{item} {LEAVE_OUT}") from item
            else:
                corrupt.append((item.name, item.reason))
        if not kept:
            raise UsageError(
                f'"{source.path}": none of its {len(source):,} recordings can be read. {corrupt[0][0]}: {corrupt[0][1]}'
            )
        file.seek(0)
        npy_header(file, (at[-1],), "int16")
        sync(file)
    np.save(work / "at.npy", np.array(at, np.int64), allow_pickle=False)
    np.save(work / "hash.npy", np.frombuffer(b"".join(hashes), "<u8").reshape(-1, 2), allow_pickle=False)
    labels = source.labels
    if labels is not None:
        np.save(work / "y.npy", labels[np.array(kept)], allow_pickle=False)
    facts = {
        "format": FORMAT,
        "source": printable(str(source.path)),
        "kind": source.kind,
        "bytes": source.bytes,
        "rate": rate,
        "channels": channels,
        "normalize": how,
        "count": len(kept),
        "corrupt": corrupt[:10_000],
        "corrupt_count": len(corrupt),
        "rates": dict(rates.most_common(50)),
        "classes": list(source.classes),
        "names": [source.name(k) for k in kept[:100_000]],
        "warnings": dict(warnings.most_common(50)),
        "notes": [*source.notes, *notes],
    }
    with (work / "fingerprint.json").open("wb") as file:
        file.write(json.dumps(facts, ensure_ascii=False).encode("utf-8", "backslashreplace"))
        sync(file)


class Sounds:
    """Packed recordings; an example is a whole recording, or a piece of one.

    piece: samples of the pieces that longer recordings are cut into (the last one is what is left, if at least half a
    piece), 0: never cut. rows: int64 [N, 3], (recording, start, stop) in samples. rate: Hz. channels: C.
    labels: int64 [N] or None. train, held: int64 indices of rows; the split is by content, with all pieces of a
    recording on one side unless there are fewer than FEW recordings.
    """

    def __init__(self, folder: Path, *, piece: int = 0, held_out: float = 0.1, spec: Spec | None = None):
        self.folder, facts = folder, _facts(folder)
        if facts is None:
            raise UsageError(f'The pack in "{folder}" is damaged; delete that folder.')
        self.facts, self.rate, self.channels = facts, int(facts["rate"]), int(facts["channels"])
        self._map = np.load(folder / "x.npy", mmap_mode="r", allow_pickle=False)
        self._x, self._at = np.asarray(self._map), np.load(folder / "at.npy", allow_pickle=False)
        self.hashes = np.load(folder / "hash.npy", allow_pickle=False)
        self.lengths = np.diff(self._at) // self.channels
        self.rows = _pieces(self.lengths, piece)
        own = np.load(folder / "y.npy", allow_pickle=False) if facts["classes"] else None
        self.labels: np.ndarray | None = None if own is None else own[self.rows[:, 0]]
        self.classes: tuple[str, ...] = tuple(facts["classes"])
        self.piece, self._touched = piece, 0
        self.train, self.held, self.duplicates, self._notes = split(self._contents(), held_out)
        self.spec = spec or Spec(
            "sounds",
            (self.channels, min(65536, int(self.lengths.max()))),
            self.classes,
            -1,
            1,
            "float32",
            facts={"rate": self.rate},
        )

    def _contents(self) -> np.ndarray:
        """What decides the side of each row: its recording, or with few recordings itself; uint64 [N, 2]."""
        own = self.hashes[self.rows[:, 0]]
        if len(self.lengths) >= FEW or len(self.rows) == len(self.lengths):
            return own
        each = [
            hashlib.blake2b(h.tobytes() + int(s).to_bytes(8, "little"), digest_size=16).digest()
            for h, s in zip(own, self.rows[:, 1], strict=True)
        ]
        return np.frombuffer(b"".join(each), "<u8").reshape(-1, 2)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 (hex) of all content, labels and settings that shape it."""
        digest = hashlib.sha256(json.dumps([self.spec.to_dict(), self.rate, self.piece], sort_keys=True).encode())
        digest.update(self.hashes.tobytes())
        if self.labels is not None:
            digest.update(self.labels.tobytes())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.rows)

    def length(self, row: int) -> int:
        """Samples of an example."""
        return int(self.rows[row, 2] - self.rows[row, 1])

    def read(self, row: int, start: int = 0, length: int | None = None) -> np.ndarray:
        """Samples of an example, float32 [C, n]: `length` from `start` on (silence outside), or all of it."""
        number, first, last = (int(v) for v in self.rows[row])
        x = self._x[self._at[number] : self._at[number + 1]].reshape(self.channels, -1)[:, first:last]
        x = x if length is None else sound.fit(x, length, start)
        self._touched += x.nbytes
        if self._touched > RELEASE_AFTER:
            release(self._map)  # so that a big pack does not count as resident memory
            self._touched = 0
        return x.astype(np.float32) / np.float32(32768)

    def name(self, row: int) -> str:
        """The file that an example comes from."""
        number, names = int(self.rows[row, 0]), self.facts["names"]
        return names[number] if number < len(names) else f"recording {number}"

    @property
    def summary(self) -> dict[str, Any]:
        """Plain facts: what was found, what it became, how it is split."""
        facts, counts = self.facts, {}
        if self.labels is not None:
            found = np.bincount(self.labels, minlength=len(self.classes))
            counts = dict(zip(self.classes, found.tolist(), strict=True))
        seconds = self.lengths / self.rate
        return {
            **{name: facts[name] for name in ("source", "kind", "bytes", "rate", "channels", "rates", "warnings")},
            "count": len(self),
            "recordings": len(self.lengths),
            "seconds": round(float(seconds.sum()), 3),
            "shortest": round(float(seconds.min()), 4),
            "median": round(float(np.median(seconds)), 4),
            "longest": round(float(seconds.max()), 4),
            "classes": counts,
            "train": len(self.train),
            "held": len(self.held),
            "duplicates": self.duplicates,
            "corrupt": facts["corrupt_count"],
            "corrupt_names": [f"{n}: {r}" for n, r in facts["corrupt"][:20]],
            "notes": [*facts["notes"], *(n.replace("images", "recordings") for n in self._notes)],
            "fingerprint": self.fingerprint,
            "packed": str(self.folder),
        }


def _pieces(lengths: np.ndarray, piece: int) -> np.ndarray:
    """[N] lengths -> rows int64 [M, 3] of (recording, start, stop)."""
    rows = []
    for number, length in enumerate(lengths.tolist()):
        if not piece or length <= piece * 3 // 2:
            rows.append((number, 0, length))
            continue
        starts = range(0, length, piece)
        rows += [(number, s, min(s + piece, length)) for s in starts if min(s + piece, length) - s >= piece / 2]
    return np.array(rows, np.int64).reshape(-1, 3)
