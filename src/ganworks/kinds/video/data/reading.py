"""Reading the frames of a clip, with rules for damaged, long and uneven clips.

- If a clip is cut short or damaged part-way, the frames before the damage are used and the clip is counted.
- If it has more than `limit` frames (a film of hours), the first `limit` are used and the clip is counted.
- If the times between frames vary, the frames are taken in their order and the clip is counted; with a frame rate
  (`fps`), the frame that is visible at each tick is taken.
- If it has no frame at all, it cannot be read (ClipError).
"""

from __future__ import annotations

import io
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ganworks.core.console.text import counted, printable
from ganworks.core.machine import memory
from ganworks.files.rasters.decode import MAX_PIXELS, DecodeError, colour, decode, header
from ganworks.files.rasters.film import decoder_of, pyav, shown
from ganworks.files.rasters.stored import Range, Stored, eight_bits
from ganworks.kinds.video.data.clips import ClipError, Opened

_DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi"  # no playlists, which could open other files
_UNEVEN = 1.5  # times vary if the longest frame is so many times as long as the shortest
_CHECKED = 1000  # frames between two looks at the memory
_TIMES = 256  # frames whose times are checked

Frame = np.ndarray  # uint8 [C, H, W], C = 1 or 3
Timed = Iterator[tuple[float, Frame]]  # seconds since the start; nan: unknown


@dataclass
class FrameReading:
    """How clips are read. limit: largest number of frames. fps: frames per second, 0 for all frames. strip: frames in a
    strip, 0 for square ones. background: the colour behind transparent pixels. fit: applied to each frame. known: black
    and white of pictures whose numbers have no range of their own, see `files.rasters.stored`.
    """

    limit: int
    fps: float = 0.0
    strip: int = 0
    background: str = "white"
    fit: Callable[[Frame], Frame] = lambda frame: frame
    known: Range | None = None

    def read(self, clip: Opened, name: str, met: Counter[str]) -> tuple[np.ndarray, float, tuple[int, int]]:
        """(frames [F, C, H, W], frames per second or 0, (H, W) as stored). met: counts warnings. Raises ClipError."""
        kept: list[Frame] = []
        times: list[float] = []
        size = (0, 0)
        try:
            for time, frame in self._chosen(clip, name, met):
                if len(kept) == self.limit:
                    met[f"only the first {self.limit:,} frames of a longer clip used"] += 1
                    break
                size = frame.shape[1:] if not kept else size
                kept.append(self.fit(frame))
                if not len(kept) % _CHECKED:
                    memory.check_bytes(2 * len(kept) * kept[-1].nbytes, f'"{name}": {len(kept):,} frames and more')
                if len(times) < _TIMES:
                    times.append(time)
        except DecodeError as error:
            if not kept:
                raise ClipError(name, error.reason) from error
            met["damaged part-way: the frames before are used"] += 1
        if not kept:
            raise ClipError(name, "it holds no frame.")
        rate, even = rate_of(times)
        if not even and not self.fps:
            met["frames at varying times: taken in their order (domain.fps= evens them out)"] += 1
        return np.stack(kept), self.fps or rate, size

    def first(self, clip: Opened, name: str) -> Frame:
        """The first frame as stored, without `fit`. Raises DecodeError."""
        for _, frame in self._chosen(clip, name, Counter()):
            return frame
        raise ClipError(name, "it holds no frame.")

    def _chosen(self, clip: Opened, name: str, met: Counter[str]) -> Timed:
        found = _READERS[clip.form](self, clip.payload, name, met)
        return ticks(found, self.fps) if self.fps and clip.form in ("film", "moving") else found


def rate_of(times: list[float]) -> tuple[float, bool]:
    """(frames per second, whether they are even) from the times of frames; (0, True) for unknown times."""
    steps = np.diff(times)
    steps = steps[np.isfinite(steps) & (steps > 0)]
    if not len(steps):
        return 0.0, True
    return float(1 / np.median(steps)), bool(steps.max() <= _UNEVEN * max(float(steps.min()), 1e-3))


