"""The lock of a folder: one process at a time writes in it, and the lock goes with the process, however it ends."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.places import TakenError
from ganworks.files.atomic import replace_file

LOCK_FILES = (".lock", ".owner")
WRITTEN = "Another process is writing to {folder}. Wait for it, or choose another place."
_TRAINED = "{folder} is being trained by {owner}. Wait for it or stop it; out=FOLDER starts a run of its own."


class FolderLock:
    """Holds a folder for this process, from `take` or as a context manager.

    refusal: what is said when another process holds it, with {folder} and {owner}. `.lock` is what the system locks;
    `.owner` says who holds it. A dead process holds no lock, so that what it left of the two files blocks nobody.
    """

    def __init__(self, folder: Path, refusal: str = _TRAINED):
        self._refusal = refusal
        self._folder, self._owner = folder, folder / ".owner"
        self._lock = FileLock(folder / ".lock", thread_local=False)

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._lock.is_locked

    def take(self) -> None:
        """Take the lock without waiting. Raises UsageError with the refusal when another process holds it."""
        if self.held:
            return
        try:
            self._lock.acquire(blocking=False)
            replace_file(self._owner, f"process {os.getpid()} on {socket.gethostname()}")
        except Timeout as error:
            raise TakenError(self._refusal.format(folder=self._folder, owner=self._named())) from error
        except (OSError, GanworksError) as error:
            self.give_back()
            raise UsageError(
                f"The folder {self._folder} cannot be locked: {getattr(error, 'strerror', None) or error}. "
                "Name a folder on another disk with out=FOLDER."
            ) from error

    def give_back(self) -> None:
        """Let others write in the folder."""
        if self.held:
            with suppress(OSError):
                self._owner.unlink()
            self._lock.release()

    def __enter__(self) -> Self:
        self.take()
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()

    def _named(self) -> str:
        try:
            return self._owner.read_text(encoding="utf-8", errors="replace").strip() or "another process"
        except OSError:
            return "another process"
