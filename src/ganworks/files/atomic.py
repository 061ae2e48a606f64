"""Files that survive crashes: whole files replaced atomically, and what killed processes leave behind."""

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
    """A file to write to that takes the place of `path` only when the block ends well.

    size: bytes that will be written, to check the free space first. The temporary file lies in the same
    folder, is flushed to the disk, then renamed, then the folder is flushed: a crash at any moment leaves the
    old or the new file. Raises GanworksError when the disk is full or the folder cannot be written; the
    temporary file is removed.
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
    """The error to raise when writing `size` bytes to `path` failed: what is full, how much is needed,
    where."""
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
    """Write a whole file atomically (text as UTF-8) and return its SHA-256 in hex. Raises as `replacing`."""
    content = data.encode() if isinstance(data, str) else data
    with replacing(path, len(content)) as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()


def sweep(folder: str | Path) -> list[Path]:
    """Remove temporary files that killed processes left in `folder`; those of living processes stay."""
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
    """SHA-256 of a file's bytes, in hex, read in small pieces."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
