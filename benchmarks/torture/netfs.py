"""File systems as networks and sticks have them, imitated below one folder by changing functions of `os`.

Each of `TRAITS` changes this process for good and is meant for forked ones: a call whose path lies below the root
behaves as on such a file system, all others as before. What C libraries do by themselves is not reached.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import io
import itertools
import mmap
import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

_NAMED = ("stat", "lstat", "open", "replace", "rename", "unlink", "remove", "mkdir", "rmdir", "link", "symlink",
          "chmod", "utime", "scandir", "listdir", "access", "truncate", "statvfs")  # fmt: skip


def _path(path: Any, folder: int | None = None) -> str:
    """The absolute path of a path or descriptor; "" when there is none."""
    try:
        if isinstance(path, int):
            return str(Path(f"/proc/self/fd/{path}").readlink())
        base = Path.cwd() if folder is None else Path(f"/proc/self/fd/{folder}").readlink()
        return os.path.normpath(base / os.fsdecode(path))
    except (OSError, TypeError):
        return ""


class _Below:
    """Whether a path, or an open file, lies below the root."""

    def __init__(self, root: Path):
        self.root = f"{root}{os.sep}"

    def __call__(self, path: Any, folder: int | None = None) -> bool:
        return _path(path, folder).startswith(self.root)


def _refuse(module: Any, name: str, number: int, applies: Callable[..., bool]) -> None:
    """A function of a module fails with an error number where it applies."""
    real = getattr(module, name)

    def refused(*args: Any, **more: Any) -> Any:
        if applies(*args, **more):
            raise OSError(number, os.strerror(number))
        return real(*args, **more)

    setattr(module, name, refused)


def no_links(root: Path) -> None:
    """Neither hard nor symbolic links."""
    below = _Below(root)
    for name in ("link", "symlink"):
        _refuse(os, name, errno.EPERM, lambda a, b, **_: below(b))


def no_locks(number: int, root: Path) -> None:
    """Locking fails with an error number."""
    below = _Below(root)
    for name in ("flock", "lockf"):
        _refuse(fcntl, name, number, lambda file, *_: below(file if isinstance(file, int) else file.fileno()))


def locks_that_hold_nobody(root: Path) -> None:
    """Every lock is granted, as between machines that keep their locks to themselves."""
    fcntl.flock = fcntl.lockf = lambda *_: None  # pyrefly: ignore


def no_flush_of_folders(root: Path) -> None:
    """A folder cannot be flushed."""
    below = _Below(root)
    _refuse(os, "fsync", errno.EINVAL, lambda file: below(file) and stat.S_ISDIR(os.fstat(file).st_mode))


def no_folder_can_be_opened(root: Path) -> None:
    """A folder cannot be opened to be flushed."""
    below = _Below(root)
    _refuse(os, "open", errno.EACCES, lambda path, *_, **__: below(path) and Path(path).is_dir())


def no_modes_and_times(root: Path) -> None:
    """Modes and times cannot be set."""
    below = _Below(root)
    for name in ("chmod", "fchmod", "utime", "chown"):
        _refuse(os, name, errno.EPERM, lambda path, *_, **__: below(path))


def no_memory_maps(root: Path) -> None:
    """Files cannot be mapped into memory."""
    below, real = _Below(root), mmap.mmap

    class Refusing(real):
        def __new__(cls, file: int, *args: Any, **more: Any) -> Any:
            if file >= 0 and below(file):
                raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
            return real.__new__(cls, file, *args, **more)

    mmap.mmap = Refusing  # pyrefly: ignore


def times(change: Callable[[float], float], root: Path) -> None:
    """Times of files are others than those of this machine's clock."""
    below = _Below(root)

    def changed(facts: os.stat_result) -> os.stat_result:
        moved = change(facts.st_mtime)
        more = {"st_mtime": moved, "st_mtime_ns": int(moved * 1e9)}
        return os.stat_result((*facts[:8], int(moved), facts[9]), more)

    for name in ("stat", "lstat", "fstat"):
        real = getattr(os, name)

        def shifted(path: Any, *args: Any, real: Any = real, **more: Any) -> Any:
            facts = real(path, *args, **more)
            return changed(facts) if below(path, more.get("dir_fd")) else facts

        setattr(os, name, shifted)


