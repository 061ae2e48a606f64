"""A quick look at a path before it is opened: some of its file names, and the first bytes of a few files."""

from __future__ import annotations

import os
import stat
import zlib
from collections import Counter, deque
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image

from ganworks.core.console.text import printable
from ganworks.core.errors import UsageError
from ganworks.files.array_files import is_idx_name
from ganworks.files.listings import FolderListing, ZipListing, order_key
from ganworks.files.rasters.decode import FORMATS, SUFFIXES, DecodeError, decode, header
from ganworks.files.sources import SPLITS, _inside_zip

NAMES, NAMES_EACH, FOLDERS, ENTRIES = (
    400,
    60,
    200,
    5000,
)  # most names, names per folder, folders, directory entries visited
T = TypeVar("T")
HEAD, WHOLE, PIXELS = 1 << 20, 4 << 20, 4_000_000  # bytes of a head; bytes and pixels of an image that is decoded
PICTURES, DECODED = 60, 6

FAMILIES: dict[str, tuple[str, ...]] = {
    "picture": SUFFIXES,
    "sound": (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff"),
    "film": (".mp4", ".mov", ".webm", ".mkv", ".avi", ".m4v"),
    "table": (".csv", ".tsv", ".parquet", ".data"),
    "text": (".txt", ".text"),
    "array": (".npy", ".npz"),
    "archive": (".zip", ".tar", ".7z", ".rar"),
}
_ABOUT = (
    "readme",
    "license",
    "licence",
    "copying",
    "description",
    "dataset_description",
    "notes",
    "classes",
    "labels",
    "metadata",
)


class Head(NamedTuple):
    """Width and height in pixels, number of frames (1 for a still) and name, from the header of an image file."""

    width: int
    height: int
    frames: int
    name: str = ""


class _FirstFiles(FolderListing):
    """Some files of a folder, breadth first, of each folder evenly chosen ones. The work is bounded."""

    def _walk(self) -> Iterator[tuple[str, tuple[int, int] | None]]:
        todo, found, folders = deque([""]), 0, 0
        while todo and found < NAMES and folders < FOLDERS:
            base, folders = todo.popleft(), folders + 1
            entries = self._entries(base)
            if self._is_run(base, entries):
                continue
            inner = [entry.is_dir(follow_symlinks=False) for entry in entries]
            todo += [f"{base}{entry.name}/" for entry, is_dir in zip(entries, inner, strict=True) if is_dir]
            for entry in evenly([e for e, is_dir in zip(entries, inner, strict=True) if not is_dir], NAMES_EACH):
                if (facts := self._facts(entry)) is not None:
                    found += 1
                    yield f"{base}{entry.name}", facts

    def _entries(self, base: str) -> list[os.DirEntry[str]]:
        """The entries of a folder in the order of their names, the first ENTRIES that the system lists."""
        try:
            with os.scandir(self.root / base) as entries:
                some = [entry for _, entry in zip(range(ENTRIES), entries, strict=False)]
        except OSError:
            return []
        seen = [entry for entry in some if not entry.name.startswith(".") and entry.name != "__MACOSX"]
        return sorted(seen, key=lambda entry: order_key(entry.name))


class _SingleFile:
    """A single file as a listing."""

    def __init__(self, path: Path):
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f'"{printable(str(path))}" is no regular file; pipes, sockets and devices are not opened.')
        self.path, self.names = path, [path.name]

    def read(self, index: int, most: int) -> bytes:
        with self.path.open("rb") as file:
            return file.read(most)


