"""Writes packs: items are converted one after the other, appended to one array file, and counted.

Every pack has hash.npy [N, 2] with a hash of each item's content, y.npy [N] if there are labels, and fingerprint.json,
which is written last.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ganworks.core.console.text import printable
from ganworks.core.contracts import Progress
from ganworks.core.errors import UsageError
from ganworks.core.machine import devices
from ganworks.files.arrays import Source, release
from ganworks.files.packing.cache import LEAVE_OUT
from ganworks.files.rasters.decode import DecodeError

_PART = 16 << 20  # bytes written at a time


class ConvertedItem(NamedTuple):
    """A converted item: its array as stored in the pack, its (H, W) and mode before conversion, warnings."""

    array: np.ndarray
    size: tuple[int, ...]
    mode: str
    warnings: tuple[str, ...] = ()


class PackWriter:
    """Writes converted items to one .npy file and gathers facts about them. Only hashes stay in memory.

    what: what items are called in messages. kept: index in the source of each written item. rows: length of the file's
    first axis. sizes, modes, warnings: how often each occurred. corrupt: (name, reason) of each item left out.
    """

    def __init__(self, source: Source, work: Path, what: str = "images"):
        self.source, self.work, self.what = source, work, what
        self.kept, self.rows, self._hashes = array("q"), 0, bytearray()
        self.sizes: Counter[str] = Counter()
        self.modes: Counter[str] = Counter()
        self.warnings: Counter[str] = Counter()
        self.corrupt: list[tuple[str, str]] = []

    def write(
        self,
        name: str,
        row: tuple[int, ...],
        dtype: str,
        convert: Callable[[Any, str], ConvertedItem],
        *,
        chunk: int,
        on_corrupt: str,
        on_progress: Progress | None,
        accept: Callable[[int, np.ndarray], None] = lambda index, data: None,
        hash_shape: bool = False,
    ) -> None:
        """Convert every item and append it to the array `name` [n, *row]; an item is one row or several.

        chunk: items in memory at once. accept(index, data): called before an item is written; it may raise, or record
        where the item lies. hash_shape: whether the hash of an item covers its shape. Raises UsageError for an
        unreadable item unless on_corrupt is "skip", and if no item can be read.
        """
        with (self.work / name).open("wb") as file:
            npy_header(file, (0, *row), dtype)
            start = file.tell()
            for index, item in converted(self.source, convert, chunk, on_progress):
                if isinstance(item, ConvertedItem):
                    data = item.array if item.array.flags.c_contiguous else np.ascontiguousarray(item.array)
                    accept(index, data)
                    digest = hashlib.blake2b(f"{data.shape}".encode() if hash_shape else b"", digest_size=16)
                    for part in _parts(data):
                        file.write(part)
                        digest.update(part)
                    self._count(index, item, data.size // math.prod(row), digest.digest())
                elif on_corrupt == "error":
                    raise UsageError(f"{item} {LEAVE_OUT}") from item
                else:
                    self.corrupt.append((item.name, item.reason))
            self._refuse_nothing()
            file.seek(0)
            npy_header(file, (self.rows, *row), dtype)
            if file.tell() != start:
                raise ValueError(f"the header of {name} changed its length")
            sync(file)

    def _count(self, index: int, item: ConvertedItem, rows: int, digest: bytes) -> None:
        self._hashes += digest
        self.kept.append(index)
        self.rows += rows
        self.sizes["x".join(map(str, item.size))] += 1
        self.modes[item.mode] += 1
        self.warnings.update(item.warnings)

    def _refuse_nothing(self) -> None:
        if not self.kept:
            name, reason = self.corrupt[0]
            raise UsageError(
                f'"{self.source.path}": none of its {len(self.source):,} {self.what} can be read. {name}: {reason}'
            )

    def about(self, format: int | str) -> dict[str, Any]:
        """The facts with which every fingerprint.json begins."""
        source = self.source
        return {"format": format, "source": printable(str(source.path)), "kind": source.kind, "bytes": source.bytes}

    def finish(self, facts: dict[str, Any], labels: np.ndarray | None = None, indent: int | None = None) -> None:
        """Write the labels of the kept items, the hashes and, last, fingerprint.json."""
        if labels is not None:
            self.save("y.npy", labels[np.array(self.kept)])
        self.save("hash.npy", np.frombuffer(self._hashes, "<u8").reshape(-1, 2))
        with (self.work / "fingerprint.json").open("wb") as file:
            file.write(json.dumps(facts, ensure_ascii=False, indent=indent).encode("utf-8", "backslashreplace"))
            sync(file)

    def save(self, name: str, values: np.ndarray) -> None:
        """Write a further array of the pack."""
        with (self.work / name).open("wb") as file:
            npy_header(file, values.shape, values.dtype.str)
            file.write(np.ascontiguousarray(values).data)  # np.save does not say why it failed
            sync(file)


def _parts(data: np.ndarray) -> Iterator[memoryview]:
    """The bytes of a contiguous array in pieces; the memory of one that lies in a file is given back after each."""
    flat, step = data.reshape(-1), max(1, _PART // data.itemsize)
    for start in range(0, flat.size, step):
        yield flat[start : start + step].data
        if isinstance(data, np.memmap):
            release(data)


def sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def npy_header(file: Any, shape: tuple[int, ...], dtype: str) -> None:
    """Write an .npy header whose length does not depend on the number of rows (numpy leaves room for it to grow)."""
    np.lib.format.write_array_header_2_0(
        file, {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    )


def converted(
    source: Source, convert: Callable[[Any, str], ConvertedItem], chunk: int, on_progress: Progress | None
) -> Iterator[tuple[int, ConvertedItem | DecodeError]]:
    """Yield (index, converted item or error) of every item in order. At most one chunk is in memory; threads decode
    encoded images.
    """

    def job(index: int) -> ConvertedItem | DecodeError:
        try:
            return convert(source.get(index), source.name(index))
        except DecodeError as error:
            return error

    def jobs(part: range) -> list[ConvertedItem | DecodeError]:
        return [job(index) for index in part]

    total, threads = len(source), min(devices.cores(), 16)
    in_threads = threads > 1 and source.kind in ("folder", "zip", "hub")
    step = max(1, min(16, chunk // threads)) if in_threads else 1
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, total, chunk):
            if on_progress:
                on_progress(start, total)
            stop = min(start + chunk, total)
            if in_threads:
                parts = pool.map(jobs, (range(k, min(k + step, stop)) for k in range(start, stop, step)))
                yield from ((start + k, item) for k, item in enumerate(i for part in parts for i in part))
            else:
                yield from ((index, job(index)) for index in range(start, stop))
    if on_progress:
        on_progress(total, total)
