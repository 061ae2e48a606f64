"""Commands in forked processes: torch is imported once, and a process that is killed takes nothing with it."""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ganworks.files import atomic

TRACEBACK = 99
PATIENCE = 300.0  # seconds after which a process counts as hanging


@dataclass(frozen=True)
class Ended:
    """How a process ended. code: its exit code, or minus the signal that killed it. said: all that it printed."""

    code: int
    said: str

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.code == -signal.SIGKILL

    @property
    def refused(self) -> bool:
        """Whether it ended with a sentence about what is wrong."""
        return self.code in (1, 2) and "Traceback" not in self.said and bool(self.said.strip())

    def __str__(self) -> str:
        return f"exit {self.code}: {self.said.strip()[-700:]}"


def fork(*actions: Callable[[], int | None], seconds: float = PATIENCE) -> list[Ended]:
    """Do one action after the other in a forked process; how each of those ended that were begun.

    The process is killed by SIGKILL after some seconds. It cannot use torch's threads.
    """
    gc.freeze()  # what is there already is not copied into the process by looking for garbage
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile("w+") as codes:
        child = os.fork()
        if not child:
            _live(actions, said.fileno(), codes.fileno())
        handle = os.pidfd_open(child)
        try:
            if not select.select([handle], [], [], seconds)[0]:
                os.kill(child, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        finally:
            os.close(handle)
        said.seek(0)
        codes.seek(0)
        found = []
        for line in codes.read().splitlines():
            code, end = map(int, line.split())
            found.append(Ended(code, said.read(end - said.tell()).decode(errors="replace")))
        return [*found, Ended(status, said.read().decode(errors="replace"))] if status else found


def _live(actions: Sequence[Callable[[], int | None]], out: int, codes: int) -> None:
    code = TRACEBACK
    try:
        for handle in (1, 2):
            os.dup2(out, handle)
        sys.stdout, sys.stderr = (os.fdopen(handle, "w", closefd=False) for handle in (1, 2))
        for action in actions:
            atomic._swept.clear()  # as in a process of its own
            try:
                code = action() or 0
            except BaseException:
                code = TRACEBACK
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os.write(codes, f"{code} {os.lseek(out, 0, os.SEEK_CUR)}\n".encode())
    finally:
        os._exit(0)


def command(words: Sequence[str], before: Callable[[], object] = lambda: None) -> Callable[[], int]:
    """The action of `ganworks WORDS`, after what is to be done before it in the same process."""
    return partial(_command, list(words), before)


def _command(words: list[str], before: Callable[[], object]) -> int:
    from ganworks.cli.main import main

    before()
    return main(words)
