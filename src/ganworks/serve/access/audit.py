"""The audit log: one line of JSON for each request, never a key and never what was sent or made.

Lines are written by a thread of their own, so that a slow disk holds up nobody. A disk that is full, or a file that
cannot be written, loses lines and nothing else: how many is counted, said on the console once a minute, and entered as
a line of its own when there is room again.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from ganworks.core.console.voice import complain
from ganworks.core.machine.places import explain
from ganworks.files.atomic import appending
from ganworks.serve.access.store import own_folder
from ganworks.serve.access.ticket import Ticket

SIZE, KEPT = 16 << 20, 5  # bytes of a file before it is set aside; files that are kept besides
_WAITING = 10_000  # lines that may wait for the disk
_QUIET = 60.0  # seconds between complaints


def line_of(ticket: Ticket) -> dict[str, Any]:
    """What is kept of a request. Each text in it is ours, or was checked against a list or a form, but the model's
    name, of which 64 characters are kept.
    """
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "request": ticket.id,
        "key": ticket.key.id if ticket.key else None,
        "client": ticket.client or None,
        "method": ticket.method,
        "route": ticket.route or None,
        "model": ticket.model[:64] or None,
        "sha256": ticket.sha256 or None,
        "n": ticket.n,
        "cost": ticket.cost,
        "status": ticket.status,
        "seconds": round(ticket.seconds, 4),
        "bytes": ticket.size,
        **({"refused": ticket.refused} if ticket.refused else {}),
    }


class Audit:
    """The log in a file, which its owner alone can read. size: bytes before it is set aside as NAME.1; kept: how many
    of those. Raises GanworksError when it cannot be written at the start.
    """

    def __init__(self, path: Path, size: int = SIZE, kept: int = KEPT):
        self.path, self.size, self.kept, self.lost = path, size, kept, 0
        self._told, self._said, self._torn = 0, -_QUIET, False
        self._file: BinaryIO | None = None
        own_folder(path.parent)
        try:
            self._open().close()
        except OSError as error:
            raise explain(error, path) from error
        self._file = None
        self._lines: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._write_all, name="audit", daemon=True)
        self._thread.start()

    def enter(self, ticket: Ticket) -> None:
        """Have a line written for a request that has ended."""
        try:
            self._lines.put_nowait(json.dumps(line_of(ticket)).encode() + b"\n")
        except queue.Full:
            self.lost += 1

    def close(self, seconds: float = 5.0) -> None:
        """Write what waits, for so long at most."""
        with suppress(queue.Full):
            self._lines.put(None, timeout=seconds)
        self._thread.join(seconds)

    def _write_all(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._write(line)
            except OSError as error:
                self._lose(error)
        if self._file:
            with suppress(OSError):
                self._file.close()

    def _write(self, line: bytes) -> None:
        file = self._file or self._open()
        if file.tell() + len(line) > self.size and file.tell():
            file = self._rotate()
        if self.lost > self._told:
            gap = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "lost": self.lost - self._told}
            line = json.dumps(gap).encode() + b"\n" + line
        if self._torn:  # a part of a line stands at the end of the file
            line = b"\n" + line
        before = self.lost
        self._torn = True
        if os.write(file.fileno(), line) != len(line):
            raise OSError(28, "No space left on device")
        self._torn, self._told = False, before

    def _lose(self, error: OSError) -> None:
        self.lost += 1
        if self._file:
            with suppress(OSError):
                self._file.close()
        self._file = None
        if time.monotonic() - self._said >= _QUIET:
            self._said = time.monotonic()
            complain(f"Note: {explain(error, self.path)} The service goes on; {self.lost:,} lines of the audit log are "
                     "lost so far.")  # fmt: skip

    def _open(self) -> BinaryIO:
        file = appending(self.path)
        with suppress(OSError, AttributeError):
            os.fchmod(file.fileno(), 0o600)
        file.seek(0, os.SEEK_END)
        self._file = file
        return file

    def _rotate(self) -> BinaryIO:
        """Set the file aside as NAME.1, that one as NAME.2, and so on; the oldest is removed."""
        if self._file:
            self._file.close()
            self._file = None
        for number in range(self.kept, 0, -1):
            older = self.path if number == 1 else self.path.with_name(f"{self.path.name}.{number - 1}")
            with suppress(FileNotFoundError):
                older.replace(self.path.with_name(f"{self.path.name}.{number}"))
        return self._open()