def ticks(frames: Timed, fps: float) -> Timed:
    """The frame visible at each time k / fps, which is the last one that has begun."""
    shown, count = None, 0
    for time, frame in frames:
        while shown is not None and count / fps < time - 1e-6:
            yield count / fps, shown
            count += 1
        if not math.isfinite(time):  # frames of unknown times are passed on
            yield time, frame
            continue
        shown = frame
        if count / fps <= time + 1e-6:
            yield count / fps, shown
            count += 1


def _film(reading: FrameReading, payload: Path | bytes, name: str, met: Counter[str]) -> Timed:
    av = pyav()
    source = str(payload) if isinstance(payload, Path) else io.BytesIO(payload)
    try:
        with av.open(source, options={"format_whitelist": _DEMUXERS}) as film:
            if not film.streams.video:
                raise ClipError(name, "it has no video stream.")
            stream = film.streams.video[0]
            wide, tall = stream.codec_context.width, stream.codec_context.height
            if wide * tall > MAX_PIXELS:
                raise ClipError(name, f"{wide} x {tall} is more than {MAX_PIXELS:,} pixels.")
            begin, decode = None, decoder_of(av, stream)
            for frame in (frame for packet in film.demux(stream) for frame in decode(packet)):
                if frame.width * frame.height > MAX_PIXELS:
                    raise ClipError(name, f"a frame of {frame.width} x {frame.height} pixels.")
                time = math.nan if frame.pts is None else float(frame.pts * frame.time_base)
                begin = time if begin is None else begin
                yield time - begin, shown(frame, stream, reading.background)[0]
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise ClipError(name, f"FFmpeg: {printable(str(error))[:160]}.") from error


def _moving(reading: FrameReading, payload: bytes, name: str, met: Counter[str]) -> Timed:
    """The frames of a GIF, WebP or PNG animation, composited over the background."""
    image, time = header(payload, name), 0.0
    back = Image.new("RGBA", image.size, (*colour(reading.background), 255))
    index = 0
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                image.seek(index)
                stored = Stored.of(image, None, name)
                seen = eight_bits(stored.raster()) if stored.deep else image
                grey = seen.mode in ("1", "L")
                shown = seen.convert("L") if grey else Image.alpha_composite(back, seen.convert("RGBA")).convert("RGB")
        except EOFError:
            return
        except Exception as error:  # a decoder may raise anything on hostile bytes
            raise ClipError(name, f"damaged or cut short ({printable(str(error))[:160]}).") from error
        array = np.asarray(shown)
        yield time, array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
        time += max(1.0, float(image.info.get("duration", 100) or 100)) / 1000
        index += 1


def _strip(reading: FrameReading, payload: bytes, name: str, met: Counter[str]) -> Timed:
    whole = decode(payload, name, background=reading.background, known=reading.known)
    _, tall, wide = whole.shape
    count = reading.strip or wide // tall
    if count < 1 or wide % count or (not reading.strip and wide % tall):
        parts = f"{counted(reading.strip, 'frame')}" if reading.strip else "square frames"
        raise ClipError(name, f"{wide} x {tall} pixels do not divide into {parts} (domain.strip= says how many).")
    for frame in np.split(whole, count, axis=2):
        yield math.nan, frame


def _frames(
    reading: FrameReading, payload: list[tuple[str, Callable[[], bytes]]], name: str, met: Counter[str]
) -> Timed:
    size = None
    for label, read in payload:
        frame = decode(read(), printable(label), background=reading.background, known=reading.known)
        size = size or frame.shape[1:]
        if frame.shape[1:] != size:
            raise ClipError(printable(label), f"a frame of {frame.shape[1:]} among frames of {size} (height, width).")
        yield math.nan, frame


def _array(reading: FrameReading, payload: np.ndarray, name: str, met: Counter[str]) -> Timed:
    return ((math.nan, frame) for frame in payload)


_READERS: dict[str, Callable[..., Timed]] = {
    "film": _film,
    "moving": _moving,
    "strip": _strip,
    "frames": _frames,
    "array": _array,
}
