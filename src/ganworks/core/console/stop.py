"""Requests to stop: Ctrl-C (SIGINT), SIGTERM, and SIGHUP, which a terminal sends that is closed.

A training stops between two steps (`Stop`); other work is interrupted where it is (`Interrupt`), and everything
finished is kept. A signal that was ignored at the start, as SIGHUP is under nohup, stays ignored.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

INTERRUPTED = 130  # the exit code
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_AGAIN = 0.05  # seconds until an interrupt that was dropped comes again
_SAME = 0.3  # seconds within which further signals are the same request: shells and wrappers send them twice


class Stop:
    """A request to stop, made by a signal or by the program; whoever works asks for it between two steps.

    A second Ctrl-C or SIGTERM does not wait: it raises KeyboardInterrupt. A second SIGHUP is no sign of impatience, as
    the shell and the system both send one when a terminal is closed.
    """

    def __init__(self) -> None:
        self.asked = self.hurried = False
        self._first = 0.0

    def __call__(self, number: int = signal.SIGINT, frame: object = None) -> None:
        now = time.monotonic()
        if not self.asked:
            self.asked, self._first = True, now
        elif number in (signal.SIGINT, signal.SIGTERM) and now - self._first > _SAME:
            self.hurried = True
            raise KeyboardInterrupt

    @contextmanager
    def signals(self) -> Iterator[None]:
        """The signals ask for a stop while the block runs (only in the main thread)."""
        old = self._listen()
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    def _listen(self) -> dict[int, Any]:
        """Take the signals that are not ignored; the handlers before."""
        if threading.current_thread() is not threading.main_thread():
            return {}
        found = {number: signal.getsignal(number) for number in _SIGNALS}
        old = {number: handler for number, handler in found.items() if handler not in (signal.SIG_IGN, None)}
        for number in old:
            signal.signal(number, self)
        return old


class Interrupt(Stop):
    """Interrupts the work of a whole program: the first signal raises KeyboardInterrupt where the main thread is."""

    def __init__(self) -> None:
        super().__init__()
        self.over: int | None = None

    def __call__(self, number: int = signal.SIGINT, frame: object = None) -> None:
        if self.over is not None:
            os._exit(self.over)
        first = not self.asked
        super().__call__(number, frame)
        if first:
            raise KeyboardInterrupt

    def listen(self) -> None:
        """As `signals`, for the rest of the process. An interrupt that lands where Python drops errors, as in a
        destructor, comes again.
        """
        others = sys.unraisablehook

        def again(dropped: Any) -> None:
            if not issubclass(dropped.exc_type, KeyboardInterrupt):
                return others(dropped)
            self.asked = False
            return threading.Timer(_AGAIN, os.kill, (os.getpid(), signal.SIGINT)).start()  # not while it is dropped

        self._listen()
        sys.unraisablehook = again

    def end(self, code: int) -> int:
        """The process has only to end, with this exit code: a further signal ends it at once, as a second one did."""
        self.over = code
        if self.hurried:
            os._exit(code)
        return code


@contextmanager
def told(what: Callable[[], str]) -> Iterator[None]:
    """A KeyboardInterrupt that leaves the block says what is kept and how to go on, if it says nothing yet."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        if interrupt.args:
            raise
        raise KeyboardInterrupt(what()) from interrupt
