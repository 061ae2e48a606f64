"""A glance at any path: a few hundred names, the heads of a few files. What is there, before anybody opens it."""

from __future__ import annotations

import os
import stat
import zlib
from collections import Counter, deque
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image

from ganworks.core.errors import UsageError
from ganworks.files.array_files import is_idx_name
from ganworks.files.listings import FolderListing, ZipListing
from ganworks.files.rasters.decode import FORMATS, SUFFIXES, DecodeError, decode, header, printable
from ganworks.files.sources import _inside_zip

NAMES, NAMES_EACH, FOLDERS, ENTRIES = 400, 60, 200, 5000  # names in all and of one folder; folders; entries walked past
HEAD, WHOLE, PIXELS = 1 << 20, 4 << 20, 4_000_000  # bytes of a head; of a picture that is decoded, and its pixels
PICTURES, DECODED = 16, 6

FAMILIES: dict[str, tuple[str, ...]] = {
    "picture": SUFFIXES,
    "sound": (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff"),
    "film": (".mp4", ".mov", ".webm", ".mkv", ".avi", ".m4v"),
    "table": (".csv", ".tsv", ".parquet", ".data"),
    "text": (".txt", ".text"),
    "array": (".npy", ".npz"),
    "archive": (".zip", ".tar", ".7z", ".rar"),
}
_ABOUT = ("readme", "license", "licence", "copying", "description", "dataset_description", "notes", "classes", "labels")


class Head(NamedTuple):
    """What the head of a picture says: width and height in pixels, frames (1: a still)."""

    width: int
    height: int
    frames: int


class _Glance(FolderListing):
    """The first files of a folder, breadth first: its work is bounded however much there is."""

    def _walk(self) -> Iterator[tuple[str, tuple[int, int] | None]]:
        todo, found, folders = deque([""]), 0, 0
        while todo and found < NAMES and folders < FOLDERS:
            base, here, folders = todo.popleft(), 0, folders + 1
            try:
                entries = os.scandir(self.root / base)
            except OSError:
                continue
            with entries:
                for _, entry in zip(range(ENTRIES), entries, strict=False):
                    if entry.name.startswith(".") or entry.name == "__MACOSX":
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(f"{base}{entry.name}/")
                    elif here < NAMES_EACH and (facts := self._facts(entry)) is not None:
                        here, found = here + 1, found + 1
                        yield f"{base}{entry.name}", facts


class _Alone:
    """One file as a listing."""

    def __init__(self, path: Path):
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f'"{printable(str(path))}" is no regular file; pipes, sockets and devices are not opened.')
        self.path, self.names = path, [path.name]

    def read(self, index: int, most: int) -> bytes:
        with self.path.open("rb") as file:
            return file.read(most)


class Clues:
    """What a glance at a path shows.

    name: the path's last part. kind: "folder", "zip" or "file". names: some of its files, at most NAMES, those that say
    what the others are left out. Raises UsageError when there is nothing there, or a zip that is there to do harm.
    """

    def __init__(self, path: str | Path):
        path, inside = _inside_zip(Path(path).expanduser())
        self.path, self.name = path, printable(path.name or str(path))
        try:
            self._listing = self._open(path, inside)
        except OSError as error:
            raise UsageError(f'"{printable(str(path))}" cannot be opened: {error.strerror or error}.') from error
        self._index = {name: k for k, name in enumerate(self._listing.names)}
        self.names = _some(self._listing.names) if self.kind == "zip" else list(self._listing.names)

    def _open(self, path: Path, inside: str) -> FolderListing | ZipListing | _Alone:
        self.kind = "folder"
        if path.is_dir():
            return _Glance(path)
        if not path.exists():
            raise UsageError(f'There is nothing at "{printable(str(path))}".')
        alone = _Alone(path)
        self.kind = "zip" if alone.read(0, 4) in (b"PK\x03\x04", b"PK\x05\x06") and path.suffix != ".npz" else "file"
        return ZipListing(path, inside) if self.kind == "zip" else alone

    def head(self, name: str, most: int = HEAD) -> bytes:
        """The first bytes of a file, unpacked when its name ends in .gz; empty when it cannot be read."""
        try:
            raw = self._listing.read(self._index[name], most)
            return zlib.decompressobj(31).decompress(raw, most) if raw[:2] == b"\x1f\x8b" else raw
        except Exception:  # a damaged member may raise anything; opening the data will say which
            return b""

    def of(self, family: str) -> list[str]:
        """The names that belong to a family, in order."""
        return [name for name in self.names if family_of(name) == family]

    def has(self, name: str) -> bool:
        """Whether there is a file of this name, among all of them."""
        return name in self._index or (self.kind == "folder" and (self.path / name).is_file())

    @cached_property
    def counts(self) -> Counter[str]:
        """How many of the names belong to each family; files that only say something about the others do not count."""
        found = (family_of(name) for name in self.names if self.kind == "file" or not _is_about(name))
        return Counter(family for family in found if family)

    @cached_property
    def heads(self) -> list[Head]:
        """What the heads of up to 16 pictures say, evenly chosen; those that cannot be read are left out."""
        chosen = evenly(self.of("picture"), PICTURES)
        return [head for name in chosen if (head := self._head_of(name))]

    def _head_of(self, name: str) -> Head | None:
        for most in (64 << 10, WHOLE):
            data = self.head(name, most)
            try:
                image = header(data, name)
                return Head(*image.size, _frames(image))
            except (DecodeError, UsageError, EOFError, OSError, SyntaxError, ValueError):
                if len(data) < most:
                    return None
        return None

    @cached_property
    def pixels(self) -> list[np.ndarray]:
        """Up to 6 pictures, [C, H, W] uint8, none with more than 4 million pixels."""
        found = []
        for name in evenly(self.of("picture"), DECODED):
            data = self.head(name, WHOLE)
            try:
                found.append(decode(data, name, channels=3, max_pixels=PIXELS))
            except UsageError:
                continue
        return found


def family_of(name: str) -> str:
    """The family of a file by its name, "" for none: a key of FAMILIES, or "idx"."""
    lower = name.lower()
    if is_idx_name(lower):
        return "idx"
    lower = lower.removesuffix(".gz")
    return next((family for family, suffixes in FAMILIES.items() if lower.endswith(suffixes)), "")


def suffixes(names: list[str]) -> str:
    """The kinds of file among names, the commonest first: ".wav, .flac"."""
    counted = Counter(PurePosixPath(name.lower().removesuffix(".gz")).suffix for name in names)
    return ", ".join(suffix for suffix, _ in counted.most_common(3) if suffix)


def evenly(items: list[str], most: int) -> list[str]:
    """At most so many, spread evenly."""
    step = max(1.0, len(items) / most)
    return [items[int(k * step)] for k in range(min(len(items), most))]


def _some(names: list[str]) -> list[str]:
    """At most NAMES of a zip's names: evenly chosen of every folder, of at most FOLDERS folders."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.rpartition("/")[0], []).append(name)
    kept = evenly(list(groups), FOLDERS)
    each = max(2, min(NAMES_EACH, NAMES // max(1, len(kept))))
    return sorted(name for folder in kept for name in evenly(groups[folder], each))


def _is_about(name: str) -> bool:
    """Whether a file by its name only says something about the others: README.txt, labels.csv."""
    return PurePosixPath(name).name.split(".")[0].lower() in _ABOUT


def _frames(image: Image.Image) -> int:
    """1 for a still, 2 for anything that moves. Raises what Pillow raises when the file ends before it can tell."""
    return 2 if image.format in FORMATS and image.format != "TIFF" and getattr(image, "is_animated", False) else 1
