"""Lists of examples to leave out: what `ganworks audit` proposes, and `exclude=FILE` of a training honours.

A list is a CSV with the columns name, sha256, reason: the file (or place) of an example, the SHA-256 of its content,
and why it is left out. Lines may be taken away or added by hand. An example is left out when its name is listed; where
its content is not that of the line, the list is out of date, and refused.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ganworks.core.console.text import counted, printable
from ganworks.core.errors import UsageError
from ganworks.files.arrays import ArraySource
from ganworks.files.sources import FileSource
from ganworks.files.tables.write import csv_text, spreadsheet_safe

COLUMNS = ("name", "sha256", "reason")
_LARGEST = 256 << 20


@dataclass(frozen=True)
class Exclusions:
    """The examples of a list, by name; `mark` is a hash of what it leaves out, whatever its order and reasons."""

    path: str
    listed: dict[str, str]

    @property
    def mark(self) -> str:
        """SHA-256 (hex) of the sorted names and contents."""
        return hashlib.sha256(repr(sorted(self.listed.items())).encode()).hexdigest()

    def kept(self, count: int, name: Callable[[int], str], digest: Callable[[int], str]) -> tuple[np.ndarray, str]:
        """(rows int64 that stay of `count`, a sentence on those that do not). UsageError for a list out of date."""
        stays, met = np.ones(count, bool), set()
        for row in range(count):
            listed = self.listed.get(spreadsheet_safe(name(row)))
            if listed is None:
                continue
            if listed and listed != digest(row):
                raise UsageError(
                    f'"{name(row)}" has changed since the list "{self.path}" was written. Audit the data again, or '
                    "take that line out of the list."
                )
            stays[row] = False
            met.add(name(row))
        if not stays.any():
            raise UsageError(f'The list "{self.path}" leaves out all {count:,} examples.')
        gone = len(self.listed) - len(met)
        rest = f"; {counted(gone, 'line names', 'lines name')} nothing that is there" if gone else ""
        said = f"{counted(int((~stays).sum()), 'example is', 'examples are')} left out by {self.path}{rest}"
        return np.flatnonzero(stays), said


def read_exclusions(path: str | Path) -> Exclusions:
    """The list in a file. Raises UsageError for a file that is none."""
    file, shown = Path(path).expanduser(), printable(str(path))
    wanted = f"A list of exclusions is a CSV with the columns {', '.join(COLUMNS)}, as `ganworks audit PATH` writes it."
    try:
        if not file.is_file() or file.stat().st_size > _LARGEST:
            raise UsageError(f'There is no list of exclusions at "{shown}". {wanted}')
        rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f'"{shown}" cannot be read: {error}. {wanted}') from error
    listed: dict[str, str] = {}
    for number, row in enumerate(rows, 2):
        name, digest = row.get("name"), (row.get("sha256") or "").strip().lower()
        if not name or (digest and (len(digest) != 64 or set(digest) - set("0123456789abcdef"))):
            raise UsageError(f'"{shown}", line {number}: it needs a name, and a sha256 of 64 digits or none. {wanted}')
        listed[spreadsheet_safe(name.removeprefix("'") if name[:1] == "'" else name)] = digest
    return Exclusions(shown, listed)


def exclusions_csv(lines: Iterable[tuple[str, str, str]]) -> str:
    """The list of (name, sha256, reason) as CSV."""
    return csv_text([COLUMNS, *lines])


def sha256_of(item: Any) -> str:
    """SHA-256 (hex) of encoded bytes, a text, or an array's shape, type and values."""
    if isinstance(item, str):
        item = item.encode("utf-8", "surrogatepass")
    if isinstance(item, bytes):
        return hashlib.sha256(item).hexdigest()
    array = np.ascontiguousarray(item)
    return hashlib.sha256(f"{array.dtype.str} {array.shape}".encode() + array.tobytes()).hexdigest()


def item_name(source: Any, index: int) -> str:
    """The name of an item in lists: its file, or of an array its number."""
    return f"[{index}]" if isinstance(source, ArraySource) else source.name(index)


def without(source: Any, exclude: str) -> Any:
    """A source without the items of the list `exclude`; itself where that is "". Raises UsageError."""
    if not exclude:
        return source
    if not isinstance(source, FileSource | ArraySource):
        raise UsageError("exclude= needs files, or one array of examples.")
    given = read_exclusions(exclude)
    kept, said = given.kept(len(source), lambda i: item_name(source, i), lambda i: sha256_of(source.get(i)))
    return _files(source, kept, given, said) if isinstance(source, FileSource) else _array(source, kept, given, said)


def _files(source: FileSource, kept: np.ndarray, given: Exclusions, said: str) -> FileSource:
    left = copy(source)
    left.__dict__.pop("_labelled", None)
    left.indices, left.notes, left.without = source.indices[kept], [*source.notes, said], given.mark
    left.bytes = sum(source.listing.sizes[i] for i in left.indices)
    return left


def _array(source: ArraySource, kept: np.ndarray, given: Exclusions, said: str) -> ArraySource:
    labels = source.given_labels

    def some() -> np.ndarray | None:
        values = labels()
        return None if values is None else np.asarray(values)[kept]

    shape = (len(kept), *source.shape[1:])
    made = replace(
        source, load=lambda: source.array[kept], shape=shape, given_labels=some, mark=f"{source.mark} {given.mark}",
        bytes=source.bytes * len(kept) // max(1, len(source)), notes=[],
    )  # fmt: skip
    made.notes = [*source.notes, said]
    return made
