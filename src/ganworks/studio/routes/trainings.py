"""api/state, api/runs, api/events, api/recipes and api/compare."""

from __future__ import annotations

import threading
from typing import Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

import ganworks
from ganworks.core import registry
from ganworks.serve.routes.strict import StrictRoute
from ganworks.studio.places import RefusedError
from ganworks.studio.trainings import control, recipes
from ganworks.studio.trainings.details import REPORT, compared, curves_of, details, file_of
from ganworks.studio.trainings.events import Cursor, stream

LANGUAGES = ("en", "zh")
_STREAMS = 32  # at the same time
_COMPARED = 20  # runs side by side
_REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; media-src data:; font-src data:; frame-ancestors 'self'"
)
_SHOWN = ("image/", "audio/", "video/", "text/plain", "text/csv")  # others are saved, not shown


class StartBody(BaseModel):
    """A training to start. recipe: None recognises it. settings: name -> text as on the command line."""

    model_config = ConfigDict(extra="forbid")
    recipe: str | None = Field(None, max_length=100)
    data: str = Field(max_length=255)
    name: str | None = Field(None, max_length=100)
    settings: dict[str, str] = Field(default_factory=dict, max_length=100)


def routes(studio: Any) -> APIRouter:
    """The addresses over a `Studio`."""
    router, runs, place = APIRouter(route_class=StrictRoute), studio.runs, studio.place
    streams = threading.BoundedSemaphore(_STREAMS)

    @router.get("/state")
    def state() -> dict[str, Any]:
        position = Cursor(runs).position
        return {
            "version": ganworks.__version__,
            "folder": place.folder.name,
            "runs": runs.summaries(),
            "recipes": recipes.listed(),
            "kinds": list(registry.kinds()),
            "languages": list(LANGUAGES),
            "events": position,
        }

    @router.get("/runs/{name}")
    def run(name: str) -> dict[str, Any]:
        return details(runs, name)

    @router.get("/runs/{name}/curves")
    def curves(name: str, points: int = Query(2000, ge=10, le=20_000)) -> dict[str, Any]:
        return curves_of(runs, name, points)

    @router.get("/runs/{name}/files/{path:path}")
    def file(name: str, path: str) -> Response:
        found = file_of(runs, name, path)
        answer = FileResponse(found)
        if path == REPORT:
            answer.headers["content-security-policy"] = _REPORT_POLICY
            answer.headers["x-frame-options"] = "SAMEORIGIN"
        elif not (answer.media_type or "").startswith(_SHOWN):
            return FileResponse(found, media_type="application/octet-stream", filename=found.name)
        return answer

    @router.get("/events")
    async def events(
        request: Request, since: str = Query("", alias="from"), last: str = Header("", alias="last-event-id")
    ) -> Response:
        if not streams.acquire(blocking=False):
            raise RefusedError(f"{_STREAMS} pages are open already; close one.", 429)
        try:
            told = stream(runs, last or since, studio.closing.is_set)
            first = await anext(told)
        except BaseException:
            streams.release()
            raise

        async def lines() -> Any:
            try:
                yield first
                async for text in told:
                    yield text
            finally:
                streams.release()

        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(lines(), media_type="text/event-stream", headers=headers)

    @router.get("/recipes/{name}")
    def recipe(name: str) -> dict[str, Any]:
        return recipes.described(name)

    @router.post("/runs", status_code=201)
    def start(body: StartBody) -> dict[str, Any]:
        return control.start(runs, body.recipe, body.data, body.name, body.settings)

    @router.post("/runs/{name}/pause")
    def pause(name: str) -> dict[str, Any]:
        return control.ask(runs, name, "pause")

    @router.post("/runs/{name}/stop")
    def stop(name: str) -> dict[str, Any]:
        return control.ask(runs, name, "stop")

    @router.post("/runs/{name}/resume")
    def resume(name: str) -> dict[str, Any]:
        return control.resume(runs, name)

    @router.delete("/runs/{name}")
    def delete(name: str) -> dict[str, Any]:
        control.delete(runs, name)
        return {"gone": name}

    @router.get("/compare")
    def compare(names: str = Query(alias="runs", max_length=4000)) -> dict[str, Any]:
        asked = list(dict.fromkeys(name for name in names.split(",") if name))
        if not 1 <= len(asked) <= _COMPARED:
            raise RefusedError(f"Name 1 to {_COMPARED} runs, as in ?runs=a,b.")
        return compared(runs, asked)

    @router.post("/runs/{name}/publish")
    def publish(name: str) -> dict[str, Any]:
        return control.publish(runs, name)

    return router
