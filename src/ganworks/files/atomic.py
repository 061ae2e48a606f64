"""Crash-safe files: whole files are replaced atomically, and temporary files of killed processes are removed.

Nothing is written through a symbolic link: what replaces a file takes the place of the link, what is added to a file
refuses it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from ganworks.core.machine.places import explain

_SUFFIX = ".gwtmp"
_OURS = re.compile(rf"\..*\.([0-9a-f]{{8}})-(\d+)-\d+{re.escape(_SUFFIX)}", re.DOTALL)
_EXACT = os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_swept: set[Path] = set()  # folders that this process has swept


class Staged:
    """A file that is written under a temporary name beside `path`, and then put in its place or dropped.

    size: bytes that will be written, to check the free space first. What fails raises GanworksError. The first file in
    a folder sweeps it.
    """

    def __init__(self, path: str | Path, size: int = 0):
        self.path, self.size, self.sha256 = Path(path), size, ""
        self.temporary = temporary_beside(self.path)

    @contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        """The temporary file, to write to; flushed to the disk at the end."""
        try:
            _sweep_once(self.path.parent)
            if self.size and shutil.disk_usage(self.path.parent).free < 1.2 * self.size:
                raise OSError(errno.ENOSPC, "not enough space")
            with _fresh(self.temporary) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise explain(error, self.path, self.size) from error

    def place(self) -> None:
        """Rename the temporary file to `path`, and flush the folder."""
        try:
            self.temporary.replace(self.path)
        except OSError as error:
            raise explain(error, self.path, self.size) from error
        _flush_folder(self.path.parent)

    def drop(self) -> None:
        """Remove the temporary file, if it is still there."""
        with suppress(OSError):
            self.temporary.unlink(missing_ok=True)


@contextmanager
def replacing(path: str | Path, size: int = 0) -> Iterator[BinaryIO]:
    """Yield a file to write to, which replaces `path` only if the block ends without an error.

    size: bytes that will be written, to check the free space first. The temporary file lies in the same folder; it is
    flushed to the disk and renamed, then the folder is flushed. After a crash at any moment `path` holds the old or the
    new content. Raises GanworksError when the disk is full or the folder cannot be written; the temporary file is then
    removed.
    """
    staged = Staged(path, size)
    try:
        with staged.writing() as file:
            yield file
        staged.place()
    finally:
        staged.drop()


def stage(path: str | Path, pieces: Sequence[bytes | memoryview]) -> Staged:
    """Write a whole file beside `path`, with its SHA-256; `place` then puts it there. Raises as `replacing` does."""
    staged, digest = Staged(path, sum(memoryview(piece).nbytes for piece in pieces)), hashlib.sha256()
    try:
        with staged.writing() as file:
            for piece in pieces:
                digest.update(piece)
                file.write(piece)
    except BaseException:
        staged.drop()
        raise
    staged.sha256 = digest.hexdigest()
    return staged


def _flush_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot flush a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _fresh(path: Path) -> BinaryIO:
    """A new file, in place of whatever has this name; a link is removed and not followed."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_EXCL | _EXACT, 0o666), "w+b")


def replace_pieces(path: str | Path, pieces: Sequence[bytes | memoryview]) -> str:
    """Write a whole file atomically and return its SHA-256 in hex. Raises what `replacing` raises."""
    staged = stage(path, pieces)
    try:
        staged.place()
    finally:
        staged.drop()
    return staged.sha256


def replace_file(path: str | Path, data: bytes | str) -> str:
    """`replace_pieces` of one piece, text as UTF-8."""
    return replace_pieces(path, [data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data])


def write_file(path: Path, content: bytes) -> None:
    """Write a file that a record will vouch for: not flushed, and torn after a crash. Raises GanworksError."""
    try:
        with _fresh(path) as file:
            file.write(content)
    except OSError as error:
        raise explain(error, path, len(content)) from error


def appending(path: Path) -> BinaryIO:
    """A file to add lines to, made if there is none. Raises OSError, also for a symbolic link."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | _EXACT, 0o666), "ab")


def append(path: Path, line: bytes) -> None:
    """Add a line to a file and flush it to the disk. Raises GanworksError, also for a symbolic link."""
    try:
        with appending(path) as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise explain(error, path, len(line)) from error


# Temporary files ------------------------------------------------------------------------------------------------------


def temporary_beside(path: Path) -> Path:
    """The name of a temporary file or folder of this thread, in the folder of `path`; see `sweep`."""
    name = os.fsencode(path.name)[:100].decode(errors="ignore")
    return path.parent / f".{name}.{_here()}-{os.getpid()}-{threading.get_ident()}{_SUFFIX}"


@cache
def _here() -> str:
    """8 hex digits of this machine and its table of processes: a process elsewhere may have any number."""
    try:
        table = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        table = ""
    return hashlib.sha256(f"{socket.gethostname()} {table}".encode()).hexdigest()[:8]


def is_temporary(path: Path) -> bool:
    """Whether a file is the temporary file of a write, by its name."""
    return path.name.startswith(".") and path.name.endswith(_SUFFIX)


def sweep(folder: str | Path) -> list[Path]:
    """Remove temporary files and folders in `folder` whose process no longer runs; returns the removed paths.

    Those of other users stay, and those of other machines and containers, whose processes cannot be seen from here.
    """
    gone = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _OURS.fullmatch(entry.name)
            if found and found[1] == _here() and not _alive(int(found[2])) and _own(entry):
                with suppress(OSError):
                    _remove(entry)
                    gone.append(Path(entry.path))
    return sorted(gone)


def _sweep_once(folder: Path) -> None:
    key = folder.absolute()
    if key not in _swept:
        _swept.add(key)
        sweep(folder)


def _own(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):
        return not hasattr(os, "getuid") or entry.stat(follow_symlinks=False).st_uid == os.getuid()
    return False


def _remove(entry: os.DirEntry[str]) -> None:
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path)
    else:
        Path(entry.path).unlink()


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes in hex; the file is read in pieces."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
