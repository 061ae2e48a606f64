"""How the service is run: its layers, its sockets, and its end.

A request passes, from outside: the connection's limits (`guard.protocol`), `Shedding` (what would come too late),
`Envelope` (id, headers, log), `Hosts`, `Access` (keys), `Bodies` (size), `Health`, the application. At the first signal
the service is no longer ready, answers what is new with 503, finishes the requests that it took within `drain` seconds,
and ends with exit code 0, or 1 if one had to be cut off; jobs are cancelled, as nobody could fetch their results any
more. A second signal ends it at once.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from ganworks.core.console.stop import INTERRUPTED, Stop
from ganworks.core.console.text import counted
from ganworks.core.console.voice import complain, say
from ganworks.core.errors import UsageError
from ganworks.serve.access.gate import Gate
from ganworks.serve.access.middleware import Access
from ganworks.serve.access.routes import Scopes
from ganworks.serve.access.store import KeyStore
from ganworks.serve.guard import listen
from ganworks.serve.guard.answer import App
from ganworks.serve.guard.bodies import Bodies
from ganworks.serve.guard.headers import Paths
from ganworks.serve.guard.hosts import Hosts, is_local
from ganworks.serve.guard.protocol import Door, Limits, guarded
from ganworks.serve.guard.shedding import Pulse, Refusal, Shedding
from ganworks.serve.telemetry.envelope import Envelope
from ganworks.serve.telemetry.handbook import Handbook
from ganworks.serve.telemetry.health import Health
from ganworks.serve.telemetry.lines import hear_libraries
from ganworks.serve.telemetry.state import State

PUBLIC = ("/docs", "/redoc", "/openapi.json")  # addresses of the API's description, which names no model
Farewell = Callable[[], Coroutine[Any, Any, None]]
_TIDY = 2  # seconds for connections to close, once all is answered


@dataclass(frozen=True)
class Settings:
    """Where a service listens and what it lets in.

    host, port, or uds: the path of a unix socket. root_path: the path under which a proxy shows it, "" or "/gan".
    cert, key: TLS by files in PEM form. keys: "auto" (needed unless this machine alone can reach it) or "required".
    hosts: names by which it may be called. proxy: addresses of proxies, whose word on the client's address is taken.
    drain: seconds to finish what was taken. body: bytes of a request. limits: of a connection. public: further
    addresses that anybody may read. ready: called with (address, port) when it listens.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    uds: str = ""
    root_path: str = ""
    cert: str = ""
    key: str = ""
    keys: str = "auto"
    hosts: tuple[str, ...] = ()
    proxy: tuple[str, ...] = ()
    drain: float = 20.0
    body: int = 64 << 20
    limits: Limits = field(default_factory=Limits)
    public: tuple[str, ...] = PUBLIC

    def __post_init__(self) -> None:
        if self.keys not in ("auto", "required"):
            raise UsageError(f"keys must be auto or required, not {self.keys[:40]!r}.")
        root = self.root_path
        if root and (not root.startswith("/") or root.endswith("/") or not root.isascii() or {*root} & {*"?#% \\"}):
            raise UsageError(f"root_path must look like /gan, not {root[:60]!r}.")

    @property
    def local(self) -> bool:
        """Whether this machine alone can reach it."""
        return all(map(is_local, self.hosts)) and bool(self.uds or is_local(self.host))


def needs_keys(settings: Settings, store: KeyStore | None) -> bool:
    """Whether callers need a key. Raises UsageError when they do and there is none."""
    if settings.keys == "auto" and settings.local:
        return False
    if store is None or not store.any_active():
        why = "keys=required" if settings.local else f"Others can reach a service at {settings.host}"
        why = f"Others can reach {', '.join(settings.hosts)}" if not settings.local and settings.hosts else why
        raise UsageError(
            f"{why}, and there is no key. Make one first, and give it to whoever may use the models:\n"
            "  ganworks keys add NAME"
        )
    return True


def fence(
    app: Any,
    settings: Settings,
    gate: Gate,
    state: State,
    *,
    door: Door | None = None,
    places: dict[str, Path],
    refusal: Refusal | None = None,
    pulse: Pulse | None = None,
) -> App:
    """The application within its layers. app: FastAPI, or anything with `openapi()`. places: model -> where it lies.
    refusal, pulse: say what would be answered too late, see `Shedding`; None: nothing is refused for that.
    """
    inner = Health(Handbook(app, app.openapi, gate.required), state, gate, door)
    inside = Access(Bodies(inner, settings.body), gate, lambda: Scopes(app.openapi(), settings.public))
    hosts = Hosts(inside, (*settings.hosts, *([settings.host] if settings.host else [])), not settings.local)
    whole = Envelope(hosts, state, Paths(places))
    if refusal is None:
        return whole

    def welcome(scope: Any, model: str) -> bool:
        return (
            not state.ending()
            and hosts.lets_in(scope)
            and gate.welcomes(scope["headers"], scope["query_string"], model)
        )

    shedding = Shedding(whole, refusal, welcome, state.shed, (lambda: pulse.seconds) if pulse else (lambda: 0.0))
    if door is None or settings.proxy:  # the headers of a proxy are read in a layer of its own
        return shedding
    door.shed = shedding.answer
    return whole


