"""The Open Inference Protocol v2, as Triton's and KServe's clients speak it, with binary tensors.

A generator takes `seed` INT64 [n] (sample 0 of each seed) or `z` FP32 [n, d], and `label` (numbers or names) and
`truncation`; it gives `image` UINT8 [n, h, w, c], `text` or `row` BYTES [n], or `sample` as the network makes it. A
translator or restorer takes and gives `image`, a classifier gives `probability` FP32 [n, k].
"""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from PIL import Image
from pydantic import Field

from ganworks import __version__
from ganworks.core.errors import UsageError
from ganworks.core.limits import check_seed, check_truncation
from ganworks.files.shown import to_bytes
from ganworks.serve.about import About
from ganworks.serve.access.ticket import current
from ganworks.serve.asks import ApplyAsk, DecodeAsk, PredictAsk, SampleAsk
from ganworks.serve.forms import LINES, lines_of
from ganworks.serve.prompts import read_prompt
from ganworks.serve.routes import tensors
from ganworks.serve.routes.bodies import LARGEST_SEED, Body, Options, Text, example
from ganworks.serve.routes.errors import ApiError, described
from ganworks.serve.routes.native import deadline_of
from ganworks.serve.routes.strict import StrictRoute, plain_values, while_there
from ganworks.serve.service import Service, in_thread, service_of
from ganworks.use.samples import Samples

router = APIRouter(prefix="/v2", tags=["inference v2"], route_class=StrictRoute, responses=described())
VERSION, PICTURE = "1", "image"
_MOST_ROWS = 256  # of one request
_TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": {"type": "string"},
        "parameters": {"type": "object"},
        "data": {"type": "array", "items": {}},
    },
}
_INFER = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "parameters": {"type": "object"},
        "inputs": {"type": "array", "items": _TENSOR},
        "outputs": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
    },
    "examples": [
        {
            "inputs": [
                {"name": "seed", "shape": [2], "datatype": "INT64", "data": [3, 4]},
                {"name": "label", "shape": [2], "datatype": "INT64", "data": [7, 7]},
            ]
        }
    ],
}
_BODY = {"x-scope": "sample", "requestBody": {"required": True, "content": {"application/json": {"schema": _INFER}}}}


class GenerateBody(Body):
    """A request for a text."""

    model_config = example(text_input="", parameters={"seed": 3, "temperature": 0.8})
    text_input: Annotated[Text, Field(description="empty, or a class: the networks here go on with no text")] = ""
    parameters: Options = Field(default_factory=dict, description="seed, truncation, and the model's own options")


@dataclass(frozen=True)
class Port:
    """An input or output of a model. shape: -1 is any."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def plain(self) -> dict[str, Any]:
        """Its entry in the description of a model."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


def ports(about: About) -> tuple[list[Port], list[Port]]:
    """(inputs, outputs) of a model's main use."""
    use, spec = about.uses[0], about.spec
    picture = Port("image", "UINT8", (-1, -1, -1, -1))
    if use == "apply":
        return [picture, Port("seed", "INT64", (1,))], [picture]
    if use == "predict":
        return [picture], [Port("probability", "FP32", (-1, spec.num_classes))]
    inputs = [Port("seed", "INT64", (-1,)), Port("z", "FP32", (-1, -1)), Port("truncation", "FP32", (1,))]
    inputs += [Port("label", "INT64", (-1,))] if spec.num_classes else []
    return inputs, [_output(about)]


def _output(about: About) -> Port:
    spec = about.spec
    if about.pictures:
        return Port("image", "UINT8", (-1, *spec.shape[1:], spec.shape[0]))
    if LINES in about.forms:
        return Port("row", "BYTES", (-1,))
    return Port("sample", "UINT8" if spec.dtype == "uint8" else "FP32", (-1, *spec.shape))


@router.get("", openapi_extra={"x-scope": "public"})
async def server() -> dict[str, Any]:
    """The name, version and extensions of the server."""
    return {"name": "ganworks", "version": __version__, "extensions": ["binary_tensor_data", "generate"]}


@router.get("/health/live", openapi_extra={"x-scope": "public"})
async def live() -> dict[str, bool]:
    """Whether the server answers."""
    return {"live": True}


@router.get("/health/ready", openapi_extra={"x-scope": "public"})
async def ready(request: Request) -> Response:
    """Whether the server can be used; 503 while it cannot."""
    fine = service_of(request).ready()
    return JSONResponse({"ready": fine, "live": True}, 200 if fine else 503)


