"""Reads an image file completely: colour, alpha, bit depth, profile, EXIF, frames and their durations.

`files.rasters.decode` turns any file into uint8 for training. This module keeps what a processed image should retain:
16 bits stay 16 bits and alpha is separate; the orientation is applied once and then dropped. Formats and limits are
those of `files.rasters.header`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import ExifTags, Image

from ganworks.files.rasters.header import MAX_PIXELS, DecodeError, check_png, header, short
from ganworks.files.rasters.stored import TURNED, Range, Raster, Stored, orientation

MAX_FILM = 400_000_000  # pixels of all frames of an animation together
_SPACES = {1: b"GRAY", 3: b"RGB "}


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
        raise DecodeError(name, f"damaged or cut short ({short(error)}).") from error


def read(data: bytes, name: str = "image", max_pixels: int = MAX_PIXELS, known: Range | None = None) -> Picture:
    """Encoded bytes -> all frames. known: black and white of numbers whose type does not say, see `stored`; None: those
    of this file. Raises DecodeError for unreadable files, for TIFFs of several pages, and above
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
        frames, durations = [], []
        for index in range(count):
            if count > 1:
                image.seek(index)
            stored = Stored.of(image, data if count == 1 else None, name)
            turn = orientation(image)
            frames.append(_upright(stored.raster(known), turn))
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


def still(image: Image.Image, known: Range | None = None) -> Raster:
    """The upright raster of a PIL image in memory; known: see `read`."""
    with _named("image"):
        stored = Stored.of(image, None)
        return _upright(stored.raster(known), orientation(image))


def _upright(raster: Raster, orientation: int) -> Raster:
    """Undo an EXIF orientation (EXIF 2.32, tag 274)."""

    def turn(plane: np.ndarray) -> np.ndarray:
        if orientation in TURNED:
            plane = plane.swapaxes(-1, -2)
        if orientation in (2, 3, 6, 7):
            plane = plane[..., ::-1]
        if orientation in (3, 4, 7, 8):
            plane = plane[..., ::-1, :]
        return np.ascontiguousarray(plane)

    if not 2 <= orientation <= 8:
        return raster
    alpha = None if raster.alpha is None else turn(raster.alpha)
    return replace(raster, colour=turn(raster.colour), alpha=alpha)


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
    return (y, x) if turn in TURNED else (x, y)
