"""Reads an image file completely: colour, alpha, bit depth, profile, EXIF, frames and their durations.

`files.rasters.decode` turns any file into uint8 for training. This module keeps what a processed image should retain:
16 bits stay 16 bits and alpha is separate; the orientation is applied once and then dropped. Formats and limits are
those of `files.rasters.decode`.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from ganworks.core.console.text import printable
from ganworks.files.rasters.decode import MAX_PIXELS, DecodeError, check_png, header

MAX_FILM = 400_000_000  # pixels of all frames of an animation together
_TURNED = (5, 6, 7, 8)  # orientations that swap width and height
_SPACES = {1: b"GRAY", 3: b"RGB "}
_LOW = {"RGB;16B": "RGB;16L", "RGB;16L": "RGB;16B", "RGBA;16B": "RGBA;16L", "RGBA;16L": "RGBA;16B"}
_LOW |= {"RGB;16N": "RGB;16B", "RGBA;16N": "RGBA;16B"}  # the host's order; every host of torch is little-endian


@dataclass(frozen=True)
class Raster:
    """An upright image. colour: [C, H, W] uint8, uint16 or float32, C = 1 (grey) or 3 (RGB); alpha: [H, W] of the same
    type, or None. top: the value of white; black is 0.
    """

    colour: np.ndarray
    alpha: np.ndarray | None = None
    top: float = 255.0

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.colour.shape[1], self.colour.shape[2]

    @property
    def bits(self) -> int:
        """8, 16, or 32 for float values."""
        return {1: 8, 2: 16}.get(self.colour.dtype.itemsize, 32)


@dataclass(frozen=True)
class ImageMetadata:
    """What an image file states beside its pixels.

    form: Pillow's name of the format. icc: the colour profile, if it fits the pixels as read. exif: without orientation
    and thumbnail. dpi: pixels per inch (x, y). durations: milliseconds of each frame, () for a still. loop: repeats, 0
    for ever.
    """

    form: str = "PNG"
    icc: bytes | None = None
    exif: Image.Exif | None = None
    dpi: tuple[float, float] | None = None
    durations: tuple[float, ...] = ()
    loop: int = 0


@dataclass
class Picture:
    """An image file as read: its frames in order, and its metadata."""

    frames: list[Raster]
    about: ImageMetadata = field(default_factory=ImageMetadata)

    @property
    def moving(self) -> bool:
        """Whether it is an animation."""
        return bool(self.about.durations)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Context manager: any error of a decoder becomes a DecodeError with the name of the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except DecodeError:
        raise
    except MemoryError as error:
        raise DecodeError(name, "not enough memory to decode it.") from error
    except Exception as error:
        raise DecodeError(
            name, f"damaged or cut short ({printable(str(error) or type(error).__name__)[:160]})."
        ) from error


def read(data: bytes, name: str = "image", max_pixels: int = MAX_PIXELS) -> Picture:
    """Encoded bytes -> all frames. Raises DecodeError for unreadable files, for TIFFs of several pages, and above
    MAX_FILM pixels in all frames.
    """
    image = header(data, name, max_pixels)
    if image.format == "PNG":
        check_png(data, name)
    with _named(name):
        # An MPO is a phone's JPEG with a depth or gain map appended: only its first image is the photograph.
        count = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
        if count > 1 and image.format == "TIFF":
            raise DecodeError(name, f"a TIFF of {count} pages; split it into files first.")
        if count * image.size[0] * image.size[1] > MAX_FILM:
            raise DecodeError(name, f"{count} frames are more than {MAX_FILM:,} pixels; make it a video (.mp4) first.")
        low = _low_bytes(data) if count == 1 else None
        frames, durations = [], []
        for index in range(count):
            if count > 1:
                image.seek(index)
            image.load()
            turn = _orientation(image)
            frames.append(_upright(_parts(image, low, name), turn))
            durations.append(float(image.info.get("duration", 100)))
        loop = int(image.info.get("loop", 1 if image.format == "GIF" else 0))
        about = ImageMetadata(
            "JPEG" if image.format == "MPO" else str(image.format),
            _profile(image, frames[0]),
            _exif(image),
            _dpi(image, turn),
            tuple(durations) if count > 1 else (),
            loop,
        )
    return Picture(frames, about)


def still(image: Image.Image) -> Raster:
    """The upright raster of a PIL image in memory."""
    with _named("image"):
        image.load()
        return _upright(_parts(image, None, "image"), _orientation(image))


def _low_bytes(data: bytes) -> Image.Image | None:
    """The low bytes of 16-bit colour channels (both bytes for grey with alpha); None for all other images.

    Pillow keeps only the high bytes; here the same decoder is told to unpack the other byte of each pair.
    """
    image = Image.open(io.BytesIO(data), formats=("PNG", "TIFF")) if data[:4] in _DEEP_MAGIC else None
    if image is None or not image.tile:
        return None
    args: Any = image.tile[0][3]
    raw = args if isinstance(args, str) else args[0] if isinstance(args, tuple) else ""
    other = "RGBA" if raw == "LA;16B" else _LOW.get(raw)
    if other is None:
        return None
    tiles: list[Any] = list(image.tile)
    image.tile = [type(t)(*t[:3], other if isinstance(args, str) else (other, *t[3][1:])) for t in tiles]
    image.load()
    image.info["both"] = raw == "LA;16B"
    return image


_DEEP_MAGIC = (b"\x89PNG", b"II*\0", b"MM\0*")


def _parts(image: Image.Image, low: Image.Image | None, name: str) -> Raster:
    """Colour, alpha and depth of a loaded image, before its orientation is applied."""
    if low is not None:
        return _deep(image, low)
    if image.mode.startswith(("I", "F")):
        return _wide(image, name)
    alpha = image.has_transparency_data
    grey = image.mode in ("1", "L", "LA", "La") or (image.mode == "P" and _grey_palette(image))
    if image.mode == "1":
        image = image.convert("L")
    full = image.convert("RGBA" if alpha else "L" if image.mode == "L" else "RGB")
    array = np.asarray(full)
    array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    colour = array[: 1 if grey else 3]
    return Raster(np.ascontiguousarray(colour), np.ascontiguousarray(array[3]) if alpha else None)


def _grey_palette(image: Image.Image) -> bool:
    palette = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())


def _deep(image: Image.Image, low: Image.Image) -> Raster:
    lows = np.asarray(low).astype(np.uint16).transpose(2, 0, 1)
    if low.info["both"]:
        grey, alpha = lows[0] << 8 | lows[1], lows[2] << 8 | lows[3]
        return Raster(grey[None], alpha, 65535.0)
    both = np.asarray(image).astype(np.uint16).transpose(2, 0, 1) << 8 | lows
    return Raster(np.ascontiguousarray(both[:3]), both[3] if len(both) == 4 else None, 65535.0)


def _wide(image: Image.Image, name: str) -> Raster:
    """Modes I;16*, I and F: grey of more than 8 bits."""
    values = np.asarray(image)
    if image.mode == "F":
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 255:
            raise DecodeError(name, "float values outside 0..1 and 0..255: the value of white is unknown.")
        return Raster(values.astype(np.float32)[None], None, 1.0 if values.max() <= 1 else 255.0)
    stated = getattr(image, "tag_v2", {}).get(258, (16,))
    top = 2.0 ** int(stated[0] if isinstance(stated, tuple) else stated) - 1
    if image.mode == "I":
        values, top = np.rint(values.astype(np.float64).clip(0, top) * (65535 / top)), 65535.0
    return Raster(values.astype(np.uint16)[None], None, top)


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1 to 8. It is read after the pixels: Pillow itself turns a TIFF while loading, and then drops
    the tag.
    """
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged EXIF says nothing about the orientation
        return 1


