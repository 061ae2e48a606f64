"""The one place that writes to the standard streams, and no failure to write ends the work or changes its result.

A program outlives its terminal: a pipe whose reader has gone, a full disk behind a redirect, a stream that was closed
before the start or an encoding that cannot show a character make the output shorter and raise nothing. When there is
room again, output goes on.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
import warnings
from contextlib import suppress
from typing import IO, Any, TextIO

from ganworks.core.console.text import fitting, shown

_PATIENCE = 10.0  # seconds that a full pipe which does not block may take to become writable
_GONE = (errno.EPIPE, errno.EBADF, errno.EIO)  # nobody reads there any more, and nobody misses anything


def say(*lines: object) -> None:
    """Lines for standard output; an end of line inside one of them, as in a name, is shown as an escape."""
    Voice(sys.stdout).say(*lines)


def complain(*lines: object) -> None:
    """Lines for standard error."""
    Voice(sys.stderr).say(*lines)


class Voice(io.TextIOBase):
    """A text stream over another, or over None, in which writing and flushing raise no error.

    stream: a standard stream, or anything with `write` and `flush`. Files are written past their buffers, so that what
    a full disk refuses does not wait there until the interpreter flushes it at its exit and fails.
    """

    def __init__(self, stream: IO[str] | None):
        self.stream = stream

    def say(self, *lines: object) -> None:
        """Whole lines, of which each is made safe to show."""
        self.write("".join(f"{shown(line)}\n" for line in lines))

    def write(self, text: str) -> int:
        """Write text as it is, in the characters that the stream can show."""
        with suppress(Exception):
            self._write(fitting(text, self.encoding))
        return len(text)

    def _write(self, text: str) -> None:
        if self.stream is None:
            return
        raw = _raw(self.stream)
        if isinstance(raw, io.FileIO):
            with suppress(OSError):
                self.stream.flush()
            _send(raw.fileno(), text.encode(self.encoding, "replace"))
            return
        self.stream.write(text)
        self.stream.flush()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream; UTF-8 when it has none."""
        return getattr(self.stream, "encoding", None) or "utf-8"

    def writable(self) -> bool:
        """Always: what cannot be written is left out."""
        return True

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        try:
            return self.stream is not None and self.stream.isatty()
        except (ValueError, OSError, AttributeError):  # closed, or not a real file
            return False

    def fileno(self) -> int:
        """That of the stream. Raises OSError when it has none."""
        if self.stream is None:
            raise io.UnsupportedOperation("fileno")
        return self.stream.fileno()


class _Steady(io.RawIOBase):
    """The raw stream below a standard stream: it takes everything, and drops what its descriptor refuses."""

    mode = "wb"

    def __init__(self, descriptor: int, name: str):
        self.descriptor, self.name, self.lost = descriptor, name, ""

    def write(self, data: Any) -> int:
        """All bytes of `data`."""
        error = _send(self.descriptor, bytes(data))
        if error is not None and error.errno not in _GONE:
            self.lost = error.strerror or str(error)
        return len(data)

    def writable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self.descriptor

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self.descriptor)


def _send(descriptor: int, data: bytes) -> OSError | None:
    """Write all of it; the error, if there was one, that kept the rest from being written."""
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError as error:
            if not select.select([], [descriptor], [], _PATIENCE)[1]:
                return error
        except OSError as error:
            return error
    return None


# The standard streams of this process ---------------------------------------------------------------------------------


def hold_descriptors() -> None:
    """Open the null device on each of the descriptors 0 to 2 that is closed; else the next file would be taken for a
    standard stream, and a library that prints would write into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            with suppress(OSError):
                opened = os.open(os.devnull, os.O_RDWR)  # the lowest that is free: this one
                os.set_inheritable(opened, True)


def make_steady() -> None:
    """Make the standard streams of this process such that nothing which prints or reads there fails, others' code
    included. Streams that the caller has put in place of the process's own stay.
    """
    hold_descriptors()
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY), encoding="utf-8")
    if sys.stdout is sys.__stdout__:
        sys.stdout = _steady(sys.stdout, 1, "<stdout>")
    if sys.stderr is sys.__stderr__:
        sys.stderr = _steady(sys.stderr, 2, "<stderr>")
    warnings.formatwarning = _sentence


def lost() -> str:
    """Why some of standard output could not be written; "" when all was, or when nobody reads it."""
    raw = _raw(sys.stdout)
    return raw.lost if isinstance(raw, _Steady) else ""


def _sentence(message: Warning | str, *_: object, **__: object) -> str:
    """A warning as a sentence, without its line of code."""
    return f"Note: {shown(message)}\n"


def _steady(stream: TextIO | None, descriptor: int, name: str) -> TextIO:
    if stream is None:  # closed at the start; what lies on its descriptor now, if not ours, is somebody's file
        raw = _Steady(os.open(os.devnull, os.O_WRONLY), name)
        return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace")
    if not isinstance(stream, io.TextIOWrapper) or not isinstance(_raw(stream), io.FileIO):
        return stream
    with suppress(OSError):
        stream.flush()
    raw = _Steady(descriptor, name)
    return io.TextIOWrapper(
        raw if isinstance(stream.buffer, io.RawIOBase) else io.BufferedWriter(raw),  # python -u: without a buffer
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _raw(stream: object) -> object:
    """What lies below the buffer of a text stream that is a file; None below others."""
    buffer = stream.buffer if isinstance(stream, io.TextIOWrapper) else None
    return getattr(buffer, "raw", buffer)
