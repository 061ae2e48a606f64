"""Decodes an image to uint8 [C, H, W] by these rules:

| in the file | becomes |
|---|---|
| 8-bit grey, RGB | as it is |
| palette, 1-bit | RGB or grey by the palette; 1-bit is 0 and 255 |
| RGBA, LA, palette with alpha | composited over the stated background colour, unless alpha is requested |
| CMYK, YCCK | Pillow's plain formula 255 - min(255, ink + black); colour profiles are not applied |
| YCbCr, LAB, HSV | RGB |
| 16-bit grey, 32-bit integers | scaled by the bit depth that the file states, not clipped |
| 16-bit RGB | the high byte (a scale by 256) |
| float | 0..1, or 0..255 when a value above 1 occurs (with a warning); anything else is refused |
| EXIF orientation | applied once |
| animations, several pages | the first frame, with a warning |

Formats outside the allow-list are not opened, the size in the header is checked before pixels are allocated, and a
truncated file is corrupt: missing pixels are never filled with grey.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError

from ganworks.core.console.text import printable
from ganworks.core.errors import UsageError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
MAX_PIXELS = 40_000_000
MAX_BYTES = 512 << 20
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


class DecodeError(UsageError):
    """An item of a data set cannot be read. name: which one; reason: why."""

    def __init__(self, name: str, reason: str):
        super().__init__(f'"{name}" cannot be read as an image: {reason}')
        self.name, self.reason = name, reason


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


def header(data: bytes, name: str = "image", max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The opened but not yet decoded image; raises DecodeError for unknown formats, damaged headers and too many
    pixels.
    """
    if not data:
        raise DecodeError(name, "the file is empty.")
    _check_webp(data, name, max_pixels)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise DecodeError(name, f"it is none of {', '.join(FORMATS)}, or its header is damaged.") from error
    except Image.DecompressionBombError as error:
        raise DecodeError(name, f"more than {max_pixels:,} pixels.") from error
    except Exception as error:  # a parser may raise anything on a hostile file
        raise DecodeError(name, f"its header is damaged ({_short(error)}).") from error
    _check_size(*image.size, name, max_pixels)
    return image


def upright_size(data: bytes, name: str = "image") -> tuple[int, int]:
    """(H, W) after the EXIF orientation, from the header alone; raises DecodeError."""
    image = header(data, name)
    turned = False
    if image.format != "PNG" or "exif" in image.info:  # Pillow would decode a PNG in search of a late chunk
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
    notes: Notes | None = None,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Encoded bytes -> uint8 [C, H, W].

    channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; None gives 1 for grey images and 3 for others.
    background: the colour behind transparent pixels if channels is None, 1 or 3.
    near: (H, W) to which the caller will shrink: a JPEG may then be decoded at 1/2, 1/4 or 1/8 of its size, but not
        below twice (H, W).
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
            image.load()
            image = ImageOps.exif_transpose(image)
        notes.warnings.update({_short(w.message) for w in caught})
        return _to_array(image, channels, background, notes, name)
    except DecodeError:
        raise
    except MemoryError as error:
        raise DecodeError(name, "not enough memory to decode it.") from error
    except Exception as error:  # a decoder may raise anything on hostile bytes
        raise DecodeError(name, f"damaged or cut short ({_short(error)}).") from error


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


def _short(error: object) -> str:
    return printable(str(error) or type(error).__name__)[:160]


def _check_size(width: int, height: int, name: str, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise DecodeError(name, f"its header says {width} x {height} pixels.")
    if width * height > max_pixels:
        raise DecodeError(name, f"{width} x {height} is more than {max_pixels:,} pixels; make it smaller first.")


def _check_webp(data: bytes, name: str, max_pixels: int) -> None:
    """Pillow allocates the canvas of a WebP when it opens it, so its size is read here first (RFC 9649)."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return
    kind = data[12:16]
    if kind == b"VP8X":
        size = int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    elif kind == b"VP8 ":
        size = int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    else:
        bits = int.from_bytes(data[21:25], "little")
        size = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    _check_size(*size, name, max_pixels)


def check_png(data: bytes, name: str) -> None:
    """Walk the chunks up to IEND and verify every CRC (PNG 5.3); Pillow does not check those of pixel data. Raises
    DecodeError.
    """
    at = 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        end = at + 12 + length
        if end > len(data):
            raise DecodeError(name, "the file is cut short.")
        if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise DecodeError(name, f"wrong checksum in its {printable(data[at + 4 : at + 8].decode('latin1'))} chunk.")
        if data[at + 4 : at + 8] == b"IEND":
            return
        at = end
    raise DecodeError(name, "the file is cut short.")


def _first_frame(image: Image.Image, notes: Notes) -> None:
    # An MPO is a phone's JPEG with a depth or gain map appended: only its first image is the photograph.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        notes.warnings["several frames or pages: the first was used"] += 1
        image.seek(0)


def _to_array(image: Image.Image, channels: int | None, background: str, notes: Notes, name: str) -> np.ndarray:
    if image.mode.startswith(("I", "F")):
        image = _eight_bit(image, notes, name)
    alpha = image.has_transparency_data
    grey = image.mode in ("1", "L", "LA", "La") or (image.mode == "P" and _grey_palette(image))
    channels = channels or (1 if grey else 3)
    if alpha and channels in (1, 3):
        back = Image.new("RGBA", image.size, (*colour(background), 255))
        image = Image.alpha_composite(back, image.convert("RGBA")).convert("RGB")
        if channels == 1 and grey and len(set(colour(background))) == 1:
            image = image.getchannel(0)
    elif image.mode in ("LAB", "HSV", "CMYK", "P", "PA", "La", "RGBa"):
        image = image.convert("RGBA" if alpha else "RGB")
    array = np.asarray(image.convert(MODES[channels]))
    return np.ascontiguousarray(array[None] if array.ndim == 2 else array.transpose(2, 0, 1))


def _grey_palette(image: Image.Image) -> bool:
    palette = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())


def _eight_bit(image: Image.Image, notes: Notes, name: str) -> Image.Image:
    """Modes I;16*, I and F to L."""
    values = np.asarray(image).astype(np.float64)
    if image.mode == "F":
        top = _float_top(values, notes, name)
    else:
        stated = getattr(image, "tag_v2", {}).get(258, (16,))
        bits = int(stated[0] if isinstance(stated, tuple) else stated)
        top = 2.0**bits - 1
        notes.warnings[f"{bits} bits a pixel: scaled to 8"] += 1
    return Image.fromarray(np.rint(values.clip(0, top) * (255 / top)).astype(np.uint8))


def _float_top(values: np.ndarray, notes: Notes, name: str) -> float:
    if not np.isfinite(values).all():
        raise DecodeError(name, "it holds values that are not finite.")
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 255:
        raise DecodeError(
            name,
            f"float values from {low:g} to {high:g}: the value of white is unknown. "
            "Scale them to 0..1, or give the data as an .npy array.",
        )
    top = 1.0 if high <= 1 else 255.0
    notes.warnings[f"float pixels: read as 0..{top:g}"] += 1
    return top
