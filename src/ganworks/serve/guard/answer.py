"""Answers of the service that no route gives."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from typing import Any

from ganworks.serve.access.ticket import RefusedError

App = Callable[[Any, Any, Any], Awaitable[None]]
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


async def refuse(error: RefusedError, scope: Any, receive: Any, send: Any) -> None:
    """Answer with an error, in the shape of all errors of the service."""
    headers = [*error.headers]
    if error.retry_after is not None:
        headers.append(("retry-after", str(max(1, math.ceil(error.retry_after)))))
    body = error_body(error.status, str(error), error.code, route_path(scope))
    await answer(send, error.status, body, headers=headers, head=scope["method"] == "HEAD")


async def answer(
    send: Any,
    status: int,
    body: bytes,
    kind: str = "application/json",
    headers: list[tuple[str, str]] | None = None,
    head: bool = False,
) -> None:
    """Send a whole answer. kind: its media type. head: whether only the headers are wanted."""
    sent = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    sent += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers or ()]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": b"" if head else body})


def error_body(status: int, message: str, code: str, path: str = "") -> bytes:
    """An error as JSON; below /v2 in the shape of that protocol, whose errors are one text."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    shaped: Any = {"message": message, "type": kind, "param": None, "code": code}
    return json.dumps({"error": message if path.startswith("/v2") else shaped}).encode()


def route_path(scope: Any) -> str:
    """The path that a request names, without the path under which a proxy shows the service."""
    path, root = scope["path"], scope.get("root_path", "")
    inside = root and path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/")
    return (path[len(root) :] or "/") if inside else path