def sockets(settings: Settings) -> list[Any]:
    """The listening sockets. Raises UsageError."""
    _check_tls(settings)
    return [listen.unix(Path(settings.uds))] if settings.uds else listen.tcp(settings.host, settings.port)


def run(
    app: App,
    settings: Settings,
    opened: list[Any],
    state: State,
    door: Door,
    tell: Callable[[], None],
    farewell: Farewell | None = None,
) -> int:
    """Serve until a signal; how many requests had to be cut off. tell: called when it listens. farewell: called at the
    signal, to end what is no request.
    """
    hear_libraries()
    config = uvicorn.Config(
        app,
        http=guarded(door),
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        workers=1,
        root_path=settings.root_path,
        proxy_headers=bool(settings.proxy),
        forwarded_allow_ips=list(settings.proxy),
        timeout_keep_alive=door.limits.idle,
        timeout_graceful_shutdown=_TIDY,
        ssl_certfile=settings.cert or None,
        ssl_keyfile=settings.key or None,
    )
    server = _Server(config, state, settings.drain, tell, farewell)
    state.ending, state.stop = lambda: server.stop.asked, server.stop
    try:
        server.run(sockets=opened)
    finally:
        if settings.uds:
            Path(settings.uds).unlink(missing_ok=True)
    return server.cut


class _Ending(Stop):
    """The first signal asks for the end, the second is the end."""

    def __call__(self, number: int = 2, frame: object = None) -> None:
        try:
            super().__call__(number, frame)
        except KeyboardInterrupt:
            os._exit(INTERRUPTED)


class _Server(uvicorn.Server):
    """uvicorn's server, which finishes its work before it closes its doors, so that its readiness can be asked."""

    def __init__(
        self, config: uvicorn.Config, state: State, drain: float, tell: Callable[[], None], farewell: Farewell | None
    ):
        super().__init__(config)
        self.stop, self.cut = _Ending(), 0
        self._state, self._drain, self._tell, self._until = state, drain, tell, 0.0
        self._farewell = farewell
        self._leaving: asyncio.Future[None] | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The signals ask for the end while it runs."""
        with self.stop.signals():
            yield

    async def startup(self, sockets: list[Any] | None = None) -> None:
        """Begin to listen, and say so."""
        await super().startup(sockets)
        if self.started:
            self._tell()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to end."""
        leave = await super().on_tick(counter)
        return leave or (self.stop.asked and self._finished())

    def _finished(self) -> bool:
        now, working = time.monotonic(), self._state.working
        if not self._until:
            self._until = now + self._drain
            self._leaving = asyncio.ensure_future(self._farewell()) if self._farewell else None
            if working:
                say(f"Ending: {counted(working, 'request is', 'requests are')} finished first, for {self._drain:g} s "
                    "at most. A second signal ends at once.")  # fmt: skip
        if working and now >= self._until:
            self.cut = working
            complain(f"{counted(working, 'request was', 'requests were')} not finished within drain={self._drain:g} "
                     "seconds, and cut off.")  # fmt: skip
        return not working or bool(self.cut)


def _check_tls(settings: Settings) -> None:
    """Raise UsageError unless the certificate and its key can be used."""
    if settings.key and not settings.cert:
        raise UsageError("key= is the key of a certificate: give the certificate as well, cert=FILE.")
    if not settings.cert:
        return
    for name, place in (("cert", settings.cert), ("key", settings.key)):
        if place and not os.access(place, os.R_OK):
            raise UsageError(f"{name}={place} cannot be read. It must be a file in PEM form.")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.cert, settings.key or None, lambda: "")
    except (ssl.SSLError, OSError, ValueError) as error:
        holder = settings.key or settings.cert
        raise UsageError(
            f"cert={settings.cert} and the key in {holder} cannot be used for TLS "
            f"({getattr(error, 'reason', None) or error}). Both must be in PEM form and belong together; a key with a "
            "pass phrase is not taken."
        ) from error
