"""What the display and TensorBoard share: they follow the events of a training, and are closed at its end."""

from __future__ import annotations

from typing import Self

from ganworks.report.read import as_event


class Closing:
    """`with` closes it at the end, whatever happened."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends it; what was written stays."""
        raise NotImplementedError


class Listener(Closing):
    """Follows a training: each event goes to the method `_on_NAME` of its kind; other kinds are passed over."""

    def __call__(self, event: object) -> None:
        """Takes one event, a dataclass of `ganworks.core.events` or a line of metrics.jsonl."""
        line = as_event(event)
        if handler := getattr(self, f"_on_{line.get('event')}", None):
            handler(line)
