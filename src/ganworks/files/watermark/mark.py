"""One watermark for everything: what is asked of it is a picture, frames, or a sound."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from ganworks.core.errors import UsageError
from ganworks.files.rasters import film
from ganworks.files.rasters.decode import DecodeError
from ganworks.files.rasters.read import read
from ganworks.files.rasters.stored import Raster, scaled
from ganworks.files.watermark import pictures, sound
from ganworks.files.watermark.chance import Finding
from ganworks.files.watermark.key import Key, load_key

_SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac")
_LONGEST = 600  # seconds of sound that are read


@dataclass(frozen=True)
class Watermark:
    """Puts the watermark of a key into pictures and sounds."""

    key: Key

    @staticmethod
    def load(path: str | Path) -> Watermark:
        """From a key file. Raises UsageError, see `key.load_key`."""
        return Watermark(load_key(path))

    @property
    def name(self) -> str:
        """What notes and records say of it; it does not reveal the key."""
        return self.key.name

    def image(self, image: Image.Image) -> Image.Image:
        """A picture of mode L, LA, RGB or RGBA with the watermark. Raises UsageError when it is too small."""
        planes = np.atleast_3d(np.asarray(image)).transpose(2, 0, 1)
        colours = len(planes) - (len(planes) % 2 == 0)
        made = np.concatenate([pictures.embed(planes[:colours], self.key), planes[colours:]])
        return Image.fromarray(np.ascontiguousarray(made.transpose(1, 2, 0)).squeeze(), image.mode)

    def raster(self, raster: Raster) -> Raster:
        """A raster of any depth with the watermark. Raises UsageError when it is too small."""
        return replace(raster, colour=pictures.embed(raster.colour, self.key, raster.top, raster.low))

    def frames(self, frames: np.ndarray) -> np.ndarray:
        """uint8 [T, 1 or 3, H, W], each with the watermark. Raises UsageError when they are too small."""
        return np.stack([pictures.embed(frame, self.key) for frame in frames])

    def sound(self, wave: np.ndarray, rate: int) -> np.ndarray:
        """int16 [C, n] at `rate` Hz with the watermark. Raises UsageError when it is too short."""
        return sound.embed(wave, rate, self.key)

    def find(self, path: str | Path) -> Finding | None:
        """What is seen of the watermark in a picture, an animation, a film or a sound; None for other files.

        Raises DecodeError or UsageError for a file that cannot be read.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix in _SOUNDS:
            return sound.find(*_heard(path), self.key)
        if suffix in film.SUFFIXES:
            return pictures.find(film.frames(path), self.key)
        return self.find_in(path.read_bytes(), path.name)

    def find_in(self, content: bytes, name: str) -> Finding | None:
        """The same in the bytes of a picture, or of a sound that they begin as."""
        if content[:4] in (b"fLaC", b"OggS") or content[:3] == b"ID3" or content[8:12] == b"WAVE":
            return sound.find(*_heard(io.BytesIO(content), name), self.key)
        try:
            found = read(content, name)
        except DecodeError:
            return None
        return pictures.find(_bytes(found.frames), self.key)


def _bytes(frames: Iterable[Raster]) -> Iterator[np.ndarray]:
    return (scaled(frame.colour, frame.low, frame.top, 255) for frame in frames)


def _heard(file: Path | io.BytesIO, name: str = "") -> tuple[np.ndarray, int]:
    """(float32 [C, n] of at most ten minutes, rate)."""
    from ganworks.files.wav import soundfile

    library = soundfile()
    name = name or str(getattr(file, "name", "the sound"))
    try:
        with library.SoundFile(file) as opened:
            rate = int(opened.samplerate)
            wave = opened.read(_LONGEST * rate, dtype="float32", always_2d=True)
    except (library.LibsndfileError, RuntimeError) as error:
        raise UsageError(f"{name} cannot be read as a sound: {str(error)[:160]}") from error
    return np.asarray(wave).T * np.float32(32768), rate
