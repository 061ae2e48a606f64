"""api/data, api/jobs and api/looks."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from starlette.concurrency import run_in_threadpool

from ganworks.serve.routes.strict import StrictRoute
from ganworks.studio.data.uploads import keep, received
from ganworks.studio.places import RefusedError, free_name

_AT_ONCE = 0.3  # seconds in which a look may end so that its answer comes at once


def routes(studio: Any) -> APIRouter:
    """The addresses over a `Studio`."""
    router, looks, place = APIRouter(route_class=StrictRoute), studio.looks, studio.place

    @router.get("/data")
    def listed() -> list[dict[str, Any]]:
        return looks.listed()

    @router.post("/data")
    async def add(request: Request) -> Response:
        if request.headers.get("content-type", "").startswith("application/json"):
            data = _named(await request.json())
        else:
            async with received(request, place.data, studio.limits) as form:
                data = await asyncio.to_thread(keep, form, place.data, form.texts.get("name", ""))
        return await run_in_threadpool(_looked, data, "", 201)

    @router.get("/data/{data}")
    def look(data: str, recipe: str = "") -> Response:
        return _looked(data, recipe, 200)

    @router.delete("/data/{data}")
    def delete(data: str) -> dict[str, Any]:
        path = place.item(data)
        place.trash.mkdir(exist_ok=True)
        path.rename(place.trash / free_name(place.trash, f"{time.strftime('%Y%m%d-%H%M%S')}-{path.name}"))
        return {"gone": data}

    @router.get("/jobs/{key}")
    def job(key: str) -> dict[str, Any]:
        return place.clean(looks.state(key))

    @router.get("/looks/{key}/{name}")
    def file(key: str, name: str) -> Response:
        return FileResponse(looks.file(key, name))

    def _looked(data: str, recipe: str, status: int) -> Response:
        """The look, or where it takes longer, the job to ask for."""
        key = looks.begin(data, recipe)
        about = {"data": data, "id": data, "name": data.removeprefix("builtin:")}
        end = time.monotonic() + _AT_ONCE
        while True:
            if (found := looks.result(key)) is not None:
                return JSONResponse(place.clean({**about, **found}), status)
            if time.monotonic() > end:
                return JSONResponse({**about, "job": key}, 202)
            time.sleep(0.05)

    def _named(body: Any) -> str:
        given = body if isinstance(body, dict) else {}
        if isinstance(given.get("builtin"), str):
            return f"builtin:{given['builtin']}"
        if isinstance(given.get("path"), str):
            return place.item(given["path"].removeprefix("data/")).name
        raise RefusedError('Send files, or {"path": name of a data set}, or {"builtin": "digits"}.')

    return router
