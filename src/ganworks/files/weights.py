"""Tensors in safetensors files, written atomically and read without trusting the file.

Only safetensors are read: pickles (`.pt`, `.pth`, `.ckpt`, `.pkl`) can run code and are refused, by name and by
content, before any parsing. The header is checked here before memory is allocated; then `safetensors` reads the
tensors. Every file written here carries a SHA-256 of its content, so that damage is detected even without a manifest.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import safetensors.torch
import torch
from torch import Tensor, nn

from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.machine import memory
from ganworks.core.machine.places import explain
from ganworks.core.schema.plain import read_json
from ganworks.files import atomic

_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_NAMES = {dtype: name for name, dtype in _TYPES.items()}
_SIZES = {name: dtype.itemsize for name, dtype in _TYPES.items()}
_DIGEST = "sha256"
_MAX_HEADER = 16 * 2**20
_UNSAFE = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib", ".h5", ".npy", ".npz", ".tar"}
_ADVICE = (
    "ganworks loads only .safetensors, because other checkpoint files can run code. To convert one "
    "that you trust: safetensors.torch.save_file(torch.load(FILE, weights_only=True), "
    "'NAME.safetensors')."
)
_MAGIC = {
    b"PK": "a zip archive (as torch.save writes it)",
    b"\x80": "a pickle",
    b"\x1f\x8b": "a gzip file",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array",
    b"<": "a web page or XML",
    b"version https://git-lfs": "a Git LFS pointer, not the file",
    b"\x7fELF": "a program",
    b"GIF8": "an image",
    b"\x89PNG": "an image",
}


def write(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> str:
    """Write named tensors and texts as a safetensors file, atomically; returns the SHA-256 of the file in hex.

    Tensors may be on any device and in any memory format. Raises UsageError for types that the format lacks,
    GanworksError if the disk is full.
    """
    return atomic.replace_pieces(path, pack(tensors, metadata, path))


def pack(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None, path: str | Path
) -> list[bytes | memoryview]:
    """The bytes of a safetensors file, in pieces that share the memory of tensors on a CPU.

    path: where they will be written, for the UsageError about types that the format lacks.
    """
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    for name, tensor in kept.items():
        if tensor.dtype not in _NAMES:
            raise UsageError(f"{path}: tensor {name!r} has the type {tensor.dtype}, which safetensors cannot hold.")
    order = sorted(kept, key=lambda name: (-kept[name].dtype.itemsize, name))  # keeps every tensor aligned
    header, end = {}, 0
    for name in order:
        start, end = end, end + kept[name].nbytes
        header[name] = {
            "dtype": _NAMES[kept[name].dtype],
            "shape": list(kept[name].shape),
            "data_offsets": [start, end],
        }
    inner = hashlib.sha256()
    for name in order:
        inner.update(_bytes(kept[name]))
    texts = dict(metadata or {})
    seal = {_DIGEST: _seal(header, texts, inner.hexdigest())}
    head = json.dumps({"__metadata__": texts | seal, **header}).encode()
    head += b" " * (-len(head) % 8)
    return [len(head).to_bytes(8, "little"), head, *(_bytes(kept[name]) for name in order)]


def _bytes(tensor: Tensor) -> memoryview:
    return memoryview(tensor.reshape(-1).view(torch.uint8).numpy())  # pyrefly: ignore


def _seal(header: Mapping[str, Any], texts: Mapping[str, str], data: str) -> str:
    """The digest that a file carries, over the layout of its tensors, its texts and its data."""
    return hashlib.sha256(json.dumps([header, texts, data], sort_keys=True).encode()).hexdigest()


class Content(NamedTuple):
    """What a safetensors file holds: tensors on the CPU, texts, the SHA-256 of the file and whether it seals itself,
    as every file written here does.
    """

    tensors: dict[str, Tensor]
    texts: dict[str, str]
    sha256: str
    sealed: bool


def read(path: str | Path, *, allow_nonfinite: bool = False) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors (on the CPU) and texts of a safetensors file; raises what `load` raises."""
    return load(path, allow_nonfinite=allow_nonfinite)[:2]


def load(path: str | Path, *, allow_nonfinite: bool = False) -> Content:
    """All that a safetensors file holds, of one moment, even when the file is replaced meanwhile.

    Raises UsageError for anything but an undamaged safetensors file, quickly and without large allocations, and for
    NaN or infinite values unless allow_nonfinite.
    """
    path = Path(path)
    with _opened(path) as file:
        header, texts, size = _read_header(path, file)
        memory.check_bytes(2 * size, str(path))
        file.seek(0)
        content = file.read()
    if len(content) != size:
        raise UsageError(f"{path} changed while it was read; try again.")
    seal = texts.pop(_DIGEST, None)
    data = memoryview(content)[8 + int.from_bytes(content[:8], "little") :]
    if seal is not None and seal != _seal(header, texts, hashlib.sha256(data).hexdigest()):
        raise UsageError(f"{path} is damaged: its content does not fit the SHA-256 that it carries. Use another copy.")
    try:
        tensors = safetensors.torch.load(content)
    except Exception as error:
        raise UsageError(f"{path} is not a valid safetensors file: {error}.") from error
    if not allow_nonfinite:
        bad = [name for name, t in tensors.items() if t.is_floating_point() and not torch.isfinite(t).all()]
        if bad:
            raise UsageError(
                f"{path} holds NaN or infinite numbers in {_some(bad)}: the training had diverged when "
                "it was saved. Use an earlier file, or load it in Python with "
                "allow_nonfinite=True to look at it all the same."
            )
    return Content(tensors, texts, hashlib.sha256(content).hexdigest(), seal is not None)


