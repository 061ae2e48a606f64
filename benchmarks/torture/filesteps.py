"""Dying at the n-th step of writing files: opening, writing, flushing, renaming, removing, making, locking."""

from __future__ import annotations

import builtins
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_NAMED = {  # audit event -> where a folder's descriptor stands among its arguments
    "os.rename": 2,
    "os.remove": 1,
    "os.rmdir": 1,
    "os.mkdir": 2,
    "os.link": 2,
    "os.symlink": 2,
    "os.chmod": 2,
    "os.utime": 3,
}


class Steps:
    """Counts the file steps of this process below a folder; at step `last` the process dies by SIGKILL.

    A write dies with half of its bytes written; any other step dies before it is done, so that what was just done is
    what the next step finds. Writes inside of C libraries are not seen. It cannot be undone: for forked processes only.
    record: a file that gets a line for each step.
    """

    def __init__(self, root: Path, last: int = 0, record: Path | None = None):
        self.root, self.last, self.count = f"{root.resolve()}{os.sep}", last, 0
        self._record = None if record is None else record.open("a", buffering=1)

    def install(self) -> None:
        """Count from here on."""
        sys.addaudithook(self._heard)
        self._open, self._fsync, self._write = io.open, os.fsync, os.write
        builtins.open = io.open = self._opened  # pyrefly: ignore
        os.fsync, os.write = self._flushed, self._written  # pyrefly: ignore

    def tick(self, what: str, path: str, half: Callable[[], object] = lambda: None) -> None:
        """One step; at the last one `half` is done of it."""
        if not path.startswith(self.root):
            return
        self.count += 1
        if self._record is not None:
            self._record.write(f"{what} {path.removeprefix(self.root)}\n")
        if self.count == self.last:
            half()
            os.kill(os.getpid(), signal.SIGKILL)

    def _heard(self, event: str, given: tuple[Any, ...]) -> None:
        if event == "open" and not isinstance(given[0], int) and given[2] & _WRITES:
            self.tick("open", _absolute(given[0]))
        elif event in _NAMED:
            self.tick(event.removeprefix("os."), _absolute(given[0], given[_NAMED[event]]))
        elif event in ("fcntl.flock", "fcntl.lockf", "os.truncate"):
            self.tick(event.rpartition(".")[2], _absolute(given[0]))

    def _flushed(self, handle: int) -> None:
        self.tick("fsync", _absolute(handle))
        self._fsync(handle)

    def _written(self, handle: int, data: Any) -> int:
        self.tick("write", _absolute(handle), lambda: self._write(handle, memoryview(data)[: len(data) // 2]))
        return self._write(handle, data)

    def _opened(self, file: Any, mode: str = "r", buffering: int = -1, *args: Any, **more: Any) -> Any:
        if not set(mode) & set("wax+") or not f"{_absolute(file)}".startswith(self.root):
            return self._open(file, mode, buffering, *args, **more)
        names = ("encoding", "errors", "newline", "closefd", "opener")
        return self._wrapped(file, mode, buffering, **dict(zip(names, args, strict=False)), **more)

    def _wrapped(  # as io.open builds it, above a file that counts
        self,
        file: Any,
        mode: str,
        buffering: int,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        raw = _Counted(file, mode.replace("b", "").replace("t", ""), closefd, opener)
        raw.steps = self
        if buffering == 0:
            return raw
        size = buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE
        binary = io.BufferedRandom(raw, size) if "+" in mode else io.BufferedWriter(raw, size)
        if "b" in mode:
            return binary
        text = io.TextIOWrapper(binary, encoding or "locale", errors, newline, line_buffering=buffering == 1)
        text.mode = mode  # pyrefly: ignore
        return text


class _Counted(io.FileIO):
    """A file whose writes are steps."""

    steps: Steps

    def write(self, data: Any) -> int:
        whole = memoryview(data).cast("B")
        self.steps.tick(
            "write", _absolute(self.fileno()), lambda: super(_Counted, self).write(whole[: len(whole) // 2])
        )
        return super().write(data)


def _absolute(path: Any, folder: int = -1) -> str:
    """A path, or that of a descriptor, below the working folder or the one of a descriptor."""
    try:
        if isinstance(path, int):
            return str(Path(f"/proc/self/fd/{path}").readlink())
        base = Path(f"/proc/self/fd/{folder}").readlink() if folder >= 0 else Path.cwd()
        return str(base / os.fsdecode(path))
    except OSError:
        return ""