@router.get("/models/{name}", openapi_extra={"x-scope": "models"})
@router.get("/models/{name}/versions/{version}", openapi_extra={"x-scope": "models"})
async def metadata(name: str, request: Request, version: str = VERSION) -> dict[str, Any]:
    """The inputs and outputs of a model."""
    about = _model(service_of(request), name, version)
    inputs, outputs = ports(about)
    return {
        "name": name,
        "versions": [VERSION],
        "platform": "ganworks",
        "inputs": [port.plain() for port in inputs],
        "outputs": [port.plain() for port in outputs],
    }


@router.get("/models/{name}/ready", openapi_extra={"x-scope": "models"})
@router.get("/models/{name}/versions/{version}/ready", openapi_extra={"x-scope": "models"})
async def model_ready(name: str, request: Request, version: str = VERSION) -> dict[str, Any]:
    """Whether a model can be used."""
    _model(service_of(request), name, version)
    return {"name": name, "ready": True}


def _model(service: Service, name: str, version: str) -> About:
    about = service.about(name)
    if version != VERSION:
        raise ApiError(404, f'"{name}" is served in version {VERSION} alone.', "version_not_found", "version")
    return about


@router.post("/models/{name}/infer", openapi_extra=_BODY, response_class=Response,
             responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}})  # fmt: skip
@router.post("/models/{name}/versions/{version}/infer", openapi_extra=_BODY, response_class=Response,
             responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}})  # fmt: skip
async def infer(name: str, request: Request, version: str = VERSION) -> Response:
    """Tensors in, tensors out."""
    service = service_of(request)
    about = _model(service, name, version)
    ticket = current()
    if about.uses[0] != "sample" and ticket and ticket.key and not ticket.key.allows("apply"):
        raise ApiError(403, f'This key is not for that: "{name}" needs the scope "apply".', "wrong_scope")
    packed = request.headers.get("content-encoding", "identity")
    if packed != "identity":
        raise ApiError(415, f"Bodies are read uncompressed, not as {packed[:40]}.")
    body, inputs = tensors.read(await request.body(), request.headers)
    known = [port.name for port in ports(about)[0]]
    for given in inputs:
        if given not in known:
            raise ApiError(400, f"inputs: this model has no {given[:60]}; it takes {', '.join(known)}.", param="inputs")
    work = {"sample": _sampled, "apply": _applied, "predict": _predicted}[about.uses[0]]
    deadline = deadline_of(request)
    options = about.check_options(_parameters(body), about.uses[0])
    made, digest = await while_there(request, work(service, about, inputs, options, deadline))
    wanted, binary = _wanted(body, list(made))
    head: dict[str, Any] = {"model_name": name, "model_version": VERSION}
    if isinstance(body.get("id"), str):
        head["id"] = body["id"]
    content, length = await in_thread(tensors.write, head, {n: made[n] for n in wanted}, binary)
    headers = {"x-ganworks-model-sha256": digest} if digest else {}
    if length is None:
        return Response(content, headers=headers, media_type="application/json")
    return Response(content, headers={**headers, tensors.LENGTH: str(length)}, media_type="application/octet-stream")


def _parameters(body: dict[str, Any]) -> dict[str, Any]:
    found = plain_values(body.get("parameters") or {}, "parameters")
    return {name: v for name, v in found.items() if name not in ("binary_data_output", "priority", "timeout")}


def _wanted(body: dict[str, Any], made: list[str]) -> tuple[list[str], set[str]]:
    """(the outputs that are asked for, those of them that are sent as bytes)."""
    every = bool((body.get("parameters") or {}).get("binary_data_output"))
    entries = body.get("outputs")
    if not entries:
        return made, set(made) if every else set()
    if not isinstance(entries, list) or not all(isinstance(e, dict) and e.get("name") in made for e in entries):
        raise ApiError(400, f"outputs: this model gives {', '.join(made)}.", param="outputs")
    facts = {e["name"]: e.get("parameters") or {} for e in entries}
    if not all(isinstance(fact, dict) for fact in facts.values()):
        raise ApiError(400, "outputs: parameters must be tables.", param="outputs")
    return list(facts), {n for n, fact in facts.items() if fact.get("binary_data", every)}


# Generators -----------------------------------------------------------------------------------------------------------

Made = tuple[dict[str, np.ndarray], str]


