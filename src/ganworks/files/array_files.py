"""Reads arrays from .npy, .npz and IDX files (the format of MNIST).

Pickled objects are never loaded, and no more is read than the header states. Compressed data are unpacked once, into
memory when small and into an unnamed memory-mapped file otherwise, so that memory use stays flat.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import tempfile
import tokenize
import zipfile
import zlib
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ganworks.core.console.text import printable
from ganworks.core.errors import UsageError
from ganworks.core.machine import memory
from ganworks.files.arrays import ArraySource

MAX_TOTAL = 256 << 30
MAX_RATIO = 200
RATIO_FROM = 16 << 20
CHUNK = 1 << 20
_COPIES = 3  # of an array that is read into memory: as stored, as float32, in work
_DAMAGE = (  # what numpy and zipfile raise for truncated or altered files
    ValueError, OSError, EOFError, SyntaxError, NotImplementedError, RuntimeError, TypeError, KeyError, IndexError,
    OverflowError, MemoryError, zipfile.BadZipFile, zlib.error, tokenize.TokenError, struct.error,
)  # fmt: skip


def from_npy(path: Path) -> ArraySource:
    """An .npy file, memory-mapped. Labels come from `<name>_labels.npy`, `labels.npy` or `y.npy` beside it."""
    array = map_npy(path)
    beside = [
        path.with_name(f"{path.stem}_labels.npy"),
        path.with_name("labels.npy"),
        path.with_name("y.npy"),
    ]
    labels = next((p for p in beside if p != path and p.is_file()), None)
    notes = [f"labels from {labels.name}"] if labels else []

    def given() -> np.ndarray | None:
        return load_npy(labels) if labels else None

    return ArraySource(
        printable(str(path)),
        "npy",
        lambda: array,
        array.shape,
        array.dtype,
        given,
        file_mark(path, labels),
        path.stat().st_size,
        notes,
    )


def load_npy(file: Path | BinaryIO, name: str = "") -> np.ndarray:
    """The array in an .npy file, a path or a stream that can be sought in. name: of a stream, for messages.

    Raises UsageError for anything but numbers or words, all of them there, and for what does not fit into memory;
    nothing is allocated before that is known.
    """
    where = name or str(file)
    try:
        with file.open("rb") if isinstance(file, Path) else nullcontext(file) as stream:
            memory.check_bytes(_COPIES * _check_npy(stream), f'"{where}"')
            return np.load(stream, allow_pickle=False)
    except _DAMAGE as error:
        raise _damaged(where, error) from error


def map_npy(path: Path) -> np.memmap:
    """The array in an .npy file, memory-mapped. Raises what `load_npy` raises."""
    try:
        with path.open("rb") as file:
            _check_npy(file)
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def _check_npy(file: BinaryIO) -> int:
    """Bytes of the array in an .npy file; ValueError unless it holds all that its header states. The file is at its
    start afterwards.
    """
    shape, dtype, _ = _read_head(file, "it")
    start, end = file.tell(), file.seek(0, os.SEEK_END)
    if (size := math.prod(shape) * dtype.itemsize) > end - start:
        raise ValueError(f"it says it has shape {shape} but holds {end - start:,} bytes of data")
    file.seek(0)
    return size


def load_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays in an .npz file by name. Raises UsageError, as `load_npy` does, and for decompression bombs."""
    heads = _npz_heads(path)
    memory.check_bytes(_COPIES * sum(math.prod(shape) * dtype.itemsize for shape, dtype in heads.values()), f'"{path}"')
    return {name: np.array(_unpack_npy(path, f"{name}.npy")) for name in heads}


def load_member(path: Path, name: str) -> np.ndarray | None:
    """One array of an .npz file, None when there is none of that name. Raises what `load_npz` raises."""
    if name not in (heads := _npz_heads(path)):
        return None
    shape, dtype = heads[name]
    memory.check_bytes(_COPIES * math.prod(shape) * dtype.itemsize, f'"{name}" of "{path}"')
    return np.array(_unpack_npy(path, f"{name}.npy"))