def stale_reads(root: Path) -> None:
    """The first reading of each file that this process has not made fails as one that another machine has replaced."""
    below, real, known = _Below(root), io.open, set()

    def opened(file: Any, mode: str = "r", *args: Any, **more: Any) -> Any:
        path = _path(file)
        if below(file) and path not in known:
            known.add(path)
            if set(mode) <= set("rbt") and Path(path).is_file():
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), path)
        return real(file, mode, *args, **more)

    builtins.open = io.open = opened  # pyrefly: ignore


def names_that_stay(root: Path) -> None:
    """A removed file stays for a while under a name like .nfs0001, so that its folder cannot be removed either."""
    below, numbers, unlink = _Below(root), itertools.count(), os.unlink

    def renamed(path: Any, *, dir_fd: int | None = None) -> None:
        name = Path(os.fsdecode(path))
        if not below(path, dir_fd) or name.name.startswith(".nfs"):
            return unlink(path, dir_fd=dir_fd)
        left = name.with_name(f".nfs{os.getpid():08d}{next(numbers):08d}")
        return os.rename(path, left, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)

    os.unlink = os.remove = renamed  # pyrefly: ignore


def replacing_while_open(root: Path) -> None:
    """Every third file that exists refuses to be replaced, as one that somebody reads does elsewhere."""
    below, counted = _Below(root), itertools.count(1)

    def refused(old: Any, new: Any, **_: Any) -> bool:
        return below(new) and Path(new).exists() and next(counted) % 3 == 0

    _refuse(os, "replace", errno.EACCES, refused)
    _refuse(os, "rename", errno.EACCES, refused)


def errors_when_flushed(number: int, every: int, root: Path) -> None:
    """What was written is lost, which is said when the file is flushed, for one file of several."""
    below, counted = _Below(root), itertools.count(1)
    _refuse(os, "fsync", number, lambda file: below(file) and next(counted) % every == 0)


def no_difference_of_case(root: Path) -> None:
    """Names that differ in capital letters alone are one."""
    top, listed = f"{root}{os.sep}", os.listdir

    def found(path: Any, folder: int | None = None) -> Any:
        if isinstance(path, int) or not _path(path, folder).startswith(top):
            return path
        at = root
        for part in Path(_path(path, folder).removeprefix(top)).parts:
            try:
                names = listed(str(at))
            except OSError:
                names = []
            same = [name for name in names if name.casefold() == part.casefold()]
            at /= part if part in names or not same else same[0]
        return str(at) if folder is None else at.name

    for name in _NAMED:
        setattr(os, name, partial(_translated, getattr(os, name), found))
    real = io.open
    builtins.open = io.open = lambda file, *args, **more: real(found(file), *args, **more)  # pyrefly: ignore


def _translated(real: Callable[..., Any], found: Callable[..., Any], *args: Any, **more: Any) -> Any:
    two = real.__name__ in ("replace", "rename", "link")
    folder = more.get("dir_fd", more.get("src_dir_fd"))
    new = [found(arg, folder) if k < 1 + two and arg is not None else arg for k, arg in enumerate(args)]
    return real(*new, **more)


TRAITS: dict[str, Callable[[Path], None]] = {
    "no links": no_links,
    "no locks (ENOSYS)": partial(no_locks, errno.ENOSYS),
    "no locks (ENOLCK)": partial(no_locks, errno.ENOLCK),
    "no locks (EOPNOTSUPP)": partial(no_locks, errno.EOPNOTSUPP),
    "locks that hold nobody": locks_that_hold_nobody,
    "no flush of folders": no_flush_of_folders,
    "no folder can be opened": no_folder_can_be_opened,
    "no modes, no times": no_modes_and_times,
    "no memory maps": no_memory_maps,
    "times in steps of 2 s": partial(times, lambda at: at // 2 * 2),
    "a clock an hour ahead": partial(times, lambda at: at + 3600),
    "a clock a day behind": partial(times, lambda at: at - 86_400),
    "stale reads": stale_reads,
    "removed names stay": names_that_stay,
    "replacing refused": replacing_while_open,
    "errors when flushed (EIO)": partial(errors_when_flushed, errno.EIO, 5),
    "errors when flushed (EDQUOT)": partial(errors_when_flushed, errno.EDQUOT, 2),
    "no difference of case": no_difference_of_case,
}