async def _sampled(
    service: Service, about: About, inputs: dict[str, np.ndarray], options: dict[str, Any], deadline: float
) -> Made:
    truncation = float(inputs["truncation"].ravel()[0]) if "truncation" in inputs else 1.0
    count = len(inputs["z"]) if "z" in inputs else inputs["seed"].size if "seed" in inputs else 0
    if not 0 < count <= _MOST_ROWS or ("z" in inputs and "seed" in inputs):
        raise ApiError(400, f"inputs: give seed, or z, with 1 to {_MOST_ROWS} rows.", param="inputs")
    labels = _labels(inputs.get("label"), count)
    if "z" in inputs:
        wanted = None if labels[0] is None else labels
        made = [await service.engine.decode(
            DecodeAsk(about.name, inputs["z"].astype(np.float32), wanted, truncation, options, deadline)
        )]  # fmt: skip
    else:
        seeds = [int(seed) for seed in inputs["seed"].ravel()]
        if min(seeds) < 0 or max(seeds) > LARGEST_SEED:
            raise ApiError(400, f"inputs: seed must be from 0 to {LARGEST_SEED}.", param="seed")
        made = await asyncio.gather(*(
            service.engine.sample(SampleAsk(about.name, 1, seed, 0, label, truncation, options, deadline))
            for seed, label in zip(seeds, labels, strict=True)
        ))  # fmt: skip
    port = _output(about)
    rows = await in_thread(lambda: [_rows(samples, port) for samples in made])
    return {port.name: np.concatenate(rows)}, str(made[0].facts.get("model", ""))


def _labels(given: np.ndarray | None, count: int) -> list[Any]:
    if given is None:
        return [None] * count
    found = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v.item() for v in given.ravel()]
    if len(found) not in (1, count):
        raise ApiError(400, f"inputs: label has {len(found)} values for {count} rows.", param="label")
    return found * (count // len(found))


def _rows(samples: Samples, port: Port) -> np.ndarray:
    """The samples as the output of a model."""
    if port.name == PICTURE:
        return np.ascontiguousarray(to_bytes(samples.data, samples.spec).transpose(0, 2, 3, 1))
    if port.datatype != "BYTES":
        return samples.data
    lines = lines_of(samples).splitlines()
    found = np.empty(len(lines), object)
    found[:] = lines
    return found


@router.post("/models/{name}/generate", openapi_extra={"x-scope": "sample"})
@router.post("/models/{name}/versions/{version}/generate", openapi_extra={"x-scope": "sample"})
async def generate(name: str, body: GenerateBody, request: Request, version: str = VERSION) -> dict[str, Any]:
    """A text of a model of texts."""
    service = service_of(request)
    about = _model(service, name, version)
    about.card("sample")
    if about.maker is None or ".txt" not in about.maker.forms:
        raise ApiError(400, f'"{name}" makes no texts.', param="name")
    said = {**read_prompt(body.text_input, about), **body.parameters}
    label, truncation, seed = said.pop("label", None), said.pop("truncation", 1.0), said.pop("seed", 0)
    options = about.check_options(said, "sample")
    ask = SampleAsk(name, 1, check_seed(seed), 0, label, check_truncation(truncation), options, deadline_of(request))
    made = await while_there(request, service.sample(ask))
    return {"model_name": name, "model_version": VERSION, "text_output": str(made.items[0])}


# Pictures in ----------------------------------------------------------------------------------------------------------


def _pictures(inputs: dict[str, np.ndarray]) -> list[bytes]:
    """The pictures of the input `image`, [h, w, c] or [n, h, w, c], as PNG files."""
    given = inputs.get("image")
    if given is None or given.dtype != np.uint8 or given.ndim not in (3, 4):
        raise ApiError(400, "inputs: give image, UINT8 [n, h, w, c].", param="image")
    every = given if given.ndim == 4 else given[None]
    if len(every) > _MOST_ROWS or every.shape[3] not in (1, 3, 4):
        raise ApiError(400, f"inputs: image holds up to {_MOST_ROWS} pictures of 1, 3 or 4 channels.", param="image")
    return [_png(x) for x in every]


def _png(x: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(x[..., 0] if x.shape[2] == 1 else x)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _array(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
        found = np.asarray(image)
    return found[..., None] if found.ndim == 2 else found


async def _applied(
    service: Service, about: About, inputs: dict[str, np.ndarray], options: dict[str, Any], deadline: float
) -> Made:
    if about.gives:
        raise UsageError(f'"{about.name}" takes files, not pictures; use /v1/models/{about.name}/apply.')
    seed = int(inputs["seed"].ravel()[0]) if "seed" in inputs else 0
    files = await in_thread(_pictures, inputs)
    done = [
        await service.engine.apply(ApplyAsk(about.name, content, "image.png", seed, options, deadline_s=deadline))
        for content in files
    ]
    made = await in_thread(lambda: [_array(result.content) for result in done])
    if len({x.shape for x in made}) > 1:
        raise UsageError("The pictures have different sizes: send one at a time.")
    return {"image": np.stack(made)}, ""


async def _predicted(
    service: Service, about: About, inputs: dict[str, np.ndarray], options: dict[str, Any], deadline: float
) -> Made:
    files = await in_thread(_pictures, inputs)
    named = tuple((f"{k}.png", content) for k, content in enumerate(files))
    found = await service.engine.predict(PredictAsk(about.name, named, deadline))
    return {"probability": found.probabilities.astype(np.float32)}, ""
