"""Requests to stop: once, twice, by a terminal that closes, ignored, and in the middle of what drops errors."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from ganworks.core.console import stop
from ganworks.core.console.stop import Interrupt, Stop, told

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


@pytest.fixture
def clock(monkeypatch):
    """The time, in a list of one number."""
    now = [100.0]
    monkeypatch.setattr(stop.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("number", [INT, TERM, HUP])
def test_one_request_is_a_flag_and_handlers_come_back(number):
    before, asked = signal.getsignal(number), Stop()
    with asked.signals():
        signal.raise_signal(number)
    assert asked.asked and signal.getsignal(number) is before


def test_a_second_one_does_not_wait_unless_it_is_the_same_or_a_terminal_that_closes(clock):
    asked = Stop()
    asked(TERM)
    asked(TERM)  # by a wrapper, at the same moment
    clock[0] += 1
    asked(HUP)
    with pytest.raises(KeyboardInterrupt):
        asked(INT)


def test_what_was_ignored_stays_ignored(monkeypatch):
    old = signal.signal(HUP, signal.SIG_IGN)
    try:
        for asked in (Stop(), Interrupt()):
            with asked.signals():
                signal.raise_signal(HUP)
            assert not asked.asked and signal.getsignal(HUP) is signal.SIG_IGN
    finally:
        signal.signal(HUP, old)


def test_other_threads_take_no_signals():
    before, seen = signal.getsignal(TERM), []

    def work() -> None:
        with Stop().signals():
            seen.append(signal.getsignal(TERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_an_interrupt_says_what_is_kept_once():
    with pytest.raises(KeyboardInterrupt, match="inner"), told(lambda: "outer"), told(lambda: "inner"):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt, match="own"), told(lambda: "outer"):
        raise KeyboardInterrupt("own")


def test_an_interrupt_in_a_destructor_is_not_lost():
    code = (
        "import signal\nfrom ganworks.cli import main as cli\n"
        "class Dropped:\n    def __del__(self): signal.raise_signal(signal.SIGTERM)\n"
        "def work(words):\n    d = Dropped()\n    del d\n    import time; time.sleep(20)\n"
        "cli._dispatch = work\nraise SystemExit(cli.main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130 and done.stderr == "Interrupted. The same command starts again.\n"


@pytest.mark.parametrize("times", [1, 2])
def test_the_process_ends_with_130_and_a_sentence(times):
    """The second signal breaks off a clean-up that hangs, a thread that never ends among it."""
    code = (
        "import threading, time\nfrom ganworks.cli import main as cli\n"
        "def work(words):\n    try:\n        print('ready', flush=True)\n        time.sleep(60)\n    finally:\n"
        f"        print('ready', flush=True)\n        if {times} > 1:\n"
        "            threading.Thread(target=time.sleep, args=(60,)).start()\n            time.sleep(60)\n"
        "cli._dispatch = work\nraise SystemExit(cli.main())"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        for k in range(times):
            assert process.stdout.readline() == "ready\n"
            if k:
                threading.Event().wait(0.4)
            os.kill(process.pid, TERM)
        assert process.wait(timeout=30) == 130
        assert process.stderr.read() == "Interrupted. The same command starts again.\n"
