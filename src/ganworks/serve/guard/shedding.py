"""Refuses what would be answered too late, before it is read: under overload a refusal has to cost next to nothing.

The engine refuses by itself, with all that it knows of a request. But by then a request has been identified, parsed,
checked and routed, which takes longer than a dozen refusals here, on the processor that the models need. So this stands
outside of all other layers. It refuses only callers whom those layers would let in: all others get the answers that
they always get, and learn nothing of the models.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ganworks.serve.access.ticket import request_id
from ganworks.serve.guard.answer import error_body, route_path
from ganworks.serve.guard.headers import completed

Refusal = Callable[[str | None, float], float | None]  # as `Engine.refusal`
_WORK = re.compile(r"/v1/models/([^/]+)/|/v2/models/([^/]+)/|/v1/(?:images|audio|tables)/")
_DEADLINE = b"x-ganworks-deadline-s"
_USUAL = 30.0
_MEMORY = 0.02  # seconds for which a refusal holds for all who have no more time
_SHARE = 0.5  # of its deadline that a request may be expected to spend outside of the models' queue
_PASSES = 2.0  # times that an answer goes through what a pulse goes through


class Pulse:
    """How long the event loop and the threads that encode files take to come to something new.

    What waits for the processor is in no queue of the engine's: a probe goes through the loop and those threads, ten
    times a second while `busy` says so, and its time is what each answer needs besides its model.
    """

    def __init__(self, busy: Callable[[], bool] = lambda: True, pause: float = 0.1):
        self._busy, self._pause = busy, pause
        self._began, self._took = 0.0, 0.0
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Begin to measure, on the running loop, until that ends."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def seconds(self) -> float:
        """What the last probe took, or the one under way, whichever is longer."""
        return max(self._took, time.monotonic() - self._began if self._began else 0.0)

    async def _run(self) -> None:
        while True:
            self._began = due = time.monotonic() + self._pause  # a loop that comes to it late has that time counted
            await asyncio.sleep(self._pause)
            if self._busy():
                await asyncio.to_thread(int)
            self._took = max(0.0, time.monotonic() - due)


class Shedding:
    """An ASGI middleware in front of all others.

    app: what it protects. refusal: says after how many seconds to come back, None for what is taken. welcome: (scope,
    model) -> whether the layers behind would let the request in. tell: takes the name of the model, "" for any, of each
    refusal. pulse: seconds that an answer needs besides its model.
    """

    def __init__(
        self,
        app: Any,
        refusal: Refusal,
        welcome: Callable[[Any, str], bool] = lambda scope, model: True,
        tell: Callable[[str], None] = lambda model: None,
        pulse: Callable[[], float] = lambda: 0.0,
    ):
        self.app, self._ask, self._welcome, self._tell, self._pulse = app, refusal, welcome, tell, pulse
        self._known: dict[str | None, tuple[float, float, float]] = {}  # model -> (until, deadline, seconds)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request; those that are not for a model to work on pass."""
        found = self.answer(scope) if scope["type"] == "http" else None
        if found is None:
            return await self.app(scope, receive, send)
        headers, body = found
        await send({"type": "http.response.start", "status": 429, "headers": headers})
        return await send({"type": "http.response.body", "body": body})

    def answer(self, scope: Any) -> tuple[list[tuple[bytes, bytes]], bytes] | None:
        """(headers, body) of the refusal of a request, which is counted; None for one that is let in."""
        if scope["method"] != "POST":
            return None
        path = route_path(scope)
        found = _WORK.match(path)
        name = (found[1] or found[2]) if found else None
        seconds = self._refused(name, _deadline(scope["headers"])) if found else None
        if seconds is None or not self._welcome(scope, name or ""):
            return None
        headers, body = _answer(max(1, math.ceil(seconds)), path.startswith("/v2"), scope.get("scheme") == "https")
        sent = [value for header, value in scope["headers"] if header == b"x-request-id"]
        own = request_id(sent[0].decode("latin-1") if len(sent) == 1 else "")
        self._tell(name or "")
        return [*headers, (b"x-request-id", own.encode())], body

    def _refused(self, name: str | None, deadline: float) -> float | None:
        """Seconds after which to come back; None for a request that is let in."""
        now = time.monotonic()
        until, most, seconds = self._known.get(name, (0.0, 0.0, 0.0))
        if now < until and deadline <= most:
            return seconds
        besides = _PASSES * self._pulse()
        if besides > _SHARE * deadline:
            return besides
        found = self._ask(name, deadline - besides)
        if found is not None:  # of a model that there is, so that these are few
            self._known[name] = now + _MEMORY, deadline, found
        return found


@lru_cache(512)
def _answer(again: int, v2: bool, tls: bool) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """(headers without the request's id, body) of a refusal."""
    said = f"The models are busy, and the answer would come too late. Try again in {again} s."
    body = error_body(429, said, "busy", "/v2" if v2 else "")
    first = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    return completed([*first, (b"retry-after", b"%d" % again)], "", tls)[:-1], body


def _deadline(headers: list[tuple[bytes, bytes]]) -> float:
    """The deadline that a request names; the usual one where it names none, or nonsense, which is said later."""
    for name, value in headers:
        if name == _DEADLINE:
            try:
                found = float(value)
            except ValueError:
                return _USUAL
            return found if 0 < found <= 600 else _USUAL
    return _USUAL
