"""uvicorn's HTTP connection with the limits that it lacks: on time, on sizes, and on the number of connections.

uvicorn waits for the rest of a head or of a body as long as the client likes, takes heads of any size, and counts
connections only once a whole head has come. This class sees each connection through its phases: a head has to be there
in `head` seconds; a body, and what a client takes of an answer, have to flow at `rate` bytes a second; between requests
uvicorn's own limit on idle connections holds.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ganworks.serve.guard.answer import error_body
from ganworks.serve.guard.headers import completed
from ganworks.serve.guard.hosts import is_local


@dataclass(frozen=True)
class Limits:
    """Limits on a connection. Times in seconds, sizes in bytes.

    head: until a whole head is there. rate: bytes a second, on average over `window`. linger: how long, and
    linger_size: how much of a body that nobody reads is still taken, so that its sender sees the answer. idle: between
    requests. url, head_size, headers: of one request. pipelined: requests sent before one was answered. connections:
    open at once, from_one: from one address that is not this machine.
    """

    head: float = 10.0
    window: float = 10.0
    rate: int = 1024
    linger: float = 5.0
    linger_size: int = 16 << 20
    idle: int = 5
    url: int = 8 << 10
    head_size: int = 32 << 10
    headers: int = 100
    pipelined: int = 4
    connections: int = 512
    from_one: int = 64


@dataclass
class Door:
    """The connections that are open. proxies: addresses that speak for many clients. shed: the refusal (headers, body)
    of a request by its scope, None for one that is let in; asked before anything is begun for it.
    """

    limits: Limits = field(default_factory=Limits)
    proxies: tuple[str, ...] = ()
    open: int = 0
    refused: int = 0
    cut: int = 0
    shed: Callable[[Any], tuple[list[tuple[bytes, bytes]], bytes] | None] | None = None
    _from: Counter[str] = field(default_factory=Counter)

    def enter(self, address: str) -> bool:
        """Count a connection in; False, without counting it, when there are too many."""
        one = bool(address) and not is_local(address) and address not in self.proxies
        if self.open >= self.limits.connections or (one and self._from[address] >= self.limits.from_one):
            self.refused += 1
            return False
        self.open += 1
        self._from[address] += 1
        return True

    def leave(self, address: str) -> None:
        """Count a connection out."""
        self.open -= 1
        self._from[address] -= 1
        if not self._from[address]:
            del self._from[address]


class GuardedProtocol(HttpToolsProtocol):
    """One connection. door: that of the service, set by `guarded`."""

    door: Door = Door()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or close it when there are too many."""
        super().connection_made(transport)
        self._limits, self._phase, self._since = self.door.limits, "head", time.monotonic()
        self._taken = self._head = self._url = self._count = self._waiting = 0
        self._refusal: tuple[int, str, str] | None = None
        self._fresh = False  # whether a head has just come
        self._address = self.client[0] if self.client else ""
        self._inside = self.door.enter(self._address)
        self._timer: asyncio.TimerHandle | None = None
        if not self._inside:
            return self._end(503, "Too many connections are open. Try again later.", "too_many_connections")
        self._later()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """End it."""
        if self._inside:
            self._inside = False
            self.door.leave(self._address)
        if self._timer:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what came, and hand it on."""
        if self._refusal or self.transport.is_closing():
            return
        if self._phase == "idle":
            self._enter("head")
        self._taken += len(data)
        super().data_received(data)
        if self._phase == "head" and not self._refusal and self._taken > self._limits.head_size + self._limits.url:
            self._refusal = _LARGE
        if self._refusal and not self.transport.is_closing():
            self._end(*self._refusal)

    # What httptools tells ---------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        self._head = self._url = self._count = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of the address."""
        self._url += len(url)
        if self._url <= self._limits.url:
            super().on_url(url)
        else:
            self._refusal = (414, f"The address is longer than {self._limits.url:,} bytes.", "long_address")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._head += len(name) + len(value) + 4
        self._count += 1
        if self._head <= self._limits.head_size and self._count <= self._limits.headers:
            super().on_header(name, value)
        else:
            self._refusal = self._refusal or _LARGE

    def on_headers_complete(self) -> None:
        """The head is there: the application starts, unless the head is refused."""
        if len(self.pipeline) >= self._limits.pipelined:
            self._refusal = self._refusal or (400, "Too many requests were sent before the first was answered.", "busy")
        if not self._refusal:
            self._enter("body")
            self._fresh = True
            super().on_headers_complete()
            self._fresh = False

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """Let the application answer, unless the request is refused at once."""
        found = self.door.shed(cycle.scope) if self.door.shed and self._fresh else None
        if found is None:
            return super()._start_asgi_task(cycle, app)
        headers = [*self.server_state.default_headers, *found[0]]
        headers += [] if cycle.keep_alive else [(b"connection", b"close")]
        cycle.response_started = cycle.response_complete = True
        self.transport.write(_bytes(429, headers, found[1]))
        if not cycle.keep_alive:
            self.transport.close()
        return self.on_response_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if not self._refusal:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if not self._refusal:
            super().on_message_complete()
            if self._phase == "linger":  # the answer has gone: from now on the connection is idle
                self._unset_keepalive_if_required()
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )
            self._enter("idle" if self._phase == "linger" else "answer")

    def on_response_complete(self) -> None:
        """The answer is whole; some of the request may still be coming."""
        if self._phase == "body" and self.cycle.response_complete:
            self._enter("linger")
        elif self._phase == "answer" and not self.pipeline:
            self._enter("idle")
        super().on_response_complete()
        if self._phase == "linger":
            self._unset_keepalive_if_required()

    # Time -------------------------------------------------------------------------------------------------------------

    def _enter(self, phase: str) -> None:
        self._phase, self._since, self._taken, self._waiting = phase, time.monotonic(), 0, 0

    def _later(self) -> None:
        limits = self._limits
        pause = max(0.02, min(1.0, min(limits.head, limits.window, limits.linger) / 4))
        self._timer = self.loop.call_later(pause, self._look)

    def _look(self) -> None:
        """Look whether the phase takes too long; again after a pause."""
        if self.transport.is_closing() and not self._waiting_to_write():
            return
        getattr(self, f"_look_{self._phase}")(time.monotonic() - self._since)
        self._later()

    def _look_idle(self, seconds: float) -> None:
        self._look_answer(seconds)

    def _look_head(self, seconds: float) -> None:
        if seconds > self._limits.head:
            self._end(408, "The head of the request did not come in time.", "slow_head")

    def _look_body(self, seconds: float) -> None:
        if self.flow.read_paused:  # the application is slower than the client
            self._enter("body")
        elif seconds >= self._limits.window:
            if self._taken < self._limits.rate * self._limits.window:
                self._end(408, "The body comes too slowly.", "slow_body")
            self._enter("body")

    def _look_linger(self, seconds: float) -> None:
        if seconds > self._limits.linger or self._taken > self._limits.linger_size:
            self._cut()

    def _look_answer(self, seconds: float) -> None:
        """A client that takes its answer too slowly: what waits to be sent does not become less, or hardly so."""
        waiting = self._waiting_to_write()
        if not waiting or not self._waiting:
            self._since, self._waiting = time.monotonic(), waiting
        elif seconds >= self._limits.window:
            if 0 <= self._waiting - waiting < min(waiting, self._limits.rate * self._limits.window):
                return self._cut()
            self._since, self._waiting = time.monotonic(), waiting
        return None

    def _waiting_to_write(self) -> int:
        return self.transport.get_write_buffer_size() if self.transport else 0

    # The end ----------------------------------------------------------------------------------------------------------

    def _cut(self) -> None:
        self.door.cut += 1
        self.transport.abort()

    def _end(self, status: int, message: str, code: str) -> None:
        """Answer with an error if no answer has begun, and close the connection."""
        if self.cycle is not None and not self.cycle.response_complete and (
            self.cycle.response_started or self._phase in ("head", "answer")
        ):  # fmt: skip
            return self._cut()
        self.door.cut += self._inside
        self.transport.write(_raw(status, message, code))
        self.transport.close()
        return None

    def send_400_response(self, msg: str) -> None:
        """uvicorn's answer to what is no HTTP."""
        self._end(*(self._refusal or (400, "This is no HTTP request, or one that is not understood here.", "no_http")))


_LARGE = (431, "The headers of the request are too large or too many.", "large_head")


def _raw(status: int, message: str, code: str) -> bytes:
    """A whole answer in bytes."""
    body = error_body(status, message, code)
    head = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    head = [*head, (b"retry-after", b"2")] if status == 503 else head
    return _bytes(status, completed(head, "none"), body)


def _bytes(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode() + lines + b"\r\n" + body


def guarded(door: Door) -> Any:
    """The class of connections through this door, for uvicorn's `http`."""
    return type("Guarded", (GuardedProtocol,), {"door": door})
