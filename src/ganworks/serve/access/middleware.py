"""Lets requests in: each is identified, and asked whether it may, before anything of its body is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ganworks.serve.access.gate import Gate
from ganworks.serve.access.routes import Found, Scopes
from ganworks.serve.access.ticket import RefusedError, Ticket, current
from ganworks.serve.guard.answer import App, refuse, route_path


class Access:
    """ASGI middleware. scopes: makes the table of addresses at the first request, when the application is complete."""

    def __init__(self, app: App, gate: Gate, scopes: Callable[[], Scopes]):
        self.app, self.gate, self._make = app, gate, scopes
        self._scopes: Scopes | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer with an error, or let the application answer."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        ticket = current() or Ticket("", scope["method"])
        try:
            self._let_in(scope, ticket)
        except RefusedError as error:
            return await refuse(error, scope, receive, send)
        return await self.app(scope, receive, send)

    def _let_in(self, scope: Any, ticket: Ticket) -> None:
        self._scopes = self._scopes or self._make()
        found = self._scopes.find(scope["method"], route_path(scope))
        ticket.route = found.route if found else ""
        try:
            ticket.key = self.gate.identify(scope["headers"], scope["query_string"], ticket.client)
        except RefusedError:
            if found is None or found.scope != "public":
                raise
            return
        if found is not None:
            self.gate.check(ticket.key, found.scope, found.model)
            ticket.model = found.model
        elif self.gate.required:
            raise RefusedError(404, "There is nothing at this address. /docs lists what there is.", "not_found")


__all__ = ["Access", "Found"]
