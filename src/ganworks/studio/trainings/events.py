"""All runs as one stream of server-sent events, which goes on where a reader was cut off.

The position after each event travels as its id: the moment, and the place in the log of every run that changed within
a day. Nothing is kept for a reader: whoever brings a position back gets what was written since, in order.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ganworks.core.errors import UsageError
from ganworks.core.schema.plain import read_json
from ganworks.report.read import as_float
from ganworks.studio.places import RefusedError
from ganworks.studio.trainings.logs import NAME, Follower, Position, end_of, event_of, score_values, values_of
from ganworks.studio.trainings.state import PICTURES, Runs, Summary, url_of

_DAY = 86_400.0
_BACKLOG = 1 << 18  # bytes of a log that are told line by line; beyond, the page asks for the curves
BEAT = 15.0  # seconds between comments on a stream that is otherwise quiet


class Message(NamedTuple):
    """An event for the page: its name, its content, and the position behind it."""

    event: str
    data: dict[str, Any]
    position: str

    def text(self) -> str:
        """As a stream of server-sent events has it."""
        return f"id: {self.position}\nevent: {self.event}\ndata: {json.dumps(self.data)}\n\n"


class Cursor:
    """A reader's place in all logs. position: where to go on; "" begins with what happens from now on."""

    def __init__(self, runs: Runs, position: str = ""):
        self.runs = runs
        self._said: dict[str, Summary] = {}
        self._followers: dict[str, Follower] = {}
        moment, places = read_position(position)
        for name in runs.names():
            path = runs.place.runs / name / NAME
            changed = path.stat().st_mtime if path.exists() else 0.0
            if not position or (name not in places and changed < moment - _DAY):
                self._followers[name] = Follower(path, end_of(path))
            else:
                self._followers[name] = Follower(path, places.get(name, Position()))
        self._gone = [name for name in places if name not in self._followers]
        if not position:
            self._said = {summary["name"]: summary for summary in runs.summaries()}

    @property
    def position(self) -> str:
        """Where this reader stands, as a text for `Cursor`."""
        now, places = time.time(), {}
        for name, follower in self._followers.items():
            if follower.position.offset and _changed(follower) > now - _DAY:
                places[name] = list(follower.position)
        return base64.urlsafe_b64encode(json.dumps([round(now), places]).encode()).decode().rstrip("=")

    def poll(self) -> list[Message]:
        """What has happened since the last call."""
        found: list[Message] = []
        self.runs.jobs.settle()
        names = self.runs.names()
        self._gone += [name for name in self._followers if name not in names]
        for name in self._gone:
            self._followers.pop(name, None)
            self._said.pop(name, None)
            found.append(Message("gone", {"run": name}, self.position))
        self._gone = []
        for name in names:
            follower = self._followers.setdefault(name, Follower(self.runs.place.runs / name / NAME))
            found += self._told(name, follower)
        for name in names:
            try:
                summary = self.runs.summary(name)
            except RefusedError:  # it was deleted meanwhile
                continue
            if self._said.get(name) != summary:
                self._said[name] = summary
                found.append(Message("run", summary, self.position))
        return found

    def _told(self, name: str, follower: Follower) -> Iterator[Message]:
        """The new lines of a log as messages, each with the position behind its line."""
        begin = follower.position
        lines, other = follower.read()
        end = follower.position
        if (other and begin.offset) or sum(map(len, lines)) > _BACKLOG:
            yield Message("reset", {"run": name}, self.position)
            return
        for line, place in zip(lines, follower.places(), strict=True):
            for told in _messages(name, line):
                follower.position = place
                yield Message(*told, self.position)
        follower.position = end


def _messages(name: str, line: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the page is told of a line of a log."""
    event = event_of(line) or {"event": ""}
    about = {"run": name, "seen": event.get("seen")}
    if event["event"] == "round":
        yield "point", {**about, "values": _finite(values_of(event))}
    if event["event"] == "scored":
        values, real = score_values(event)
        yield "score", {**about, "values": values, "real": real, "best": event.get("best") is True}
    if event["event"] == "shown":
        file = Path(str(event.get("path", ""))).name
        kind = "picture" if file.lower().endswith(PICTURES) else "file"
        yield kind, {**about, "url": url_of(name, f"samples/{file}")}
    if event["event"] == "alarm":
        text = f"{event.get('message') or event.get('kind')} {event.get('advice', '')}".strip()
        yield "alarm", {**about, "text": text}


def _finite(values: dict[str, Any]) -> dict[str, float | None]:
    """Numbers as JSON has them: None for NaN and infinities."""
    numbers = {name: as_float(value) for name, value in values.items()}
    return {name: number if math.isfinite(number) else None for name, number in numbers.items()}


def _changed(follower: Follower) -> float:
    try:
        return follower.path.stat().st_mtime
    except OSError:
        return 0.0


def read_position(text: str) -> tuple[float, dict[str, Position]]:
    """(moment, run -> place in its log) of a position. Raises RefusedError for one that is none."""
    if not text:
        return 0.0, {}
    try:
        moment, places = read_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "the position")
        found = {str(name): Position(int(offset), int(mark)) for name, (offset, mark) in places.items()}
        return float(moment), {name: place for name, place in found.items() if place.offset >= 0}
    except (UsageError, ValueError, TypeError, AttributeError) as error:
        raise RefusedError("This is no position of an event: leave Last-Event-ID and from out.") from error


async def stream(
    runs: Runs, position: str, ended: Callable[[], bool], every: float = 0.5, beat: float = BEAT
) -> AsyncIterator[str]:
    """The events after a position as text, with a comment where nothing happened for `beat` seconds.

    ended: whether the server closes. every: seconds between two looks at the runs.
    """
    cursor = await asyncio.to_thread(Cursor, runs, position)
    yield f"retry: 2000\nid: {cursor.position}\n: begins\n\n"
    spoke = time.monotonic()
    while not ended():
        told = await asyncio.to_thread(cursor.poll)
        if told:
            yield "".join(message.text() for message in told)
            spoke = time.monotonic()
        elif time.monotonic() - spoke >= beat:
            yield ": nothing new\n\n"
            spoke = time.monotonic()
        await asyncio.sleep(every)
