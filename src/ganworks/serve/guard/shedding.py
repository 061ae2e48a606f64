"""Refuses what would be answered too late, before it is read: under overload a refusal has to cost next to nothing.

The engine refuses by itself, with all that it knows of a request. But by then a request has been parsed, checked and
routed, which takes longer than half a dozen refusals here, on the processor that the models need.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from ganworks.serve.engine import Engine

_MODEL = re.compile(r"/v1/models/([^/]+)/|/v2/models/([^/]+)/")
_DEADLINE = b"x-ganworks-deadline-s"
_USUAL = 30.0


class Shedding:
    """An ASGI middleware in front of all others. app: what it protects; engine: what knows how long things take."""

    def __init__(self, app: Any, engine: Engine):
        self.app, self.engine = app, engine

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request; those that are not for a model to work on pass."""
        seconds = self._refused(scope) if scope["type"] == "http" and scope["method"] == "POST" else None
        if seconds is None:
            await self.app(scope, receive, send)
            return
        again = str(max(1, math.ceil(seconds))).encode()
        said = f"The models are busy, and the answer would come too late. Try again in {again.decode()} s."
        body = json.dumps(
            {"error": {"message": said, "type": "rate_limit_error", "param": None, "code": "busy"}}
        ).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers.append((b"retry-after", again))
        await send({"type": "http.response.start", "status": 429, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _refused(self, scope: Any) -> float | None:
        """Seconds after which to come back; None for a request that is let in."""
        found = _MODEL.search(scope["path"])
        if found is None and "/v1/" not in scope["path"]:
            return None
        name = (found.group(1) or found.group(2)) if found else None
        ask = getattr(self.engine, "refusal", None)  # an engine that cannot tell lets everything in
        return None if ask is None else ask(name, _deadline(scope["headers"]))


def _deadline(headers: list[tuple[bytes, bytes]]) -> float:
    """The deadline that a request names; the usual one where it names none, or nonsense, which is said later."""
    for name, value in headers:
        if name == _DEADLINE:
            try:
                return float(value)
            except ValueError:
                return _USUAL
    return _USUAL
