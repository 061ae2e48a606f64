"""Pictures of a run as data URIs within a byte budget, so that a report stays one file of a few megabytes."""

from __future__ import annotations

import base64
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

_FILE_LIMIT = 64 << 20  # a grid larger than this is not opened
_PIXEL_LIMIT = 100_000_000
_FORMATS = ("PNG", "WEBP", "GIF", "JPEG")
_PIXEL_ART = 480  # a grid narrower than this is enlarged without smoothing


@dataclass(frozen=True)
class EmbeddedPicture:
    """An embedded picture: its data URI and its size in pixels."""

    uri: str
    width: int
    height: int

    @property
    def small(self) -> bool:
        """Whether it should be enlarged without smoothing."""
        return self.width < _PIXEL_ART


def embed(path: Path, budget: int) -> EmbeddedPicture | None:
    """The picture in at most `budget` bytes of file data; None when it is no picture that can be read.

    A PNG, WebP, GIF or JPEG that fits is embedded as it is. A larger one becomes WebP, and smaller until it fits; of an
    animation, the first frame is kept.
    """
    try:
        if path.stat().st_size > _FILE_LIMIT:
            return None
        raw = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(raw), formats=_FORMATS)
        if picture.width * picture.height > _PIXEL_LIMIT:
            return None
        picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    width, height = picture.size
    if len(raw) <= budget:
        return EmbeddedPicture(_uri((picture.format or "png").lower(), raw), width, height)
    return EmbeddedPicture(_uri("webp", _shrink(picture, budget)), width, height)


def _shrink(picture: Image.Image, budget: int) -> bytes:
    picture = picture.convert("RGBA" if "A" in picture.getbands() else "RGB")
    picture.thumbnail((1280, 2560), reducing_gap=2.0)  # shown 560 points wide, on dense screens twice that
    while True:
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=85, method=0)
        if buffer.tell() <= budget or min(picture.size) <= 16:
            return buffer.getvalue()
        scale = max(0.4, min(0.85, 0.95 * (budget / buffer.tell()) ** 0.5))
        smaller = (max(1, int(picture.width * scale)), max(1, int(picture.height * scale)))
        picture = picture.resize(smaller, Image.Resampling.LANCZOS)


def _uri(kind: str, raw: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(raw).decode('ascii')}"


def choose_frames(items: list[tuple[int, Path]], most: int, keep: int | None = None) -> list[tuple[int, Path]]:
    """At most `most` frames: the first, the last, the one nearest to `keep`, and others at even steps of log(seen).

    Early training changes fast, so even steps of `seen` would spend most frames on its end.
    """
    if len(items) <= most:
        return items
    low, high = max(1, items[0][0]), max(2, items[-1][0])
    chosen = {0, len(items) - 1}
    if keep is not None:
        chosen.add(min(range(len(items)), key=lambda i: abs(items[i][0] - keep)))
    spots = max(1, most - len(chosen))
    for i in range(1, spots + 1):
        target = low * (high / low) ** (i / (spots + 1))
        free = [j for j in range(len(items)) if j not in chosen]
        chosen.add(min(free, key=lambda j: abs(items[j][0] - target)))
    return [items[i] for i in sorted(chosen)]
