"""The lock of a run folder: one trainer at a time, named in the refusal; what dead processes left blocks nobody."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ganworks.core.errors import UsageError
from ganworks.runs.lock import FolderLock

HOLD = "import sys, pathlib, time; from ganworks.runs.lock import FolderLock; "
HOLD += "lock = FolderLock(pathlib.Path(sys.argv[1])); lock.take(); print('held', flush=True); time.sleep(60)"


@pytest.fixture
def holder(tmp_path: Path):
    """Another process that holds the folder's lock."""
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def test_another_process_is_named_until_it_is_killed(tmp_path: Path, holder: subprocess.Popen) -> None:
    lock = FolderLock(tmp_path)
    for _ in range(2):  # a refusal leaves the owner's name as it is
        with pytest.raises(UsageError, match=f"trained by process {holder.pid} on {socket.gethostname()}"):
            lock.take()
        assert not lock.held
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    lock.take()
    assert lock.held and (tmp_path / ".owner").read_text() == f"process {os.getpid()} on {socket.gethostname()}"
    lock.give_back()


def test_the_same_process_holds_it_once(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    first.take()
    first.take()
    with pytest.raises(UsageError, match=f"process {os.getpid()}"):
        second.take()
    second.give_back()  # gives back nothing that it does not hold
    assert first.held and (tmp_path / ".owner").exists()
    first.give_back()
    second.take()
    second.give_back()
    assert [p.name for p in tmp_path.iterdir()] == [".lock"]


def test_what_a_dead_process_wrote_does_not_block(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("process 1 on elsewhere")  # as release 0.1 left it
    (tmp_path / ".owner").write_text("process 2 on elsewhere")
    lock = FolderLock(tmp_path)
    lock.take()
    assert lock.held
    lock.give_back()


def test_a_place_that_cannot_be_locked_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / ".owner").mkdir()
    lock = FolderLock(tmp_path)
    with pytest.raises(UsageError, match=r"cannot be locked: .*out=FOLDER"):
        lock.take()
    assert not lock.held
