"""Files of text that may be packed with gzip, read within limits: of growth while they are unpacked, and of memory."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from ganworks.core.console.text import printable
from ganworks.core.errors import UsageError
from ganworks.core.machine import memory
from ganworks.files.array_files import check_ratio

_PART, _CHECKED = 1 << 20, 64 << 20


def open_text(path: Path) -> BinaryIO:
    """A file, unpacked as it is read if its name ends in .gz. Reading raises UsageError for decompression bombs."""
    if path.suffix.lower() != ".gz":
        return path.open("rb")
    return io.BufferedReader(_Unpacked(path), _PART)


def content(path: Path, most: int, copies: int) -> bytearray:
    """The bytes of a file, unpacked if its name ends in .gz, but no more than `most` and a few more.

    copies: how often they will be in memory. Raises UsageError for a file that cannot be read, for a decompression bomb
    and for what would not fit into memory.
    """
    raw, checked = bytearray(), 0
    try:
        with open_text(path) as file:
            while len(raw) <= most and (part := file.read(_PART)):
                raw += part
                if len(raw) - checked > _CHECKED:
                    memory.check_bytes(copies * len(raw), f'"{printable(str(path))}"')
                    checked = len(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f'"{printable(str(path))}" cannot be read: {error}.') from error
    return raw


class _Unpacked(io.RawIOBase):
    """What a gzip file holds, as long as it does not grow beyond the limits."""

    def __init__(self, path: Path):
        self._path, self._stored, self._done = path, path.stat().st_size, 0
        self._file = gzip.open(path)  # noqa: SIM115 - closed with this

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        count = self._file.readinto(buffer)
        self._done += count
        check_ratio(printable(str(self._path)), [(printable(self._path.name), self._done, self._stored)])
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
