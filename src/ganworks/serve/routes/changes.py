"""Files and pictures that come with a request: translated, restored, classified; and walks between samples."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request, Response

from ganworks.core.console.text import json_text
from ganworks.core.errors import GanworksError, UsageError
from ganworks.files.rasters.decode import SUFFIXES
from ganworks.serve.archives import members, zipped
from ganworks.serve.asks import ApplyAsk, PredictAsk, WalkAsk
from ganworks.serve.engine import ServiceError
from ganworks.serve.forms import choose, file_name, media_of
from ganworks.serve.routes.bodies import WalkBody
from ganworks.serve.routes.errors import ApiError, described, from_exception, plain
from ganworks.serve.routes.jobs import accepted
from ganworks.serve.routes.native import FILES, attachment, deadline_of, sent
from ganworks.serve.routes.strict import StrictRoute, while_there
from ganworks.serve.routes.uploads import OPTIONS, SEED, Upload, form_schema, read_form
from ganworks.serve.service import Service, in_thread, service_of
from ganworks.use.predictor import Predictions

router = APIRouter(prefix="/v1/models", tags=["models"], route_class=StrictRoute, responses=described())
_APPLY = form_schema(
    {
        "file": "a picture, a sound, a film, or a zip of such files",
        "mask": "a picture, white where there is to be filled",
    },
    {
        "seed": SEED,
        "options": OPTIONS,
        "format": {
            "type": "string",
            "description": "the form of a picture: png, jpg, webp, tif; else that of the input",
        },
        "reverse": {"type": "boolean", "default": False, "description": "the other direction, where there is one"},
    },
    ["file"],
)
_PREDICT = form_schema(
    {"file": "a picture, several under the same name, or a zip of pictures"},
    {"top": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 5}, "format": {"enum": ["json", "csv"]}},
    ["file"],
)
_CLASSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"schema": {"type": "object"}}, "text/csv": {"schema": {"type": "string"}}}}
}
_AT_ONCE = 8  # files of a zip that are answered at once; more become a job


@router.post("/{name}/interpolate", openapi_extra={"x-scope": "sample"}, response_class=Response, responses=FILES)
async def interpolate(name: str, body: WalkBody, request: Request) -> Response:
    """A walk from seed to seed, as the file that `ganworks sample ... interpolate=1,2` writes."""
    service = service_of(request)
    about = service.about(name, "sample")
    count = (len(body.seeds) - 1) * (body.steps - 1) + 1
    form = choose(body.format, request.headers.get("accept", ""), about.forms, about.each, count)
    ask = WalkAsk(
        name,
        tuple(body.seeds),
        body.steps,
        body.labels,
        body.truncation,
        about.check_options(body.options, "sample"),
        deadline_of(request),
    )
    made = await while_there(request, service.engine.walk(ask))
    strip = {"columns": len(made)} if form.suffix == ".png" else {}
    title = file_name(name, "seeds", *body.seeds[:8], suffix=form.suffix)
    return await sent(made, form, title, None, **strip)


@router.post("/{name}/apply", openapi_extra={"x-scope": "apply", **_APPLY}, response_class=Response, responses=FILES)
async def apply(name: str, request: Request) -> Response:
    """A file, or each file of a zip, through a translator, restorer or vocoder: what `ganworks apply` writes."""
    service = service_of(request)
    about = service.about(name, "apply")
    form = await read_form(request, ("seed", "options", "format", "reverse"), ("file", "mask"))
    file, mask = form.one("file"), form.one("mask")
    if file is None:
        raise ApiError(422, "file: there is none. Send one as multipart/form-data.", param="file")
    given, content = file
    asked: dict[str, Any] = {
        "seed": form.seed(), "options": about.check_options(form.options(), "apply"), "mask": mask[1] if mask else None,
        "form": form.form(), "reverse": form.switch("reverse"),
        "deadline_s": deadline_of(request, 4),
    }  # fmt: skip
    if asked["reverse"] and not any(card.get("player") == "G_back" for card in about.cards):
        raise ApiError(400, "reverse: this model learned one direction only. Leave reverse out.", param="reverse")
    if given.lower().endswith(".zip"):
        return await _folder(service, request, name, content, about.takes, asked)
    if not given.lower().endswith(about.takes):
        raise ApiError(415, f"file: this model takes {', '.join(about.takes)}, not {given[-40:]!r}.", param="file")
    done = await while_there(request, service.engine.apply(ApplyAsk(name, content, given, **asked)))
    said = {"x-ganworks-note": json.dumps(done.said)} if done.said else {}
    title = file_name(given.rpartition(".")[0], suffix=done.suffix)
    headers = {
        "x-ganworks-model-sha256": done.model,
        "x-ganworks-seed": str(asked["seed"]),
        **attachment(title),
        **said,
    }
    return Response(done.content, headers=headers, media_type=media_of(done.suffix))


async def _folder(
    service: Service, request: Request, name: str, content: bytes, takes: tuple[str, ...], asked: dict[str, Any]
) -> Response:
    """All files of a zip, as a zip; many of them as a job."""
    files = await in_thread(members, content, takes, service.limits.upload_bytes)

    many = len(files) > _AT_ONCE

    async def one(inside: str, raw: bytes) -> tuple[bytes, str, str]:
        def work() -> Any:
            return service.engine.apply(ApplyAsk(name, raw, inside, **asked))

        try:
            done = await (service.patiently(work) if many else work())
        except GanworksError as error:
            if isinstance(error, ServiceError) and not isinstance(error, UsageError):
                raise  # it is not for this file that the service cannot
            return b"", "", plain(from_exception(error).message)
        return done.content, done.suffix, done.said

    title, seed = file_name(name, "applied", suffix=".zip"), {"x-ganworks-seed": str(asked["seed"])}
    if many:
        job = service.begin_files(files, one, title, seed)
        return accepted(request, job)
    made = await while_there(request, zipped(files, one))
    return Response(made, headers={**seed, **attachment(title)}, media_type=media_of(".zip"))


@router.post(
    "/{name}/predict", openapi_extra={"x-scope": "apply", **_PREDICT}, response_class=Response, responses=_CLASSES
)
async def predict(name: str, request: Request) -> Response:
    """The classes of pictures, with their probabilities."""
    service = service_of(request)
    service.about(name, "predict")
    form = await read_form(request, ("top", "format"), ("file",))
    files = await _pictures(form, service.limits.upload_bytes)
    top, kind = form.whole("top", 5, 1, 1000), form.fields.get("format", "json")
    if kind not in ("json", "csv"):
        raise ApiError(422, f"format must be json or csv, not {kind[:40]!r}.", param="format")
    found = await while_there(request, service.engine.predict(PredictAsk(name, tuple(files), deadline_of(request, 2))))
    if kind == "csv":
        title = attachment(file_name(name, "classes", suffix=".csv"))
        return Response(found.content(".csv"), headers=title, media_type=media_of(".csv"))
    return Response(json_text(_shown(found, top)), media_type="application/json")


async def _pictures(form: Upload, most: int) -> list[tuple[str, bytes]]:
    files = []
    for given, content in form.files.get("file", []):
        if given.lower().endswith(".zip"):
            files += await in_thread(members, content, SUFFIXES, most)
        elif given.lower().endswith(SUFFIXES):
            files.append((given, content))
        else:
            raise ApiError(
                415, f"file: pictures are read here ({', '.join(SUFFIXES)}), not {given[-40:]!r}.", param="file"
            )
    if not files:
        raise ApiError(422, "file: there is none. Send one as multipart/form-data.", param="file")
    return files


def _shown(found: Predictions, top: int) -> dict[str, Any]:
    rows = found.table()
    for number, row in enumerate(rows):
        row["probabilities"] = {label: round(share, 6) for label, share in found.best(number, top)}
    failed = [{"file": name, "reason": plain(reason)} for name, reason in found.failed]
    return {"object": "list", "classes": list(found.classes), "data": rows, "failed": failed}