class Clues:
    """What a quick look at a path shows.

    name: the last part of the path. kind: "folder", "zip" or "file". names: at most NAMES of its files, without results
    of ganworks and without those of test and validation folders beside a training folder, which do not tell what the
    data is for. Raises UsageError when the path does not exist, or for a zip with suspicious members.
    """

    def __init__(self, path: str | Path):
        path, inside = _inside_zip(Path(path).expanduser())
        self.path, self.name = path, printable(path.name or str(path))
        try:
            self._listing = self._open(path, inside)
        except OSError as error:
            raise UsageError(f'"{printable(str(path))}" cannot be opened: {error.strerror or error}.') from error
        self._index = {name: k for k, name in enumerate(self._listing.names)}
        names = _voting(self._without_results())
        self.names = _some(names) if self.kind == "zip" else names

    def _without_results(self) -> list[str]:
        """The names without those of results of ganworks, where any others are of a known kind."""
        names, results = self._listing.names, getattr(self._listing, "results", ())
        own = [name for k, name in enumerate(names) if k not in results]
        return own if any(family_of(name) and not _is_about(name) for name in own) else list(names)

    def _open(self, path: Path, inside: str) -> FolderListing | ZipListing | _SingleFile:
        self.kind = "folder"
        if path.is_dir():
            return _FirstFiles(path)
        if not path.exists():
            raise UsageError(f'There is nothing at "{printable(str(path))}".')
        alone = _SingleFile(path)
        self.kind = "zip" if alone.read(0, 4) in (b"PK\x03\x04", b"PK\x05\x06") and path.suffix != ".npz" else "file"
        return ZipListing(path, inside) if self.kind == "zip" else alone

    def head(self, name: str, most: int = HEAD) -> bytes:
        """The first `most` bytes of a file, unpacked if its name ends in .gz; empty if it cannot be read."""
        try:
            raw = self._listing.read(self._index[name], most)
            return zlib.decompressobj(31).decompress(raw, most) if raw[:2] == b"\x1f\x8b" else raw
        except Exception:  # a damaged member may raise anything; opening the data will report it
            return b""

    def of(self, family: str) -> list[str]:
        """The names of one family of files, in order."""
        return [name for name in self.names if family_of(name) == family]

    def has(self, name: str) -> bool:
        """Whether a file of this name exists, even if it is not among `names`."""
        return name in self._index or (self.kind == "folder" and (self.path / name).is_file())

    @cached_property
    def counts(self) -> Counter[str]:
        """Number of names in each family. Files that only describe others (README.txt, labels.csv) are not counted."""
        found = (family_of(name) for name in self.names if self.kind == "file" or not _is_about(name))
        return Counter(family for family in found if family)

    @cached_property
    def heads(self) -> list[Head]:
        """The headers of up to PICTURES images, evenly chosen; unreadable ones are left out."""
        chosen = evenly(self.of("picture"), PICTURES)
        return [head for name in chosen if (head := self._head_of(name))]

    def _head_of(self, name: str) -> Head | None:
        for most in (64 << 10, WHOLE):
            data = self.head(name, most)
            try:
                image = header(data, name)
                return Head(*image.size, _frames(image), name)
            except (DecodeError, UsageError, EOFError, OSError, SyntaxError, ValueError):
                if len(data) < most:
                    return None
        return None

    @cached_property
    def pixels(self) -> list[np.ndarray]:
        """Up to 6 images as uint8 [3, H, W], none of more than 4 million pixels."""
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
    """The three commonest suffixes among names as text: ".wav, .flac"."""
    counted = Counter(PurePosixPath(name.lower().removesuffix(".gz")).suffix for name in names)
    return ", ".join(suffix for suffix, _ in counted.most_common(3) if suffix)


def evenly(items: list[T], most: int) -> list[T]:
    """At most `most` of the items, evenly spaced."""
    step = max(1.0, len(items) / most)
    return [items[int(k * step)] for k in range(min(len(items), most))]


def _voting(names: list[str]) -> list[str]:
    """The names without those below test and validation folders that lie beside a training folder."""
    split = {name: [(base, part[:5] == "train") for base, part in _splits(name)] for name in names}
    trained = {base for found in split.values() for base, trains in found if trains}
    return [name for name, found in split.items() if all(trains or base not in trained for base, trains in found)]


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """(folder above, own name in lower case) of each folder in a path whose name is that of a part of a split."""
    *folders, _ = name.split("/")
    for k, folder in enumerate(folders):
        if folder.lower() in SPLITS:
            yield "/".join(folders[:k]), folder.lower()


def _some(names: list[str]) -> list[str]:
    """At most NAMES of the names in a zip, evenly chosen from each of at most FOLDERS folders."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.rpartition("/")[0], []).append(name)
    kept = evenly(list(groups), FOLDERS)
    each = max(2, min(NAMES_EACH, NAMES // max(1, len(kept))))
    return sorted(name for folder in kept for name in evenly(groups[folder], each))


def _is_about(name: str) -> bool:
    """Whether a file, by its name, only describes the other files: README.txt, labels.csv."""
    return PurePosixPath(name).name.split(".")[0].lower() in _ABOUT


def _frames(image: Image.Image) -> int:
    """1 for a still, 2 for an animation. Raises what Pillow raises when the file ends too early to tell."""
    return 2 if image.format in FORMATS and image.format != "TIFF" and getattr(image, "is_animated", False) else 1
