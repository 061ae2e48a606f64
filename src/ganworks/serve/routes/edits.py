"""Pictures that are edited, in the shape of the OpenAI API: translators, restorers, and networks that fill holes."""

from __future__ import annotations

import io
from typing import Any

from fastapi import APIRouter, Request
from PIL import Image

from ganworks.files.rasters.decode import SUFFIXES
from ganworks.serve.asks import ApplyAsk
from ganworks.serve.prompts import read_prompt
from ganworks.serve.routes.bodies import LARGEST_SEED
from ganworks.serve.routes.errors import ApiError, described
from ganworks.serve.routes.native import deadline_of
from ganworks.serve.routes.openai import given, images, pick
from ganworks.serve.routes.strict import StrictRoute, while_there
from ganworks.serve.routes.uploads import SEED, Upload, form_schema, read_form
from ganworks.serve.service import in_thread, service_of

router = APIRouter(prefix="/v1", tags=["openai"], route_class=StrictRoute, responses=described())
_FIELDS = (
    "prompt", "model", "n", "size", "response_format", "output_format", "quality", "background", "input_fidelity",
    "output_compression", "moderation", "user", "stream", "partial_images", "seed",
)  # fmt: skip
_EDIT = form_schema(
    {
        "image": "a picture, or several under the same name",
        "mask": "white, or transparent, where there is to be filled",
    },
    {
        "prompt": {"type": "string", "description": "empty, or options of the model such as noise=off"},
        "model": {"type": "string"},
        "n": {"type": "integer", "minimum": 1, "maximum": 10, "description": "of each picture, with seeds that follow"},
        "response_format": {"enum": ["b64_json", "url"]},
        "output_format": {"enum": ["png", "webp", "jpeg"]},
        "size": {"const": "auto"},
        "seed": SEED,
    },
    ["image"],
)
_FORMS = {"png": ".png", "webp": ".webp", "jpeg": ".jpg"}
_PLAIN = {  # what a field may say, where only that is known here
    "size": ("", "auto"), "quality": ("", "auto", "standard"), "background": ("", "auto", "opaque"),
    "input_fidelity": ("", "low", "high"), "output_compression": ("", "100"), "stream": ("", "false"),
    "partial_images": ("", "0"), "response_format": ("", "b64_json", "url"), "output_format": ("", *_FORMS),
}  # fmt: skip


@router.post("/images/edits", openapi_extra={"x-scope": "apply", **_EDIT})
async def edits(request: Request) -> dict[str, Any]:
    """Pictures through a translator, a restorer, or a network that fills the holes of a mask."""
    service = service_of(request)
    form = await read_form(request, _FIELDS, ("image", "mask"))
    for name, known in _PLAIN.items():
        if form.fields.get(name, "") not in known:
            said = f"{name}={form.fields[name][:40]} is not known to this service; it can be {', '.join(known[1:])}."
            raise ApiError(400, said, param=name)
    about = pick(service, form.fields.get("model"), "apply", "edits")
    options = about.check_options(read_prompt(form.fields.get("prompt", ""), about, "apply"), "apply")
    seed, suffix = _seed(form, options), _FORMS[form.fields.get("output_format") or "png"]
    files, mask = _images(form), form.one("mask")
    hole = await in_thread(_hole, mask[1]) if mask else None
    asks = [
        ApplyAsk(about.name, content, name, min(seed + k, LARGEST_SEED), options, hole, suffix[1:],
                 deadline_s=deadline_of(request, 4))
        for name, content in files for k in range(form.whole("n", 1, 1, 10))
    ]  # fmt: skip

    async def work() -> list[dict[str, Any]]:
        made = [(await service.engine.apply(ask), ask.seed) for ask in asks]
        form_ = form.fields.get("response_format")
        return [{**given(service, done.content, suffix, form_, request), "seed": own} for done, own in made]

    return images(await while_there(request, work()), None, suffix)


def _seed(form: Upload, options: dict[str, Any]) -> int:
    said = options.pop("seed", None)
    if said is not None and "seed" in form.fields:
        raise ApiError(400, "seed is said in the prompt and beside it. Say it once.", param="seed")
    if said is None:
        return form.seed()
    if not isinstance(said, int) or not 0 <= said <= LARGEST_SEED:
        raise ApiError(400, f"prompt: seed must be a whole number from 0 to {LARGEST_SEED}.", param="prompt")
    return said


def _images(form: Upload) -> list[tuple[str, bytes]]:
    files = form.files.get("image", [])
    if not 1 <= len(files) <= 16:
        raise ApiError(422, f"image: give 1 to 16 pictures, not {len(files)}.", param="image")
    for name, _ in files:
        if not name.lower().endswith(SUFFIXES):
            raise ApiError(
                415, f"image: pictures are read here ({', '.join(SUFFIXES)}), not {name[-40:]!r}.", param="image"
            )
    return files


def _hole(content: bytes) -> bytes:
    """A mask with white where there is to be filled; of a mask with transparency, that is where it is transparent."""
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "WEBP", "JPEG", "GIF")) as image:
            clear = image.mode in ("RGBA", "LA") and image.width * image.height <= 64_000_000
            if not clear or image.getchannel("A").getextrema() == (255, 255):
                return content
            hole = image.getchannel("A").point(lambda value: 255 * (value < 128))
    except Exception as error:  # whatever a damaged file raises
        raise ApiError(422, "mask: it cannot be read as a picture.", "unreadable", "mask") from error
    buffer = io.BytesIO()
    hole.save(buffer, "PNG")
    return buffer.getvalue()
