"""Pictures and animations as files with the note: the options of Pillow's writers, and what Pillow cannot write."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, PngImagePlugin

from ganworks.files.provenance.containers import gif_with_xmp
from ganworks.files.provenance.content import of_rasters, seal
from ganworks.files.provenance.note import text_of, unsealed
from ganworks.files.provenance.xmp import xmp
from ganworks.files.rasters.read import still

PNG_TEXTS = ("Software", "ganworks", "XML:com.adobe.xmp")  # keywords under which a PNG holds the note
_PLAIN = ("L", "LA", "RGB", "RGBA")  # kinds of pixels that a PNG gives back as they are


def encode(frames: list[Image.Image], form: str, mark: dict[str, Any] | None, fps: float = 12.0) -> bytes:
    """Encode an image as "png", "webp" or "gif"; several frames make a looping animation.

    mark: a note to store, to which the digest of the pixels is added, or None. fps: frames per second of an animation.
    """
    options: dict[str, Any] = {}
    if len(frames) > 1:
        options = {"save_all": True, "append_images": frames[1:], "duration": round(1000 / fps), "loop": 0}
    if form == "webp":
        options |= {"lossless": True, "quality": 50}
    digest = _kept(frames, form) if mark is not None else ""
    return marked(lambda more: _saved(frames[0], form.upper(), options | more), form.upper(), mark, digest)


def _kept(frames: list[Image.Image], form: str) -> str:
    """The digest of what a reader of the file will see, where that is what is written: stills as PNG; else ""."""
    plain = form == "png" and len(frames) == 1 and frames[0].mode in _PLAIN and not frames[0].info
    return of_rasters([still(frames[0])]) if plain else ""


def _saved(image: Image.Image, form: str, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return buffer.getvalue()


def marked(save: Any, form: str, mark: dict[str, Any] | None, digest: str = "") -> bytes:
    """A picture in a format of Pillow's with the note in it. save(options for Pillow) -> its bytes. digest: of its
    pixels, where it is known.
    """
    if mark is None:
        return save({})
    if form == "GIF":  # its comments are cut into pieces, so that only the packet has a place for the digest
        return seal(gif_with_xmp(save(options_for(form, mark)), xmp(unsealed(mark))), form)
    return seal(save(options_for(form, unsealed(mark))), form, digest)


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
