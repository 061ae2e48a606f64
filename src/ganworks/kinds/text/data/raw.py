"""The bytes of a file of text, and its lines one at a time: no list of all lines is made, which takes far more memory
than the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.files.tables.unpack import content

MAX_BYTES = 512 << 20  # of all files together, unpacked
_COPIES = 3  # of the bytes of a file: the file, its lines that are kept, and their token numbers
_PART = 1 << 20
_SPACE = np.isin(np.arange(256), list(b" \t\r\x0b\x0c"))
LONGEST_ROW = 16 << 20  # bytes of a row of a table


def unpacked(path: Path, most: int) -> bytearray:
    """All bytes of a file, unpacked; UsageError for more than `most`, or than fit into memory with what follows."""
    raw = content(path, most, _COPIES)
    if len(raw) > most:
        raise UsageError(f'"{path}": texts are kept in memory, at most {MAX_BYTES / 1e6:,.0f} MB of them. Give a part.')
    return raw


def lines(raw: bytearray, most: int) -> Iterator[tuple[int, bytearray]]:
    """(start of the next line, the first `most` bytes of the line without its break) of each line; nothing after the
    last break is no line.
    """
    start = 0
    while start < len(raw):
        end = raw.find(b"\n", start)
        end = len(raw) if end < 0 else end
        yield end + 1, raw[start : min(end, start + most)]
        start = end + 1


def count_filled(raw: bytearray, start: int) -> int:
    """The number of lines from byte `start`, where a line begins, that hold more than white space."""
    count, open_line = 0, False  # open_line: the line that crosses the edge of a block has been counted
    for first in range(start, len(raw), _PART):
        part = np.frombuffer(raw, np.uint8, min(_PART, len(raw) - first), first)
        line = np.cumsum(part == 10)
        held = line[~_SPACE[part] & (part != 10)]
        if len(held):
            count += 1 + np.count_nonzero(np.diff(held)) - int(open_line and held[0] == 0)
        last = int(line[-1])
        open_line = bool(len(held) and held[-1] == last) or (open_line and last == 0)
    return int(count)


class TableLines:
    """The lines of a table as str, for csv.reader, without those that begin with `skipped`.

    Call `row_read` after each row. Raises UsageError, with the number of the line, for bytes that are no UTF-8 and for
    a row of more than LONGEST_ROW bytes.
    """

    def __init__(self, raw: bytearray, path: Path, skipped: str):
        self.path, self.skipped = path, skipped.encode()
        self._raw, self._since = raw, 0

    def __iter__(self) -> Iterator[str]:
        for number, (_, line) in enumerate(lines(self._raw, LONGEST_ROW + 1), 1):
            if line.startswith(self.skipped):
                continue
            self._since += len(line) + 1
            if self._since > LONGEST_ROW:
                raise UsageError(
                    f'"{self.path}" is no readable table: the row at line {number:,} is longer than '
                    f"{LONGEST_ROW / 1e6:,.0f} MB."
                )
            try:
                yield line.decode() + "\n"
            except UnicodeDecodeError as error:
                raise UsageError(
                    f'"{self.path}" is no UTF-8 text: line {number} cannot be read as such. Convert it.'
                ) from error

    def row_read(self) -> None:
        """A row has ended: the next one begins at 0 bytes."""
        self._since = 0
