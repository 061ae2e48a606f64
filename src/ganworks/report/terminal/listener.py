"""Base classes of the display and of the TensorBoard log, which follow the events of a training."""

from __future__ import annotations

from typing import Self

from ganworks.report.read import as_event


class Closing:
    """A context manager that is closed at its end, also after an error."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; output that was written stays."""
        raise NotImplementedError


class Listener(Closing):
    """Follows a training: each event goes to the method `_on_NAME` of its kind; other kinds are ignored."""

    def __call__(self, event: object) -> None:
        """Handle one event, a dataclass of `ganworks.core.events` or a line of metrics.jsonl."""
        line = as_event(event)
        if handler := getattr(self, f"_on_{line.get('event')}", None):
            handler(line)
