"""Open any path as a source: a folder or zip of images, arrays, IDX files, embedded digits, a Hugging Face data set.

Nothing is extracted and nothing outside the given folder is opened: links that lead out, pipes, sockets and devices
are left out and counted. A zip with a suspicious member is refused as a whole.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import stat
import unicodedata
import zipfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ganworks.data.arrays import (
    ArraySource, Source, check_ratio, digits, file_mark, from_array, from_idx, from_npy, from_npz, idx_in_folder,
    is_idx_name,
)
from ganworks.data.decode import MAX_BYTES, SUFFIXES, CorruptItem, printable
from ganworks.errors import UsageError

MAX_COUNT = 5_000_000
SPLITS = ("train", "training", "test", "testing", "val", "valid", "validation", "dev")


def open_source(data: Any, labels: bool = True) -> Source:
    """A source for: "digits", "hub:NAME", a folder, a zip (or zip/folder/inside), .npy, .npz, IDX, an array, (x, y).

    labels=False: class folders are one flat set. Raises UsageError when there is nothing to open.
    """
    if isinstance(data, ArraySource | FileSource):
        return data
    if not isinstance(data, str | os.PathLike):
        return from_array(data)
    if str(data) == "digits" and not Path("digits").exists():
        return digits()
    if str(data).startswith("hub:"):
        from ganworks.data.hub import from_hub
        return from_hub(str(data)[4:])
    path, inside = _inside_zip(Path(data).expanduser())
    if path.is_dir():
        return from_idx(path) if idx_in_folder(path) else FileSource(path, FolderListing(path), labels)
    if not path.exists():
        raise UsageError(f'There is nothing at "{printable(str(path))}". Give a folder or zip of images, an .npy, .npz '
                         'or IDX file, "digits", or "hub:NAME".')
    if not path.is_file():
        raise UsageError(f'"{printable(str(path))}" is no regular file; pipes, sockets and devices are not opened.')
    return _open_file(path, inside, labels)


def _open_file(path: Path, inside: str, labels: bool) -> Source:
    with path.open("rb") as file:
        magic = file.read(8)
    if path.suffix.lower() == ".npz":
        return from_npz(path)
    if magic[:6] == b"\x93NUMPY":
        return from_npy(path)
    if magic[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return FileSource(path, ZipListing(path, inside), labels)
    if is_idx_name(path.name) or (magic[:2] == b"\0\0" and magic[2:3] in b"\x08\x09\x0b\x0c\x0d\x0e"):
        return from_idx(path)
    raise UsageError(f'"{printable(str(path))}" is not a kind of file that is understood. Give a folder or zip of images, '
                     "an .npy, .npz or IDX file.")


def _inside_zip(path: Path) -> tuple[Path, str]:
    """Split "a/b.zip/train" into the file and the folder inside it."""
    for parent in path.parents:
        if parent.suffix.lower() == ".zip" and parent.is_file():
            return parent, path.relative_to(parent).as_posix()
    return path, ""


class FolderListing:
    """The regular files below a folder. names: relative posix paths in a stable order; entries: size and time."""

    kind = "folder"

    def __init__(self, root: Path):
        self.root, self.notes = root.resolve(), []
        self.names: list[str] = []
        self.sizes: list[int] = []
        self.digest = hashlib.blake2b(os.fsencode(self.root), digest_size=16)
        links = 0
        found = []
        for name, entry_stat in self._walk():
            if entry_stat is None:
                links += 1
            else:
                found.append((name, entry_stat))
        for name, size, time in _sorted(found):
            self.names.append(name)
            self.sizes.append(size)
            self.digest.update(b"%b\0%d\0%d\n" % (os.fsencode(name), size, time))
        if links:
            self.notes.append(f"{links} links out of the folder, pipes or devices left out")

    def _walk(self) -> Iterator[tuple[str, tuple[int, int] | None]]:
        """(name, (size, time)) of each file; (name, None) for what must not be opened."""
        todo = [""]
        count = 0
        while todo:
            base = todo.pop()
            try:
                entries = list(os.scandir(self.root / base))
            except OSError as error:
                raise UsageError(f'The folder "{printable(str(self.root / base))}" cannot be read: {error.strerror}.') from error
            for entry in entries:
                name = f"{base}{entry.name}"
                if entry.name.startswith(".") or entry.name == "__MACOSX":
                    continue
                if entry.is_dir(follow_symlinks=False):
                    todo.append(f"{name}/")
                    continue
                count += 1
                if count > MAX_COUNT:
                    raise UsageError(f'"{printable(str(self.root))}" holds more than {MAX_COUNT:,} files.')
                yield name, self._facts(entry)

    def _facts(self, entry: os.DirEntry) -> tuple[int, int] | None:
        try:
            facts = entry.stat()
            inside = not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(self.root)
        except OSError:
            return None
        return (facts.st_size, facts.st_mtime_ns) if inside and stat.S_ISREG(facts.st_mode) else None

    def read(self, index: int) -> bytes:
        """The bytes of a file. Never blocks: what is no regular file any more is refused."""
        path = self.root / self.names[index]
        if path.is_symlink():
            path = path.resolve()
            if not path.is_relative_to(self.root):
                raise OSError("it is now a link out of the folder")
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
                       | getattr(os, "O_BINARY", 0))
        with os.fdopen(file, "rb") as stream:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise OSError("it is no regular file")
            return stream.read(MAX_BYTES + 1)


def _sorted(found: list[tuple[str, tuple[int, int]]]) -> Iterator[tuple[str, int, int]]:
    found.sort(key=lambda f: order_key(f[0]))
    return ((name, size, time) for name, (size, time) in found)


def order_key(name: str) -> tuple[bytes, bytes]:
    """Sorts names alike on every host: by the UTF-8 bytes of the composed form, then as they are."""
    raw = name.encode("utf-8", "surrogateescape")
    return (raw, raw) if name.isascii() else (
        unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape"), raw)


class ZipListing:
    """The files in a zip, read in place. Refuses members that could only be there to do harm."""

    kind = "zip"

    def __init__(self, path: Path, inside: str = ""):
        self.root, self.notes = path, []
        try:
            self.archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise UsageError(f'"{printable(str(path))}" is no readable zip: {error}.') from error
        infos = self.archive.infolist()
        _check_members(path, infos)
        prefix = f"{inside.strip('/')}/" if inside else ""
        found = {}
        for info in infos:
            name = info.filename.replace("\\", "/")
            parts = name.split("/")
            if not info.is_dir() and name.startswith(prefix) and parts[0] != "__MACOSX" and not any(
                    p.startswith(".") for p in parts):
                found[name[len(prefix):]] = info
        if inside and not found:
            raise UsageError(f'"{printable(str(path))}" holds nothing below "{printable(inside)}".')
        self.names = sorted(found, key=order_key)
        self.infos = [found[n] for n in self.names]
        self.sizes = [i.file_size for i in self.infos]
        self.digest = hashlib.blake2b(f"{file_mark(path)} {inside}".encode("utf-8", "surrogateescape"), digest_size=16)

    def read(self, index: int) -> bytes:
        """The bytes of a member; its checksum is checked by zipfile."""
        with self.archive.open(self.infos[index]) as file:
            return file.read(min(self.sizes[index], MAX_BYTES + 1) + 1)


def _check_members(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    """Names, kinds, count and sizes of a zip's members, before anything is read."""
    def refuse(info: zipfile.ZipInfo, why: str) -> UsageError:
        return UsageError(f'"{printable(str(path))}" holds the member "{printable(info.orig_filename)}", {why}. '
                          "The archive is not opened; make a clean one.")
    if len(infos) > MAX_COUNT:
        raise UsageError(f'"{printable(str(path))}" holds {len(infos):,} members; the limit is {MAX_COUNT:,}.')
    seen: dict[str, str] = {}
    for info in infos:
        raw = info.orig_filename.replace("\\", "/")
        if "\0" in raw or raw.startswith("/") or re.match(r"^[A-Za-z]:", raw) or ".." in raw.split("/"):
            raise refuse(info, "whose name leads outside the archive")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise refuse(info, "which is a link or a device and no file")
        if info.flag_bits & 1:
            raise refuse(info, "which is encrypted")
        folded = unicodedata.normalize("NFC", raw.rstrip("/")).casefold()
        if folded in seen:
            raise refuse(info, f'which differs from "{printable(seen[folded])}" in nothing but case or form')
        seen[folded] = raw
    check_ratio(printable(str(path)), [(printable(i.filename), i.file_size, i.compress_size) for i in infos])
    if sum(i.compress_size for i in infos) > path.stat().st_size:
        raise UsageError(f'The members of "{printable(str(path))}" overlap: this is a decompression bomb and is not opened.')


