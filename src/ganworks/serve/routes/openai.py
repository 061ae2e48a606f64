"""The shapes of the OpenAI API for pictures and speech, for clients that speak them.

Networks here know no sentences: a prompt names a class, and holds words such as truncation=0.7 (`prompts`). What cannot
be done is refused, not passed over.
"""

from __future__ import annotations

import base64
import io
import json
import secrets
import time
import wave
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from ganworks.core.errors import UsageError, nearest
from ganworks.serve.about import About
from ganworks.serve.asks import SampleAsk
from ganworks.serve.forms import Form, encode, file_name, media_of, single_files
from ganworks.serve.prompts import read_prompt
from ganworks.serve.routes.bodies import Body, Flag, Number, Seed, Text, Truncation, Whole, Word, example
from ganworks.serve.routes.errors import ApiError, described
from ganworks.serve.routes.native import deadline_of, headers_of
from ganworks.serve.routes.strict import StrictRoute, while_there
from ganworks.serve.service import Service, in_thread, service_of
from ganworks.use.samples import Samples

router = APIRouter(prefix="/v1", tags=["openai"], route_class=StrictRoute, responses=described())
_SPOKEN = (".wav", ".flac")
_JSON: dict[int | str, dict[str, Any]] = {
    200: {"description": "As of the OpenAI API", "content": {"application/json": {"schema": {"type": "object"}}}}
}


class ImageBody(Body):
    """A request for pictures."""

    model_config = example(model="photos-image-1", prompt="3 truncation=0.7", n=2, seed=5, response_format="b64_json")
    prompt: Annotated[Text, Field(description="a class, and words such as truncation=0.7 seed=5")]
    model: Word | None = Field(None, description="by default the only model that makes pictures")
    n: Annotated[int, Field(ge=1, le=10)] | None = 1
    size: Word | None = Field("auto", description="that of the model, WIDTHxHEIGHT, or auto")
    response_format: Literal["b64_json", "url"] | None = "b64_json"
    output_format: Literal["png", "webp"] | None = "png"
    quality: Literal["auto", "standard", "high", "medium", "low", "hd"] | None = Field(
        None, description="auto or standard"
    )
    background: Literal["auto", "opaque", "transparent"] | None = Field(None, description="auto or opaque")
    moderation: Literal["auto", "low"] | None = None
    style: Literal["vivid", "natural"] | None = Field(None, description="not known here: leave it out")
    stream: Flag | None = Field(None, description="false: pictures come at once")
    partial_images: Whole | None = Field(None, description="0")
    output_compression: Whole | None = Field(None, description="100: files are lossless")
    user: Word | None = Field(None, description="taken and not used")
    safety_identifier: Word | None = Field(None, description="taken and not used")
    seed: Seed | None = Field(None, description="by default a new one each time, which the answer says")
    label: Word | Whole | None = None
    truncation: Truncation | None = None

    def refuse_unknown(self) -> None:
        """Raise ApiError for a wish that cannot be met here."""
        wrong = {
            "quality": self.quality not in (None, "auto", "standard"),
            "background": self.background == "transparent",
            "style": self.style is not None,
            "stream": bool(self.stream),
            "partial_images": bool(self.partial_images),
            "output_compression": self.output_compression not in (None, 100),
        }
        for name, said in wrong.items():
            if said:
                raise ApiError(
                    400, f"{name}={getattr(self, name)} is not known to this service. Leave it out.", param=name
                )


class SpeechBody(Body):
    """A request for a sound. A network of sounds says no words: it is asked for one of its classes."""

    model_config = example(model="spoken-audio-1", input="", voice="seven", response_format="wav", seed=5)
    input: Annotated[str, Field(max_length=4096, description="empty, or a class and words such as seed=5")]
    model: Word | None = None
    voice: Word | dict[Word, Word] = Field(description="a class, or default")
    response_format: Literal["wav", "flac", "pcm", "mp3", "opus", "aac"] | None = Field(
        "wav", description="wav, flac, pcm"
    )
    speed: Number | None = Field(1.0, description="1")
    instructions: Text | None = Field(None, description="not known here: leave it out")
    stream_format: Literal["audio", "sse"] | None = Field(None, description="audio")
    seed: Seed | None = None
    label: Word | Whole | None = None
    truncation: Truncation | None = None


def pick(service: Service, name: str | None, use: str, able: str) -> About:
    """The model of that name, or without one the only model that is `able` to ("pictures", "sounds"). ApiError."""
    if name:
        about = service.about(name, use)
        if not _able(about, able):
            raise ApiError(400, f'"{name}" makes no {able}; use /v1/models/{name}/{use}.', param="model")
        return about
    known = [n for n in service.engine.names if use in service.about(n).uses and _able(service.about(n), able)]
    if len(known) != 1:
        raise ApiError(
            400, f"model: name one of the models that make {able}. {nearest('', known or ('none',))}", param="model"
        )
    return service.about(known[0], use)


def _able(about: About, able: str) -> bool:
    if able == "edits":
        return not about.gives
    if able == "sounds":
        return about.maker is not None and ".wav" in about.maker.forms
    return about.pictures if "sample" in about.uses else True


