"""A beat beside long work: what shows it can say that it is still going on, while nothing is reported."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Heartbeat:
    """Calls `beat` every `every` seconds in a thread of its own, from `start` to `stop`."""

    def __init__(self, beat: Callable[[], None], every: float = 0.5):
        self._beat, self._every = beat, every
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="ganworks-heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; no beat begins afterwards."""
        self._over.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(2 * self._every)

    def _run(self) -> None:
        while not self._over.wait(self._every):
            self._beat()
