"""The log of a run, read as it grows: only new lines are read, and a log that was rewritten is noticed.

A training adds lines to metrics.jsonl. When it goes on from a saved state, the log is replaced by one without what came
after that state, and what was read before counts no more.
"""

from __future__ import annotations

import math
import threading
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ganworks.core.errors import UsageError
from ganworks.core.schema.plain import read_json
from ganworks.report import words
from ganworks.report.read import Event, as_float, mapping

NAME, SPEED = "metrics.jsonl", "examples_per_second"
_MARK = 256  # bytes before a position by which it is known again
_ROUND = b'{"event": "round"'
_LISTS = {"shown": "shown", "saved": "saved", "scored": "scored", "alarm": "alarms"}


class Position(NamedTuple):
    """A place between two lines of a log: its byte, and a checksum of what stands before it."""

    offset: int = 0
    mark: int = 0


class Follower:
    """Reads the lines that a file has got since the last call. position: where to begin."""

    def __init__(self, path: Path, position: Position = Position()):  # noqa: B008 (an immutable tuple)
        self.path, self.position = path, position
        self._stamp: tuple[int, int, int] | None = None
        self._last: tuple[int, bytes, bytes] = 0, b"", b""  # where the last reading began, what stood before, the lines

    def read(self) -> tuple[list[bytes], bool]:
        """(new whole lines, whether the file is another one than before: then these are all of its lines)."""
        self._last = self.position.offset, b"", b""
        try:
            status = self.path.stat()
        except OSError:
            other, self.position, self._stamp = self.position.offset > 0, Position(), None
            return [], other
        stamp = status.st_ino, status.st_size, status.st_mtime_ns
        if stamp == self._stamp:
            return [], False
        with suppress(OSError), self.path.open("rb") as file:
            start = max(0, self.position.offset - _MARK)
            file.seek(start)
            before = file.read(self.position.offset - start)
            other = len(before) < self.position.offset - start or zlib.crc32(before) != self.position.mark
            if other:
                file.seek(0)
                before, self.position = b"", Position()
            new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._last = self.position.offset, before, whole
            self.position = self._place(len(whole))
            self._stamp = stamp if len(whole) == len(new) else None
            return [line for line in whole.split(b"\n") if line.strip()], other
        return [], False

    def places(self) -> Iterator[Position]:
        """The position behind each of the lines that the last reading returned."""
        begin = 0
        for line in self._last[2].split(b"\n"):
            begin += len(line) + 1
            if line.strip():
                yield self._place(begin)

    def _place(self, size: int) -> Position:
        """The position behind the first `size` bytes of the last reading."""
        begin, before, whole = self._last
        tail = (before + whole[max(0, size - _MARK) : size])[-_MARK:]
        return Position(begin + size, zlib.crc32(tail))


def end_of(path: Path) -> Position:
    """The position behind the last whole line of a log; the beginning of one that is not there."""
    with suppress(OSError), path.open("rb") as file:
        size = file.seek(0, 2)
        start = max(0, size - (1 << 16))
        file.seek(start)
        tail = file.read()
        end = start + tail.rfind(b"\n") + 1
        if end > start:
            before = tail[: end - start][-_MARK:]
            return Position(end, zlib.crc32(before))
    return Position()


def event_of(line: bytes) -> Event | None:
    """The event in a line; None for a damaged one."""
    try:
        event = read_json(line, NAME)
    except UsageError:
        return None
    return mapping(event) if isinstance(event, dict) and isinstance(event.get("event"), str) else None


@dataclass
class Course:
    """What a log says of a training so far, but for its rounds, of which only the last is kept.

    The fields are those of `report.read.RunView`.
    """

    path: Path
    rounds: list[Event] = field(default_factory=list)
    shown: list[Event] = field(default_factory=list)
    saved: list[Event] = field(default_factory=list)
    scored: list[Event] = field(default_factory=list)
    alarms: list[Event] = field(default_factory=list)
    started: Event = field(default_factory=dict)
    finished: Event = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._follower = Follower(self.path / NAME)
        self._lock = threading.Lock()

    def read(self) -> dict[str, Any]:
        """Read on; the events as the fields of a `RunView`."""
        with self._lock:
            lines, other = self._follower.read()
            if other:
                self._begin()
            last = next((k for k in range(len(lines) - 1, -1, -1) if lines[k].startswith(_ROUND)), -1)
            for k, line in enumerate(lines):
                if line.startswith(_ROUND) and k != last:
                    self.finished = {}  # a finished training went on
                elif event := event_of(line):
                    self._take(event)
            named = ("rounds", "shown", "saved", "scored", "alarms")
            return {name: list(getattr(self, name)) for name in named} | {
                "started": self.started,
                "finished": self.finished,
            }

    def _begin(self) -> None:
        self.rounds, self.shown, self.saved, self.scored, self.alarms = [], [], [], [], []
        self.started, self.finished = {}, {}

    def _take(self, event: Event) -> None:
        kind, seen = event["event"], as_float(event.get("seen"))
        if kind == "round":
            self.rounds, self.finished = [event], {}
        if kind in ("shown", "scored"):  # going back to a saved state replaced what came after it
            kept = getattr(self, _LISTS[kind])
            while kept and as_float(kept[-1].get("seen")) >= seen:
                kept.pop()
        if kind in _LISTS:
            getattr(self, _LISTS[kind]).append(event)
        if kind == "started":
            self.started, self.finished = event, {}
        if kind == "finished":
            self.finished = event


