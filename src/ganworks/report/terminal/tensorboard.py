"""Mirrors a training's events to TensorBoard; needs the extra `log`."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

from ganworks.core.errors import UsageError
from ganworks.core.machine.places import explain
from ganworks.report.read import Event, as_float, mapping
from ganworks.report.terminal.listener import Listener

_TEXT = 20_000  # characters of a text that was shown


class Mirror(Listener):
    """Writes events for TensorBoard: `with Mirror(run / "tensorboard") as mirror: ...; mirror(event)`.

    The horizontal axis is examples seen. folder: where the log goes. root: the run folder, where sample
    grids lie. Where the disk refuses the log, a warning says so, and it ends; the training does not. Raises UsageError
    when TensorBoard is not installed.
    """

    def __init__(self, folder: str | Path, root: str | Path | None = None):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UsageError('TensorBoard is not installed. Install it with: pip install "ganworks[log]"') from error
        self.folder = Path(folder)
        self.writer: Any = None
        self.root = self.folder.parent if root is None else Path(root)
        self._hook, threading.excepthook = threading.excepthook, self._quietly
        try:
            self.writer = SummaryWriter(str(folder))
        except OSError as error:
            self._end(error)

    def __call__(self, event: object) -> None:
        """Log one event."""
        try:
            if self.writer is not None:
                super().__call__(event)
        except OSError as error:
            self._end(error)

    def close(self) -> None:
        """Write what is left and close the log."""
        try:
            if self.writer is not None:
                self.writer.close()
        except OSError as error:
            self._end(error)
        threading.excepthook = self._hook

    def _end(self, error: OSError) -> None:
        self.writer = None
        warnings.warn(f"{explain(error, self.folder / 'events')} TensorBoard's log ends here.", stacklevel=3)

    def _quietly(self, failure: Any) -> None:
        """Leave what TensorBoard's own thread reports to the next call, which raises it here."""
        if not type(failure.thread).__module__.startswith("tensorboard."):
            self._hook(failure)

    def _on_round(self, event: Event) -> None:
        self._scalars(event.get("losses"), "loss", _seen(event))
        self.writer.add_scalar("speed", as_float(event.get("speed")), _seen(event))

    def _on_scored(self, event: Event) -> None:
        self._scalars(event.get("scores"), "score", _seen(event))
        self._scalars(event.get("floor"), "floor", _seen(event))

    def _on_alarm(self, event: Event) -> None:
        self.writer.add_text("alarm", f"{event.get('message', '')} {event.get('advice', '')}", _seen(event))

    def _scalars(self, values: object, group: str, seen: int) -> None:
        for name, value in mapping(values).items():
            self.writer.add_scalar(f"{group}/{name}", as_float(value), seen)

    def _on_shown(self, event: Event) -> None:
        """Log pictures as images and texts as text; other files are left out."""
        import numpy as np
        from PIL import Image

        path = self.root / str(event.get("path", ""))
        if not path.is_file():
            return
        if path.suffix in (".txt", ".csv"):
            with path.open(encoding="utf-8", errors="replace") as file:
                rows = file.read(_TEXT).splitlines()
            self.writer.add_text("samples", "\n".join(f"    {row}" for row in rows), _seen(event))  # indented: as it is
        elif path.suffix in (".png", ".webp", ".gif"):
            with Image.open(path, formats=("PNG", "WEBP", "GIF")) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            self.writer.add_image("samples", pixels, _seen(event), dataformats="HWC")


def _seen(event: Event) -> int:
    return int(as_float(event.get("seen")))
