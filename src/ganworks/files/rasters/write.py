"""Encodes rasters: format, bit depth, profile, EXIF and durations are kept, and a note of provenance can be added."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganworks.core.errors import GanworksError, UsageError, nearest
from ganworks.files.atomic import replace_file
from ganworks.files.provenance import replace_result, xmp
from ganworks.files.provenance.content import seal
from ganworks.files.provenance.note import unsealed
from ganworks.files.provenance.pictures import marked, png_texts_of
from ganworks.files.rasters import deep
from ganworks.files.rasters.read import ImageMetadata
from ganworks.files.rasters.stored import Raster, eight_bits, scaled

FORMS = {
    ".png": "PNG", ".apng": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG",
    ".webp": "WEBP", ".gif": "GIF",
    ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP", ".ppm": "PPM", ".pgm": "PPM", ".pbm": "PPM",
}  # fmt: skip
_MOVING = ("PNG", "WEBP", "GIF")
_ALPHA = ("PNG", "WEBP", "GIF", "TIFF")
_SAVED: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
}


def form_of(suffix: str) -> str:
    """Pillow's name of the format of a file suffix; raises UsageError for unknown suffixes."""
    if suffix.lower() not in FORMS:
        raise UsageError(f"Cannot write pictures as {suffix!r}. {nearest(suffix.lower(), FORMS)}")
    return FORMS[suffix.lower()]


def save_picture(image: Image.Image, path: Path) -> Path:
    """Write an image atomically, in the format of the suffix; returns the path. Raises UsageError for a suffix or a
    kind of image that cannot be written, GanworksError when the disk refuses it.
    """
    replace_file(path, encoded(image, form_of(path.suffix)))
    return path


def save_sheet(image: Image.Image, path: Path, source: str = "compositeCapture") -> Path:
    """`save_picture` of several pictures in one to a place that a user named, with a note that ganworks wrote it.

    source: IPTC's digital source type. Raises TakenError when there is a file that ganworks did not write.
    """
    mark = {"software": "ganworks", "digitalSourceType": source}
    replace_result(path, encoded(image, form_of(path.suffix), mark))
    return path


def encoded(image: Image.Image, form: str, mark: dict[str, Any] | None = None) -> bytes:
    """An image as a file of a format of Pillow's. mark: a note to store, or None. Raises UsageError for a kind of image
    that it cannot hold.
    """

    def save(options: dict[str, Any]) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, form, **options)
        return buffer.getvalue()

    try:
        if form == "TIFF" and mark:
            return seal(save({"exif": _tiff_tags(None, unsealed(mark))}), form)
        return marked(save, form, mark)
    except (OSError, ValueError) as error:
        raise UsageError(f"This picture cannot be written as {form} ({error}). Name it .png.") from error


def resized(plane: np.ndarray, size: tuple[int, int], low: float, top: float) -> np.ndarray:
    """A plane [H, W] at another (H, W): bicubic with antialiasing, values clipped to [low, top]."""
    if plane.shape == size:
        return plane
    image = Image.fromarray(plane.astype(np.float32)).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    values = np.asarray(image).clip(low, top)
    return values if plane.dtype == np.float32 else np.rint(values).astype(plane.dtype)


def encode(frames: Sequence[Raster], about: ImageMetadata, mark: dict[str, Any] | None = None) -> bytes:
    """Encode frames in the format `about.form`.

    8 bits stay 8; 16 bits stay 16 in PNG and TIFF, float stays float in TIFF. JPEG has quality 95 without subsampling,
    WebP is lossless. Alpha is composited on white if the format has none. mark: a note to store (PNG, WebP, GIF, JPEG,
    TIFF), or None. Raises UsageError for an animation in a format of single images, GanworksError if the format cannot
    hold the size.
    """
    if len(frames) > 1 and about.form not in _MOVING:
        raise UsageError(f"A {about.form} holds one picture, not an animation; use .gif, .webp or .png.")
    about = _at_size(about, frames[0])
    try:
        if len(frames) == 1 and frames[0].bits == 16 and about.form in ("PNG", "TIFF"):
            return _sixteen(frames[0], about, mark)
        return _pillow(frames, about, mark)
    except (OSError, ValueError, OverflowError) as error:
        height, width = frames[0].size
        raise GanworksError(f"A picture of {width} x {height} cannot be written as {about.form}: {error}.") from error