class FileSource:
    """Encoded images in a folder or zip, with the labels that the layout gives.

    labels.csv (columns: file name, label) first; else one class per top sub-folder; else none. Outer folders that
    hold nothing but one folder are skipped; of train/ and test/ folders only train/ is used, and a note says so.
    """

    def __init__(self, path: Path, listing: FolderListing | ZipListing, labels: bool = True):
        self.path, self.listing, self.kind = str(path), listing, listing.kind
        self.notes = list(listing.notes)
        wanted = [i for i, n in enumerate(listing.names) if n.lower().endswith(SUFFIXES)]
        table = next((i for i, n in enumerate(listing.names) if PurePosixPath(n).name.lower() == "labels.csv"), None)
        others = len(listing.names) - len(wanted) - (table is not None)
        if others:
            self.notes.append(f"{others} files are no images by their names and were left out")
        if not wanted:
            raise UsageError(f'"{printable(self.path)}" holds no images ({", ".join(SUFFIXES)}).')
        self.base, wanted = self._descend(wanted)
        self.indices = np.array(wanted, np.int64)
        self.bytes = sum(listing.sizes[i] for i in wanted)
        self._table = table
        self._use_labels = labels

    def _descend(self, wanted: list[int]) -> tuple[str, list[int]]:
        base = ""
        while True:
            tops = {self.listing.names[i][len(base):].partition("/")[0] for i in wanted}
            direct = any("/" not in self.listing.names[i][len(base):] for i in wanted)
            if direct:
                return base, wanted
            splits = sorted(t for t in tops if t.lower() in SPLITS)
            if len(tops) == 1:
                base += f"{tops.pop()}/"
            elif len(splits) == len(tops) and any(t.lower().startswith("train") for t in splits):
                train = next(t for t in splits if t.lower().startswith("train"))
                left = ", ".join(f"{t}/" for t in splits if t != train)
                self.notes.append(f"only {train}/ is used; {left} left out (give the path of that folder to use it)")
                base += f"{train}/"
                wanted = [i for i in wanted if self.listing.names[i].startswith(base)]
            else:
                return base, wanted

    @cached_property
    def _labelled(self) -> tuple[np.ndarray | None, tuple[str, ...]]:
        if not self._use_labels:
            return None, ()
        names = [self.listing.names[i] for i in self.indices]
        if self._table is not None:
            given = read_labels(self.listing.read(self._table), self.path)
            folder = self.listing.names[self._table].rpartition("/")[0]
            found = [_look_up(given, n, folder) for n in names]
            missing = [n for n, f in zip(names, found, strict=True) if f is None]
            if missing:
                raise UsageError(f'labels.csv of "{printable(self.path)}" has no line for {len(missing):,} images, the first '
                                 f'"{printable(missing[0])}". Add them, move the images away, or give labels=off.')
        else:
            rest = [n[len(self.base):] for n in names]
            if all("/" not in r for r in rest):
                return None, ()
            if any("/" not in r for r in rest):
                self.notes.append("images lie beside sub-folders, so the sub-folders were not taken for classes")
                return None, ()
            found = [r.partition("/")[0] for r in rest]
        classes = sorted({str(f) for f in found}, key=natural_key)
        number = {c: k for k, c in enumerate(classes)}
        return np.array([number[str(f)] for f in found], np.int64), tuple(printable(c) for c in classes)

    @property
    def labels(self) -> np.ndarray | None:
        """int64 [N] or None."""
        return self._labelled[0]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order."""
        return self._labelled[1]

    def __len__(self) -> int:
        return len(self.indices)

    def name(self, index: int) -> str:
        """The path below the root, escaped where it cannot be shown."""
        return printable(self.listing.names[self.indices[index]])

    def get(self, index: int) -> bytes:
        """The encoded bytes; raises CorruptItem when they cannot be read."""
        at = int(self.indices[index])
        if self.listing.sizes[at] > MAX_BYTES:
            raise CorruptItem(self.name(index), f"{self.listing.sizes[at]:,} bytes is more than the limit of {MAX_BYTES:,}.")
        try:
            data = self.listing.read(at)
        except Exception as error:  # a damaged zip member may raise anything: zlib, struct, OSError
            raise CorruptItem(self.name(index), f"its bytes cannot be read ({printable(str(error))[:160]}).") from error
        if len(data) > MAX_BYTES:
            raise CorruptItem(self.name(index), f"more than {MAX_BYTES:,} bytes.")
        return data

    def stamp(self) -> str:
        """Changes when a file is added, removed or changed."""
        return f"{self.kind} {self.listing.digest.hexdigest()} {self.base}"


def natural_key(name: str) -> tuple:
    """Sorts obj2 before obj10."""
    parts = re.split(r"(\d+)", unicodedata.normalize("NFC", name))
    return tuple((int(p), "") if k % 2 and len(p) < 19 else (-1, p) for k, p in enumerate(parts)), order_key(name)


def read_labels(data: bytes, where: str) -> dict[str, str]:
    """labels.csv -> {file name: label}. A header line is recognised by its first cell naming no image."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f'labels.csv of "{printable(where)}" is not UTF-8: {error.reason} at byte {error.start}.') from error
    dialect: Any = csv.excel
    if text.partition("\n")[0].count(",") == 0:
        dialect = csv.excel_tab if "\t" in text.partition("\n")[0] else csv.excel
        dialect = _Semicolon if ";" in text.partition("\n")[0] else dialect
    rows = [[c.strip() for c in row] for row in csv.reader(io.StringIO(text), dialect) if row]
    if not rows or any(len(r) < 2 for r in rows):
        raise UsageError(f'labels.csv of "{printable(where)}" needs two columns in each line: file name and label.')
    name, label = 0, 1
    if not rows[0][0].lower().endswith(SUFFIXES):
        head = [c.lower() for c in rows.pop(0)]
        name = next((k for k, c in enumerate(head) if c in ("file", "filename", "file_name", "name", "image", "path")), 0)
        label = next((k for k, c in enumerate(head) if c in ("label", "class", "target", "y")), 1 if name == 0 else 0)
    return {r[name].replace("\\", "/").removeprefix("./"): r[label] for r in rows if len(r) > max(name, label)}


class _Semicolon(csv.excel):
    delimiter = ";"


def _look_up(given: dict[str, str], name: str, folder: str) -> str | None:
    relative = name[len(folder) + 1:] if folder and name.startswith(f"{folder}/") else name
    return given.get(relative, given.get(name, given.get(name.rpartition("/")[2])))
