"""Sources that hold arrays: [N, ...] is read as items [C, H, W], labels become numbers and values become pixels.

A source is indexable and lazy: nothing is read before `get`.
"""

from __future__ import annotations

import hashlib
import math
import mmap
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ganworks.core.console.text import counted
from ganworks.core.errors import UsageError

RELEASE_AFTER = 64 << 20
READABLE = "uint8, uint16, bool, float or integer numbers"


class Source(Protocol):
    """What `pack` reads: encoded images (bytes) or arrays [C, H, W] by index, and their labels.

    path: its name in messages. kind: its format. notes: sentences on how it was read. bytes: its size. labels: int64
    [N] or None. classes: names in label order. name(i): of one item, for messages. stamp(): a text that changes with
    the content.
    """

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


class WithLabels:
    """A source whose labels are read once, when they are first needed."""

    @cached_property
    def _labelled(self) -> tuple[np.ndarray | None, tuple[str, ...]]:
        """Labels int64 [N] and class names in label order; (None, ()) without labels."""
        raise NotImplementedError

    @property
    def labels(self) -> np.ndarray | None:
        """int64 [N] or None."""
        return self._labelled[0]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order."""
        return self._labelled[1]


@dataclass
class ArraySource(WithLabels):
    """N arrays [C, H, W].

    load: returns the whole array (memory-mapped if possible); called once, when the first item is read. shape, dtype:
    of the array, known before it is loaded. given_labels: returns labels [N] of any type, or None. mark: identifies the
    content: path, size and time of a file, or a hash of an array in memory. Raises UsageError for types and shapes that
    are no images.
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
            raise UsageError(
                f'"{self.path}" has shape {self.shape}; images need [N, H, W], [N, H, W, C] or [N, C, H, W].'
            )
        if 0 in self.shape[1:]:
            raise UsageError(f'"{self.path}" has shape {self.shape}: images without pixels.')
        self._touched = 0
        self.axes, note = channel_axes(self.shape)
        self.notes.append(note)

    @cached_property
    def array(self) -> np.ndarray:
        """The whole array [N, ...] as stored."""
        return self.load()

    @cached_property
    def _labelled(self) -> tuple[np.ndarray | None, tuple[str, ...]]:
        values = self.given_labels()
        return (None, ()) if values is None else number_labels(values, self.shape[0], self.path)

    @property
    def item_shape(self) -> tuple[int, ...]:
        """(C, H, W)."""
        return (1, *self.shape[1:]) if self.axes is None else tuple(self.shape[a] for a in self.axes[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def name(self, index: int) -> str:
        """The item's name in messages."""
        return f"{self.path}[{index}]"

    def get(self, index: int) -> np.ndarray:
        """Item [C, H, W] in the stored type."""
        return self.rows(index, index + 1)[0]

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Items start..stop as one array [n, C, H, W]."""
        part = self.array[start:stop]
        self._touched += part.nbytes
        if self._touched > RELEASE_AFTER and isinstance(self.array, np.memmap):
            release(self.array)  # pages read once need not stay resident
            self._touched = 0
        return part[:, None] if self.axes is None else part.transpose(self.axes)

    def stamp(self) -> str:
        """Changes when the data change."""
        return f"{self.kind} {self.shape} {self.dtype} {self.mark}"


def release(mapped: np.memmap) -> None:
    """Tell the system to drop the resident pages of a memory-mapped file; they are read again when they are needed."""
    if hasattr(mmap, "MADV_DONTNEED"):
        mapped._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def channel_axes(shape: tuple[int, ...]) -> tuple[tuple[int, ...] | None, str]:
    """(permutation to [N, C, H, W], or None without a channel axis; a sentence that says how the shape was read).

    Of the second and the last axis, the one of length 1 to 4 holds the channels. If both or neither have such a length,
    the shorter one does, and the last one if they are equal.
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
    """Labels [N] of any type, or one-hot rows [N, K] -> (int64 [N] from 0 to K - 1, K class names).

    Raises UsageError for labels that are neither numbers nor words, and for a wrong count.
    """
    values = np.asarray(values)
    if values.dtype.kind not in "uifbUS":
        raise UsageError(f'The labels of "{where}" hold {values.dtype}; they must be numbers or words.')
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if (
        values.ndim == 2
        and values.dtype.kind in "uifb"
        and (values.sum(1) == 1).all()
        and ((values == 0) | (values == 1)).all()
    ):
        values = values.argmax(1)
    if values.shape != (count,):
        raise UsageError(
            f'"{where}" holds {counted(count, "image")} but labels of shape {values.shape}; give one label per image.'
        )
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
                digest.update(np.ascontiguousarray(part[row : row + 4096]).tobytes())
    return ArraySource("array", "array", lambda: x, x.shape, x.dtype, lambda: y, digest.hexdigest(), x.nbytes)


def digits() -> ArraySource:
    """The 1,797 handwritten digits that scikit-learn carries, 8x8, grey values 0..16 scaled to 0..255."""

    def load() -> Any:
        from sklearn.datasets import load_digits  # slow to import: only when packing

        return load_digits()

    return ArraySource(
        "digits",
        "digits",
        lambda: np.rint(load().images * (255 / 16)).astype(np.uint8),
        (1797, 8, 8),
        np.dtype(np.uint8),
        lambda: load().target,
        "scikit-learn",
        1797 * 64,
        ["1,797 scans of handwritten digits (scikit-learn), 0..16 scaled to 0..255"],
    )


def stored_range(source: ArraySource) -> tuple[Callable[[np.ndarray], np.ndarray], dict[str, Any], list[str]]:
    """How stored values become rows of a pack: (function on one item, `low`, `high` and `dtype` of the spec, notes).

    uint8 is kept, bool becomes 0 and 255, uint16 is scaled by 65535. Other integers must lie in 0..255 or 0..65535.
    Floats with at most 4 channels that lie in 0..1, -1..1 or 0..255 are treated as images and become uint8; all other
    floats stay float32, with their smallest and largest value as range. Raises UsageError for other integers.
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
            raise UsageError(
                f"The {shown} run from {low:g} to {high:g}; whole numbers must lie in 0..255 or 0..65535. "
                "Save them as floats if they are not pixels."
            )
        return _scaler(0, top), {}, [f"{shown}: 0..{top} scaled to 0..255"]
    known = next(((a, b) for a, b in ((0, 1), (-1, 1), (0, 255)) if a <= low and high <= b), None)
    if known and source.item_shape[0] <= 4:
        return _scaler(*known), {}, [f"{shown}: floats in {known[0]}..{known[1]} scaled to 0..255"]
    high = high if high > low else low + 1
    return (
        lambda x: x.astype(np.float32),
        {"low": low, "high": high, "dtype": "float32"},
        [f"{shown}: floats from {low:g} to {high:g}, kept as they are"],
    )


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
