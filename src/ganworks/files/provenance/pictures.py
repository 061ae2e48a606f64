"""Pictures and animations as files with the note: the options of Pillow's writers, and what Pillow cannot write."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, PngImagePlugin

from ganworks.files.provenance.containers import gif_with_xmp
from ganworks.files.provenance.content import seal
from ganworks.files.provenance.note import text_of, unsealed
from ganworks.files.provenance.xmp import xmp

PNG_TEXTS = ("Software", "ganworks", "XML:com.adobe.xmp")  # keywords under which a PNG holds the note


def encode(frames: list[Image.Image], form: str, mark: dict[str, Any] | None, fps: float = 12.0) -> bytes:
    """Encode an image as "png", "webp" or "gif"; several frames make a looping animation.

    mark: a note to store, to which the digest of the pixels is added, or None. fps: frames per second of an animation.
    """
    options: dict[str, Any] = {}
    if len(frames) > 1:
        options = {"save_all": True, "append_images": frames[1:], "duration": round(1000 / fps), "loop": 0}
    if form == "webp":
        options |= {"lossless": True, "quality": 50}
    return marked(lambda more: _saved(frames[0], form.upper(), options | more), form.upper(), mark)


def _saved(image: Image.Image, form: str, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return buffer.getvalue()


def marked(save: Any, form: str, mark: dict[str, Any] | None) -> bytes:
    """A picture in a format of Pillow's with the note in it. save(options for Pillow) -> its bytes."""
    if mark is None:
        return save({})
    if form == "GIF":  # its comments are cut into pieces, so that only the packet has a place for the digest
        return seal(gif_with_xmp(save(options_for(form, mark)), xmp(unsealed(mark))), form)
    return seal(save(options_for(form, unsealed(mark))), form)


def options_for(form: str, mark: dict[str, Any]) -> dict[str, Any]:
    """Pillow's options that store a note; none for a format without a place, and for TIFF, where it is a tag."""
    if form == "PNG":
        info = PngImagePlugin.PngInfo()
        for name, text in png_texts_of(mark).items():
            (info.add_text if name == "Software" else info.add_itxt)(name, text)
        return {"pnginfo": info}
    if form in ("JPEG", "WEBP"):
        return {"xmp": xmp(mark).encode()}
    return {"comment": text_of(mark).encode()} if form == "GIF" else {}


def png_texts_of(mark: dict[str, Any]) -> dict[str, str]:
    """Keyword -> text of the chunks that hold a note."""
    return dict(zip(PNG_TEXTS, ("ganworks", text_of(mark), xmp(mark)), strict=True))
