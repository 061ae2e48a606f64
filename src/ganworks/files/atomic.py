"""Crash-safe files: whole files are replaced atomically, and temporary files of killed processes are removed."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ganworks.core.errors import GanworksError

_SUFFIX = ".gwtmp"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Staged:
    """A file that is written under a temporary name beside `path`, and then put in its place or dropped.

    size: bytes that will be written, to check the free space first. What fails raises GanworksError.
    """

    def __init__(self, path: str | Path, size: int = 0):
        self.path, self.size, self.sha256 = Path(path), size, ""
        own = f"{os.getpid()}-{threading.get_ident()}{_SUFFIX}"
        self.temporary = self.path.parent / f".{self.path.name[:200]}.{own}"

    @contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        """The temporary file, to write to; flushed to the disk at the end."""
        try:
            if self.size and shutil.disk_usage(self.path.parent).free < 1.2 * self.size:
                raise OSError(errno.ENOSPC, "not enough space")
            with self.temporary.open("wb") as file:
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
    """Write a whole file beside `path`, where `place` then puts it, and its SHA-256. Raises what `replacing` raises."""
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


def explain(error: OSError, path: Path, size: int) -> GanworksError:
    """The error to raise when writing `size` bytes to `path` failed: it says what is full, how much is needed and
    where.
    """
    if error.errno in _FULL:
        need = f" It needs {size / 1e6:.1f} MB" if size else " It needs more space"
        free = ""
        with suppress(OSError):
            free = f" and {shutil.disk_usage(path.parent).free / 1e6:.1f} MB are free"
        return GanworksError(
            f"There is no room to write {path}.{need}{free} in {path.parent} (or a quota "
            f"or file-size "
            "limit is reached). What was there before is unchanged. Make room and run it "
            "again."
        )
    return GanworksError(f"Cannot write {path}: {error.strerror or error}. What was there before is unchanged.")


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
    return replace_pieces(path, [data.encode() if isinstance(data, str) else data])


def is_temporary(path: Path) -> bool:
    """Whether a file is the temporary file of a write, by its name."""
    return path.name.startswith(".") and path.name.endswith(_SUFFIX)


def sweep(folder: str | Path) -> list[Path]:
    """Remove temporary files in `folder` whose process no longer runs; returns the removed paths."""
    gone = []
    for file in Path(folder).glob(f".*{_SUFFIX}"):
        process = file.name.removesuffix(_SUFFIX).rpartition(".")[2].partition("-")[0]
        if not (process.isdecimal() and _alive(int(process))):
            file.unlink(missing_ok=True)
            gone.append(file)
    return gone


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OSError):
        return True
    return True


def sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes in hex; the file is read in pieces."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
