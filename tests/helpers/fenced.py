"""A service over an engine that makes nothing, within all the layers of the real one: called without a network, or
through a real socket.
"""

import asyncio
import json
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from fastapi import Body, FastAPI, Request

from ganworks.serve.access.gate import Gate
from ganworks.serve.access.metered import Metered
from ganworks.serve.access.ticket import RefusedError
from ganworks.serve.guard import listen
from ganworks.serve.guard.answer import refuse
from ganworks.serve.guard.protocol import Door
from ganworks.serve.run import Settings, fence, needs_keys, run
from ganworks.serve.telemetry.state import Facts, State

SHA = "ab" * 32
LOCAL = {"host": "localhost:8000"}


class Engine:
    """Makes nothing. seconds: how long that takes."""

    watermark = None

    def __init__(self, seconds: float = 0.0, places: dict[str, Path] | None = None):
        self.paths = places or {"digits": Path("runs/digits"), "cats": Path("runs/cats")}
        self.seconds, self.asked = seconds, []

    @property
    def names(self):
        return list(self.paths)

    def refusal(self, name, seconds):
        return None

    async def sample(self, ask):
        self.asked.append(ask)
        await asyncio.sleep(self.seconds)
        if ask.seed == 13:
            raise RefusedError(503, "It failed.", "failed")
        return SimpleNamespace(facts={"model": SHA})


def application(engine) -> FastAPI:
    """Routes as those of the service, which declare their scopes; one has forgotten to."""
    app = FastAPI()

    @app.exception_handler(RefusedError)
    async def refused(request: Request, error: RefusedError):
        held = []

        async def hold(message):
            held.append(message)

        await refuse(error, request.scope, request.receive, hold)
        from fastapi import Response

        headers = {k.decode(): v.decode() for k, v in held[0]["headers"]}
        return Response(held[1]["body"], held[0]["status"], headers)

    @app.get("/v1/models", openapi_extra={"x-scope": "models"})
    async def models():
        return engine.names

    @app.get("/v1/models/{name}", openapi_extra={"x-scope": "models"})
    async def model(name: str):
        return name

    @app.post("/v1/models/{name}/sample", openapi_extra={"x-scope": "sample"})
    async def sample(name: str, n: int = Body(1), seed: int = Body(0)):
        await engine.sample(SimpleNamespace(model=name, n=n, seed=seed))
        return {"n": n}

    @app.post("/v1/images/generations", openapi_extra={"x-scope": "sample"})
    async def named_in_body(model: str = Body(), n: int = Body(1)):
        await engine.sample(SimpleNamespace(model=model, n=n, seed=0))
        return {"n": n}

    @app.post("/v1/models/{name}/apply", openapi_extra={"x-scope": "apply"})
    async def apply(name: str, request: Request):
        return {"bytes": len(await request.body())}

    @app.post("/v1/models/{name}/unload", openapi_extra={"x-scope": "admin"})
    async def unload(name: str):
        return {}

    @app.post("/v1/forgotten")
    async def forgotten():
        return {}

    @app.get("/v1/broken", openapi_extra={"x-scope": "sample"})
    async def broken():
        raise ZeroDivisionError("secret of the program")

    @app.get("/v1/names-a-path", openapi_extra={"x-scope": "sample"})
    async def names_a_path():
        raise RefusedError(409, f"{engine.paths['digits'].resolve()}/state is damaged.", "damaged")

    @app.get("/v1/much", openapi_extra={"x-scope": "sample"})
    async def much():
        from fastapi.responses import StreamingResponse

        async def pieces():
            for _ in range(1000):
                yield bytes(65536)

        return StreamingResponse(pieces(), media_type="application/octet-stream")

    return app


@dataclass
class Service:
    """All of it, built."""

    app: object
    state: State
    gate: Gate
    engine: Engine
    door: Door
    settings: Settings

    def call(self, method, path, *, headers=None, body=b"", chunks=None, key="", client="127.0.0.1", **more):
        """What it answers."""
        sent = [*LOCAL.items(), *(dict(headers) if isinstance(headers, dict) else dict(headers or ())).items()]
        pairs = [(k.lower().encode(), v.encode("latin-1")) for k, v in dict(sent).items()]
        pairs += [(b"authorization", f"Bearer {key}".encode())] if key else []
        pairs += [(k.encode(), v.encode()) for k, v in more.get("again", ())]
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            pairs.append((b"content-type", b"application/json"))
        if chunks is None and body:
            pairs.append((b"content-length", str(len(body)).encode()))
        return asyncio.run(_call(self.app, method, path, pairs, chunks if chunks is not None else [body], client))

    def sample(self, n=1, key="", model="digits", **more):
        """What it answers to a request for samples."""
        return self.call(
            "POST", f"/v1/models/{model}/sample", body={"n": n, "seed": more.pop("seed", 0)}, key=key, **more
        )


@dataclass
class Answer:
    """An answer that is whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["error"]["code"]


async def _call(app, method, path, headers, chunks, client):
    path, _, query = path.partition("?")
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "headers": headers, "client": (client, 1), "scheme": "http", "http_version": "1.1", "root_path": "",
        "state": {},
    }  # fmt: skip
    waiting, sent = list(chunks), []

    async def receive():
        if waiting:
            piece = waiting.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(waiting)}
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    body = b"".join(m.get("body", b"") for m in sent[1:])
    return Answer(sent[0]["status"], {k.decode(): v.decode() for k, v in sent[0]["headers"]}, body)


def build(
    store=None,
    engine=None,
    audit=None,
    tell=None,
    facts=None,
    positions=lambda model: 4096,
    app=application,
    **settings,
) -> Service:
    """A service. app: makes the application of an engine. settings: as for `Settings`."""
    made = Settings(**settings)
    engine = engine or Engine()
    gate = Gate(store, needs_keys(made, store))
    state = State(facts or (lambda: Facts(dict.fromkeys(engine.names, True))), audit, tell)
    door = Door(made.limits, made.proxy)
    app = app(Metered(engine, gate, lambda model: 4096, state.late))
    return Service(fence(app, made, gate, state, door=door, places=engine.paths), state, gate, engine, door, made)


@contextmanager
def listening(service, *opened):
    """The service at a real port, or at given sockets, in a thread of this process; yields the port."""
    opened = list(opened) or listen.tcp("127.0.0.1", 0)
    port = None if service.settings.uds else opened[0].getsockname()[1]
    begun = threading.Event()
    done = []

    def serve():
        done.append(run(service.app, service.settings, opened, service.state, service.door, begun.set))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert begun.wait(10)
    try:
        yield port
    finally:
        service.state.stop()
        thread.join(10)
        assert not thread.is_alive()


def connected(port: int) -> socket.socket:
    """A connection to it."""
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def read_all(one: socket.socket) -> bytes:
    """What comes until the other side closes; what a reset leaves counts as well."""
    got = b""
    try:
        while piece := one.recv(65536):
            got += piece
    except ConnectionResetError:
        pass
    return got


def read_answer(one: socket.socket) -> bytes:
    """One answer with a content-length."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = one.recv(65536)
        if not piece:
            return got
        got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += one.recv(65536)
    return head + b"\r\n\r\n" + body


def wait_until(true, seconds=10.0):
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not become true"
        time.sleep(0.01)
