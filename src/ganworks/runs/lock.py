"""Locks of a folder: one process at a time trains in it, and one at a time changes its manifest.

A lock goes with its process, however that ends.
"""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from filelock import FileLock, SoftFileLock, Timeout

from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.machine.places import TakenError
from ganworks.files.atomic import replace_file

_LOCK, _OWNER, _SHORT = ".lock", ".owner", ".manifest.lock"
LOCK_FILES = (_LOCK, _OWNER, _SHORT)
WRITTEN = "Another process is writing to {folder}. Wait for it, or choose another place."
_TRAINED = "{folder} is being trained by {owner}. Wait for it or stop it; out=FOLDER starts a run of its own."
_PATIENCE = 60.0  # seconds to wait for a lock that is held for milliseconds


class FolderLock:
    """Holds a folder for this process, from `take` or as a context manager.

    refusal: what is said when another process holds it, with {folder} and {owner}. `.lock` is what the system locks;
    `.owner` says who holds it. A dead process holds no lock, so that what it left of the two files blocks nobody.
    """

    def __init__(self, folder: Path, refusal: str = _TRAINED):
        self._refusal = refusal
        self._folder, self._owner = folder, folder / _OWNER
        self._lock = FileLock(folder / _LOCK, thread_local=False)

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._lock.is_locked

    def take(self) -> None:
        """Take the lock without waiting. Raises UsageError with the refusal when another process holds it."""
        if self.held:
            return
        try:
            _acquire(self._lock, 0.0)
            replace_file(self._owner, f"process {os.getpid()} on {socket.gethostname()}")
        except Timeout as error:
            said = self._refusal.format(folder=self._folder, owner=self._named())
            raise TakenError(f"{said}{_about_markers(self._lock)}") from error
        except (OSError, NotImplementedError, GanworksError) as error:
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


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Hold the short lock of a folder's manifest: others who want it wait.

    Raises GanworksError when it cannot be had, because the folder cannot be written, has no locks, or because
    another process stands still with it.
    """
    lock = FileLock(folder / _SHORT, thread_local=False)
    try:
        _acquire(lock, _PATIENCE)
    except Timeout as error:
        raise GanworksError(
            f"{folder} could not be written: another process has been changing it for {_PATIENCE:.0f} seconds. Look "
            f"for one that stands still, then run this again.{_about_markers(lock)}"
        ) from error
    except (OSError, NotImplementedError) as error:
        raise GanworksError(
            f"{folder} could not be written: {getattr(error, 'strerror', None) or error}. What was there before is "
            "unchanged."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, patience: float) -> None:
    """Take a lock. Where the system has none, filelock goes over to a file that is made and removed, with a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        lock.acquire(timeout=patience, poll_interval=0.01)


def _about_markers(lock: FileLock) -> str:
    if not isinstance(lock, SoftFileLock):
        return ""
    return f" This disk has no locks of the system: if no process works there any more, remove {lock.lock_file}."
