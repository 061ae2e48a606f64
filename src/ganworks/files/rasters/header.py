"""Opens image files safely: the formats that are read, and the limits that are checked before pixels are allocated."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import Any

from PIL import Image, UnidentifiedImageError

from ganworks.core.console.text import printable
from ganworks.core.errors import UsageError
from ganworks.files.rasters import tiff

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm"),
)
MAX_PIXELS = 40_000_000
MAX_BYTES = 512 << 20
_NATIVE = {"I;16BS": "I;16S", "I;32BS": "I;32S", "F;32BF": "F;32F"}  # every host of torch is little-endian


class DecodeError(UsageError):
    """An item of a data set cannot be read. name: which one; reason: why."""

    def __init__(self, name: str, reason: str):
        super().__init__(f'"{name}" cannot be read as an image: {reason}')
        self.name, self.reason = name, reason


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
            image = Image.open(io.BytesIO(tiff.readable(data)), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise DecodeError(name, _unknown(data)) from error
    except Image.DecompressionBombError as error:
        raise DecodeError(name, f"more than {max_pixels:,} pixels.") from error
    except Exception as error:  # a parser may raise anything on a hostile file
        raise DecodeError(name, f"its header is damaged ({short(error)}).") from error
    _check_size(*image.size, name, max_pixels)
    _mend(image, data)
    return image


def _unknown(data: bytes) -> str:
    if tiff.directory(data) is None:
        return f"it is none of {', '.join(FORMATS)}, or its header is damaged."
    return "a TIFF whose kind of pixels is not read; save it with 8 or 16 bits a channel, or as 32-bit float grey."


def _mend(image: Any, data: bytes) -> None:
    """Set right what Pillow says about the pixels: the order of unpacked bytes, and the transparent value of a PNG of 2
    or 4 bits, which it leaves as stored while it scales the pixels.
    """
    for place, tile in enumerate(image.tile):
        if tile[0] == "libtiff" and tile[3][0] in _NATIVE:
            image.tile[place] = type(tile)(*tile[:3], (_NATIVE[tile[3][0]], *tile[3][1:]))
    clear = image.info.get("transparency")
    if image.format == "PNG" and image.mode == "L" and data[24] < 8 and isinstance(clear, int):
        image.info["transparency"] = clear * (255 // (2 ** data[24] - 1))


def short(error: object) -> str:
    """The text of an error of a decoder, at most 160 printable characters."""
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
