"""Progress bars for work in several stages: meters(label, done, total) opens, moves and closes them."""

from __future__ import annotations

import time
from typing import Self

from ganworks.report.terminal.heartbeat import Heartbeat
from ganworks.report.terminal.listener import Closing
from ganworks.report.terminal.progress import Clock, Meter
from ganworks.report.terminal.screen import Screen
from ganworks.report.units import duration

_QUIET = 10.0  # seconds of work without a stage after which it is said that it goes on


class Meters(Closing):
    """One bar after another; a new label ends the bar before it, and so does the end of its amount. Nothing is shown
    for work under two seconds; longer work is shown as it goes on, whether or not it reports.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.label = ""
        self.meter: Meter | None = None
        self._clock, self._since = clock, clock()

    def __enter__(self) -> Self:
        self._since = self._clock()
        self._heart = Heartbeat(self.beat)
        self._heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._heart.stop()
        self.close()

    def __call__(self, label: str, done: int, total: int) -> None:
        with Screen.lock:
            if label != self.label:
                self.close()
                self.label, self.meter = label, Meter(label, total, clock=self._clock)
            if self.meter is not None:
                self.meter(done, total)
            if done >= total > 0:
                self.close()

    def beat(self) -> None:
        """Show how long the stage takes that has reported nothing for a while."""
        with Screen.lock:
            now = self._clock()
            if self.meter is not None:
                self.meter.beat()
            elif now - max(self._since, Screen.spoke) >= _QUIET:
                Screen().say(f"Still at work, {duration(now - self._since)} so far")

    def close(self) -> None:
        """End the bar that is open."""
        with Screen.lock:
            if self.meter is not None:
                self.meter.close()
            self.label, self.meter, self._since = "", None, self._clock()
