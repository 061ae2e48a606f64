"""Sources that hold arrays: numpy arrays, .npy and .npz files, IDX files, the digits inside scikit-learn.

A source is indexable and lazy: nothing is read before `get`, and compressed files are unpacked once to a temporary
file that is mapped, so memory stays flat.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from ganworks.errors import UsageError

MAX_TOTAL = 256 << 30
MAX_RATIO = 200
RATIO_FROM = 16 << 20
CHUNK = 1 << 20
READABLE = "uint8, uint16, bool, float or integer numbers"


class Source(Protocol):
    """What `pack` reads. Items are encoded images (bytes) or arrays [C, H, W]."""

    path: str
    kind: str
    notes: list[str]
    bytes: int

    @property
    def labels(self) -> np.ndarray | None: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    def __len__(self) -> int: ...
    def name(self, index: int) -> str: ...
    def get(self, index: int) -> bytes | np.ndarray: ...
    def stamp(self) -> str: ...


@dataclass
class ArraySource:
    """N arrays [C, H, W].

    load: gives the whole array (mapped where it can be); called once, when the first item is asked for.
    count, dtype: known before loading. given_labels: gives labels [N] of any type, or None.
    mark: identifies the content: path, size and time of a file, or a hash of an array in memory.
    """

    path: str
    kind: str
    load: Callable[[], np.ndarray]
    shape: tuple[int, ...]
    dtype: np.dtype
    given_labels: Callable[[], np.ndarray | None]
    mark: str
    bytes: int = 0
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.dtype.kind not in "uifb":
            raise UsageError(f'"{self.path}" holds {self.dtype}; it must hold {READABLE}.')
        if len(self.shape) not in (3, 4):
            raise UsageError(f'"{self.path}" has shape {self.shape}; images need [N, H, W], [N, H, W, C] or [N, C, H, W].')
        if 0 in self.shape[1:]:
            raise UsageError(f'"{self.path}" has shape {self.shape}: images without pixels.')
        self.axes, note = channel_axes(self.shape)
        self.notes.append(note)

    @cached_property
    def array(self) -> np.ndarray:
        """All of it, [N, ...] as stored."""
        return self.load()

    @cached_property
    def _labelled(self) -> tuple[np.ndarray | None, tuple[str, ...]]:
        values = self.given_labels()
        return (None, ()) if values is None else number_labels(values, self.shape[0], self.path)

    @property
    def labels(self) -> np.ndarray | None:
        """int64 [N] or None."""
        return self._labelled[0]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order."""
        return self._labelled[1]

    @property
    def item_shape(self) -> tuple[int, ...]:
        """(C, H, W)."""
        return (1, *self.shape[1:]) if self.axes is None else tuple(self.shape[a] for a in self.axes[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def name(self, index: int) -> str:
        """A name for messages."""
        return f"{self.path}[{index}]"

    def get(self, index: int) -> np.ndarray:
        """Item [C, H, W] in the stored type."""
        return self.rows(index, index + 1)[0]

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Items start..stop as one array [n, C, H, W]."""
        part = self.array[start:stop]
        return part[:, None] if self.axes is None else part.transpose(self.axes)

    def stamp(self) -> str:
        """Changes when the data change."""
        return f"{self.kind} {self.shape} {self.dtype} {self.mark}"


def channel_axes(shape: tuple[int, ...]) -> tuple[tuple[int, ...] | None, str]:
    """Where the channels are: the permutation to [N, C, H, W] (None: no channel axis) and a sentence that says so.

    Of the second and the last axis, the one that is 1..4 long holds the channels; if that does not tell, the
    shorter one does, and the last one if both are alike.
    """
    if len(shape) == 3:
        return None, f"shape {shape} read as [N, H, W], one channel"
    first, last = shape[1], shape[3]
    small = [n for n in (first, last) if n <= 4]
    is_first = first <= 4 if len(small) == 1 else first < last
    if is_first:
        return (0, 1, 2, 3), f"shape {shape} read as [N, C, H, W]"
    return (0, 3, 1, 2), f"shape {shape} read as [N, H, W, C]"


def number_labels(values: np.ndarray, count: int, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels of any kind -> int64 0..K-1 and the K class names; one-hot rows [N, K] are understood."""
    values = np.asarray(values)
    if values.dtype.kind not in "uifbUS":
        raise UsageError(f'The labels of "{where}" hold {values.dtype}; they must be numbers or words.')
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2 and values.dtype.kind in "uifb" and (values.sum(1) == 1).all() and ((values == 0) | (values == 1)).all():
        values = values.argmax(1)
    if values.shape != (count,):
        raise UsageError(f'"{where}" holds {count} images but labels of shape {values.shape}; one label per image is needed.')
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or (values != np.rint(values)).any():
            raise UsageError(f'The labels of "{where}" are not whole numbers. Give class numbers, or labels=off.')
        values = values.astype(np.int64)
    found, numbered = np.unique(values, return_inverse=True)
    names = tuple(v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in found.tolist())
    return numbered.astype(np.int64), names


def from_array(data: Any) -> ArraySource:
    """A numpy array (or torch tensor) of images, or a tuple (images, labels)."""
    x, y = data if isinstance(data, tuple | list) and len(data) == 2 else (data, None)
    x, y = np.asarray(x), None if y is None else np.asarray(y)
    digest = hashlib.blake2b(digest_size=16)
    for part in (x, y):
        if part is not None and part.dtype.kind != "O":
            for row in range(0, len(part), 4096):
                digest.update(np.ascontiguousarray(part[row:row + 4096]))
    return ArraySource("array", "array", lambda: x, x.shape, x.dtype, lambda: y, digest.hexdigest(), x.nbytes)


def digits() -> ArraySource:
    """The 1,797 handwritten digits, 8x8, that scikit-learn carries: grey 0..16 scaled to 0..255."""
    def load() -> Any:
        from sklearn.datasets import load_digits  # slow to import: only when packing

        return load_digits()
    return ArraySource(
        "digits", "digits", lambda: np.rint(load().images * (255 / 16)).astype(np.uint8), (1797, 8, 8),
        np.dtype(np.uint8), lambda: load().target, "scikit-learn", 1797 * 64,
        ["1,797 scans of handwritten digits (scikit-learn), 0..16 scaled to 0..255"])


def from_npy(path: Path) -> ArraySource:
    """An .npy file, mapped. Labels: `<name>_labels.npy`, `labels.npy` or `y.npy` beside it."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError, SyntaxError) as error:
        raise _damaged(path, error) from error
    beside = [path.with_name(f"{path.stem}_labels.npy"), path.with_name("labels.npy"), path.with_name("y.npy")]
    labels = next((p for p in beside if p != path and p.is_file()), None)
    notes = [f"labels from {labels.name}"] if labels else []

    def given() -> np.ndarray | None:
        return np.load(labels, allow_pickle=False) if labels else None
    return ArraySource(str(path), "npy", lambda: array, array.shape, array.dtype, given,
                       file_mark(path, labels), path.stat().st_size, notes)


def from_npz(path: Path) -> ArraySource:
    """An .npz file: images under x, images, arr_0 or the largest array; labels under y, labels, label or arr_1."""
    try:
        with zipfile.ZipFile(path) as archive:
            check_ratio(path, [(i.filename, i.file_size, i.compress_size) for i in archive.infolist()])
            heads = {i.filename.removesuffix(".npy"): _npy_head(archive, i) for i in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, zlib.error, NotImplementedError, RuntimeError) as error:
        raise _damaged(path, error) from error
    if not heads:
        raise UsageError(f'"{path}" holds no arrays.')
    images = next((n for n in ("x", "images", "x_train", "data", "arr_0") if n in heads), None)
    images = images or max(heads, key=lambda n: math.prod(heads[n][0]))
    labels = next((n for n in ("y", "labels", "label", "y_train", "targets", "arr_1") if n in heads and n != images), None)
    shape, dtype = heads[images]
    notes = [f'images from "{images}"' + (f', labels from "{labels}"' if labels else "")]

    def given() -> np.ndarray | None:
        return None if labels is None else np.array(_unpack_npy(path, f"{labels}.npy"))
    return ArraySource(str(path), "npz", lambda: _unpack_npy(path, f"{images}.npy"), shape, dtype, given,
                       file_mark(path), path.stat().st_size, notes)


def _npy_head(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype]:
    with archive.open(info) as file:
        shape, dtype, _ = _read_head(file, info.filename)
    if dtype.kind != "O" and math.prod(shape) * dtype.itemsize > info.file_size:
        raise ValueError(f"{info.filename} says it has shape {shape} but holds {info.file_size} bytes")
    return shape, dtype


def _read_head(file: Any, name: str) -> tuple[tuple[int, ...], np.dtype, bool]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError(f"{name} holds pickled objects, which are never read")
    return shape, dtype, fortran


def _unpack_npy(path: Path, member: str) -> np.ndarray:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            shape, dtype, fortran = _read_head(file, member)
            flat = spool(file, math.prod(shape) * dtype.itemsize, path)
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, zlib.error) as error:
        raise _damaged(path, error) from error
    return flat.view(dtype).reshape(shape, order="F" if fortran else "C")


def from_idx(path: Path) -> ArraySource:
    """An IDX file (the format of MNIST; .gz too), or a folder that holds them: then the training files are used.

    Labels are read from the file beside it whose name says labels-idx1 where the images say images-idx3.
    """
    if path.is_dir():
        path = idx_in_folder(path) or path
    shape, dtype, _ = _idx_head(path)
    beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1"))
    found = [p for p in (beside, beside.with_suffix(""), beside.with_name(beside.name + ".gz")) if p != path and p.is_file()]
    labels = found[0] if found else None
    notes = [f"images from {path.name}" + (f", labels from {labels.name}" if labels else ", no labels file beside it")]

    def given() -> np.ndarray | None:
        return np.array(_unpack_idx(labels)) if labels else None
    return ArraySource(str(path), "idx", lambda: _unpack_idx(path), shape, dtype, given, file_mark(path, labels),
                       path.stat().st_size, notes)


def idx_in_folder(folder: Path) -> Path | None:
    """The images file of a folder of IDX files, the training one before others; None when there is none."""
    found = sorted(p for p in folder.iterdir() if "images" in p.name and is_idx_name(p.name) and p.is_file())
    return next((p for p in found if p.name.startswith("train")), found[0] if found else None)


def is_idx_name(name: str) -> bool:
    """Whether a file name is that of an IDX file."""
    return name.endswith(("-ubyte", "-ubyte.gz", ".idx", ".idx.gz")) or "-idx" in name or ".idx" in name


IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def _open_idx(path: Path) -> BinaryIO:
    file = path.open("rb")
    magic = file.read(2)
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if magic == b"\x1f\x8b" else file  # type: ignore[return-value]


def _idx_head(path: Path) -> tuple[tuple[int, ...], np.dtype, int]:
    try:
        with _open_idx(path) as file:
            magic = file.read(4)
            if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in IDX_TYPES or not 1 <= magic[3] <= 4:
                raise UsageError(f'"{path}" is no IDX file: its first bytes are {magic!r}.')
            raw = file.read(4 * magic[3])
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, error) from error
    if len(raw) < 4 * magic[3]:
        raise UsageError(f'"{path}" ends inside its header.')
    shape = tuple(int(n) for n in np.frombuffer(raw, ">u4"))
    dtype = np.dtype(IDX_TYPES[magic[2]])
    total, stored = math.prod(shape) * dtype.itemsize, path.stat().st_size
    check_ratio(path, [(path.name, total, stored)])
    return shape, dtype, 4 + 4 * magic[3]


def _unpack_idx(path: Path) -> np.ndarray:
    shape, dtype, offset = _idx_head(path)
    try:
        with _open_idx(path) as file:
            file.read(offset)
            flat = spool(file, math.prod(shape) * dtype.itemsize, path)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, error) from error
    return flat.view(dtype).reshape(shape)


def spool(file: Any, size: int, path: Path) -> np.ndarray:
    """`size` bytes of a stream as a flat uint8 array: in memory when small, in an unnamed mapped file otherwise."""
    if size <= 64 << 20:
        data = bytearray()
        while len(data) < size and (part := file.read(min(CHUNK, size - len(data)))):
            data += part
        _check_whole(len(data), size, path)
        return np.frombuffer(data, np.uint8)
    done = 0
    with tempfile.TemporaryFile(prefix="ganworks-") as out:
        while done < size and (part := file.read(min(CHUNK, size - done))):
            out.write(part)
            done += len(part)
        _check_whole(done, size, path)
        out.flush()
        return np.memmap(out, np.uint8, "r", shape=(size,))


def _check_whole(got: int, size: int, path: Path) -> None:
    if got < size:
        raise UsageError(f'"{path}" is cut short: it promises {size:,} bytes of data and holds {got:,}.')


def check_ratio(path: Path | str, members: list[tuple[str, int, int]]) -> None:
    """Refuse a decompression bomb: (name, size, stored size) of each member against the caps."""
    for name, size, stored in members:
        if size > RATIO_FROM and size > MAX_RATIO * max(stored, 1):
            raise UsageError(f'"{path}": {name!r} would grow from {stored:,} to {size:,} bytes, more than '
                             f"{MAX_RATIO} times; this looks like a decompression bomb and is not opened.")
    total = sum(size for _, size, _ in members)
    if total > MAX_TOTAL:
        raise UsageError(f'"{path}" would grow to {total:,} bytes; the limit is {MAX_TOTAL:,}.')


def file_mark(*paths: Path | None) -> str:
    """Path, size and time of files: changes when a file changes."""
    stats = [(p.resolve(), p.stat()) for p in paths if p is not None]
    return " ".join(f"{p!s}:{s.st_size}:{s.st_mtime_ns}" for p, s in stats)


def _damaged(path: Path, error: Exception) -> UsageError:
    return UsageError(f'"{path}" cannot be read: {str(error)[:200] or type(error).__name__}.')




def stored_range(source: ArraySource) -> tuple[Callable[[np.ndarray], np.ndarray], dict[str, Any], list[str]]:
    """How values become rows: a function on one item, the `low`, `high`, `dtype` of the spec, and a note.

    uint8 is kept, bool becomes 0 and 255, uint16 is scaled by 65535. Other integers must lie in 0..255 or 0..65535.
    Floats with at most 4 channels that lie in 0..1, -1..1 or 0..255 are taken for images and become uint8; all
    other floats stay float32, with their least and greatest value as range.
    """
    kind, shown = source.dtype, f'values of "{source.path}"'
    if kind == np.uint8:
        return lambda x: x, {}, []
    if kind == np.bool_:
        return lambda x: x.astype(np.uint8) * np.uint8(255), {}, [f"{shown}: true and false made 255 and 0"]
    if kind == np.uint16:
        return _scaler(0, 65535), {}, [f"{shown}: 16 bits scaled to 8"]
    low, high = _extremes(source)
    if kind.kind in "ui":
        top = next((t for t in (255, 65535) if low >= 0 and high <= t), None)
        if top is None:
            raise UsageError(f"The {shown} run from {low:g} to {high:g}; whole numbers must lie in 0..255 or 0..65535. "
                             "Save floats if they are no pixels.")
        return _scaler(0, top), {}, [f"{shown}: 0..{top} scaled to 0..255"]
    known = next(((a, b) for a, b in ((0, 1), (-1, 1), (0, 255)) if a <= low and high <= b), None)
    if known and source.item_shape[0] <= 4:
        return _scaler(*known), {}, [f"{shown}: floats in {known[0]}..{known[1]} scaled to 0..255"]
    high = high if high > low else low + 1
    return (lambda x: x.astype(np.float32), {"low": low, "high": high, "dtype": "float32"},
            [f"{shown}: floats from {low:g} to {high:g}, kept as they are"])


def _scaler(low: float, high: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.rint((x.astype(np.float64) - low) * (255 / (high - low))).astype(np.uint8)


def _extremes(source: ArraySource) -> tuple[float, float]:
    low, high = math.inf, -math.inf
    for start in range(0, len(source), 1024):
        part = source.rows(start, start + 1024)
        finite = part[np.isfinite(part)] if part.dtype.kind == "f" else part
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low > high:
        raise UsageError(f'"{source.path}" holds no finite value.')
    return low, high
