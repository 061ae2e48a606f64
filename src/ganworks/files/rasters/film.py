"""Reads films frame by frame, passes the frames through a function and writes films: by PyAV (extra `video`), that is
FFmpeg.

One rule holds for all containers: frames are read upright, with square pixels (the sample aspect ratio enlarges one
side) and opaque: transparent pixels are composited. Films are written so; what that loses is said.

Time stamps, frame rate and sound are kept. Frames have 8 bits per channel. H.264 and VP9 store colour at half
resolution, so a side of odd length grows by one pixel, which repeats the last one.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from ganworks.core.console.text import printable
from ganworks.core.errors import GanworksError, UsageError
from ganworks.files.rasters.decode import DecodeError

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")
_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".avi": "avi"}
_CODECS = {
    "webm": ("libvpx-vp9", {"crf": "24", "b": "0"}),
    "avi": ("mpeg4", {"flags": "+qscale", "global_quality": "236"}),
}
_USUAL = (
    "libx264",
    {"crf": "16", "preset": "medium", "x264-params": "mbtree=0"},
)  # mbtree makes bytes differ between runs
_SAME: dict[str, Any] = {"options": {"fflags": "+bitexact"}}  # no random ids: the same bytes each time
_UNSUMMED = {"options": {"fflags": "+bitexact", "write_crc32": "0"}}  # the note is completed after the film
_MAX_SIDE = 16_384
_SEE_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # decoders that read the alpha of WebM, which the usual ones skip
_NARROWEST = Fraction(1, 8)  # sample aspect ratio that is believed; and 8


def pyav() -> Any:
    """The module `av`; raises UsageError if it is not installed."""
    try:
        import av
    except ImportError as error:
        raise UsageError(
            "Films need PyAV: pip install 'ganworks[video]'. Folders and strips of frames, GIF, WebP and animated PNG "
            "do not."
        ) from error
    return av


def note_of(film: bytes | Path) -> str:
    """The comment in the metadata of a film, "" without one. Raises UsageError if it is not a readable film."""
    av = pyav()
    try:
        with av.open(io.BytesIO(film) if isinstance(film, bytes) else str(film)) as opened:
            return {name.lower(): str(text) for name, text in opened.metadata.items()}.get("comment", "")
    except av.error.FFmpegError as error:
        raise UsageError(f"This film cannot be read: {printable(str(error))[:160]}.") from error


def packets(film: BinaryIO | Path) -> Iterator[tuple[int, bytes]]:
    """(number of the stream, bytes) of each compressed packet of pictures and sound, each stream in its order.

    Raises DecodeError for what cannot be read, UsageError without PyAV.
    """
    av = pyav()
    try:
        with av.open(str(film) if isinstance(film, Path) else film) as opened:
            kinds = [stream.index for stream in opened.streams if stream.type in ("video", "audio")]
            for number, index in enumerate(kinds):
                opened.seek(0)
                for packet in opened.demux(opened.streams[index]):
                    if packet.size:
                        yield number, bytes(packet)
    except av.error.FFmpegError as error:
        raise DecodeError("film", f"FFmpeg: {printable(str(error))[:160]}.") from error


def state_colours(context: Any, space: int, primaries: int = 2, transfer: int = 2) -> None:
    """Say in a stream what its colours mean: matrix (ITU-T H.273), primaries, transfer, limited range.

    What is not stated, browsers guess by the number of rows: from 720 on, they show other colours. primaries, transfer:
    those of the source; unstated ones (0, 2) become BT.709's (1), those of screens.
    """
    context.colorspace, context.color_range = space, 1
    context.color_primaries = primaries if primaries not in (0, 2) else 1
    context.color_trc = transfer if transfer not in (0, 2) else 1


def decoder_of(av: Any, stream: Any) -> Callable[[Any], list[Any]]:
    """What decodes the packets of a video stream, alpha included."""
    name = _SEE_ALPHA.get(stream.codec_context.name) if stream.metadata.get("alpha_mode") == "1" else None
    if name is None:
        return lambda packet: packet.decode()
    decode: Callable[[Any], list[Any]] = av.CodecContext.create(name, "r").decode
    return decode


def shown(frame: Any, stream: Any, background: str = "white") -> tuple[np.ndarray, bool]:
    """(a decoded frame as a player shows it, uint8 [3, H, W] with square pixels; whether pixels were transparent).

    Transparent pixels are composited on `background`.
    """
    from ganworks.files.rasters.pixels import change_channels, resize  # torch, which reading a note does not need

    array, clear = frame.to_ndarray(format="rgb24").transpose(2, 0, 1), False
    if any(part.is_alpha for part in frame.format.components):
        full = frame.to_ndarray(format="rgba").transpose(2, 0, 1)
        clear = bool((full[3] < 255).any())
        array = change_channels(full, 3, background) if clear else array
    ratio = Fraction(stream.sample_aspect_ratio or 1)
    if ratio != 1 and _NARROWEST <= ratio <= 1 / _NARROWEST:
        tall, wide = array.shape[1:]
        size = (tall, round(wide * ratio)) if ratio > 1 else (round(tall / ratio), wide)
        array = resize(np.ascontiguousarray(array), size, "stretch")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(array, turns, (1, 2))), clear


def convert(
    source: Path,
    target: BinaryIO,
    suffix: str,
    run: Callable[[np.ndarray], np.ndarray],
    *,
    note: str = "",
    on_frame: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Pass every frame of a film through `run` (uint8 [3, H, W] -> uint8 [3, H', W']); returns what was lost, in
    sentences without a capital and a stop.

    target: an open, seekable file. suffix: its format, one of SUFFIXES. note: written to the comment of the file.
    on_frame(done, count): count is 0 if the file does not state it. Raises DecodeError, GanworksError for frames that
    are too large, and UsageError without PyAV.
    """
    av, kind = pyav(), _FORMATS[suffix.lower()]
    try:
        how = _UNSUMMED if kind in ("matroska", "webm") else _SAME
        with av.open(str(source)) as film, av.open(target, "w", **how, format=kind) as made:
            if not film.streams.video:
                raise DecodeError(printable(source.name), "it holds no video.")
            if note:
                made.metadata["comment"] = note
            conversion = _FilmConversion(av, film, made, run, on_frame)
            conversion.all()
            return conversion.lost(suffix.lower())
    except av.error.FFmpegError as error:
        raise DecodeError(printable(source.name), f"FFmpeg: {printable(str(error))[:160]}.") from error


