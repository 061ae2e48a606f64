"""What the numbers in an image file mean: the one place where stored pixels become brightness.

| stored | black and white |
|---|---|
| unsigned integers of b bits, up to 16 | 0 and 2^b - 1, whatever values occur |
| signed integers of 8 bits | -128 and 127 |
| other signed integers, 32-bit integers | 0 and 255 if all values lie between, else the smallest and the largest |
| floats | 0 and 1, -1 and 1, or 0 and 255, the first that all values lie between; else the smallest and the largest |

"All values" are those of a whole data set (see `common_range`), and a network trained on it keeps them for the files
that it is applied to; without a data set they are those of one file. White-is-zero turns every one of these round. A
value that a PNG calls transparent is transparent at any depth.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from ganworks.files.rasters import tiff
from ganworks.files.rasters.header import DecodeError, header
from ganworks.files.rasters.tiff import Samples

FLOATS = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))  # ranges of floats that are pictures
WHOLE = ((0.0, 255.0),)
FEW = 0.1  # share of a range below which a picture is nearly one grey
TURNED = (5, 6, 7, 8)  # orientations that swap width and height
_LOW = {"RGB;16B": "RGB;16L", "RGB;16L": "RGB;16B", "RGBA;16B": "RGBA;16L", "RGBA;16L": "RGBA;16B"}
_LOW |= {"RGBX;16B": "RGBX;16L", "RGBX;16L": "RGBX;16B"}
# N: the order of the host, which is little-endian wherever torch runs
_LOW |= {"RGB;16N": "RGB;16B", "RGBA;16N": "RGBA;16B", "RGBX;16N": "RGBX;16B"}
_DEEP_MAGIC = (b"\x89PNG", b"II*\0", b"MM\0*")
_TIFF = (".tif", ".tiff")  # the only files whose numbers may have no range of their own

Range = tuple[float, float]  # values of black and white


@dataclass(frozen=True)
class Raster:
    """An upright image. colour: [C, H, W] uint8, uint16 or float32, C = 1 (grey) or 3 (RGB); alpha: [H, W] of the same
    type, or None. low, top: the values of black and white.
    """

    colour: np.ndarray
    alpha: np.ndarray | None = None
    top: float = 255.0
    low: float = 0.0

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.colour.shape[1], self.colour.shape[2]

    @property
    def bits(self) -> int:
        """8, 16, or 32 for float values."""
        return {1: 8, 2: 16}.get(self.colour.dtype.itemsize, 32)


def scaled(array: np.ndarray, low: float, top: float, new: int) -> np.ndarray:
    """Values in low..top as integers in 0..new, which is 255 or 65535."""
    dtype = np.uint8 if new == 255 else np.uint16
    if array.dtype == dtype and (low, top) == (0, new):
        return array
    return np.rint((array.astype(np.float64) - low).clip(0, top - low) * (new / (top - low))).astype(dtype)


def eight_bits(raster: Raster) -> Image.Image:
    """A raster as an 8-bit PIL image: L, LA, RGB or RGBA."""
    planes = [*raster.colour] if raster.alpha is None else [*raster.colour, raster.alpha]
    array = scaled(np.stack(planes, -1), raster.low, raster.top, 255)
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def black_and_white(low: float, high: float, whole: bool) -> Range:
    """The values of black and white for numbers from low to high whose type says nothing. whole: integers."""
    known = next((pair for pair in (WHOLE if whole else FLOATS) if pair[0] <= low and high <= pair[1]), None)
    return known or (low, high if high > low else low + 1)


# One file -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stored:
    """A loaded image with the numbers that Pillow does not show. image: loaded, not turned by EXIF; samples: what its
    numbers are; low: see `_low_bytes`; planes: the planes of a TIFF that stores them apart, or None.
    """

    image: Image.Image
    samples: Samples
    name: str = "image"
    low: Image.Image | None = None
    planes: tuple[np.ndarray, ...] | None = None
    extra: tuple[int, ...] = ()

    @staticmethod
    def of(image: Image.Image, data: bytes | None, name: str = "image") -> Stored:
        """Load an opened image. data: its file, or None for an image in memory."""
        samples = _samples(image, data)
        image.load()
        if data is None:
            return Stored(image, samples, name)
        parts = tiff.planes(data)
        if parts is None:
            return Stored(image, samples, name, _low_bytes(data))
        planes = tuple(np.asarray(_loaded(part, name)) for part in parts)
        return Stored(image, samples, name, None, planes, tiff.extra_samples(data))

    @property
    def deep(self) -> bool:
        """Whether Pillow's own 8 bits of it are not what it shows."""
        wide = self.image.mode.startswith(("I", "F"))
        return wide or self.low is not None or self.planes is not None or self.samples.kind != "u"

    @property
    def unstated(self) -> bool:
        """Whether the type of the numbers does not say what is black and white."""
        kind, bits, _ = self.samples
        return self.deep and (kind == "f" or bits > 16 or (kind == "i" and bits > 8))

    @property
    def values(self) -> np.ndarray:
        """The numbers [C, H, W] or [H, W] of a deep image in their own type; raises DecodeError for NaN."""
        kind, bits, _ = self.samples
        array = np.asarray(self.image) if self.planes is None else np.stack(self.planes)
        if kind == "f" and not np.isfinite(array).all():
            raise DecodeError(self.name, "it holds values that are not finite.")
        viewed = {("i", 8): "i1", ("u", 32): "u4"}.get((kind, bits))
        return array if viewed is None else np.ascontiguousarray(array).view(viewed)

    @property
    def extremes(self) -> Range:
        """The smallest and the largest number."""
        values = self.values
        return float(values.min()), float(values.max())

    def raster(self, known: Range | None = None) -> Raster:
        """Colour, alpha and depth, as stored, before the orientation is applied.

        known: black and white of numbers whose type does not say; None: those of this file. Raises DecodeError.
        """
        if self.low is not None:
            return _deep(self.image, self.low)
        if not self.deep:
            return _shallow(self.image)
        return self._transparent(self._wide(known))

    def _wide(self, known: Range | None) -> Raster:
        values, (kind, bits, inverted) = self.values, self.samples
        low, top = 0.0, 2.0**bits - 1
        if self.unstated:
            low, top = known or black_and_white(*self.extremes, kind != "f")
            values = values.astype(np.float32)
        elif kind == "i":
            values = (values.astype(np.int16) + 128).astype(np.uint8)
        values = values if values.ndim == 3 else values[None]
        if not self.unstated:
            values = values.clip(0, top).astype(np.uint8 if bits <= 8 else np.uint16)
        if inverted:
            values = (low + top - values).astype(values.dtype)
        return self._parted(Raster(values, None, top, low))

    def _parted(self, raster: Raster) -> Raster:
        """Planes as colour and alpha; alpha of kind 1 (TIFF 6.0, tag 338) has been multiplied into the colour."""
        count = len(raster.colour) - len(self.extra)
        colour = raster.colour[: 3 if count >= 3 else 1]
        if not self.extra or self.extra[0] not in (1, 2) or self.unstated:
            return Raster(colour, None, raster.top, raster.low)
        alpha = raster.colour[len(colour)]
        if self.extra[0] == 1:
            full = colour.astype(np.float64) * (raster.top / np.maximum(alpha, 1))
            colour = np.rint(full.clip(0, raster.top)).astype(colour.dtype)
        return Raster(colour, alpha, raster.top, raster.low)

    def _transparent(self, raster: Raster) -> Raster:
        clear = self.image.info.get("transparency")
        if not isinstance(clear, int) or raster.alpha is not None or self.unstated:
            return raster
        alpha = np.where(raster.colour[0] == clear, 0, raster.top).astype(raster.colour.dtype)
        return Raster(raster.colour, alpha, raster.top)


