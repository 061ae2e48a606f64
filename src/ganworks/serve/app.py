"""The HTTP service as an ASGI application."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ganworks import __version__
from ganworks.serve.engine import Engine
from ganworks.serve.provenance import provenance_routes
from ganworks.serve.routes import changes, edits, errors, inference, jobs, native, openai, tables
from ganworks.serve.service import Limits, Service

ROUTERS = tuple(part.router for part in (native, changes, openai, edits, tables, inference, jobs))
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def create_app(
    engine: Engine, *, limits: Limits | None = None, guard: Callable[[FastAPI], None] | None = None
) -> FastAPI:
    """The application over an engine that its caller closes.

    guard: adds what stands between the network and the routes (keys, rates, sizes); it is called once, and what it adds
    last is asked first. Each route says in `x-scope` of its OpenAPI entry what a key must be allowed to do: "models",
    "sample", "apply", "admin" or "public".
    """
    service = Service(engine, limits)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.jobs.close()

    app = FastAPI(
        title="ganworks",
        version=__version__,
        summary="Trained networks over HTTP.",
        lifespan=life,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    errors.install(app)
    for router in (*ROUTERS, provenance_routes(engine.watermark)):
        app.include_router(router)
    app.openapi = lambda: _openapi(app)  # pyrefly: ignore
    if guard is not None:
        guard(app)
    app.add_middleware(RequestId)
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The description of the API, with the shape of errors, which no route declares as a type."""
    if app.openapi_schema is None:
        found = FastAPI.openapi(app)
        found.setdefault("components", {}).setdefault("schemas", {})["Error"] = errors.SCHEMA
        app.openapi_schema = found
    return app.openapi_schema


class RequestId:
    """Gives each request an id, the client's own where it sends a sane one, and says it in the answer."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        own = given if _ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = own

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = own
            await send(message)

        return await self.app(scope, receive, answer)