def _upright(raster: Raster, orientation: int) -> Raster:
    """Undo an EXIF orientation (EXIF 2.32, tag 274)."""

    def turn(plane: np.ndarray) -> np.ndarray:
        if orientation in _TURNED:
            plane = plane.swapaxes(-1, -2)
        if orientation in (2, 3, 6, 7):
            plane = plane[..., ::-1]
        if orientation in (3, 4, 7, 8):
            plane = plane[..., ::-1, :]
        return np.ascontiguousarray(plane)

    if not 2 <= orientation <= 8:
        return raster
    alpha = None if raster.alpha is None else turn(raster.alpha)
    return Raster(turn(raster.colour), alpha, raster.top)


def _profile(image: Image.Image, raster: Raster) -> bytes | None:
    icc = image.info.get("icc_profile")
    fits = isinstance(icc, bytes) and icc[16:20] == _SPACES[len(raster.colour)]
    return icc if fits else None


_KEPT = {270, 271, 272, 306, 315, 33432}  # description, make, model, date, artist, copyright


def _exif(image: Image.Image) -> Image.Exif | None:
    """EXIF about the photograph, without what describes the pixels as stored; None if there is none."""
    try:
        old, new = image.getexif(), Image.Exif()
        for tag in _KEPT & set(old):
            new[tag] = old[tag]
        for place in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            table = {tag: value for tag, value in old.get_ifd(place).items() if tag not in (0x927C, 0xA005)}
            if table:
                new[place] = table
        return new if len(new) else None
    except Exception:  # damaged EXIF is left out
        return None


def _dpi(image: Image.Image, turn: int) -> tuple[float, float] | None:
    found = image.info.get("dpi")
    if not (isinstance(found, tuple) and len(found) == 2 and all(0 < float(n) < 1e5 for n in found)):
        return None
    x, y = float(found[0]), float(found[1])
    return (y, x) if turn in _TURNED else (x, y)