def lost(frames: Sequence[Raster], form: str) -> list[str]:
    """What of the frames a format does not keep, in sentences without a capital and a stop."""
    alphas = [frame.alpha for frame in frames if frame.alpha is not None and (frame.alpha < frame.top).any()]
    if alphas and form not in _ALPHA:
        return [f"transparent pixels are shown on white: {form} keeps no transparency"]
    top = frames[0].top
    if form == "GIF" and any(((a > 0) & (a < top)).any() for a in alphas):
        return ["half-transparent pixels become opaque or transparent: GIF keeps nothing between"]
    return []


def _at_size(about: ImageMetadata, raster: Raster) -> ImageMetadata:
    """Metadata that fit the raster: EXIF states its size, and a profile for another colour space is dropped."""
    if about.exif is not None and (table := about.exif.get(0x8769)):
        for tag, value in ((0xA002, raster.size[1]), (0xA003, raster.size[0])):
            if tag in table:
                table[tag] = value
    space = b"GRAY" if len(raster.colour) == 1 else b"RGB "
    return about if about.icc is None or about.icc[16:20] == space else replace(about, icc=None)


def _sixteen(raster: Raster, about: ImageMetadata, mark: dict[str, Any] | None) -> bytes:
    planes = [raster.colour] if raster.alpha is None else [raster.colour, raster.alpha[None]]
    array = scaled(np.concatenate(planes), raster.low, raster.top, 65535)
    if about.form == "TIFF":
        if len(array) == 2:  # grey with alpha of 16 bits is a TIFF that few programs open
            array = array[[0, 0, 0, 1]]
        return seal(deep.tiff(array, icc=about.icc, xmp=xmp(unsealed(mark)).encode() if mark else None), "TIFF")
    exif = about.exif.tobytes()[6:] if about.exif is not None else None  # without the name "Exif"
    texts = [deep.text_chunk(name, text) for name, text in (png_texts_of(unsealed(mark)) if mark else {}).items()]
    return seal(deep.png(array, [*deep.png_facts(about.icc, exif, about.dpi), *texts]), "PNG")


def picture(raster: Raster, alpha: bool = True) -> Image.Image:
    """A raster as an 8-bit PIL image: L, LA, RGB or RGBA; with alpha=False it is composited on white."""
    image = eight_bits(raster)
    if alpha or raster.alpha is None:
        return image
    back = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(back, image.convert("RGBA")).convert("L" if len(raster.colour) == 1 else "RGB")


def _pillow(frames: Sequence[Raster], about: ImageMetadata, mark: dict[str, Any] | None) -> bytes:
    images = [_image(frame, about.form) for frame in frames]
    options: dict[str, Any] = {"icc_profile": about.icc} if about.icc else {}
    if about.form == "TIFF":  # libtiff, which compresses, writes no EXIF tables
        options["exif"] = _tiff_tags(about.exif, unsealed(mark) if mark else None)
        options |= {} if about.exif is not None else {"compression": "tiff_adobe_deflate"}
    elif about.exif is not None and about.form in ("PNG", "JPEG", "WEBP"):
        options["exif"] = about.exif.tobytes()
    if about.dpi and about.form in ("PNG", "JPEG", "TIFF"):
        options["dpi"] = about.dpi
    options |= _SAVED.get(about.form, {})
    if len(images) > 1:
        times = [round(d) for d in about.durations]
        options |= {"save_all": True, "append_images": images[1:], "duration": times, "loop": about.loop}
        options |= {"disposal": 2} if about.form == "GIF" and images[0].mode == "RGBA" else {}

    def save(more: dict[str, Any]) -> bytes:
        buffer = io.BytesIO()
        images[0].save(buffer, format=about.form, **options, **more)
        return buffer.getvalue()

    return seal(save({}), "TIFF") if about.form == "TIFF" else marked(save, about.form, mark)


def _tiff_tags(exif: Image.Exif | None, mark: dict[str, Any] | None) -> Image.Exif:
    """EXIF and the XMP packet as TIFF tags: Pillow takes one of the two arguments, not both."""
    tags = Image.Exif()
    if exif is not None:
        tags.load(exif.tobytes())
    if mark is not None:
        tags[700] = xmp(mark).encode()
    return tags


def _image(raster: Raster, form: str) -> Image.Image:
    if raster.bits == 32 and form == "TIFF" and raster.alpha is None and len(raster.colour) == 1:
        return Image.fromarray(raster.colour[0])
    if raster.bits == 16 and form == "PPM" and len(raster.colour) == 1 and raster.alpha is None:
        return Image.fromarray(scaled(raster.colour, raster.low, raster.top, 65535)[0])
    return picture(raster, form in _ALPHA)
