"""Decodes an image to uint8 [C, H, W] by these rules:

| in the file | becomes |
|---|---|
| 8-bit grey, RGB | as it is |
| palette, 1-bit | RGB or grey by the palette; 1-bit is 0 and 255 |
| RGBA, LA, palette with alpha | composited over the stated background colour, unless alpha is requested |
| CMYK, YCCK | Pillow's plain formula 255 - min(255, ink + black); colour profiles are not applied |
| YCbCr, LAB, HSV | RGB |
| 10 to 16 bits | scaled by the bit depth that the file states, not clipped |
| signed or 32-bit integers, floats | scaled from black to white as `stored` says, with a warning; NaN is refused |
| EXIF orientation | applied once |
| animations, several pages | the first frame, with a warning |

Formats outside the allow-list are not opened, the size in the header is checked before pixels are allocated, and a
truncated file is corrupt: missing pixels are never filled with grey.
"""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, ImageColor

from ganworks.core.errors import UsageError
from ganworks.files.rasters.header import (
    FORMATS,
    MAX_BYTES,
    MAX_PIXELS,
    SUFFIXES,
    DecodeError,
    check_png,
    header,
    short,
)
from ganworks.files.rasters.stored import Range, Stored, eight_bits, is_grey, orientation

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_TURNS = {  # by EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass
class Notes:
    """What decoding found: (height, width) and mode of the last image as stored, and the count of each warning."""

    size: tuple[int, int] = (0, 0)
    mode: str = ""
    warnings: Counter = field(default_factory=Counter)


def colour(text: str) -> tuple[int, int, int]:
    """The RGB of a colour name or "#rrggbb"; raises UsageError."""
    try:
        return ImageColor.getrgb(text)[:3]
    except (ValueError, AttributeError) as error:
        raise UsageError(f'background "{text}" is not a colour; give a name such as white, or "#8040ff".') from error


def upright_size(data: bytes, name: str = "image") -> tuple[int, int]:
    """(H, W) after the EXIF orientation, from the header alone; raises DecodeError."""
    image = header(data, name)
    turned = False
    # Pillow would decode a PNG in search of a late chunk, and says the upright size of a TIFF by itself.
    if image.format != "TIFF" and (image.format != "PNG" or "exif" in image.info):
        try:
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        except Exception:  # damaged EXIF says nothing about the orientation
            turned = False
    return image.size if turned else image.size[::-1]


def decode(
    data: bytes,
    name: str = "image",
    *,
    channels: int | None = None,
    background: str = "white",
    near: tuple[int, int] | None = None,
    known: Range | None = None,
    notes: Notes | None = None,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Encoded bytes -> uint8 [C, H, W].

    channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; None gives 1 for grey images and 3 for others.
    background: the colour behind transparent pixels if channels is None, 1 or 3.
    near: (H, W) to which the caller will shrink: a JPEG may then be decoded at 1/2, 1/4 or 1/8 of its size, but not
        below twice (H, W).
    known: black and white of numbers whose type does not say, see `stored`; None: those of this file.
    notes: collects warnings, size and mode. Raises DecodeError(name, reason).
    """
    notes = Notes() if notes is None else notes
    image = header(data, name, max_pixels)
    if image.format == "PNG":
        check_png(data, name)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            _first_frame(image, notes)
            notes.mode, notes.size = image.mode, image.size[::-1]
            if near and image.format == "JPEG" and image.mode in ("RGB", "L"):
                image.draft(None, (2 * near[1], 2 * near[0]))
            stored = Stored.of(image, data, name)
            turn = orientation(image)
        notes.warnings.update({short(w.message) for w in caught})
        image = _eight_bit(stored, known, notes) if stored.deep else image
        return _to_array(_upright(image, turn), channels, background)
    except DecodeError:
        raise
    except MemoryError as error:
        raise DecodeError(name, "not enough memory to decode it.") from error
    except Exception as error:  # a decoder may raise anything on hostile bytes
        raise DecodeError(name, f"damaged or cut short ({short(error)}).") from error


def all_grey(source: Any, background: str, most: int) -> bool:
    """Whether up to `most` evenly spaced images of a source are all grey; unreadable ones are ignored."""
    for index in np.unique(np.linspace(0, len(source) - 1, min(most, len(source))).round().astype(int)):
        try:
            array = decode(source.get(index), source.name(index), background=background, near=(32, 32))
        except DecodeError:
            continue
        if len(array) != 1 and (array != array[:1]).any():
            return False
    return True


def _first_frame(image: Image.Image, notes: Notes) -> None:
    # An MPO is a phone's JPEG with a depth or gain map appended: only its first image is the photograph.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        notes.warnings["several frames or pages: the first was used"] += 1
        image.seek(0)


def _upright(image: Image.Image, turn: int) -> Image.Image:
    return image.transpose(_TURNS[turn]) if turn in _TURNS else image


def _to_array(image: Image.Image, channels: int | None, background: str) -> np.ndarray:
    """Up to 8 bits a channel -> uint8 [C, H, W]."""
    image = image.convert("LA") if image.mode == "La" else image
    alpha, grey = image.has_transparency_data, is_grey(image)
    channels = channels or (1 if grey else 3)
    if alpha and channels in (1, 3):
        back = Image.new("RGBA", image.size, (*colour(background), 255))
        image = Image.alpha_composite(back, image.convert("RGBA")).convert("RGB")
        if channels == 1 and grey and len(set(colour(background))) == 1:
            image = image.getchannel(0)
    elif image.mode in ("LAB", "HSV", "CMYK", "P", "PA", "RGBa"):
        image = image.convert("RGBA" if alpha else "RGB")
    array = np.asarray(image.convert(MODES[channels]))
    return np.ascontiguousarray(array[None] if array.ndim == 2 else array.transpose(2, 0, 1))


def _eight_bit(stored: Stored, known: Range | None, notes: Notes) -> Image.Image:
    """A deep image as L, LA, RGB or RGBA, and a warning that says how."""
    raster, (kind, bits, _) = stored.raster(known), stored.samples
    if stored.unstated:
        what = {"f": "float pixels", "i": f"signed pixels of {bits} bits", "u": f"pixels of {bits} bits"}[kind]
        notes.warnings[f"{what}: read as {raster.low:g}..{raster.top:g}"] += 1
    elif raster.bits > 8:
        notes.warnings[f"{round(np.log2(raster.top + 1))} bits a pixel: scaled to 8"] += 1
    return eight_bits(raster)


__all__ = [
    "FORMATS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "MODES",
    "SUFFIXES",
    "DecodeError",
    "Notes",
    "all_grey",
    "check_png",
    "colour",
    "decode",
    "header",
    "upright_size",
]
