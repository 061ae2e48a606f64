"""Output for people, on a terminal with repainted lines or on a plain stream; it never raises an error."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, ClassVar, cast

from ganworks.core.console.text import plain
from ganworks.core.console.voice import Voice
from ganworks.report.terminal.listener import Closing

if TYPE_CHECKING:
    from rich.live import Live


def speaks_unicode(stream: IO[str] | None, environment: Mapping[str, str] | None = None) -> bool:
    """Whether more than ASCII can be shown: a UTF-8 stream and a locale that is not the bare "C".

    Python itself turns LC_CTYPE into C.UTF-8 under LANG=C (PEP 538), so that value is ignored.
    """
    environment = os.environ if environment is None else environment
    kind = environment.get("LC_CTYPE", "")
    locale = environment.get("LC_ALL") or ("" if kind == "C.UTF-8" else kind) or environment.get("LANG", "")
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "").replace("_", "")
    return encoding.startswith("utf") and locale not in ("C", "POSIX")


def clip(text: str, width: int, unicode: bool = True) -> str:
    """The text in at most `width` characters."""
    mark = "…" if unicode else "..."
    return text if len(text) <= width else text[: max(0, width - len(mark))] + mark


def bar(part: float, width: int, unicode: bool = True) -> str:
    """A bar of `width` characters, filled to `part` of 1."""
    done = round(min(1.0, max(0.0, part)) * width)
    full, rest = ("━", "─") if unicode else ("#", "-")
    return full * done + rest * (width - done)


class Screen(Closing):
    """Lines for people on a stream: `say` writes one for good, `paint` repaints a few at the bottom.

    On a plain stream `paint` does nothing. Screens nest: while one paints, another's lines appear below
    its own.
    """

    _painting: list[Screen] = []  # noqa: RUF012 - the screens whose lines are on the terminal now
    lock: ClassVar[threading.RLock] = threading.RLock()  # held by whoever shows something
    spoke: ClassVar[float] = 0.0  # when a line was last written or painted, by the clock of `time.monotonic`

    def __init__(self, stream: IO[str] | None = None, *, unicode: bool | None = None, width: int | None = None):
        self.stream = sys.stderr if stream is None else stream
        self.voice = Voice(self.stream)
        self.live = self.voice.isatty() and os.environ.get("TERM") != "dumb"
        self.unicode = speaks_unicode(self.stream) if unicode is None else unicode
        self._width = width
        self._live: Live | None = None
        self._lines: list[str] = []

    @property
    def width(self) -> int:
        """Columns, now."""
        if self._width:
            return self._width
        try:
            return max(20, os.get_terminal_size(self.voice.fileno()).columns)
        except (OSError, ValueError, AttributeError):
            return 80

    def say(self, text: str, style: str = "") -> None:
        """One or more lines that stay."""
        with Screen.lock:
            Screen.spoke = time.monotonic()
            for line in text.split("\n"):
                self._print(plain(line, self.unicode), style)

    def paint(self, lines: Sequence[str]) -> None:
        """These lines at the bottom, in place of the last ones."""
        if not self.live or not lines:
            return
        self._lines = [clip(plain(line, self.unicode), self.width - 1, self.unicode) for line in lines]
        with Screen.lock:
            Screen.spoke = time.monotonic()
            if self not in Screen._painting:
                Screen._painting.append(self)
            (self._owner() or self)._repaint()

    def close(self) -> None:
        """Remove the painted lines."""
        with Screen.lock:
            if self in Screen._painting:
                Screen._painting.remove(self)
            if self._live:
                live, self._live = self._live, None
                live.stop()
            elif owner := self._owner():
                owner._repaint()

    def _owner(self) -> Screen | None:
        """The screen that paints on this stream now."""
        return next((s for s in Screen._painting if s.stream is self.stream), None)

    def _print(self, line: str, style: str) -> None:
        owner = self._owner()
        if owner and owner._live:
            from rich.text import Text

            owner._live.console.print(Text(line, style), soft_wrap=True)
            return
        self.voice.say(line)

    def _repaint(self) -> None:
        from rich.text import Text

        live = self._live or self._begin()
        lines = [line for s in Screen._painting if s.stream is self.stream for line in s._lines]
        live.update(Text("\n".join(lines), no_wrap=True, overflow="crop"), refresh=True)

    def _begin(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        console = Console(
            file=cast(IO[str], self.voice),
            force_terminal=True,
            width=self._width,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )
        live = self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        live.start()
        return live
