"""Pack a source once into a memory-map beside a fingerprint; later opens are instant and memory stays flat.

cache/<name>-<key>/x.npy [N, C, H, W], y.npy [N], hash.npy [N, 2] and fingerprint.json, written to a temporary folder
and renamed when complete. The key holds the source's stamp (names, sizes, times) and the settings of the conversion.
"""

from __future__ import annotations

import errno
import hashlib
import json
import mmap
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
import torch
from torch import Tensor

from ganworks.data.arrays import Source
from ganworks.data.decode import CorruptItem, printable
from ganworks.data.spec import Spec
from ganworks.errors import UsageError

FORMAT = 1
MAX_HELD = 10_000
RELEASE_AFTER = 256 << 20
FAULT = 64 << 10
Progress = Callable[[int, int], None]


class Item(NamedTuple):
    """A converted item: array as packed, (H, W) and mode before conversion, warnings."""

    array: np.ndarray
    size: tuple[int, ...]
    mode: str
    warnings: tuple[str, ...] = ()


@dataclass
class Conversion:
    """How items become rows. convert(item, name) -> Item with array of `spec.shape` and `spec.dtype`.

    notes: sentences about choices that were made. after: sentences from the counted modes and warnings.
    """

    spec: Spec
    convert: Callable[[Any, str], Item]
    notes: list[str] = field(default_factory=list)


def pack(source: Source, plan: Callable[[], Conversion], settings: dict[str, Any], *, cache: str | Path | None = None,
         on_corrupt: str = "error", held_out: float = 0.1, on_progress: Progress | None = None) -> Packed:
    """Open the pack of a source, making it first when there is none.

    plan: called only when packing; it may look at the data. settings: plain values that decide the result, part of
    the key. on_progress(done, total) is called while packing. Raises UsageError for a corrupt item (on_corrupt
    "error"), an empty source, a cache that cannot be written or a full disk.
    """
    if not len(source):
        raise UsageError(f'"{source.path}" holds no images.')
    root, notes = cache_folder(cache)
    text = json.dumps([FORMAT, source.stamp(), settings, on_corrupt], sort_keys=True, default=str)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(source.path).stem)[:40].strip("-") or "data"
    folder = root / f"{name}-{hashlib.blake2b(text.encode('utf-8', 'surrogateescape'), digest_size=10).hexdigest()}"
    ready = _open(folder, held_out)
    if ready is None:
        _clean(root)
        with _temporary(root, folder) as work:
            _write(source, plan(), work, on_corrupt, on_progress, notes)
        ready = _open(folder, held_out)
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
            raise UsageError(f'The cache folder "{given}" cannot be written ({error}). '
                             "Set GANWORKS_CACHE to a folder that can.") from error
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


def _clean(root: Path) -> None:
    """Remove what packing runs that were killed left behind a day ago or earlier."""
    for left in root.glob(".packing-*"):
        if time.time() - left.stat().st_mtime > 86_400:
            shutil.rmtree(left, ignore_errors=True)


