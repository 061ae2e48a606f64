"""Progress bars for work in several stages: meters(label, done, total) opens, moves and closes them."""

from __future__ import annotations

from ganworks.report.terminal.listener import Closing
from ganworks.report.terminal.progress import Meter


class Meters(Closing):
    """One bar after another; a new label ends the bar before it. Nothing is shown for work under two seconds."""

    def __init__(self) -> None:
        self.label = ""
        self.meter: Meter | None = None

    def __call__(self, label: str, done: int, total: int) -> None:
        if label != self.label:
            self.close()
            self.label, self.meter = label, Meter(label, total)
        if self.meter is not None:
            self.meter(done, total)

    def close(self) -> None:
        """End the bar that is open."""
        if self.meter is not None:
            self.meter.close()
        self.label, self.meter = "", None
