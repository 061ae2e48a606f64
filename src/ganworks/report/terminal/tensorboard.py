"""Mirrors a training's events to TensorBoard; needs the extra `log`."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from ganworks.core.errors import UsageError
from ganworks.report.read import Event, as_event, mapping, number

_TEXT = 20_000  # characters of a text that was shown


class Mirror:
    """Writes events for TensorBoard: `with Mirror(run / "tensorboard") as mirror: ...; mirror(event)`.

    The horizontal axis is examples seen. folder: where the log goes. root: the run folder, where sample
    grids lie. Raises UsageError when TensorBoard is not installed.
    """

    def __init__(self, folder: str | Path, root: str | Path | None = None):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UsageError('TensorBoard is not installed. Install it with: pip install "ganworks[log]"') from error
        self.writer: Any = SummaryWriter(str(folder))
        self.root = Path(folder).parent if root is None else Path(root)

    def __enter__(self) -> Mirror:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Writes what is left and closes the log."""
        self.writer.close()

    def __call__(self, event: object) -> None:
        """Mirrors one event, a dataclass of ganworks.core.events or a line of metrics.jsonl."""
        line = as_event(event)
        seen = int(number(line.get("seen")))
        kind = line.get("event")
        if kind == "round":
            self._scalars(line.get("losses"), "loss", seen)
            self.writer.add_scalar("speed", number(line.get("speed")), seen)
        elif kind == "scored":
            self._scalars(line.get("scores"), "score", seen)
            self._scalars(line.get("floor"), "floor", seen)
        elif kind == "shown":
            self._show(line, seen)
        elif kind == "alarm":
            self.writer.add_text("alarm", f"{line.get('message', '')} {line.get('advice', '')}", seen)

    def _scalars(self, values: object, group: str, seen: int) -> None:
        for name, value in mapping(values).items():
            self.writer.add_scalar(f"{group}/{name}", number(value), seen)

    def _show(self, line: Event, seen: int) -> None:
        """Pictures as images and texts as text; TensorBoard is given nothing else."""
        import numpy as np
        from PIL import Image

        path = self.root / str(line.get("path", ""))
        if not path.is_file():
            return
        if path.suffix in (".txt", ".csv"):
            with path.open(encoding="utf-8", errors="replace") as file:
                rows = file.read(_TEXT).splitlines()
            self.writer.add_text("samples", "\n".join(f"    {row}" for row in rows), seen)  # indented: as it is
        elif path.suffix in (".png", ".webp", ".gif"):
            with Image.open(path, formats=("PNG", "WEBP", "GIF")) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            self.writer.add_image("samples", pixels, seen, dataformats="HWC")