def from_npz(path: Path) -> ArraySource:
    """An .npz file. Images: x, images, x_train, data, arr_0, or the largest array; labels: y, labels, label, y_train,
    targets or arr_1.
    """
    heads = _npz_heads(path)
    images = next((n for n in ("x", "images", "x_train", "data", "arr_0") if n in heads), None)
    images = images or max(heads, key=lambda n: math.prod(heads[n][0]))
    labels = next(
        (n for n in ("y", "labels", "label", "y_train", "targets", "arr_1") if n in heads and n != images),
        None,
    )
    shape, dtype = heads[images]
    notes = [f'images from "{images}"' + (f', labels from "{labels}"' if labels else "")]

    def given() -> np.ndarray | None:
        return None if labels is None else in_memory(_unpack_npy(path, f"{labels}.npy"), path)

    return ArraySource(
        printable(str(path)),
        "npz",
        lambda: _unpack_npy(path, f"{images}.npy"),
        shape,
        dtype,
        given,
        file_mark(path),
        path.stat().st_size,
        notes,
    )


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Array name -> shape of an .npz file; an .npy file has one entry, named "". Only headers are read."""
    if path.suffix.lower() == ".npz":
        return {name: shape for name, (shape, _) in _npz_heads(path).items()}
    try:
        with path.open("rb") as file:
            return {"": _read_head(file, "it")[0]}
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def _npz_heads(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    try:
        with zipfile.ZipFile(path) as archive:
            check_ratio(path, [(i.filename, i.file_size, i.compress_size) for i in archive.infolist()])
            heads = {i.filename.removesuffix(".npy"): _npy_head(archive, i) for i in archive.infolist()}
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    if not heads:
        raise UsageError(f'"{path}" holds no arrays.')
    return heads


def _npy_head(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype]:
    with archive.open(info) as file:
        shape, dtype, _ = _read_head(file, info.filename)
    if math.prod(shape) * dtype.itemsize > info.file_size:
        raise ValueError(f"{info.filename} says it has shape {shape} but holds {info.file_size} bytes")
    return shape, dtype


def _read_head(file: Any, name: str) -> tuple[tuple[int, ...], np.dtype, bool]:
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"{name} has the version {version} of the format, which is not known")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError(f"{name} holds pickled objects, which are never read")
    if dtype.names or dtype.subdtype or not all(0 <= n < 2**48 for n in shape) or len(shape) > 32:
        raise ValueError(f"{name} says it has shape {str(shape)[:60]} of {str(dtype)[:60]}")
    return shape, dtype, fortran


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz file by name, that of an .npy file as "x", in memory. Raises what `load_npy` raises."""
    return load_npz(path) if path.suffix.lower() == ".npz" else {"x": load_npy(path)}


def _unpack_npy(path: Path, member: str) -> np.ndarray:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            shape, dtype, fortran = _read_head(file, member)
            flat = spool(file, math.prod(shape) * dtype.itemsize, path)
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    return flat.view(dtype).reshape(shape, order="F" if fortran else "C")


def from_idx(path: Path) -> ArraySource:
    """An IDX file (the format of MNIST; also .gz), or a folder of such files, of which the training images are used.

    Labels are read from the file beside it whose name has labels-idx1 in place of images-idx3.
    """
    if path.is_dir():
        path = idx_in_folder(path) or path
    shape, dtype, _ = _idx_head(path)
    beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1"))
    found = [
        p for p in (beside, beside.with_suffix(""), beside.with_name(beside.name + ".gz")) if p != path and p.is_file()
    ]
    labels = found[0] if found else None
    notes = [f"images from {path.name}" + (f", labels from {labels.name}" if labels else ", no labels file beside it")]

    def given() -> np.ndarray | None:
        return in_memory(_unpack_idx(labels), labels) if labels else None

    return ArraySource(
        printable(str(path)),
        "idx",
        lambda: _unpack_idx(path),
        shape,
        dtype,
        given,
        file_mark(path, labels),
        path.stat().st_size,
        notes,
    )


def idx_in_folder(folder: Path) -> Path | None:
    """The file of images in a folder of IDX files, preferably of training images; None when there is none."""
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if "images" in e.name and is_idx_name(e.name) and e.is_file())
    name = next((n for n in names if n.startswith("train")), names[0] if names else None)
    return folder / name if name else None


def is_idx_name(name: str) -> bool:
    """Whether a file name looks like that of an IDX file."""
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
                raise UsageError(f'"{path}" is not an IDX file: its first bytes are {magic!r}.')
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


def in_memory(array: np.ndarray, path: Path) -> np.ndarray:
    """A copy of an array in memory; UsageError when it does not fit."""
    memory.check_bytes(_COPIES * array.nbytes, f'The labels of "{path}"')
    return np.array(array)


def spool(file: Any, size: int, path: Path) -> np.ndarray:
    """A stream's next `size` bytes as uint8 [size]: in memory up to 64 MB, else in an unnamed memory-mapped file."""
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
    """Refuse decompression bombs: UsageError if a member (name, unpacked size, stored size) is above the limits."""
    for name, size, stored in members:
        if size > RATIO_FROM and size > MAX_RATIO * max(stored, 1):
            raise UsageError(
                f'"{path}": {name!r} would grow from {stored:,} to {size:,} bytes, more than '
                f"{MAX_RATIO} times; this looks like a decompression bomb and is not opened."
            )
    total = sum(size for _, size, _ in members)
    if total > MAX_TOTAL:
        raise UsageError(f'"{path}" would grow to {total:,} bytes; the limit is {MAX_TOTAL:,}.')


def file_mark(*paths: Path | None) -> str:
    """Paths, sizes and modification times of files as a text that changes when a file changes."""
    stats = [(p.resolve(), p.stat()) for p in paths if p is not None]
    return " ".join(f"{p!s}:{s.st_size}:{s.st_mtime_ns}" for p, s in stats)


def _damaged(path: Path | str, error: Exception) -> UsageError:
    return UsageError(f'"{printable(str(path))}" cannot be read: {str(error)[:200] or type(error).__name__}.')


def zip_count(path: Path) -> int:
    """The number of members that a zip's end record states (APPNOTE 4.3.14 and 4.3.16); none is parsed."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 65_557))
        tail = file.read()
    big, end = tail.rfind(b"PK\x06\x06"), tail.rfind(b"PK\x05\x06")
    if big >= 0:
        return int.from_bytes(tail[big + 32 : big + 40], "little")
    return int.from_bytes(tail[end + 10 : end + 12], "little") if end >= 0 else 0
