"""The files in a folder or a zip: listed once, then read one by one.

No link is followed out of the folder, and reading never blocks on pipes or devices.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ganworks.core.console.text import counted, printable
from ganworks.core.errors import UsageError
from ganworks.files import provenance
from ganworks.files.array_files import check_ratio, file_mark, zip_count
from ganworks.files.rasters.decode import MAX_BYTES, DecodeError

MAX_COUNT = 2_000_000
_LOOKED_AT = 2_000  # entries of a folder; with more, its pictures are not looked at for notes of provenance


class _Chooses:
    """What the listings of folders and zips share. results: indices of files that ganworks itself wrote."""

    names: list[str]
    notes: list[str]
    results: frozenset[int] = frozenset()

    def chosen(self, suffixes: tuple[str, ...]) -> list[int]:
        """Indices of the files whose names end in one of `suffixes`; results of ganworks only if there are no others.

        A note says how many of these were left out.
        """
        found = [i for i, name in enumerate(self.names) if name.lower().endswith(suffixes)]
        kept = [i for i in found if i not in self.results]
        if not kept:
            self.results = frozenset()  # here they are the data
        if not kept or len(kept) == len(found):
            return found
        first = self.names[next(i for i in found if i in self.results)]
        note = f"{len(found) - len(kept):,} files that ganworks made were left out, the first {printable(first)}"
        if note not in self.notes:
            self.notes.append(note)
        return kept


class FolderListing(_Chooses):
    """The regular files below a folder, without those of runs. names: relative POSIX paths in a fixed order; sizes: in
    bytes. results: indices of those in folders of samples below it, and of those at its top that say that ganworks made
    them. Raises UsageError for a folder that cannot be read, or is a run itself.
    """

    kind = "folder"

    def __init__(self, root: Path):
        self.root, self.notes = root.resolve(), []
        self.names: list[str] = []
        self.sizes: list[int] = []
        self._times: list[int] = []
        self._results: list[str] = []
        self._runs = 0
        links = 0
        found = []
        for name, entry_stat in self._walk():
            if entry_stat is None:
                links += 1
            else:
                found.append((name, entry_stat))
        for name, size, when in _sorted(found):
            self.names.append(name)
            self.sizes.append(size)
            self._times.append(when)
        if self._results:
            folders, files = tuple(n for n in self._results if n.endswith("/")), set(self._results)
            self.results = frozenset(i for i, n in enumerate(self.names) if n in files or n.startswith(folders))
        if self._runs:
            self.notes.append(f"{self._runs} runs of ganworks were left out")
        if links:
            what = "link out of the folder, pipe or device was"
            said = counted(links, what, "links out of the folder, pipes or devices were")
            self.notes.append(f"{said} left out")

    @property
    def digest(self) -> Any:
        """A hash of the names, sizes and times of the files, without results of ganworks that are not taken as data."""
        digest = hashlib.blake2b(os.fsencode(self.root), digest_size=16)
        for i, (name, size, when) in enumerate(zip(self.names, self.sizes, self._times, strict=True)):
            if i not in self.results:
                digest.update(b"%b\0%d\0%d\n" % (os.fsencode(name), size, when))
        return digest

    def _walk(self) -> Iterator[tuple[str, tuple[int, int] | None]]:
        """(name, (size, time)) of each file; (name, None) for links out of the folder, pipes and devices."""
        todo = [""]
        count = 0
        while todo:
            base = todo.pop()
            try:
                entries = list(os.scandir(self.root / base))
            except OSError as error:
                raise UsageError(
                    f'The folder "{printable(str(self.root / base))}" cannot be read: {error.strerror}.'
                ) from error
            if self._is_run(base, entries):
                continue
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

    def _is_run(self, base: str, entries: list[os.DirEntry]) -> bool:
        """Whether a folder is a run; of others it is noted which entries are results. base: ends in "/", or is ""."""
        names = {entry.name for entry in entries}
        if provenance.is_run(names):
            if not base:
                raise UsageError(
                    f'"{printable(str(self.root))}" is a run of ganworks, not data: `ganworks info` says what it holds.'
                )
            self._runs += 1
            return True
        if base and provenance.is_result_folder(self.root / base, names):
            self._results.append(base)
        elif not base and len(names) <= _LOOKED_AT and not provenance.is_result_folder(self.root, names):
            for entry in entries:
                if self._facts(entry) and provenance.is_result(Path(entry.path), names):
                    self._results.append(entry.name)
        return False

    def _facts(self, entry: os.DirEntry) -> tuple[int, int] | None:
        try:
            facts = entry.stat()
            inside = not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(self.root)
        except OSError:
            return None
        return (facts.st_size, facts.st_mtime_ns) if inside and stat.S_ISREG(facts.st_mode) else None

    def read(self, index: int, most: int = MAX_BYTES + 1) -> bytes:
        """The first `most` bytes of a file; raises what `open` raises."""
        with self.open(index) as file:
            return file.read(most)

    def open(self, index: int) -> BinaryIO:
        """A file to read from. Never blocks: raises OSError if it is no longer a regular file inside the folder."""
        path = self.root / self.names[index]
        if path.is_symlink():
            path = path.resolve()
            if not path.is_relative_to(self.root):
                raise OSError("it is now a link out of the folder")
        file = os.open(
            path,
            os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0),
        )
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise OSError("it is no regular file")
        return os.fdopen(file, "rb")


def _sorted(found: list[tuple[str, tuple[int, int]]]) -> Iterator[tuple[str, int, int]]:
    found.sort(key=lambda f: order_key(f[0]))
    return ((name, size, when) for name, (size, when) in found)


def order_key(name: str) -> tuple[bytes, bytes]:
    """Sort key that orders names alike on every host: the UTF-8 bytes of the composed form (NFC), then of the name."""
    raw = name.encode("utf-8", "surrogateescape")
    return (
        (raw, raw) if name.isascii() else (unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape"), raw)
    )


class ZipListing(_Chooses):
    """The files in a zip, read in place. Raises UsageError for suspicious members: see `_check_members`."""

    kind = "zip"

    def __init__(self, path: Path, inside: str = ""):
        self.root, self.notes = path, []
        if zip_count(path) > MAX_COUNT:
            raise UsageError(f'"{printable(str(path))}" holds {zip_count(path):,} members; the limit is {MAX_COUNT:,}.')
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
            if (
                name
                and not name.endswith("/")  # a folder
                and name.startswith(prefix)
                and parts[0] != "__MACOSX"
                and not any(p.startswith(".") for p in parts)
            ):
                found[name[len(prefix) :]] = info
        if inside and not found:
            raise UsageError(f'"{printable(str(path))}" holds nothing below "{printable(inside)}".')
        self.names = sorted(found, key=order_key)
        self.infos = [found[n] for n in self.names]
        self.sizes = [i.file_size for i in self.infos]
        self.digest = hashlib.blake2b(f"{file_mark(path)} {inside}".encode("utf-8", "surrogateescape"), digest_size=16)

    def read(self, index: int, most: int = MAX_BYTES + 2) -> bytes:
        """The first `most` bytes of a member; zipfile verifies the checksum if that is the whole member."""
        with self.open(index) as file:
            return file.read(min(self.sizes[index] + 1, most))

    def open(self, index: int) -> BinaryIO:
        """A member to read from."""
        return self.archive.open(self.infos[index])  # pyrefly: ignore


def _check_members(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    """Check names, types, number and sizes of a zip's members before any is read; raises UsageError."""

    def refuse(info: zipfile.ZipInfo, why: str) -> UsageError:
        return UsageError(
            f'"{printable(str(path))}" holds the member "{printable(info.orig_filename)}", {why}. '
            "The archive is not opened; make a clean one."
        )

    seen: dict[str, str] = {}
    for info in infos:
        raw = info.orig_filename.replace("\\", "/")
        if "\0" in raw or raw.startswith("/") or re.match(r"^[A-Za-z]:", raw) or ".." in raw.split("/"):
            raise refuse(info, "whose name leads outside the archive")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise refuse(info, "which is a link or a device, not a file")
        if info.flag_bits & 1:
            raise refuse(info, "which is encrypted")
        folded = unicodedata.normalize("NFC", raw.rstrip("/")).casefold()
        if folded in seen:
            raise refuse(info, f'whose name differs from "{printable(seen[folded])}" only in case or Unicode form')
        seen[folded] = raw
    check_ratio(printable(str(path)), [(printable(i.filename), i.file_size, i.compress_size) for i in infos])
    if sum(i.compress_size for i in infos) > path.stat().st_size:
        raise UsageError(f'The members of "{printable(str(path))}" overlap: a decompression bomb, which is not opened.')


