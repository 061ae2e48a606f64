"""Crash-safe files: whole files are replaced atomically, and temporary files of killed processes are removed."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ganworks.core.errors import GanworksError

_SUFFIX = ".gwtmp"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def replacing(path: str | Path, size: int = 0) -> Iterator[BinaryIO]:
    """Yield a file to write to, which replaces `path` only if the block ends without an error.

    size: bytes that will be written, to check the free space first. The temporary file lies in the same folder; it is
    flushed to the disk and renamed, then the folder is flushed. After a crash at any moment `path` holds the old or the
    new content. Raises GanworksError when the disk is full or the folder cannot be written; the temporary file is then
    removed.
    """
    path = Path(path)
    temporary = path.parent / f".{path.name[:200]}.{os.getpid()}-{threading.get_ident()}{_SUFFIX}"
    try:
        if size and shutil.disk_usage(path.parent).free < 1.2 * size:
            raise OSError(errno.ENOSPC, "not enough space")
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise explain(error, path, size) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


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


def replace_file(path: str | Path, data: bytes | str) -> str:
    """Write a whole file atomically (text as UTF-8) and return its SHA-256 in hex. Raises what `replacing` raises."""
    content = data.encode() if isinstance(data, str) else data
    with replacing(path, len(content)) as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()


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
