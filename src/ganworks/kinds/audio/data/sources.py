"""Sources of recordings and their labels: a folder or zip of WAV, FLAC and OGG, one such file, or arrays."""

from __future__ import annotations

import io
import os
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ganworks.core.console.text import counted, printable
from ganworks.core.errors import UsageError
from ganworks.files.rasters.decode import DecodeError
from ganworks.files.sources import FileSource, labels_of, listing_of, natural_key, stamp_of
from ganworks.kinds.audio.data import sound
from ganworks.kinds.audio.data.long import LONG, LongSound

NAMED = (2, 100, 5)  # names count as labels with this many classes (least, most), each with at least this many files
_LOOKED_AT = 64  # files whose rates are read to choose the rate


class SoundFiles(FileSource):
    """Encoded recordings in a folder or zip. Labels: labels.csv, class folders, or the first part of the file names.

    by_name: "always", "never", or "auto": where nothing else gives labels and the parts of the names before "_" or "-"
    are few and repeat (see `NAMED`).
    """

    suffixes: ClassVar[tuple[str, ...]] = sound.SUFFIXES
    what: ClassVar[str] = "recordings"

    def __init__(self, path: Path, listing: Any, labels: bool = True, by_name: str = "auto"):
        super().__init__(path, listing, labels)
        self.by_name = by_name if labels else "never"

    @cached_property
    def _labelled(self) -> tuple[np.ndarray | None, tuple[str, ...]]:
        given: tuple[np.ndarray | None, tuple[str, ...]] = FileSource._labelled.func(self)
        if self.by_name == "never" or (given[0] is not None and self.by_name == "auto"):
            return given
        names = [self.listing.names[i].rpartition("/")[2] for i in self.indices]
        parts = [re.split(r"[_-]", name.rpartition(".")[0], maxsplit=1)[0] for name in names]
        counts = Counter(parts)
        if self.by_name == "auto":
            few, most, each = NAMED
            if not few <= len(counts) <= most or min(counts.values()) < each or not all(map(_divided, names)):
                return given
            self.notes.append(f"classes from the first part of the names ({', '.join(sorted(counts)[:3])}, ...)")
        if len(counts) < 2:
            return None, ()
        classes = sorted(counts, key=natural_key)
        number = {c: k for k, c in enumerate(classes)}
        return np.array([number[p] for p in parts], np.int64), tuple(printable(c) for c in classes)

    def get(self, index: int) -> Any:
        """The encoded bytes, or a `LongSound` that gives them piece by piece; raises DecodeError."""
        at = int(self.indices[index])
        if self.listing.sizes[at] <= LONG:
            return super().get(index)
        return LongSound(lambda: self.listing.open(at), self.name(index))


def _divided(name: str) -> bool:
    return bool(re.search(r"[^_-][_-]", name))


@dataclass
class SoundArrays:
    """Recordings in memory: items are (float32 [C, n], rate)."""

    items: list[np.ndarray]
    rate: int
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()

    path, kind = "arrays", "arrays"

    def __post_init__(self) -> None:
        self.notes: list[str] = []
        self.bytes = sum(x.nbytes for x in self.items)

    def __len__(self) -> int:
        return len(self.items)

    def name(self, index: int) -> str:
        """The name of a recording in messages."""
        return f"recording {index}"

    def get(self, index: int) -> tuple[np.ndarray, int]:
        """(float32 [C, n], rate in Hz), as `read_sound` returns them."""
        return self.items[index], self.rate

    def stamp(self) -> str:
        """A hash of all samples, labels and the rate."""
        return stamp_of(f"{self.rate} {self.classes}", self.items, self.labels)


def from_arrays(given: Any) -> SoundArrays:
    """[N, n], [N, C, n] or a list of [n] or [C, n], at 16,000 Hz; or a tuple of these, a rate and perhaps labels.

    Raises UsageError for anything else.
    """
    rate, labels = 16_000, None
    if isinstance(given, tuple):
        if not 2 <= len(given) <= 3 or not isinstance(given[1], int | np.integer):
            raise UsageError("Sound in memory is a list of arrays, (arrays, rate) or (arrays, rate, labels).")
        given, rate, labels = given[0], int(given[1]), given[2] if len(given) == 3 else None
    items = []
    for k, x in enumerate(given):
        array = np.asarray(x)
        if array.dtype.kind not in "iuf" or array.ndim not in (1, 2) or not array.size:
            raise UsageError(f"recording {k} is {array.dtype} {list(array.shape)}; it must be numbers [n] or [C, n].")
        items.append(_as_float(array.reshape(-1, array.shape[-1]), k))
    if not items:
        raise UsageError("There are no recordings in the list.")
    if labels is None:
        return SoundArrays(items, rate)
    return SoundArrays(items, rate, *labels_of(labels, len(items), "recordings"))


def _as_float(x: np.ndarray, number: int) -> np.ndarray:
    """[C, n] as float32: integers divided by their range, floats unchanged; UsageError for too many channels."""
    if len(x) > sound.MAX_CHANNELS:
        raise UsageError(f"recording {number} has {counted(len(x), 'channel')}; arrays are [C, n], the channels first.")
    half = 2.0 ** (8 * x.dtype.itemsize - 1)
    if x.dtype.kind == "u":
        return (x / half - 1).astype(np.float32)
    if x.dtype.kind == "i":
        return (x / half).astype(np.float32)
    return sound.limited_to_full_scale(x.astype(np.float32), f"recording {number}", Counter())


def open_sounds(path: Any, labels: bool = True, by_name: str = "auto") -> SoundFiles | SoundArrays:
    """The recordings of a folder, a zip (or zip/folder/inside), one file or arrays; UsageError when there are none."""
    if not isinstance(path, str | os.PathLike):
        return from_arrays(path)
    where, listing = listing_of(path, "Give a folder or zip of WAV, FLAC or OGG.", sound.MAX_BYTES + 1)
    try:
        return SoundFiles(where, listing, labels, by_name)
    except OSError as error:
        raise UsageError(f'"{printable(str(path))}" cannot be opened: {error.strerror or error}.') from error


def usual_rate(source: Any, at_most: int) -> tuple[int, str]:
    """(rate in Hz, a note): the commonest rate of up to 64 evenly spread recordings, but never above `at_most`."""
    if isinstance(source, SoundArrays):
        return source.rate, f"rate: {source.rate} Hz, as given"
    found: Counter[int] = Counter()
    for index in np.unique(np.linspace(0, len(source) - 1, min(_LOOKED_AT, len(source))).round().astype(int)):
        try:
            found[_rate(source.get(index), source.name(index))] += 1
        except DecodeError:
            continue
    if not found:
        return at_most, f"rate: {at_most} Hz; no header could be read"
    common = max(found, key=lambda rate: (found[rate], -rate))
    if common > at_most:
        return at_most, f"rate: {at_most} Hz; most recordings have {common}, and rate={common} keeps it"
    return common, f"rate: {common} Hz, that of most recordings"


def _rate(data: bytes | LongSound, name: str) -> int:
    return (data.facts() if isinstance(data, LongSound) else sound.sound_facts(io.BytesIO(data), name))[0]
