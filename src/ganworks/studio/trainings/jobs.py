"""The trainings that a studio has started: one record and one log each in .studio/jobs.

A record is written before the process is started and again when its number is known. Should the server be killed in
between, the process is found again by the token in its environment. A training has a session of its own: it ends
neither with the server nor with its terminal.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGTERM
from typing import Any

from ganworks.core.console.text import json_text
from ganworks.core.errors import GanworksError
from ganworks.core.plugins.own import SWITCH
from ganworks.core.schema.plain import read_json
from ganworks.files.atomic import replace_file
from ganworks.studio.places import Place, RefusedError
from ganworks.studio.trainings import processes

Record = dict[str, Any]

PROGRAM = (sys.executable, "-P", "-m", "ganworks")  # -P: modules in the studio's folder do not stand before ours
_TOKEN = "GANWORKS_STUDIO_JOB"
MOST = 16  # trainings at the same time
_SAID = 16 << 10  # bytes at the end of a log that are read


class Jobs:
    """The records of a studio. Every method may be called from any thread; `lock` keeps several calls together."""

    def __init__(self, place: Place):
        self.place = place
        self.lock = threading.RLock()
        self._children: list[subprocess.Popen[bytes]] = []
        self._known: dict[str, tuple[tuple[int, int], Record]] = {}

    def path(self, name: str, suffix: str = ".json") -> Path:
        """The record of a training, or with ".log" what it printed."""
        return self.place.jobs / f"{name}{suffix}"

    def at_work(self) -> int:
        """How many trainings run that were started here."""
        return sum(self.running(name) is not None for name in self.names())

    def names(self) -> list[str]:
        """All trainings that were started here, by the name of their run."""
        return sorted(path.stem for path in self.place.jobs.glob("*.json") if not path.name.startswith("."))

    def record(self, name: str) -> Record:
        """The record of a training; empty for a run that was not started here, or a record that cannot be read."""
        path = self.path(name)
        with suppress(OSError, GanworksError):
            status = path.stat()
            stamp = status.st_mtime_ns, status.st_size
            known = self._known.get(name)
            if known is None or known[0] != stamp:
                found = read_json(path.read_bytes(), path.name)
                known = stamp, found if isinstance(found, dict) else {}
                self._known[name] = known
            return known[1]
        return {}

    def stamp(self, name: str) -> float:
        """When the record was last written; 0 without one."""
        with suppress(OSError):
            return self.path(name).stat().st_mtime
        return 0.0

    def start(self, name: str, words: Sequence[str], **facts: Any) -> None:
        """Start `ganworks *words` in the studio's folder. facts: kept in the record. Raises RefusedError (429) when as
        many run as are allowed.
        """
        with self.lock:
            if self.at_work() >= MOST:
                raise RefusedError(f"{MOST} trainings run already; wait for one of them, or stop one.", 429)
            log = self.path(name, ".log")
            record = {
                **facts,
                "words": list(words),
                "pid": None,
                "token": secrets.token_hex(16),
                "begun": time.time(),
                "asked": "run",
                "signalled": False,
                "log_from": log.stat().st_size if log.exists() else 0,
            }
            self._write(name, record)
            child = self._spawn(log, words, str(record["token"]))
            self._children.append(child)
            self._write(name, {**record, "pid": child.pid, "identity": processes.identity(child.pid)})

    def _spawn(self, log: Path, words: Sequence[str], token: str) -> subprocess.Popen[bytes]:
        command = [*PROGRAM, *words]
        around = {**os.environ, _TOKEN: token, SWITCH: "off"}  # uploads lie where it would look for modules
        with log.open("ab") as out:
            try:
                return subprocess.Popen(
                    command, cwd=self.place.folder, env=around, stdin=subprocess.DEVNULL, stdout=out,
                    stderr=subprocess.STDOUT, start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise RefusedError(f"The training could not be started: {error.strerror or error}.", 503) from error

    def running(self, name: str) -> int | None:
        """The number of the process that trains in a run, whoever started it; None when none does."""
        self._reap()
        record = self.record(name)
        if record and record.get("pid") is None:
            record = self._adopt(name, record)
        if record and processes.runs(record.get("pid"), str(record.get("identity", ""))):
            return int(record["pid"])
        return self._owner(name)

    def _adopt(self, name: str, record: Record) -> Record:
        """The record of a process whose number nobody wrote down, with the number if it runs."""
        with self.lock:
            current = self.record(name)
            if current.get("pid") is not None or current.get("token") != record.get("token"):
                return current
            pid = processes.marked(_TOKEN, str(record.get("token")))
            found = {"pid": pid or 0, "identity": processes.identity(pid) if pid else ""}
            self._write(name, {**current, **found})
            return {**current, **found}

    def _owner(self, name: str) -> int | None:
        """The process on this machine that holds the lock of a run by what its `.owner` says."""
        path = self.place.runs / name / ".owner"
        with suppress(OSError, ValueError, IndexError):
            words, written = path.read_text(encoding="utf-8").split(), path.stat().st_mtime
            pid = int(words[1])
            if words[0] == "process" and words[-1] == _host() and processes.began_before(pid, written):
                return pid
        return None

    def _reap(self) -> None:
        """Take the ends of children, which would otherwise stay in the table of processes."""
        with self.lock:
            self._children = [child for child in self._children if child.poll() is None]

    def ask(self, name: str, what: str) -> None:
        """Ask the process of a training to save and end. what: "pause" or "stop", which is written down first.

        A process that was asked already is not asked again: a second signal means not to wait for the save.
        """
        with self.lock:
            pid = self.running(name)
            record = self.record(name)
            again = record.get("signalled") and record.get("pid") == pid
            self._write(name, {**record, "asked": what, "signalled": bool(again)})
            if pid is not None and not again:
                self._signal(name, pid)

    def _signal(self, name: str, pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, SIGTERM)
        self._write(name, {**self.record(name), "signalled": True})

    def settle(self) -> None:
        """Send the signals that a server wrote down and was killed before it sent."""
        for name in self.names():
            record = self.record(name)
            if record.get("asked") in ("pause", "stop") and not record.get("signalled"):
                with self.lock:
                    if (pid := self.running(name)) is not None:
                        self._signal(name, pid)

    def said(self, name: str) -> list[str]:
        """The last lines that the latest start of a training printed."""
        try:
            with self.path(name, ".log").open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(size - _SAID, min(size, int(self.record(name).get("log_from", 0)))))
                text = file.read().decode("utf-8", "replace")
        except (OSError, ValueError):
            return []
        return [line.rstrip() for line in text.splitlines() if line.strip()]

    def forget(self, name: str, folder: Path) -> None:
        """Move the record and the log of a training into a folder."""
        with self.lock:
            for suffix in (".json", ".log"):
                with suppress(OSError):
                    self.path(name, suffix).rename(folder / f"studio{suffix}")

    def _write(self, name: str, record: Record) -> None:
        replace_file(self.path(name), json_text(record, indent=1))
        self._known.pop(name, None)


def _host() -> str:
    import socket

    return socket.gethostname()
