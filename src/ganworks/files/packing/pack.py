"""Pack a source once into a memory-map beside a fingerprint; later opens are instant and memory stays flat.

cache/<name>-<key>/x.npy [N, C, H, W], y.npy [N], hash.npy [N, 2] and fingerprint.json, written to a temporary
folder and renamed when complete. The key holds the source's stamp (names, sizes, times) and the settings of
the conversion.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.files.arrays import Source
from ganworks.files.packing.packed import FORMAT, Packed, open_pack
from ganworks.files.rasters.decode import DecodeError, printable

LEAVE_OUT = "To leave such files out, give on_corrupt=skip."
Progress = Callable[[int, int], None]


class ConvertedItem(NamedTuple):
    """A converted item: array as packed, (H, W) and mode before conversion, warnings."""

    array: np.ndarray
    size: tuple[int, ...]
    mode: str
    warnings: tuple[str, ...] = ()


@dataclass
class Conversion:
    """How items become rows. convert(item, name) -> Item with array of `spec.shape` and `spec.dtype`.

    notes: sentences about choices that were made.
    """

    spec: Spec
    convert: Callable[[Any, str], ConvertedItem]
    notes: list[str] = field(default_factory=list)


def pack(
    source: Source,
    plan: Callable[[], Conversion],
    settings: dict[str, Any],
    *,
    cache: str | Path | None = None,
    on_corrupt: str = "error",
    held_out: float = 0.1,
    on_progress: Progress | None = None,
) -> Packed:
    """Open the pack of a source, making it first when there is none.

    plan: called only when packing; it may look at the data. settings: plain values that decide the result,
    part of the key. on_progress(done, total) is called while packing. Raises UsageError for a corrupt item
    (on_corrupt "error"), an empty source, a cache that cannot be written or a full disk.
    """
    if not len(source):
        raise UsageError(f'"{source.path}" holds no images.')
    root, notes = cache_folder(cache)
    text = json.dumps([FORMAT, source.stamp(), settings], sort_keys=True, default=str)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(source.path).stem)[:40].strip("-") or "data"
    folder = root / f"{name}-{hashlib.blake2b(text.encode('utf-8', 'surrogateescape'), digest_size=10).hexdigest()}"
    ready = open_pack(folder, held_out)
    if ready is None:
        clean(root)
        with temporary(root, folder) as work:
            writer = _Writer(source, plan(), work)
            writer.write(on_corrupt, on_progress)
            writer.finish(notes)
        ready = open_pack(folder, held_out)
    if ready is not None and on_corrupt == "error" and ready.facts["corrupt"]:
        name, reason = ready.facts["corrupt"][0]
        raise UsageError(f"{DecodeError(name, reason)} {LEAVE_OUT}")
    if ready is None:
        raise UsageError(f'The pack in "{folder}" is damaged as soon as it is written; check the disk.')
    return ready


def cache_folder(cache: str | Path | None) -> tuple[Path, list[str]]:
    """The folder for packs: the one given, $GANWORKS_CACHE, ~/.cache/ganworks, or a private temporary one."""
    given = cache or os.environ.get("GANWORKS_CACHE")
    try:
        root = Path(given).expanduser() if given else Path.home() / ".cache" / "ganworks"
        _probe(root)
    except (OSError, RuntimeError) as error:
        if given:
            raise UsageError(
                f'The cache folder "{given}" cannot be written ({error}). Set GANWORKS_CACHE to a folder that can.'
            ) from error
        root = Path(tempfile.gettempdir()) / f"ganworks-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
        try:
            _probe(root)
        except OSError as problem:
            raise UsageError(f"No folder for packed data can be written ({problem}). Set GANWORKS_CACHE.") from problem
        return root, [f'the home cache cannot be written; packed into "{root}"']
    return root, []


def _probe(root: Path) -> None:
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if hasattr(os, "getuid") and root.parent == Path(tempfile.gettempdir()) and root.stat().st_uid != os.getuid():
        raise PermissionError(f"{root} belongs to somebody else")
    with tempfile.TemporaryFile(dir=root):
        pass


def clean(root: Path) -> None:
    """Remove what packing runs that were killed left behind a day ago or earlier."""
    for left in root.glob(".packing-*"):
        if time.time() - left.stat().st_mtime > 86_400:
            shutil.rmtree(left, ignore_errors=True)


class temporary:
    """A folder beside `folder` that takes its name on success and vanishes on failure.

    ready(folder): whether another process was faster and the folder is there and whole.
    """

    def __init__(self, root: Path, folder: Path, ready: Callable[[Path], Any] = lambda folder: open_pack(folder, 0.1)):
        self.folder, self.ready = folder, ready
        self.work = Path(tempfile.mkdtemp(prefix=".packing-", dir=root))

    def __enter__(self) -> Path:
        return self.work

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                shutil.rmtree(self.folder, ignore_errors=True)  # only a damaged one can be there
                self.work.replace(self.folder)
        except OSError:
            if not self.ready(self.folder):  # else another process was faster, with the same content
                raise
        finally:
            shutil.rmtree(self.work, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise UsageError(
                f'The disk of the cache "{self.folder.parent}" is full. Free some space, or set '
                "GANWORKS_CACHE to another disk."
            ) from error


class _Writer:
    """Writes rows one after the other and counts what they were made from. Only hashes stay in memory."""

    def __init__(self, source: Source, conversion: Conversion, work: Path):
        self.source, self.conversion, self.work, total = source, conversion, work, len(source)
        self.hashes, self.kept = np.zeros(total, "V16"), np.zeros(total, np.int64)
        self.sizes: Counter[tuple[int, ...]] = Counter()
        self.modes: Counter[str] = Counter()
        self.warnings: Counter[str] = Counter()
        self.corrupt: list[tuple[str, str]] = []
        self.done = 0

    def write(self, on_corrupt: str, on_progress: Progress | None) -> None:
        """Convert and write every item; raises UsageError for a corrupt one unless on_corrupt is "skip"."""
        spec, total = self.conversion.spec, len(self.source)
        row = np.dtype(spec.dtype).itemsize * int(np.prod(spec.shape))
        self._check_space(row * total)
        with (self.work / "x.npy").open("wb") as file:
            npy_header(file, (total, *spec.shape), spec.dtype)
            chunk = max(1, min(1024, (32 << 20) // row))
            for index, item in converted(self.source, self.conversion.convert, chunk, on_progress):
                if isinstance(item, ConvertedItem):
                    self._add(file, index, item)
                elif on_corrupt == "error":
                    raise UsageError(f"{item} {LEAVE_OUT}") from item
                else:
                    self.corrupt.append((item.name, item.reason))
            if not self.done:
                name, reason = self.corrupt[0]
                raise UsageError(f'"{self.source.path}": none of its {total:,} images can be read. {name}: {reason}')
            file.seek(0)
            npy_header(file, (self.done, *spec.shape), spec.dtype)
            sync(file)

    def _check_space(self, size: int) -> None:
        free = shutil.disk_usage(self.work).free
        if size * 1.02 + (1 << 20) > free:
            raise UsageError(
                f'Packing "{self.source.path}" needs {size / 1e9:.1f} GB and the cache "{self.work.parent}" '
                f"has {free / 1e9:.1f} GB left. Choose a smaller size, or set GANWORKS_CACHE to another disk."
            )

    def _add(self, file: Any, index: int, item: ConvertedItem) -> None:
        spec, data = self.conversion.spec, np.ascontiguousarray(item.array)
        if data.shape != spec.shape or data.dtype != spec.dtype:
            raise ValueError(f"item {index} became {data.dtype} {data.shape}, not {spec.dtype} {spec.shape}")
        file.write(data.data)
        self.hashes[self.done] = hashlib.blake2b(data.data, digest_size=16).digest()
        self.kept[self.done] = index
        self.sizes[item.size] += 1
        self.modes[item.mode] += 1
        if item.warnings:
            self.warnings.update(item.warnings)
        self.done += 1

    def finish(self, notes: list[str]) -> None:
        """Write labels, hashes and, last, fingerprint.json."""
        source, spec = self.source, self.conversion.spec
        labels = source.labels if spec.classes else None
        if labels is not None:
            self._save("y.npy", labels[self.kept[: self.done]])
        self._save("hash.npy", self.hashes[: self.done].view("<u8").reshape(-1, 2))
        facts = {
            "format": FORMAT,
            "source": printable(source.path),
            "kind": source.kind,
            "bytes": source.bytes,
            "spec": spec.to_dict(),
            "count": self.done,
            "corrupt": self.corrupt[:10_000],
            "corrupt_count": len(self.corrupt),
            "sizes": {"x".join(map(str, size)): times for size, times in self.sizes.most_common(50)},
            "distinct_sizes": len(self.sizes),
            "modes": dict(self.modes.most_common()),
            "warnings": dict(self.warnings.most_common(50)),
            "notes": [*source.notes, *notes, *self.conversion.notes],
        }
        with (self.work / "fingerprint.json").open("wb") as file:
            file.write(json.dumps(facts, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace"))
            sync(file)

    def _save(self, name: str, array: np.ndarray) -> None:
        with (self.work / name).open("wb") as file:
            np.save(file, array, allow_pickle=False)
            sync(file)


def sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def npy_header(file: Any, shape: tuple[int, ...], dtype: str) -> None:
    """A header whose length does not depend on the count (numpy leaves room for it to grow)."""
    np.lib.format.write_array_header_2_0(
        file, {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    )


def converted(
    source: Source, convert: Callable[[Any, str], ConvertedItem], chunk: int, on_progress: Progress | None
) -> Iterator[tuple[int, ConvertedItem | DecodeError]]:
    """Every item in order, with no more than one chunk in memory; encoded images are decoded by threads."""

    def job(index: int) -> ConvertedItem | DecodeError:
        try:
            return convert(source.get(index), source.name(index))
        except DecodeError as error:
            return error

    def jobs(part: range) -> list[ConvertedItem | DecodeError]:
        return [job(index) for index in part]

    total, threads = len(source), min(os.cpu_count() or 1, 16)
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


__all__ = ["Conversion", "ConvertedItem", "Packed", "Progress", "cache_folder", "pack"]