def store(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write a file of a cache. Where that fails, a warning says why, and the work that needed it goes on."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, tensors, metadata)
    except OSError as error:
        warnings.warn(f"{explain(error, path)} The work goes on without it.", stacklevel=2)
    except GanworksError as error:
        warnings.warn(f"{error} The work goes on without it.", stacklevel=2)


def stored(path: Path) -> tuple[dict[str, Tensor], dict[str, str]] | None:
    """The tensors and texts of a file of a cache; None when there is none to use. A warning tells of a damaged one."""
    if not path.is_file():
        return None
    try:
        found = load(path)
        return found[:2] if found.sealed else None
    except (UsageError, OSError):
        warnings.warn(f"{path}, which was kept for later evaluations, is damaged. It is made again.", stacklevel=2)
        return None


def read_texts(path: str | Path) -> dict[str, str]:
    """The texts in the header of a safetensors file, which is checked; no tensor is read."""
    with _opened(Path(path)) as file:
        texts = _read_header(Path(path), file)[1]
    texts.pop(_DIGEST, None)
    return texts


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file, if it is one and may be read; errors of the system while it is open become UsageErrors."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{path} is not a file. Name a .safetensors file or a run folder.")
        if path.suffix.lower() in _UNSAFE:
            raise UsageError(f"{path} is a {path.suffix} file. {_ADVICE}")
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror or error}.") from error


def _read_header(path: Path, file: BinaryIO) -> tuple[dict[str, Any], dict[str, str], int]:
    """(layout of the tensors, texts, file size); raises UsageError unless the file is exactly as its header states."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(32)
    length = int.from_bytes(head[:8], "little")
    _refuse_other_formats(path, head, length, size)
    file.seek(8)
    raw = file.read(length)
    try:
        parsed = read_json(raw, "its header", _no_duplicates)
        if not isinstance(parsed, dict):
            raise ValueError("the header is not a table")
        texts = parsed.pop("__metadata__", {})
        if not (isinstance(texts, dict) and all(isinstance(text, str) for text in texts.values())):
            raise ValueError("the header's metadata are not texts")
        _check_layout(parsed, size - 8 - length)
    except (ValueError, TypeError, KeyError, UsageError) as error:
        raise UsageError(f"{path} is not a valid safetensors file: {str(error)[:300]}. Use another copy.") from error
    return parsed, texts, size


def _refuse_other_formats(path: Path, head: bytes, length: int, size: int) -> None:
    if len(head) >= 9 and head[8:9] == b"{" and length <= min(_MAX_HEADER, size - 8):
        return
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            raise UsageError(f"{path} is {kind}, not safetensors. {_ADVICE}")
    if size < 10:
        raise UsageError(f"{path} is empty or cut off ({size} bytes). Use another copy.")
    if head[8:9] == b"{":
        raise UsageError(
            f"{path} is damaged or cut off: its header claims {length} bytes, the file has {size} and a "
            f"header may have {_MAX_HEADER}. Use another copy."
        )
    raise UsageError(f"{path} is not a safetensors file. {_ADVICE}")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name stands twice in the header")
    return table


def _check_layout(header: Mapping[str, Any], size: int) -> None:
    """Raise ValueError unless the tensors fill `size` bytes exactly, without gap, overlap, overflow or unknown type."""
    end = 0
    spans = []
    for name, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"tensor {name!r} is not described by dtype, shape and data_offsets")
        shape, span = entry["shape"], entry["data_offsets"]
        whole = all(type(n) is int and 0 <= n < 2**48 for n in [*shape, *span])
        if not whole or len(shape) > 16 or len(span) != 2 or entry["dtype"] not in _SIZES:
            raise ValueError(f"tensor {name!r} has the dtype {entry['dtype']!r}, shape {shape!r}, offsets {span!r}")
        if math.prod(shape) * _SIZES[entry["dtype"]] != span[1] - span[0]:
            raise ValueError(f"tensor {name!r} of shape {shape} does not fit its {span[1] - span[0]} bytes")
        spans.append((span[0], span[1], name))
    for start, stop, name in sorted(spans):
        if start != end:
            raise ValueError(f"tensor {name!r} overlaps another or leaves a gap")
        end = stop
    if end != size:
        raise ValueError(f"its tensors need {end} bytes, the file has {size}: it was cut off or something was added")


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def differences(module: nn.Module, tensors: Mapping[str, Tensor]) -> list[str]:
    """One line for each tensor that is missing, extra, or of another shape or type."""
    have = module.state_dict()
    lines = [f"missing: {name} {list(have[name].shape)}" for name in have if name not in tensors]
    lines += [f"extra: {name} {list(t.shape)}" for name, t in tensors.items() if name not in have]
    for name in have.keys() & tensors.keys():
        old, new = have[name], tensors[name]
        if old.shape != new.shape:
            lines.append(f"shape of {name}: {list(new.shape)} in the file, {list(old.shape)} in the network")
        elif old.dtype != new.dtype:
            lines.append(f"type of {name}: {new.dtype} in the file, {old.dtype} in the network")
    return sorted(lines)


def check_fits(module: nn.Module, tensors: Mapping[str, Tensor], where: str = "The file") -> None:
    """Raise a UsageError that lists the differences between a module's state and `tensors` (20 at most), if there are
    any.
    """
    lines = differences(module, tensors)
    if lines:
        more = [f"... and {len(lines) - 20} more"] if len(lines) > 20 else []
        raise UsageError("\n  ".join([f"{where} does not belong to this network:", *lines[:20], *more]))


def load_into(module: nn.Module, tensors: Mapping[str, Tensor], where: str = "The file") -> None:
    """Copy tensors into a module's parameters and buffers. Raises UsageError and copies none if any does not fit."""
    check_fits(module, tensors, where)
    module.load_state_dict(dict(tensors))