def ask_of(body: ImageBody | SpeechBody, prompt: str, about: About, n: int, request: Request) -> SampleAsk:
    """The samples that a body and its prompt ask for. Raises UsageError when both say the same thing."""
    said = read_prompt(prompt, about)
    for name in ("seed", "label", "truncation"):
        value = getattr(body, name)
        if value is not None:
            if name in said:
                raise UsageError(f"{name} is said in the prompt and beside it. Say it once.")
            said[name] = value
    seed = said.pop("seed", None)
    seed = secrets.randbelow(2**53) if seed is None else seed  # of those that JavaScript can hold
    labels, truncation = said.pop("label", None), said.pop("truncation", 1.0)
    options = about.check_options(said, "sample")
    return SampleAsk(about.name, n, seed, 0, labels, truncation, options, deadline_s=deadline_of(request))


@router.post("/images/generations", openapi_extra={"x-scope": "sample"}, responses=_JSON)
async def generations(body: ImageBody, request: Request, response: Response) -> dict[str, Any]:
    """Pictures of a class, in the shape of the OpenAI API."""
    service = service_of(request)
    body.refuse_unknown()
    about = pick(service, body.model, "sample", "pictures")
    check_size(body.size, about)
    ask = ask_of(body, body.prompt, about, body.n or 1, request)
    made = await while_there(request, service.sample(ask))
    suffix = f".{body.output_format or 'png'}"
    contents = await in_thread(single_files, made, suffix)
    response.headers.update({k: v for k, v in headers_of(made, Form(suffix), "", ask.seed).items() if k[0] == "x"})
    items = [
        {**given(service, content, suffix, body.response_format, request), "seed": ask.seed, "index": k}
        for k, content in enumerate(contents)
    ]
    return images(items, about.spec.shape[-2:], suffix)


def check_size(size: str | None, about: About) -> None:
    """Raise ApiError unless a size is "auto" or that of the model."""
    own = f"{about.spec.shape[2]}x{about.spec.shape[1]}"
    if size is not None and size not in ("auto", own):
        raise ApiError(
            400, f"size={size[:40]}: this model makes pictures of {own} pixels. Say that, or auto.", param="size"
        )


def images(items: list[dict[str, Any]], size: tuple[int, ...] | None, suffix: str) -> dict[str, Any]:
    """The body of an answer with pictures."""
    about = {"size": f"{size[1]}x{size[0]}"} if size else {}
    return {"created": int(time.time()), "data": items, "output_format": suffix[1:], **about}


def given(service: Service, content: bytes, suffix: str, form: str | None, request: Request) -> dict[str, Any]:
    """A picture as base64, or the address from which it can be fetched for a while."""
    if form != "url":
        return {"b64_json": base64.b64encode(content).decode()}
    job = service.jobs.keep(content, file_name("picture", suffix=suffix), media_of(suffix))
    return {"url": str(request.base_url).rstrip("/") + f"/v1/jobs/{job.id}/result"}


@router.post("/audio/speech", openapi_extra={"x-scope": "sample"}, response_class=Response, responses={
    200: {"description": "The sound", "content": {"audio/*": {"schema": {"type": "string", "format": "binary"}}}}
})  # fmt: skip
async def speech(body: SpeechBody, request: Request) -> Response:
    """A sound of a class. pcm: signed 16 bits, little-endian, at the model's own rate, which a header says."""
    service = service_of(request)
    if body.speed not in (None, 1, 1.0) or body.instructions or body.stream_format == "sse":
        raise ApiError(400, "speed, instructions and stream_format=sse are not known to this service. Leave them out.")
    if body.response_format in ("mp3", "opus", "aac"):
        raise ApiError(400, f"response_format={body.response_format}: wav, flac and pcm are made here.",
                       param="response_format")  # fmt: skip
    about = pick(service, body.model, "sample", "sounds")
    voice = body.voice if isinstance(body.voice, str) else body.voice.get("id", "")
    words = [] if voice in ("", "default", "any") else [voice]
    ask = ask_of(body, " ".join([*words, body.input]), about, 1, request)
    made = await while_there(request, service.sample(ask))
    suffix = ".flac" if body.response_format == "flac" else ".wav"
    content = await in_thread(encode, made, Form(suffix))
    title = file_name(about.name, "seed", ask.seed, suffix=suffix)
    headers = headers_of(made, Form(suffix), title, ask.seed)
    if body.response_format != "pcm":
        return Response(content, headers=headers, media_type=media_of(suffix))
    with wave.open(io.BytesIO(content)) as sound:
        rate, channels, raw = sound.getframerate(), sound.getnchannels(), sound.readframes(sound.getnframes())
    headers |= {"x-ganworks-sample-rate": str(rate), "x-ganworks-mark": _mark(made)}
    headers.pop("content-disposition")
    return Response(raw, headers=headers, media_type=f"audio/pcm;rate={rate};channels={channels}")


def _mark(made: Samples) -> str:
    return json.dumps(made.note(0), default=str)