def _loaded(data: bytes, name: str) -> Image.Image:
    image = header(data, name)
    image.load()
    return image


def _samples(image: Image.Image, data: bytes | None) -> Samples:
    """By the tags of the file, or those that Pillow read; without any, those of a PNG, a PGM, a PFM, or of memory."""
    tags = getattr(image, "tag_v2", None)
    found = None if data is None else tiff.samples_of(data)
    if found or tags:
        return found or Samples.of_tags(tags)
    return {"F": Samples("f", 32), "I": Samples("u", 16)}.get(image.mode[:1], Samples("u", 8))


def _low_bytes(data: bytes) -> Image.Image | None:
    """The low bytes of 16-bit colour channels (both bytes for grey with alpha); None for all other images.

    Pillow keeps only the high bytes; here the same decoder is told to unpack the other byte of each pair.
    """
    image = Image.open(io.BytesIO(tiff.readable(data)), formats=("PNG", "TIFF")) if data[:4] in _DEEP_MAGIC else None
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


def _deep(image: Image.Image, low: Image.Image) -> Raster:
    lows = np.asarray(low).astype(np.uint16).transpose(2, 0, 1)
    if low.info["both"]:
        grey, alpha = lows[0] << 8 | lows[1], lows[2] << 8 | lows[3]
        return Raster(grey[None], alpha, 65535.0)
    both = np.asarray(image).astype(np.uint16).transpose(2, 0, 1) << 8 | lows
    colour, alpha = np.ascontiguousarray(both[:3]), both[3] if len(both) == 4 else None
    clear = image.info.get("transparency")
    if alpha is None and isinstance(clear, tuple):
        hidden = (colour == np.array(clear, np.uint16).reshape(3, 1, 1)).all(0)
        alpha = np.where(hidden, 0, 65535).astype(np.uint16)
    return Raster(colour, alpha, 65535.0)