class FileListing(_Chooses):
    """A single file as a listing. most: `read` returns at most so many bytes, unless told; above a caller's limit."""

    kind = "file"

    def __init__(self, path: Path, most: int):
        self.path, self.root, self.most = path, path.parent, most
        self.notes: list[str] = []
        facts = path.stat()
        self.names, self.sizes = [path.name], [facts.st_size]
        stamp = f"{path.resolve()} {facts.st_size} {facts.st_mtime_ns}".encode("utf-8", "surrogateescape")
        self.digest = hashlib.blake2b(stamp, digest_size=16)

    def read(self, index: int, most: int | None = None) -> bytes:
        """The first `most` bytes of the file."""
        with self.open(index) as file:
            return file.read(self.most if most is None else most)

    def open(self, index: int) -> BinaryIO:
        """The file to read from."""
        return self.path.open("rb")


Listing = FolderListing | ZipListing | FileListing
Failed = Callable[[str, str], UsageError]  # of a name, and why it cannot be read


def unreadable(name: str, why: str) -> UsageError:
    """The error for a file that cannot be read."""
    return UsageError(f'"{name}" cannot be read: {why}')


def read_whole(listing: Listing, index: int, most: int = MAX_BYTES, failed: Failed = DecodeError) -> bytes:
    """All bytes of a file of a listing; the error that `failed` makes when they cannot be read, or are more than
    `most`.
    """
    name = printable(listing.names[index])
    if listing.sizes[index] > most:
        raise failed(name, f"{listing.sizes[index]:,} bytes is more than the limit of {most:,}.")
    try:
        data = _read_again(listing, index, most + 1)
    except Exception as error:  # a damaged zip member may raise anything: zlib, struct, OSError
        raise failed(name, f"its bytes cannot be read ({printable(str(error))[:160]}).") from error
    if len(data) > most:
        raise failed(name, f"more than {most:,} bytes.")
    return data


def _read_again(listing: Listing, index: int, most: int) -> bytes:
    try:
        return listing.read(index, most)
    except OSError:
        time.sleep(0.05)  # a network file system may recover
        return listing.read(index, most)
