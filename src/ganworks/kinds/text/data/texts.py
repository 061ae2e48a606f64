"""Texts held as one buffer of UTF-8 and the ends of each: a list of str takes about 60 bytes more for every text."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np

from ganworks.core.machine import memory

_CHECKED = 1 << 20  # texts between two looks at the memory
_BESIDE = 64  # bytes beside the letters that a text takes in all that follows: its end, hash, and places in orders


class Texts(Sequence[str]):
    """A growing sequence of texts without surrogates; equal to any sequence of the same texts.

    `append` raises UsageError when many more would not fit into memory. where: their source, for that sentence.
    """

    def __init__(self, texts: Iterable[str] = (), where: str = "The texts"):
        self.where = where
        self._letters, self._ends = bytearray(), array("q", [0])
        for text in texts:
            self.append(text)

    def append(self, text: str) -> None:
        """Add a text."""
        self._letters += text.encode()
        self._ends.append(len(self._letters))
        if not len(self) % _CHECKED:
            memory.check_bytes(2 * len(self._letters) + _BESIDE * len(self), self.where)

    def __iadd__(self, other: Texts) -> Texts:
        start = len(self._letters)
        self._letters += other._letters
        self._ends.frombytes((np.frombuffer(other._ends, np.int64)[1:] + start).tobytes())
        return self

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, which: int) -> str: ...
    @overload
    def __getitem__(self, which: slice) -> Sequence[str]: ...
    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, slice):
            return self.part(range(*which.indices(len(self))))
        place = range(len(self))[which]
        return self._letters[self._ends[place] : self._ends[place + 1]].decode()

    def __iter__(self) -> Iterator[str]:
        return (self[k] for k in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(str.__eq__, self, other))

    def __hash__(self) -> int:
        raise TypeError("texts that can grow have no hash")

    def __repr__(self) -> str:
        return f"Texts({list(self[:5])!r}{', ...' if len(self) > 5 else ''})"

    def part(self, indices: Sequence[int] | np.ndarray) -> Part:
        """The texts of these indices, in their order, without copies."""
        return Part(self, indices)


class Part(Sequence[str]):
    """Some of the texts of a sequence: those of `indices`, in their order."""

    def __init__(self, texts: Sequence[str], indices: Sequence[int] | np.ndarray):
        self.texts, self.indices = texts, indices

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, which: int) -> str: ...
    @overload
    def __getitem__(self, which: slice) -> Sequence[str]: ...
    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, slice):
            return Part(self.texts, self.indices[which])
        return self.texts[int(self.indices[which])]