def _shallow(image: Image.Image) -> Raster:
    """Up to 8 bits a channel, as Pillow shows them."""
    image = image.convert("LA") if image.mode == "La" else image
    alpha, grey = image.has_transparency_data, is_grey(image)
    full = image.convert("RGBA" if alpha else "L" if image.mode in ("1", "L") else "RGB")
    array = np.asarray(full)
    array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    colour = array[: 1 if grey else 3]
    return Raster(np.ascontiguousarray(colour), np.ascontiguousarray(array[3]) if alpha else None)


def is_grey(image: Image.Image) -> bool:
    """Whether the mode of an image, or its palette, holds no colour."""
    return image.mode in ("1", "L", "LA", "La") or (image.mode == "P" and _grey_palette(image))


def _grey_palette(image: Image.Image) -> bool:
    palette = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())


def orientation(image: Image.Image) -> int:
    """EXIF orientation 1 to 8. It is read after the pixels: Pillow itself turns a TIFF while loading, and then drops
    the tag.
    """
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged EXIF says nothing about the orientation
        return 1


def reading_of(raster: Raster, known: Range | None = None) -> str:
    """How a raster of more than 8 bits was read, where that may surprise; "" elsewhere. known: see `Stored.raster`."""
    low, top = raster.low, raster.top
    seen = float(raster.colour.min()), float(raster.colour.max())
    if raster.bits == 8:
        return ""
    if seen[1] - seen[0] < FEW * (top - low):
        return (
            f"its pixels use {seen[0]:g} to {seen[1]:g} of {low:g} to {top:g} alone, which looks nearly like one grey"
        )
    stated = raster.bits == 16 or (low, top) in (known, *FLOATS, *WHOLE)
    return "" if stated else f"read with {low:g} as black and {top:g} as white"


# A data set -----------------------------------------------------------------------------------------------------------


def common_range(files: Iterable[tuple[str, Callable[[], bytes]]]) -> Range | None:
    """Black and white of the files of a set whose numbers have no range of their own; None without such files.

    files: (name, function that reads it). Only TIFFs are opened; those that cannot be read are passed over.
    """
    ends, whole = [], True
    for name, get in files:
        if not name.lower().endswith(_TIFF):
            continue
        try:
            data = get()
            image = header(data, name)
            found = Stored(image, _samples(image, data), name)
            if not found.unstated:
                continue
            found = Stored.of(image, data, name)
            ends += found.extremes
            whole = whole and found.samples.kind != "f"
        except Exception:  # a decoder may raise anything on hostile bytes; packing says what is wrong with them
            continue
    return black_and_white(min(ends), max(ends), whole) if ends else None


def files_of(source: Any) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """(name, function that reads it) of each item of a source of encoded images."""
    return ((source.name(index), partial(source.get, index)) for index in range(len(source)))


def range_facts(known: Range | None) -> dict[str, Any]:
    """The field `facts` of a spec that keeps a common range, so that a trained network reads files alike."""
    return {} if known is None else {"facts": {"range": list(known)}}


def range_of(facts: dict[str, Any], name: str = "range") -> Range | None:
    """The common range that the facts of a spec keep; None without a sound one."""
    ends = facts.get(name)
    if not (isinstance(ends, list | tuple) and len(ends) == 2 and all(isinstance(end, int | float) for end in ends)):
        return None
    low, high = float(ends[0]), float(ends[1])
    return (low, high) if np.isfinite([low, high]).all() and low < high else None


def range_notes(known: Range | None) -> list[str]:
    """The sentence on a common range; none without one."""
    if known is None:
        return []
    return [f"floats, signed and 32-bit integers: {known[0]:g} is black and {known[1]:g} is white in all files"]
