"""Refuses a body that is too large: by what it says of its length, or else once it has sent too much."""

from __future__ import annotations

from typing import Any

from ganworks.core.machine.memory import spelled
from ganworks.serve.access.ticket import RefusedError
from ganworks.serve.guard.answer import App, refuse


class Bodies:
    """ASGI middleware. most: bytes of a body. Nothing above that is ever held."""

    def __init__(self, app: App, most: int):
        self.app, self.most = app, most

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer with 413, or let the application answer."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        said = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not said.isdigit() or int(said[:20]) > self.most:
            return await refuse(self._too_large(), scope, receive, send)
        counted = _Counted(receive, send, self.most)
        try:
            await self.app(scope, counted.receive, counted.send)
        except Exception:  # of an application that was told that the client has gone
            if not counted.over:
                raise
        if counted.over and not counted.begun:
            await refuse(self._too_large(), scope, receive, send)
        return None

    def _too_large(self) -> RefusedError:
        return RefusedError(413, f"The body is larger than {spelled(self.most)}, the most that is taken here. Send "
                            "less at a time.", "too_large")  # fmt: skip


class _Counted:
    """The channel of one request. Once too much came, the application hears that the client has gone, and what it
    then says is dropped.
    """

    def __init__(self, receive: Any, send: Any, most: int):
        self._receive, self._send, self._left = receive, send, most
        self.over = self.begun = False

    async def receive(self) -> Any:
        if self.over:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.over = True
            return {"type": "http.disconnect"}
        return message

    async def send(self, message: Any) -> None:
        if self.over and not self.begun:
            return
        self.begun = True
        await self._send(message)
