"""Places on a disk: which names can be written, and the sentence for what the system says when it refuses."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from ganworks.core.errors import GanworksError, UsageError

_NAME, _PATH = 255, 4096  # bytes of a name and of a path, where the system does not say
_BELOW = 128  # bytes of a path that are kept free for the files in a folder
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_OTHER = "Name another place"
_MOUNT = "the drive or network share does not answer. Connect it again, and run it again"
_SAID = {  # what is wrong, and what to do
    errno.EROFS: f"the disk is read-only. {_OTHER}, or mount it so that it can be written",
    errno.EACCES: "permission denied. Change the permissions (`ls -ld` shows them), or name another place",
    errno.EPERM: f"the system does not permit it. {_OTHER}",
    errno.ENOENT: "there is no such file or folder. Check the name",
    errno.EEXIST: f"there is something of this name already. {_OTHER}, or move it away",
    errno.ENOTEMPTY: f"there is a folder of this name that is not empty. {_OTHER}, or move it away",
    errno.ENOTDIR: "a part of the path is a file, not a folder. Check the name",
    errno.EISDIR: f"there is a folder of this name. {_OTHER}, or move it away",
    errno.ENAMETOOLONG: "the name is too long for the file system. Choose a shorter one",
    errno.ELOOP: "it is a symbolic link, which is never followed here, or one that leads in a circle. Remove the link",
    errno.EMFILE: "this process has too many files open. Allow more (`ulimit -n 4096`), and run it again",
    errno.ENFILE: "the whole machine has too many files open. Close other programs, and run it again",
    errno.EIO: "the disk reports an input/output error and may be failing. Check it (`dmesg` says more)",
    errno.EINVAL: f"the file system refuses the name or the operation. {_OTHER}",
    errno.ENXIO: "it is no ordinary file. Check the name",
    errno.ENODEV: "it is no ordinary file. Check the name",
    errno.EBUSY: "it is in use by the system. Close what uses it, or name another place",
    errno.ETXTBSY: "it is a program that is running. Name another place",
    errno.EXDEV: f"it lies on another disk than its folder. {_OTHER}",
    errno.EMLINK: f"its folder can hold no more folders. {_OTHER}",
    errno.ENOTSUP: f"the file system cannot do this. {_OTHER}",
    errno.ENOSYS: f"the file system cannot do this. {_OTHER}",
    errno.ENOLCK: f"the file system has no locks left. {_OTHER}",
    errno.ENOMEM: "the system has no memory left for it. Close other programs, and run it again",
    errno.EAGAIN: "the system has no resources left for it. Run it again",
    errno.EINTR: "it was interrupted. Run it again",
    **dict.fromkeys((errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH), _MOUNT),
    errno.EREMOTEIO if hasattr(errno, "EREMOTEIO") else errno.ENOTCONN: _MOUNT,
}


class NoRoomError(GanworksError):
    """The disk is full, a quota is used up, or a file would be larger than is allowed: further files will fail too."""


class TakenError(UsageError):
    """A place where another process is writing, or that holds results of other settings."""


def explain(error: OSError, path: str | Path | None = None, size: int = 0, doing: str = "write") -> GanworksError:
    """The error to raise when the system refused a file: it says which, why, and what to do.

    path: the file; None: the one that the error names. size: bytes that were to be written. doing: "write", "read" ...
    """
    named = path if path is not None else error.filename
    path = None if named is None or isinstance(named, int) else Path(os.fsdecode(named))
    if doing == "write" and path is not None and _is_full(error, path.parent, size):
        return NoRoomError(_full(error, path, size))
    if error.errno in _FULL:
        return NoRoomError(f"There is no room left{f' for {path}' if path else ''}: {_why(error)}. {_AGAIN}")
    said = _SAID.get(error.errno or 0, f"{error.strerror or error}")
    unchanged = " What was there before is unchanged." if doing == "write" else ""
    return GanworksError(f"Cannot {doing} {path or 'a file'}: {said}.{unchanged}")


_AGAIN = "Make room and run it again."


def _is_full(error: OSError, folder: Path, size: int) -> bool:
    """Whether the disk is full; libraries that write themselves say that something failed, without a number."""
    if error.errno is not None:
        return error.errno in _FULL
    with suppress(OSError):
        return shutil.disk_usage(folder).free < max(size, 1 << 16)
    return False


def _full(error: OSError, path: Path, size: int) -> str:
    unchanged = f"What was there before is unchanged. {_AGAIN}"
    with suppress(OSError, AttributeError):
        disk = os.statvfs(path.parent)
        free = shutil.disk_usage(path.parent).free
        if error.errno == errno.ENOSPC and disk.f_files and not disk.f_favail and free > max(size, 1 << 16):
            return (
                f"There is no room to write {path}: {_bytes(free)} are free in {path.parent}, but the disk has no "
                f"inodes left and can hold no further file, however small. Delete files, or use another disk. "
                f"{unchanged}"
            )
    need = f" It needs {_bytes(size)}" if size else " It needs more space"
    free = ""
    with suppress(OSError):
        free = f" and {_bytes(shutil.disk_usage(path.parent).free)} are free"
    return f"There is no room to write {path}.{need}{free} in {path.parent} ({_why(error)}). {unchanged}"


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


def _why(error: OSError) -> str:
    whys = {
        errno.EDQUOT: "your quota there is used up",
        errno.EFBIG: "the file would be larger than the file system or `ulimit -f` allows",
    }
    return whys.get(error.errno or 0, "the disk is full")


def place(given: str | Path, what: str = "out") -> Path:
    """A place that the user named for results, as a path. what: the option.

    Raises UsageError for one that is empty, or that no file can have as its name, before any work is done for it.
    """
    if not str(given).strip():
        raise UsageError(f"{what}= is empty. Name a file or folder, or leave {what} out.")
    text = str(given)
    try:
        text.encode()
        size = len(os.fsencode(Path(text).absolute()))
    except UnicodeEncodeError as error:
        raise UsageError(f"{what}={text!a} cannot be written as text ({error.reason}). Choose another name.") from error
    if "\0" in text:
        raise UsageError(f"{what}={text!a} holds a zero byte, which no name can have. Choose another name.")
    path = Path(given)
    parent = next((folder for folder in path.absolute().parents if _there(folder)), Path("/"))
    names = max((len(os.fsencode(name)) for name in path.parts), default=0)
    for found, most, thing in ((names, _limit(parent, "PC_NAME_MAX", _NAME), "a name"), (
        size, _limit(parent, "PC_PATH_MAX", _PATH) - _BELOW, "a path")):  # fmt: skip
        if found > most:
            raise UsageError(
                f"{what}={text[:60]}... is too long: {thing} in it has {found:,} bytes, and {most:,} are possible."
            )
    return path


def _there(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except OSError:
        return False


def _limit(folder: Path, name: str, usual: int) -> int:
    try:
        found = os.pathconf(folder, name)
    except (OSError, ValueError, AttributeError):
        return usual
    return found if found > 0 else usual
