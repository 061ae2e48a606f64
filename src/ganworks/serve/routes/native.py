"""The API of ganworks itself: samples, walks, pictures and files that are changed, classes that are named."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from ganworks.core.errors import GanworksError
from ganworks.serve.asks import SampleAsk
from ganworks.serve.forms import Form, choose, encode, file_name, note_header, pieces
from ganworks.serve.routes.bodies import SampleBody
from ganworks.serve.routes.errors import ApiError, described
from ganworks.serve.routes.jobs import accepted
from ganworks.serve.routes.strict import StrictRoute, while_there
from ganworks.serve.service import PART, Service, in_thread, service_of
from ganworks.use.samples import Samples

router = APIRouter(prefix="/v1", tags=["models"], route_class=StrictRoute, responses=described())
FILES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file", "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}},
    202: {
        "description": "A job, which makes the file",
        "content": {"application/json": {"schema": {"type": "object"}}},
    },
}
_DEADLINE = "x-ganworks-deadline-s"


@router.get("/models", openapi_extra={"x-scope": "models"})
async def models(request: Request) -> dict[str, Any]:
    """The models that are served."""
    service = service_of(request)
    return {"object": "list", "data": [_entry(name, service.made(name)) for name in service.engine.names]}


@router.get("/models/{name}", openapi_extra={"x-scope": "models"})
async def model(name: str, request: Request) -> dict[str, Any]:
    """What a model is: its kind, its uses, the options, classes and formats that it has."""
    service = service_of(request)
    about = service.about(name)
    found = await service.engine.describe(name)
    own = {"z_dim": found["z_dim"], "fingerprint": found["fingerprint"], "sha256": found["sha256"]}
    facts = about.facts()
    facts["options"][found["use"]] = found["options"]  # a network may have more than its header says
    return {**_entry(name, service.made(name)), **facts, **own}


def _entry(name: str, made: int = 0) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": made, "owned_by": "ganworks"}


@router.post("/models/{name}/sample", openapi_extra={"x-scope": "sample"}, response_class=Response, responses=FILES)
async def sample(name: str, body: SampleBody, request: Request) -> Response:
    """New samples, as the file that `ganworks sample` writes."""
    service = service_of(request)
    about = service.about(name, "sample")
    form = choose(body.format, request.headers.get("accept", ""), about.forms, about.each, body.n)
    ask = SampleAsk(
        name, body.n, body.seed, body.start, body.labels, body.truncation, about.check_options(body.options, "sample"),
        deadline_s=deadline_of(request),
    )  # fmt: skip
    title = file_name(name, "seed", body.seed, suffix=form.suffix)
    if body.background or service.long(about, body.n, form):
        return accepted(request, service.begin(ask, form, title))
    if form.in_pieces and body.n > PART:
        return await streamed(service, ask, form, title)
    made = await while_there(request, service.sample(ask))
    return await sent(made, form, title, body.seed)


class CutError(Exception):
    """An answer that had begun cannot be finished; the connection is closed, so that its client sees it."""


async def sent(made: Samples, form: Form, title: str, seed: int | None, **options: Any) -> Response:
    """Samples as one file. options: those of its encoder."""
    content = await in_thread(lambda: encode(made, form, **options))
    return Response(content, headers=headers_of(made, form, title, seed), media_type=form.media)


async def streamed(service: Service, ask: SampleAsk, form: Form, title: str) -> Response:
    """Samples as one file, sent while they are made; an error of the first part is an answer of its own."""
    parts = service.parts(ask)
    first = await anext(parts)

    async def all_parts() -> Any:
        try:
            yield first
            async for part in parts:
                yield part
        except GanworksError as error:  # the status is sent: all that is left is to end before the end
            raise CutError(f"An answer was cut off: {error}") from error
        finally:
            await parts.aclose()

    content = pieces(all_parts(), form)
    return StreamingResponse(content, headers=headers_of(first, form, title, ask.seed, ask.n), media_type=form.media)


def headers_of(made: Samples, form: Form, title: str, seed: int | None, count: int | None = None) -> dict[str, str]:
    """What the headers of an answer say of its samples."""
    said = {"x-ganworks-model-sha256": str(made.facts.get("model", ""))}
    if seed is not None:
        said["x-ganworks-seed"] = str(seed)
    return {**said, **note_header(made, form.suffix, count), **attachment(title)}


def attachment(title: str) -> dict[str, str]:
    """The header that names a file."""
    return {"content-disposition": f'attachment; filename="{title}"'}


def deadline_of(request: Request, times: int = 1) -> float:
    """Seconds within which the answer is of use, from the header of that name. times: the usual ones, without it."""
    text = request.headers.get(_DEADLINE, str(times * service_of(request).limits.deadline_s))
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= 600:
        raise ApiError(400, f"{_DEADLINE} must be a number of seconds up to 600, not {text[:40]!r}.", param=_DEADLINE)
    return found
