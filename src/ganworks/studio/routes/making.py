"""api/runs/NAME/sample, walk, latent, directions, apply, predict, and api/results."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from pydantic import Field

from ganworks.core.errors import UsageError
from ganworks.core.schema.plain import read_json
from ganworks.serve.routes.bodies import Body, Flag, Number, Seed, Truncation, Whole, Word
from ganworks.serve.routes.strict import StrictRoute
from ganworks.studio.data.uploads import Form, received
from ganworks.studio.making.answers import MOST
from ganworks.studio.making.workshop import REACH
from ganworks.studio.places import RefusedError

Labels = Whole | Word | Annotated[list[Whole | Word], Field(min_length=1, max_length=MOST)] | None
Options = Annotated[dict[Word, Flag | Whole | Number | Word], Field(max_length=50)]


class SampleBody(Body):
    """Samples `start` to `start + n - 1` of a seed."""

    n: int = Field(16, ge=1, le=MOST)
    seed: Seed = 0
    start: int = Field(0, ge=0, le=2**40)
    labels: Labels = None
    truncation: Truncation = 1.0
    options: Options = Field(default_factory=dict)


class WalkBody(Body):
    """A walk from seed to seed, in so many steps each."""

    seeds: list[Seed] = Field(min_length=2, max_length=20)
    steps: int = Field(8, ge=2, le=200)
    labels: Labels = None
    truncation: Truncation = 1.0


class LatentBody(Body):
    """Sample 0 of a seed, moved along directions by number, in standard deviations."""

    seed: Seed = 0
    moves: dict[Word, Number] = Field(default_factory=dict, max_length=50)
    labels: Labels = None
    truncation: Truncation = 1.0


def routes(studio: Any) -> APIRouter:
    """The addresses over a `Studio`."""
    router, place, maker, workshop = APIRouter(route_class=StrictRoute), studio.place, studio.maker, studio.workshop

    @router.post("/runs/{name}/sample")
    async def sample(name: str, body: SampleBody) -> dict[str, Any]:
        return place.clean(await workshop.do(lambda: maker.sample(name, body.model_dump())))

    @router.post("/runs/{name}/walk")
    async def walk(name: str, body: WalkBody) -> dict[str, Any]:
        if (len(body.seeds) - 1) * body.steps > MOST:
            raise RefusedError(f"A walk may have {MOST} steps in all.")
        return place.clean(await workshop.do(lambda: maker.walk(name, body.model_dump())))

    @router.post("/runs/{name}/latent")
    async def latent(name: str, body: LatentBody) -> dict[str, Any]:
        if not all(key.isdecimal() and len(key) < 4 and abs(v) <= 20 for key, v in body.moves.items()):
            raise RefusedError('moves are {"0": 1.5}: the number of a direction, and up to 20 standard deviations.')
        return place.clean(await workshop.do(lambda: maker.latent(name, body.model_dump())))

    @router.get("/runs/{name}/directions")
    async def directions(name: str) -> list[dict[str, Any]]:
        _, vectors = await workshop.do(lambda: workshop.sliders(name))
        return [{"name": f"Direction {k + 1}", "low": -REACH, "high": REACH} for k in range(len(vectors))]

    @router.post("/runs/{name}/apply")
    async def apply(name: str, request: Request) -> dict[str, Any]:
        studio.runs.folder(name)
        async with received(request, place.results, studio.limits) as form:
            given = {"file": _file(form), "mask": form.file("mask"), **_settings(form.texts)}
            return place.clean(await workshop.do(lambda: maker.apply(name, given)))

    @router.post("/runs/{name}/predict")
    async def predict(name: str, request: Request) -> dict[str, Any]:
        studio.runs.folder(name)
        async with received(request, place.results, studio.limits) as form:
            sent, path = _file(form)
            return place.clean(await workshop.do(lambda: maker.predict(name, sent, path)))

    @router.get("/results/{key}/{name}")
    def result(key: str, name: str) -> Response:
        path = studio.results.file(key, name)  # kept for as long as the same address means the same bytes
        answer = FileResponse(path, headers={"cache-control": "private, max-age=3600"})
        shown = (answer.media_type or "").startswith(("image/", "audio/", "video/"))
        if not shown or answer.media_type == "image/svg+xml":
            return FileResponse(path, media_type="application/octet-stream", filename=name)
        return answer

    return router


def _file(form: Form) -> tuple[str, Any]:
    if (found := form.file("file")) is None:
        raise RefusedError("The form has no file in its field `file`.")
    return found


def _settings(texts: dict[str, str]) -> dict[str, Any]:
    """{"seed", "options"} of the text fields of a form: seed, label, options as a JSON object."""
    given = read_json(texts.get("options") or "{}", "options")
    if not isinstance(given, dict) or "mask" in given:
        raise UsageError("options must be a JSON object; a mask is a file of the form.")
    options = {str(key): str(value) for key, value in given.items() if str(value).strip()}
    options |= {"label": texts["label"]} if texts.get("label", "").strip() else {}
    seed = texts.get("seed", "0").strip()
    if not seed.isdecimal() or len(seed) > 18:
        raise UsageError("seed must be a whole number.")
    return {"seed": int(seed), "options": options}