class Curves:
    """The rounds of a log as columns of numbers. folder: of the run."""

    def __init__(self, folder: Path):
        self._follower = Follower(folder / NAME)
        self._lock = threading.Lock()
        self.x, self.series = array("d"), dict[str, array]()

    def read(self, points: int) -> tuple[list[float], dict[str, list[float | None]]]:
        """Read on; (examples seen [n], name -> values [n]) with at most `points` points, see `thinned`."""
        with self._lock:
            lines, other = self._follower.read()
            if other:
                self.x, self.series = array("d"), {}
            for line in lines:
                if line.startswith(_ROUND) and (event := event_of(line)):
                    self._take(event)
            return thinned(self.x, self.series, points)

    def _take(self, event: Event) -> None:
        seen = as_float(event.get("seen"))
        if not math.isfinite(seen):
            return
        if self.x and seen <= self.x[-1]:
            keep = bisect_left(self.x, seen)
            for column in (self.x, *self.series.values()):
                del column[keep:]
        values = values_of(event)
        for name in values:
            if name not in self.series and len(self.series) < 64:
                self.series[name] = array("d", [math.nan]) * len(self.x)
        self.x.append(seen)
        for name, column in self.series.items():
            column.append(values.get(name, math.nan))


def values_of(event: Event) -> dict[str, float]:
    """The numbers of a round: its losses, and the speed as examples_per_second."""
    losses = {name.lstrip("_"): as_float(value) for name, value in mapping(event.get("losses")).items()}
    return {**losses, SPEED: as_float(event.get("speed"))}


def score_values(event: Event) -> tuple[dict[str, float], dict[str, float]]:
    """(title -> value, title -> value of real data) of an event of scores, finite values only."""
    scores = words.from_report(event)
    real = {score.metric.title: score.floor for score in scores if math.isfinite(score.floor)}
    return {score.metric.title: score.value for score in scores}, real


def thinned(x: array, series: dict[str, array], points: int) -> tuple[list[float], dict[str, list[float | None]]]:
    """Curves with at most `points` points, None for gaps.

    x is cut into equal spans; of each, the lowest and the highest value of every series are kept, in their order, so
    that no peak is lost. All series share their x, as a chart needs it. (The report's charts draw means with a band.)
    """
    import numpy as np

    xs = np.array(x)
    columns = {name: np.array(column) for name, column in series.items()}
    if len(xs) > points:
        edges = np.linspace(xs[0], xs[-1], max(2, points // 2) + 1)
        starts = np.unique(np.searchsorted(xs, edges[:-1], side="left"))
        ends = np.append(starts[1:], len(xs))
        xs = np.stack([xs[starts], xs[ends - 1]], 1).reshape(-1)
        columns = {name: _extremes(column, starts, ends) for name, column in columns.items()}
    listed = {name: [v if math.isfinite(v) else None for v in column.tolist()] for name, column in columns.items()}
    return xs.tolist(), listed


def _extremes(column: Any, starts: Any, ends: Any) -> Any:
    """The lowest and highest finite values [2 * spans] of each span, in the order in which they come."""
    import numpy as np

    low, high = np.where(np.isfinite(column), column, np.inf), np.where(np.isfinite(column), column, -np.inf)
    least, most = np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)
    span = np.repeat(np.arange(len(starts)), ends - starts)
    places = np.arange(len(column))
    first_low = np.minimum.reduceat(np.where(low == least[span], places, len(column)), starts)
    first_high = np.minimum.reduceat(np.where(high == most[span], places, len(column)), starts)
    falls = first_high < first_low
    return np.stack([np.where(falls, most, least), np.where(falls, least, most)], 1).reshape(-1)
