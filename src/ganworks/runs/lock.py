"""The lock of a run folder: one process trains in it at a time, and the lock goes with the process, however it ends."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ganworks.core.errors import UsageError

LOCK_FILES = (".lock", ".owner")


class RunLock:
    """Holds a run folder for this process. `.lock` is what the system locks; `.owner` says who holds it.

    A dead process holds no lock, so the files that it leaves block nobody.
    """

    def __init__(self, folder: Path):
        self._folder, self._owner = folder, folder / ".owner"
        self._lock = FileLock(folder / ".lock", thread_local=False)

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._lock.is_locked

    def take(self) -> None:
        """Take the lock without waiting. Raises UsageError that names the owner when another trainer holds it."""
        if self.held:
            return
        try:
            self._lock.acquire(blocking=False)
            self._owner.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        except Timeout as error:
            raise UsageError(
                f"{self._folder} is being trained by {self._named()}. Wait for it or stop it; "
                "out=FOLDER starts a run of its own."
            ) from error
        except OSError as error:
            self.give_back()
            raise UsageError(
                f"The run folder {self._folder} cannot be locked: {error.strerror}. "
                "Name a folder on another disk with out=FOLDER."
            ) from error

    def give_back(self) -> None:
        """Let others train in the folder."""
        if self.held:
            with suppress(OSError):
                self._owner.unlink()
            self._lock.release()

    def _named(self) -> str:
        try:
            return self._owner.read_text(encoding="utf-8", errors="replace").strip() or "another process"
        except OSError:
            return "another process"
