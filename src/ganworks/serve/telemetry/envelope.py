"""The outermost layer: each request gets an id and a line in the logs, each answer its headers, each failure an end."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

from ganworks.core.console.voice import complain
from ganworks.serve.access.ticket import RefusedError, Ticket, covered, request_id
from ganworks.serve.guard.answer import App, answer, error_body, refuse, route_path
from ganworks.serve.guard.headers import Held, Paths, completed
from ganworks.serve.telemetry.state import HEALTH, State

_HELD = 1 << 20  # bytes of an error that are held at most
_GONE = 499  # the status of a request whose client did not wait for the answer; nobody sees it


class Envelope:
    """ASGI middleware around all others. paths: what no error may name."""

    def __init__(self, app: App, state: State, paths: Paths):
        self.app, self.state, self.paths = app, state, paths

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let the application answer."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        _once(scope)
        sent = [value for name, value in scope["headers"] if name == b"x-request-id"]
        ticket = Ticket(request_id(sent[0].decode("latin-1") if len(sent) == 1 else ""), scope["method"][:16])
        ticket.client, ticket.asked = (scope.get("client") or ("",))[0], covered(route_path(scope))
        incoming, outgoing = _Incoming(receive), _Outgoing(send, ticket, self.paths, scope.get("scheme") == "https")
        token = ticket.enter()
        self.state.begin()
        try:
            await self._answer(scope, incoming, outgoing)
        finally:
            ticket.status = ticket.status or _GONE
            self.state.end(ticket)
            Ticket.leave(token)
        return None

    async def _answer(self, scope: Any, incoming: _Incoming, outgoing: _Outgoing) -> None:
        try:
            if self.state.ending() and route_path(scope) not in (*HEALTH, "/metrics"):
                error = RefusedError(503, "The service is ending. Try again in a moment.", "ending", 5)
                return await refuse(error, scope, incoming, outgoing)
            await self.app(scope, incoming, outgoing)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            outgoing.broken()
            if incoming.gone:
                return None
            complain(*_told(outgoing.ticket, error))
            if not outgoing.ticket.status:
                said = "The service failed at this request, which is a defect of it."
                await answer(outgoing, 500, error_body(500, said, "internal_error", route_path(scope)))
        return None


class _Incoming:
    """The way in, which sees that a client has gone: what fails then is no defect."""

    def __init__(self, receive: Any):
        self._receive, self.gone = receive, False

    async def __call__(self) -> Any:
        message = await self._receive()
        self.gone = self.gone or message["type"] == "http.disconnect"
        return message


class _Outgoing:
    """The way out: headers are completed, errors are held and cleaned."""

    def __init__(self, send: Any, ticket: Ticket, paths: Paths, tls: bool):
        self._send, self.ticket, self._paths, self._tls = send, ticket, paths, tls
        self._held: Held | None = None

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = completed(message.get("headers", ()), self.ticket.id, self._tls)
            status, message = int(message["status"]), {**message, "headers": headers}
            if status >= 400:
                self._held = Held(message)
                return None
            self.ticket.status = status
        elif self._held is not None:
            return await self._hold(message)
        else:
            self.ticket.size += len(message.get("body", b""))
        return await self._send(message)

    async def _hold(self, message: Any) -> None:
        held = self._held
        assert held is not None
        held.body += message.get("body", b"")[: _HELD - len(held.body)]
        if message.get("more_body"):
            return
        self.ticket.status, self._held = held.start["status"], None
        for part in held.messages(self._paths):
            self.ticket.size += len(part.get("body", b""))
            await self._send(part)

    def broken(self) -> None:
        """The application failed: what it had begun to say of an error is dropped."""
        self._held = None


def _once(scope: Any) -> None:
    """Some proxies cut the path under which they show the service from the address, some do not: take it once."""
    root = scope.get("root_path", "")
    if root and scope["path"].startswith(f"{root}{root}/"):
        scope["path"] = scope["path"][len(root) :]
        scope["raw_path"] = scope["raw_path"][len(root) :]


def _told(ticket: Ticket, error: Exception) -> list[str]:
    """A defect, for those who mend it: where it is, without what was asked."""
    lines = "".join(traceback.format_exception(error)).rstrip().split("\n")
    return [f"Request {ticket.id} ({ticket.route or 'no route'}) failed, which is a defect:", *lines]