class _FilmConversion:
    """The conversion of one film."""

    def __init__(self, av: Any, film: Any, made: Any, run: Callable, on_frame: Callable | None):
        self.av, self.film, self.made, self.run, self.on_frame = av, film, made, run, on_frame
        self.picture = film.streams.video[0]
        self.picture.thread_type = "AUTO"
        self.decode = decoder_of(av, self.picture)
        self.stream: Any = cast(Any, None)
        self.sound = _copied_sound(film, made)
        self.done, self.last, self.clear = 0, -1, False

    def lost(self, suffix: str) -> list[str]:
        """What of the film is not in the result, in sentences without a capital and a stop."""
        streams, said = self.film.streams, []
        if self.clear:
            said.append(f"transparent pixels are shown on white: {suffix} films are written without transparency")
        if streams.audio and self.sound is None:
            said.append(f"the sound is left out: {suffix} does not hold {streams.audio[0].codec_context.name}")
        more = {"sound tracks": streams.audio[1:], "pictures": streams.video[1:], "subtitles": streams.subtitles}
        beside = [f"{len(found)} more {what}" for what, found in more.items() if found]
        return [*said, *([f"left out: {', '.join(beside)}"] if beside else [])]

    def all(self) -> None:
        """Convert frames and copy sound in the order of the file."""
        waiting = []
        inputs = [self.picture, *([self.film.streams.audio[0]] if self.sound is not None else [])]
        for packet in self.film.demux(*inputs):
            if packet.stream is self.picture:
                for frame in self.decode(packet):
                    self._frame(frame)
            elif packet.dts is not None:
                waiting.append(packet)
            if self.stream is not None and waiting:
                self._sound(waiting)
        if self.stream is None:
            raise DecodeError(printable(str(self.film.name)), "it holds no frame that can be read.")
        self._sound(waiting)
        for packet in self.stream.encode():
            self.made.mux(packet)

    def _sound(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.stream = self.sound
            self.made.mux(packet)
        packets.clear()

    def _frame(self, frame: Any) -> None:
        array, clear = shown(frame, self.picture)
        self.clear |= clear
        out = self.run(array)
        out = _even(np.repeat(out, 3, 0) if len(out) == 1 else out[:3])
        if not self.done:
            self._begin(out.shape[2], out.shape[1], frame)
        new = self.av.VideoFrame.from_ndarray(np.ascontiguousarray(out.transpose(1, 2, 0)), format="rgb24")
        new = new.reformat(format="yuv420p", dst_colorspace=self.space, dst_color_range=1)
        new.time_base = self.stream.codec_context.time_base
        seconds = self.done / self.rate if frame.pts is None or self.even else frame.pts * frame.time_base
        new.pts = self.last = max(
            round(seconds / new.time_base), self.last + 1
        )  # in damaged files, time stamps may decrease
        for packet in self.stream.encode(new):
            self.made.mux(packet)
        self.done += 1
        if self.on_frame:
            self.on_frame(self.done, int(self.picture.frames or 0))

    def _begin(self, width: int, height: int, frame: Any) -> None:
        """Open the video stream of the result, once its size is known."""
        if max(width, height) > _MAX_SIDE:
            raise GanworksError(f"Frames of {width} x {height} are more than a video holds ({_MAX_SIDE}).")
        self.rate = Fraction(self.picture.average_rate or 25)
        name, options = _CODECS.get(self.made.format.name, _USUAL)
        self.stream = self.made.add_stream(name, rate=self.rate, options=options)
        self.stream.width, self.stream.height, self.stream.pix_fmt = width, height, "yuv420p"
        context = self.stream.codec_context
        self.even = self.made.format.name == "avi"  # AVI has no time stamps, only a rate
        context.time_base = 1 / self.rate if self.even else Fraction(1, 90_000)
        context.thread_count = 1  # the same bytes on every machine
        # FFmpeg assumes BT.601 for an unstated colour space, and the result is marked likewise.
        self.space = 1 if int(frame.colorspace) == 1 else 5
        state_colours(context, self.space, int(frame.color_primaries), int(frame.color_trc))


def _copied_sound(film: Any, made: Any) -> Any:
    """A stream that copies the sound unchanged; None if there is no sound or the new format cannot hold it."""
    if not film.streams.audio:
        return None
    try:
        return made.add_stream_from_template(film.streams.audio[0])
    except (ValueError, RuntimeError, OSError):
        return None


def _even(array: np.ndarray) -> np.ndarray:
    """[C, H, W] with even sides: the last row or column is repeated where needed."""
    return np.pad(array, ((0, 0), (0, array.shape[1] % 2), (0, array.shape[2] % 2)), "edge")


def frames(path: Path) -> Iterator[np.ndarray]:
    """The frames of a video as uint8 [3, H, W], see `shown`. Raises DecodeError, or UsageError without PyAV."""
    av = pyav()
    try:
        with av.open(str(path)) as film:
            stream = film.streams.video[0]
            decode = decoder_of(av, stream)
            for packet in film.demux(stream):
                for frame in decode(packet):
                    yield shown(frame, stream)[0]
    except av.error.FFmpegError as error:
        raise DecodeError(printable(path.name), f"FFmpeg: {printable(str(error))[:160]}.") from error