class _temporary:
    """A folder beside `folder` that takes its name on success and vanishes on failure."""

    def __init__(self, root: Path, folder: Path):
        self.folder = folder
        self.work = Path(tempfile.mkdtemp(prefix=".packing-", dir=root))

    def __enter__(self) -> Path:
        return self.work

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                shutil.rmtree(self.folder, ignore_errors=True)  # only a damaged one can be there
                self.work.replace(self.folder)
        except OSError:
            if _open(self.folder, 0.1) is None:  # else another process was faster, with the same content
                raise
        finally:
            shutil.rmtree(self.work, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise UsageError(f'The disk of the cache "{self.folder.parent}" is full. Free some space, or set '
                             "GANWORKS_CACHE to another disk.") from error


def _write(source: Source, conversion: Conversion, work: Path, on_corrupt: str, on_progress: Progress | None,
           notes: list[str]) -> None:
    spec, total = conversion.spec, len(source)
    row = np.dtype(spec.dtype).itemsize * int(np.prod(spec.shape))
    free = shutil.disk_usage(work).free
    if row * total * 1.02 + (1 << 20) > free:
        raise UsageError(f'Packing "{source.path}" needs {row * total / 1e9:.1f} GB and the cache "{work.parent}" has '
                         f"{free / 1e9:.1f} GB left. Choose a smaller size, or set GANWORKS_CACHE to another disk.")
    hashes, kept = np.zeros((total, 2), np.uint64), np.zeros(total, np.int64)
    sizes, modes, warnings, corrupt, done = Counter(), Counter(), Counter(), [], 0
    with (work / "x.npy").open("wb") as file:
        _npy_header(file, (total, *spec.shape), spec.dtype)
        for index, item in _converted(source, conversion.convert, max(1, min(1024, (32 << 20) // row)), on_progress):
            if isinstance(item, CorruptItem):
                if on_corrupt == "error":
                    raise UsageError(f"{item} To leave such files out, give on_corrupt=skip.") from item
                corrupt.append([item.name, item.reason])
                continue
            data = np.ascontiguousarray(item.array)
            if data.shape != spec.shape or data.dtype != spec.dtype:
                raise ValueError(f"{source.name(index)}: converted to {data.dtype} {data.shape}, not {spec.dtype} {spec.shape}")
            file.write(data.data)
            hashes[done] = np.frombuffer(hashlib.blake2b(data.data, digest_size=16).digest(), "<u8")
            kept[done] = index
            sizes["x".join(map(str, item.size))] += 1
            modes[item.mode] += 1
            warnings.update(item.warnings)
            done += 1
        if not done:
            raise UsageError(f'"{source.path}": none of its {total:,} images can be read. The first: {corrupt[0][0]}: '
                             f"{corrupt[0][1]}")
        file.seek(0)
        _npy_header(file, (done, *spec.shape), spec.dtype)
        file.flush()
        os.fsync(file.fileno())
    labels = source.labels if spec.classes else None
    if labels is not None:
        np.save(work / "y.npy", labels[kept[:done]])
    np.save(work / "hash.npy", hashes[:done])
    facts = {
        "format": FORMAT, "source": printable(source.path), "kind": source.kind, "bytes": source.bytes,
        "spec": spec.to_dict(), "count": done, "corrupt": corrupt[:10_000], "corrupt_count": len(corrupt),
        "sizes": dict(sizes.most_common(50)), "distinct_sizes": len(sizes), "modes": dict(modes.most_common()),
        "warnings": dict(warnings.most_common(50)), "notes": [*source.notes, *notes, *conversion.notes],
    }
    text = json.dumps(facts, ensure_ascii=False, indent=1)
    with (work / "fingerprint.json").open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _npy_header(file: Any, shape: tuple[int, ...], dtype: str) -> None:
    """A header whose length does not depend on the count (numpy leaves room for it to grow)."""
    np.lib.format.write_array_header_2_0(
        file, {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape})


def _converted(source: Source, convert: Callable[[Any, str], Item], chunk: int,
               on_progress: Progress | None) -> Iterator[tuple[int, Item | CorruptItem]]:
    """Every item in order, decoded by threads, with no more than one chunk in memory."""
    def job(index: int) -> Item | CorruptItem:
        try:
            return convert(source.get(index), source.name(index))
        except CorruptItem as error:
            return error

    threads = 1 if source.kind in ("array", "npy", "npz", "idx", "digits") else min(os.cpu_count() or 1, 16)
    total = len(source)
    with ThreadPoolExecutor(threads) as pool:
        run = map if threads == 1 else pool.map
        for start in range(0, total, chunk):
            if on_progress:
                on_progress(start, total)
            yield from enumerate(run(job, range(start, min(start + chunk, total))), start)
    if on_progress:
        on_progress(total, total)


def _open(folder: Path, held_out: float) -> Packed | None:
    """The pack in a folder, or None when there is none or it is damaged."""
    try:
        facts = json.loads((folder / "fingerprint.json").read_text(encoding="utf-8"))
        return Packed(folder, facts, held_out) if facts["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


class Packed:
    """A data set as a memory-map: what the engine trains on.

    spec: what one example is. fingerprint: sha256 (hex) of all content, labels and settings that shape it.
    train, held: int64 indices; every exact duplicate lies on the same side. labels: int64 [N] or None.
    """

    def __init__(self, folder: Path, facts: dict[str, Any], held_out: float = 0.1):
        self.folder, self.facts = folder, facts
        self.spec = Spec.from_dict(facts["spec"])
        mapped = np.load(folder / "x.npy", mmap_mode="r", allow_pickle=False)
        self._hashes = np.load(folder / "hash.npy", allow_pickle=False)
        self.labels: np.ndarray | None = (
            np.load(folder / "y.npy", allow_pickle=False) if self.spec.classes else None)
        self._check(mapped)
        self._map: mmap.mmap = mapped._mmap
        self._x = np.asarray(mapped)
        self._float = self.spec.dtype != "uint8"
        self._middle = (self.spec.high + self.spec.low) / 2
        self._half = (self.spec.high - self.spec.low) / 2
        self._touched, self._row = 0, max(FAULT, self._x[0].nbytes) if self._x.nbytes > RELEASE_AFTER else 0
        self.fingerprint = self._fingerprint()
        self.train, self.held, self.duplicates, self._notes = split(self._hashes, held_out)

    def _check(self, x: np.ndarray) -> None:
        count = self.facts["count"]
        whole = x.shape == (count, *self.spec.shape) and x.dtype == self.spec.dtype and self._hashes.shape == (count, 2)
        if not whole or (self.labels is not None and self.labels.shape != (count,)):
            raise ValueError("the pack does not hold what it says")

    def _fingerprint(self) -> str:
        spec = json.dumps(self.spec.to_dict(), sort_keys=True)
        digest = hashlib.sha256(spec.encode())
        digest.update(self._hashes.tobytes())
        if self.labels is not None:
            digest.update(self.labels.tobytes())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self._x)

    def raw(self, indices: Any) -> np.ndarray:
        """Rows as on disk: [n, C, H, W] in spec.dtype, a copy."""
        if self._row:
            self._release(len(indices))
        return self._x.take(indices, 0)

    def fetch(self, indices: Any) -> dict[str, Tensor]:
        """x float32 [n, C, H, W] in [-1, 1] and, with labels, y int64 [n]."""
        x = torch.from_numpy(self.raw(indices)).float()
        batch = {"x": x.sub_(self._middle).div_(self._half)}
        if self.labels is not None:
            batch["y"] = torch.from_numpy(self.labels.take(indices))
        return batch

    def _release(self, rows: int) -> None:
        """Give mapped pages back now and then, so that a big pack does not count as resident memory."""
        self._touched += rows * self._row
        if self._touched > RELEASE_AFTER and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
            self._touched = 0

    @property
    def summary(self) -> dict[str, Any]:
        """Plain facts: what was found, what it became, how it is split."""
        facts, counts = self.facts, {}
        if self.labels is not None:
            found = np.bincount(self.labels, minlength=self.spec.num_classes)
            counts = dict(zip(self.spec.classes, found.tolist(), strict=True))
        return {
            "source": facts["source"], "kind": facts["kind"], "bytes": facts["bytes"], "count": len(self),
            "size": list(self.spec.shape[1:]), "channels": self.spec.shape[0], "dtype": self.spec.dtype,
            "classes": counts, "train": len(self.train), "held": len(self.held), "duplicates": self.duplicates,
            "corrupt": facts["corrupt_count"], "corrupt_names": [f"{n}: {r}" for n, r in facts["corrupt"][:20]],
            "sizes": facts["sizes"], "distinct_sizes": facts["distinct_sizes"], "modes": facts["modes"],
            "warnings": facts["warnings"], "notes": [*facts["notes"], *self._notes],
            "fingerprint": self.fingerprint, "packed": str(self.folder),
        }


def split(hashes: np.ndarray, held_out: float) -> tuple[np.ndarray, np.ndarray, int, list[str]]:
    """Content hashes [N, 2] -> (train indices, held indices, exact duplicates, warnings).

    Rows are ordered by their hash and the first ones held out, at most MAX_HELD and never all, cut between two
    different contents: the split depends on the content alone, not on names or order.
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
    if 0 < held_out and cut < 50:
        notes.append(f"only {cut} images are held out: scores against them say little")
    if count > 1 and first.sum() == 1:
        notes.append("all images are identical")
    return np.sort(order[cut:]), np.sort(order[:cut]), int(count - first.sum()), notes
