"""Commands of ganworks in processes of their own: what they said, and whether what they left behind is whole."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch

import ganworks.api  # imported here once, so that a forked command begins at once
from ganworks.cli.main import main
from ganworks.core.errors import GanworksError
from ganworks.files import atomic
from ganworks.runs.run import Run
from ganworks.training import speed

PATIENCE = 300.0  # seconds until a command counts as one that hangs
_SENTENCE = re.compile(r"^(Failed|Wrong use): \S", re.M)


class Said(NamedTuple):
    """How a command ended: its exit code, minus the signal that killed it, or None: it hung; and what it printed."""

    words: tuple[str, ...]
    code: int | None
    out: str
    err: str

    def fault(self, *, must: bool = False) -> str | None:
        """What is wrong with such an end, or None. must: whether it must have succeeded."""
        name, both = " ".join(self.words[:2]), f"{self.out}\n{self.err}"
        last = self.err.strip().splitlines()[-1:] or [""]
        if "Traceback (most recent call last)" in both or "Exception ignored" in both:
            return f"{name}: a traceback: {last[0]}"
        if self.code is None:
            return f"{name}: hung"
        if self.code not in (0, 1, 2) or (must and self.code):
            return f"{name}: ended with {self.code}: {last[0]}"
        if self.code and not _SENTENCE.search(self.err):
            return f"{name}: ended with {self.code} without a sentence"
        return None


class Command:
    """A command that has been started in the folder `where`; `end` waits for it.

    before: called in its process before it begins, e.g. to limit what it may do. settings: environment variables.
    """

    def __init__(
        self,
        words: Sequence[str],
        where: Path,
        before: Callable[[], Any] | None = None,
        settings: Mapping[str, str] | None = None,
    ):
        self.words = tuple(map(str, words))
        self._heard = [tempfile.TemporaryFile(dir=_outside()) for _ in range(2)]  # noqa: SIM115 closed by `end`
        sys.stdout.flush()
        self.process = os.fork()
        if self.process == 0:
            self._become(where, before, settings or {})

    def _become(self, where: Path, before: Callable[[], Any] | None, settings: Mapping[str, str]) -> None:
        code = 1
        try:
            for number, file in enumerate(self._heard, 1):
                os.dup2(file.fileno(), number)
            sys.stdout, sys.stderr = (os.fdopen(os.dup(n), "w", encoding="utf-8") for n in (1, 2))
            os.chdir(where)
            os.environ.update(settings)
            tempfile.tempdir = None
            speed.conv_gflops = _as_measured  # the settings fix all sizes: nothing is gained by measuring the machine
            if before is not None:
                before()
            code = main(self.words)
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet; a stopped one runs."""
        return os.waitid(os.P_PID, self.process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.running:
            os.kill(self.process, number)

    def await_stop(self, patience: float = PATIENCE) -> bool:
        """Wait until it has stopped itself by SIGSTOP; False when it ended, or went on for too long."""
        until = time.monotonic() + patience
        while self.running and time.monotonic() < until:
            if os.waitid(os.P_PID, self.process, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None:
                return True
            time.sleep(0.01)
        return False

    def wait(self, patience: float) -> bool:
        """Wait for its end; False when it takes longer than so many seconds."""
        until, pause = time.monotonic() + patience, 0.002
        while self.running:
            if time.monotonic() > until:
                return False
            time.sleep(pause)
            pause = min(2 * pause, 0.05)
        return True

    def end(self, patience: float = PATIENCE) -> Said:
        """Wait for its end and say how it was; one that takes longer than so many seconds is killed."""
        hung = not self.wait(patience)
        if hung:
            os.kill(self.process, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        texts = []
        for file in self._heard:
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
            file.close()
        return Said(self.words, None if hung else code, *texts)


def say(words: Sequence[str], where: Path, **options: Any) -> Said:
    """Run one command to its end."""
    return Command(words, where, **options).end()


def warm(words: Sequence[str], where: Path, settings: Mapping[str, str]) -> Said:
    """Run one command in this process, so that those forked from it later need not import what it needs."""
    torch.set_num_threads(1)  # a forked process cannot use the threads of the one that it came from
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        with chdir(where), redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = main(words)
        return Said(tuple(words), code, out.getvalue(), err.getvalue())
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _as_measured(*_: object) -> float:
    return 50.0


def _outside() -> str:
    """A folder for what commands print, which no class fills or forbids."""
    return os.environ.get("TORTURE_HEARD", tempfile.gettempdir())


def memory(process: int) -> float:
    """MB that a process has written to and that cannot be read again from a file; 0.0 when it has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    sizes = dict(line.split()[:2] for line in lines[1:])
    return int(sizes["Private_Dirty:"]) / 1024


# What is left behind --------------------------------------------------------------------------------------------------


def run_fault(folder: Path) -> str | None:
    """What is wrong with a run: a file that is not what its manifest says, or no state that can be read."""
    try:
        run = Run.open(folder)
        for name in run.manifest["files"]:
            run.verify(name)
        found = run.load_state()
    except GanworksError as error:
        return str(error)
    if found is None:
        return f"{folder.name} has no saved state"
    return found[2][0] if found[2] else None


def debris(folder: Path) -> str | None:
    """What was forgotten in a folder: temporary files of a command that has ended."""
    patterns = ("*.gwtmp", ".report-*", ".README-*", ".probe", ".packing-*", ".*.tmp", ".*.part")
    left = sorted(path.name for pattern in patterns for path in folder.rglob(pattern))
    return f"left behind: {', '.join(left[:4])}" if left else None


def trained(folder: Path) -> str:
    """A digest of what a training came to: tensors and counters of its newest state, and the published networks."""
    found = Run.open(folder).load_state()
    if found is None:
        raise GanworksError(f"{folder} has no saved state.")
    tensors, counters, _ = found
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(name.encode() + tensor.numpy().tobytes())
    total.update(json.dumps({k: v for k, v in sorted(counters.items()) if k != "seconds"}).encode())
    for path in sorted(folder.glob("*.safetensors")):
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


def files_in(folder: Path, leave: Sequence[str] = ()) -> dict[str, str]:
    """Digest of every file below a folder, but those whose last part matches one of the patterns `leave`."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(path.match(pattern) for pattern in leave):
            found[path.relative_to(folder).as_posix()] = atomic.sha256(path)
    return found


def first(*faults: str | None) -> str | None:
    """The first fault of several, or None."""
    return next((fault for fault in faults if fault), None)


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder for one case."""
    with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as name:
        yield Path(name).resolve()


__all__ = ["Command", "Said", "debris", "files_in", "first", "ganworks", "run_fault", "say", "scratch", "trained"]
