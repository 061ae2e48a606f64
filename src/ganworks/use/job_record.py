"""The files of `ganworks apply`: its inputs, and the records that folders of outputs keep."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ganworks.core.console.text import printable
from ganworks.core.errors import UsageError
from ganworks.core.schema.plain import read_json
from ganworks.files import atomic
from ganworks.files.listings import FolderListing, ZipListing, read_whole
from ganworks.files.rasters.decode import MAX_BYTES, DecodeError

RECORD = "applied.jsonl"


@dataclass(frozen=True)
class Item:
    """One input: its name below the folder, where it lies (for a zip: the zip), how it is read."""

    name: str
    path: Path
    read: Callable[[], bytes]


def read_file(path: Path) -> bytes:
    """The bytes of a file; DecodeError when it cannot be read or is too large."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DecodeError(printable(path.name), f"{error.strerror or error}.") from error
    if len(data) > MAX_BYTES:
        raise DecodeError(printable(path.name), f"more than {MAX_BYTES:,} bytes.")
    return data


def find_items(
    source: Path, takes: tuple[str, ...], own: Iterable[Path], skip: Callable[[str], bool]
) -> tuple[list[Item], int]:
    """(files of a folder or zip whose names end in one of `takes`, how many others there are).

    Files below the folders `own`, and those whose names `skip` accepts, are left out without being counted.
    """
    listing = FolderListing(source) if source.is_dir() else ZipListing(source)
    skipped = [path.resolve() for path in own if path.resolve() != source.resolve()]
    items, left = [], 0
    for index, name in enumerate(listing.names):
        path = listing.root / name if source.is_dir() else source
        if skip(name) or any(path.resolve().is_relative_to(folder) for folder in skipped):
            continue
        if not name.lower().endswith(takes):
            left += 1
            continue
        items.append(Item(name, path, partial(read_whole, listing, index)))
    return items, left


class JsonLines:
    """The tables in a file of JSON lines, in order; lines that are none, as kills leave them, are passed over.

    A last line without its end is cut off when the next one is written: a file that is only read stays as it is.
    """

    def __init__(self, path: Path):
        self.path = path
        self.lines: list[dict[str, Any]] = []
        raw = path.read_bytes() if path.exists() else b""
        self.torn = bool(raw) and not raw.endswith(b"\n")
        for text in raw.splitlines()[: -1 if self.torn else None]:
            try:
                line = read_json(text, str(path))
            except UsageError:
                continue
            self.lines += [line] if isinstance(line, dict) else []

    def add(self, line: dict[str, Any]) -> None:
        """Write one more and flush it to the disk. Raises GanworksError, also for a symbolic link."""
        text = json.dumps(line).encode() + b"\n"
        if self.torn and not self.path.is_symlink():  # which `append` refuses
            whole, end, _ = self.path.read_bytes().rpartition(b"\n")
            atomic.replace_file(self.path, whole + end + text)
        else:
            self.torn = True  # until it is written whole
            atomic.append(self.path, text)
        self.torn = False
        self.lines.append(line)


class Record:
    """The record of a folder of outputs: a line of JSON for each, of which the last one for a name counts."""

    def __init__(self, folder: Path):
        self.folder, self._file = folder, JsonLines(folder / RECORD)
        self.lines = {line["output"]: line for line in self._file.lines if isinstance(line.get("output"), str)}

    def owns(self, name: str) -> bool:
        """Whether `ganworks apply` made, or began, an output of this name."""
        return name in self.lines

    def finished(self, name: str, facts: dict[str, Any]) -> bool:
        """Whether the output follows from the same facts and is still what was written."""
        line = self.lines.get(name, {})
        try:
            return line.get("facts") == facts and line.get("sha256") == atomic.sha256(self.folder / name)
        except OSError:
            return False

    def add(self, name: str, facts: dict[str, Any], digest: str | None) -> None:
        """Write down an output, before it is put into its place."""
        line = {"output": name, "facts": facts, "sha256": digest}
        if self.lines.get(name) != line or self._file.torn:
            self._file.add(line)
            self.lines[name] = line


def places(paths: Iterable[Path]) -> set[tuple[int, int]]:
    """(device, inode) of each file that exists, whatever its name."""
    facts = (path.stat() for path in paths if path.exists())
    return {(fact.st_dev, fact.st_ino) for fact in facts}


def refuse_overwriting(target: Path, inputs: set[tuple[int, int]]) -> None:
    """UsageError when the output would take the place of an input, by whatever name."""
    if places([target]) & inputs:
        raise UsageError(f"{target} is the input itself, which is never overwritten. Give another out=.")
