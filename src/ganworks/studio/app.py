"""The studio as an ASGI application: the page, and what it asks for under api/."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from ganworks.core.errors import GanworksError, UsageError
from ganworks.files.atomic import sweep
from ganworks.report import page
from ganworks.serve.routes.errors import from_validation
from ganworks.studio.data.looks import Looks
from ganworks.studio.data.uploads import Limits
from ganworks.studio.guard import Guard
from ganworks.studio.making.answers import Maker
from ganworks.studio.making.results import Results
from ganworks.studio.making.workshop import Workshop
from ganworks.studio.places import Place
from ganworks.studio.routes import data, making, trainings
from ganworks.studio.trainings.jobs import Jobs
from ganworks.studio.trainings.state import Runs

_STATIC = Path(__file__).parent / "static"
_VENDOR = Path(page.__file__).parent / "vendor"  # the chart library, which the report uses, too


class Studio:
    """What the routes of one studio share. closing: set when the server ends, so that streams end, too."""

    def __init__(self, place: Place):
        self.place = place
        self.runs = Runs(place, Jobs(place))
        self.looks, self.limits = Looks(place), Limits()
        self.results, self.workshop = Results(place), Workshop(self.runs)
        self.maker = Maker(self.workshop, self.results)
        self.closing = threading.Event()

    def close(self) -> None:
        """End what the server does; trainings go on."""
        self.closing.set()
        self.looks.close()
        self.workshop.close()


def create_studio(
    folder: str | Path, token: str, *, hosts: tuple[str, ...] = (), any_address: bool = False, root_path: str = ""
) -> FastAPI:
    """The application for a folder; see `Guard` for the other arguments. Raises UsageError for an unusable folder."""
    place = Place(folder)
    place.prepare()
    sweep(place.data)
    sweep(place.results)
    studio = Studio(place)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        studio.close()

    app = FastAPI(title="ganworks studio", docs_url=None, redoc_url=None, openapi_url=None, lifespan=life)
    app.state.studio = studio
    _answer_errors(app, place)
    for routes in (trainings, data, making):
        app.include_router(routes.routes(studio), prefix="/api")

    @app.get("/", include_in_schema=False)
    def index() -> Response:
        return FileResponse(_STATIC / "index.html")

    app.mount("/static", StaticFiles(directory=_STATIC))
    app.mount("/vendor", StaticFiles(directory=_VENDOR))
    app.add_middleware(Guard, token=token, hosts=hosts, any_address=any_address, root_path=root_path)
    return app


def _answer_errors(app: FastAPI, place: Place) -> None:
    """Every error as {"error": {"message": a sentence}} with a status that fits."""

    def said(status: int, message: str) -> Response:
        sendable = place.clean(message).encode("utf-8", "replace").decode()
        return JSONResponse({"error": {"message": sendable}}, status)

    @app.exception_handler(GanworksError)
    async def failed(_: Request, error: GanworksError) -> Response:
        usual = 400 if isinstance(error, UsageError) else 500
        return said(int(getattr(error, "status", usual)), str(error))

    @app.exception_handler(RequestValidationError)
    async def wrong(_: Request, error: RequestValidationError) -> Response:
        return said(400, f"The request is not as it should be: {from_validation(error).message}")

    @app.exception_handler(HTTPException)
    async def missing(_: Request, error: HTTPException) -> Response:
        told = {404: "There is nothing at this address.", 405: "This address does not take such requests."}
        return said(error.status_code, told.get(error.status_code, str(error.detail)))

    @app.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> Response:
        kind: Any = type(error).__name__
        return said(500, f"The studio made a mistake ({kind}); the terminal in which it runs says more.")
