"""Decoding of a recording to float32 [C, n] and its sample rate, and conversion of such arrays.

| in the file | becomes |
|---|---|
| WAV (RIFF, RIFX, RF64), FLAC, OGG (Vorbis, Opus) | float32, full scale = 1 |
| 8, 16, 24, 32 bits, mu-law, A-law, float32, float64 | by the bit depth that the file states |
| float samples above full scale | scaled down as a whole to a peak of 1, with a warning |
| several channels to one | their mean, with a warning; where they cancel (opposite phase), the loudest, likewise |
| one channel to several | copies; several to fewer: the first ones, with a warning |
| any rate from 100 to 768,000 Hz | resampled (soxr, "HQ") to round(n * to / from) samples |
| a WAV that does not state its size (streamed) | read to its end, with a warning |

Refused with the name of the file: no samples, samples that are not finite, a file shorter than the size that it states,
MP3 and other formats whatever the suffix, more than MAX_VALUES samples. Memory is never allocated from a size that a
header states. Recordings of hours are packed in blocks, see `long`.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from ganworks.core.console.text import counted, printable
from ganworks.core.errors import UsageError
from ganworks.core.machine import memory
from ganworks.files.rasters.decode import DecodeError
from ganworks.files.wav import soundfile

SUFFIXES = (".wav", ".wave", ".flac", ".ogg", ".oga", ".opus")
SUBTYPES = ("PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "VORBIS", "OPUS")
MAX_BYTES = 512 << 20  # of one file
MAX_VALUES = 1 << 27  # samples x channels of one recording: 46 minutes of mono at 48 kHz
RATES = (100, 768_000)
MAX_CHANNELS = 64
QUIETEST = 1e-4  # a recording with a smaller peak counts as silence and is not amplified
CANCELLED = 0.05  # power of the mean of N channels, over theirs by N: 1 where they are independent, N where equal
PEAK = 0.95  # of a recording that is normalised by its peak
_BLOCK = 1 << 16
_CHECKED = 1 << 24  # values between two looks at the memory
_UNSTATED = 0x7FFFF000  # programs that do not know the size of a stream write a size from here on

Normalize = Literal["peak", "off"]


class SoundError(DecodeError):
    """A recording of a data set cannot be read. name: its file; reason: a phrase that says why."""

    def __init__(self, name: str, reason: str):
        UsageError.__init__(self, f'"{name}" cannot be read as a recording: {reason}')
        self.name, self.reason = name, reason


def read_sound(
    data: bytes | str | Path, name: str = "", warnings: Counter[str] | None = None
) -> tuple[np.ndarray, int]:
    """An encoded recording, or the path of one -> (float32 [C, n] with a peak of at most 1, rate in Hz).

    name: the name in errors. warnings: counts the warnings of the table above. Raises SoundError by the rules above
    and UsageError for a path that cannot be opened.
    """
    if not isinstance(data, bytes):
        name, data = name or printable(str(data)), _file_bytes(Path(data))
    name, warnings = name or "recording", Counter() if warnings is None else warnings
    if len(data) > MAX_BYTES:
        raise SoundError(name, f"more than {MAX_BYTES:,} bytes; cut it into parts.")
    rate = sound_facts(io.BytesIO(data), name, warnings)[0]
    x = _read_blocks(io.BytesIO(data), name)
    return limited_to_full_scale(x, name, warnings), rate


def sound_blocks(data: BinaryIO, name: str, most: int) -> Iterator[np.ndarray]:
    """The samples of an encoded recording in turn, float32 [n, C].

    Memory grows with the samples read, not with the count in the header. most: samples x channels that are taken.
    Raises SoundError, at the end also for a file with fewer samples than it states.
    """
    with _decoding(name, "damaged or cut short"):
        file = soundfile().SoundFile(data)
    length = 0
    while True:
        with _decoding(name, "damaged or cut short"):
            part = file.read(_BLOCK, dtype="float32", always_2d=True)
        if not len(part):
            break
        length += len(part)
        if length * file.channels > most:
            raise SoundError(name, f"more than {most:,} samples; cut it into parts.")
        yield part
    if not length:
        raise SoundError(name, "it has no samples.")
    if length < file.frames < 1 << 62:
        raise SoundError(name, f"it is cut short: {length:,} of {counted(file.frames, 'sample')} can be read.")


def sound_facts(data: BinaryIO, name: str = "recording", warnings: Counter[str] | None = None) -> tuple[int, int]:
    """(rate in Hz, channels) of an encoded recording, from its header alone; raises SoundError."""
    _check_form(data, name, Counter() if warnings is None else warnings)
    data.seek(0)
    with _decoding(name, "its header is damaged"), soundfile().SoundFile(data) as file:
        _check_facts(file, name)
        return file.samplerate, file.channels


@contextmanager
def _decoding(name: str, what: str) -> Iterator[None]:
    try:
        yield
    except SoundError:
        raise
    except Exception as error:  # a decoder may raise anything on hostile bytes
        raise SoundError(name, f"{what} ({printable(str(error))[:160]}).") from error


def _file_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f'"{printable(str(path))}" cannot be read: {error.strerror or error}.') from error


def _check_form(data: BinaryIO, name: str, warnings: Counter[str]) -> None:
    """Refuse data in none of the three containers, and a WAV file that is cut short."""
    head = data.read(12)
    if not head:
        raise SoundError(name, "the file is empty.")
    if head[:4] in (b"fLaC", b"OggS"):
        return
    if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:] == b"WAVE":
        if head[:4] != b"RF64":  # RF64 states sizes elsewhere; the decoder compares them
            _check_size(data, "big" if head[:4] == b"RIFX" else "little", name, warnings)
        return
    kind = f"it begins with {head[:8]!r}"
    if head[:3] == b"ID3" or (head[0] == 0xFF and len(head) > 1 and head[1] & 0xE0 == 0xE0):
        kind = "it is an MP3 file, whatever its name says"
    raise SoundError(name, f"{kind}; give WAV, FLAC or OGG (ffmpeg -i in.mp3 out.wav).")


def _check_size(data: BinaryIO, order: Literal["little", "big"], name: str, warnings: Counter[str]) -> None:
    """Check that the data chunk of a WAV file is complete."""
    at, end = 12, data.seek(0, io.SEEK_END)
    while at + 8 <= end:
        data.seek(at)
        chunk = data.read(8)
        kind, size = chunk[:4], int.from_bytes(chunk[4:], order)
        if kind == b"data":
            if size >= _UNSTATED:
                warnings["the header does not state the size: read to the end of the file"] += 1
            elif size > end - at - 8:
                raise SoundError(name, f"it is cut short: {end - at - 8:,} of {size:,} bytes are there.")
            return
        at += 8 + size + size % 2
    raise SoundError(name, "it has no samples, or ends inside its header.")


def _check_facts(file: Any, name: str) -> None:
    if file.subtype not in SUBTYPES:
        raise SoundError(name, f"its samples are coded as {printable(str(file.subtype))}; use 16-bit PCM.")
    if not RATES[0] <= file.samplerate <= RATES[1]:
        raise SoundError(name, f"its rate is {file.samplerate:,} Hz; {RATES[0]:,} to {RATES[1]:,} can be read.")
    if not 1 <= file.channels <= MAX_CHANNELS:
        raise SoundError(name, f"it has {file.channels} channels; 1 to {MAX_CHANNELS} can be read.")


def _read_blocks(data: BinaryIO, name: str) -> np.ndarray:
    """All samples [C, n]; memory grows with the samples read, not with the count in the header."""
    parts, total = [], 0
    for part in sound_blocks(data, name, MAX_VALUES):
        total += part.size
        if total // _CHECKED != (total - part.size) // _CHECKED:
            memory.check_bytes(4 * total * part.itemsize, f'"{name}"')
        parts.append(part)
    return np.ascontiguousarray(np.concatenate(parts).T)


def limited_to_full_scale(x: np.ndarray, name: str, warnings: Counter[str]) -> np.ndarray:
    """x [C, n], scaled down to a peak of 1 if its peak is larger; SoundError for values that are not finite."""
    bad = int((~np.isfinite(x)).sum())
    scale = full_scale(float(np.abs(x).max()), bad, x.size, name, warnings)
    return x if scale == 1 else x / scale


def full_scale(peak: float, bad: int, count: int, name: str, warnings: Counter[str]) -> np.float32:
    """What the samples of a recording are divided by, so that none is above full scale; it is 1 where none is.

    peak: their largest magnitude. bad: how many of `count` are not finite, for which SoundError is raised.
    """
    if bad:
        raise SoundError(name, f"{bad:,} of {counted(count, 'sample is', 'samples are')} not finite (NaN or infinite).")
    if peak <= 1:
        return np.float32(1)
    warnings["samples above full scale: scaled down to a peak of 1"] += 1
    return np.float32(peak)


def mix(x: np.ndarray, channels: int, warnings: Counter[str] | None = None) -> np.ndarray:
    """[C, n] -> [channels, n]: for one channel see `mono`, copies of one channel, else the first ones with a warning.

    Raises UsageError where several channels would have to become more.
    """
    if len(x) == channels:
        return x
    if channels == 1:
        return mono(x, loudest(*powers(x)), Counter() if warnings is None else warnings)
    if len(x) == 1:
        return np.repeat(x, channels, 0)
    if len(x) > channels:
        if warnings is not None:
            warnings[f"only the first {counted(channels, 'channel was', 'channels were')} used"] += 1
        return x[:channels]
    raise UsageError(f"{counted(len(x), 'channel')} cannot become {channels}; give channels=1 or channels={len(x)}.")


def powers(x: np.ndarray) -> tuple[np.ndarray, float]:
    """The sums of squares of the channels of [C, n], float64 [C], and that of their mean."""
    mean = x.mean(0, dtype=np.float32)
    return np.array([np.dot(c, c) for c in x], np.float64), float(np.dot(mean, mean))


def loudest(each: np.ndarray, mean: float) -> int | None:
    """The loudest channel where the mean of all is next to nothing beside them; else None. The arguments: `powers`."""
    return int(each.argmax()) if mean < CANCELLED * each.mean() / len(each) else None


def mono(x: np.ndarray, channel: int | None, warnings: Counter[str]) -> np.ndarray:
    """[C, n] -> [1, n]: the mean, or with a warning one channel where the others cancel it."""
    if channel is None:
        warnings["several channels mixed down to one, their mean"] += 1
        return x.mean(0, keepdims=True, dtype=np.float32)
    warnings["channels in opposite phase, which cancel each other: the loudest one was used"] += 1
    return x[channel : channel + 1]


def resample(x: np.ndarray, rate: int, to: int, quality: str = "HQ") -> np.ndarray:
    """float32 [C, n] at `rate` Hz -> float32 [C, round(n * to / rate)], at least one sample, by soxr.

    Band-limited (quality "HQ" keeps 91 % of the band below the lower Nyquist frequency). The same rate gives x itself.
    Raises UsageError for a result of more than MAX_VALUES samples, and where soxr is not installed.
    """
    if rate == to:
        return x
    wanted = resampled_length(x.shape[1], len(x), rate, to, MAX_VALUES)
    made = resampler().resample(np.ascontiguousarray(x.T), rate, to, quality).T.astype(np.float32, copy=False)
    return np.ascontiguousarray(fit(made, wanted))


def resampled_length(length: int, channels: int, rate: int, to: int, most: int) -> int:
    """The samples that `length` of them become at another rate; UsageError for more than `most` in all channels."""
    wanted = max(1, round(length * to / rate))
    if wanted * channels > most:
        raise UsageError(f"{length:,} samples at {rate:,} Hz would be {wanted:,} at {to:,} Hz; cut them into parts.")
    return wanted


def resampler() -> Any:
    """The library soxr; UsageError where it is not installed."""
    try:
        import soxr
    except ImportError as error:
        raise UsageError("Resampling needs soxr: pip install 'ganworks[audio]'.") from error
    return soxr


def fit(x: np.ndarray, length: int, start: int = 0) -> np.ndarray:
    """`length` samples of [C, n] from `start` on, with silence outside of x (start may be negative)."""
    out = np.zeros((len(x), length), x.dtype)
    first, last = max(0, start), min(x.shape[1], start + length)
    if last > first:
        out[:, first - start : last - start] = x[:, first:last]
    return out


def normalize(x: np.ndarray, how: Normalize, warnings: Counter[str] | None = None) -> np.ndarray:
    """x [C, n], scaled to a largest magnitude of PEAK with "peak", unchanged with "off" and where it is silent."""
    if how == "off":
        return x
    gain = normal_gain(float(np.abs(x).max()), Counter() if warnings is None else warnings)
    return x if gain == 1 else x * gain


def normal_gain(peak: float, warnings: Counter[str]) -> np.float32:
    """What samples with this peak are multiplied by to have the peak PEAK; 1 for silence, with a warning."""
    if peak < QUIETEST:
        warnings["silent"] += 1
        return np.float32(1)
    return np.float32(PEAK / peak)


def to_int16(x: np.ndarray) -> np.ndarray:
    """float in [-1, 1] -> int16, rounded; the samples of a 16-bit file are restored exactly."""
    return np.rint(np.clip(x * np.float32(32768), -32768, 32767)).astype(np.int16)


def trimmed(x: np.ndarray, below: float = 1e-3, keep: int = 0) -> np.ndarray:
    """[C, n] up to `keep` samples after the last one with a magnitude above `below` (full scale = 1).

    At least one sample is left.
    """
    loud = np.flatnonzero(np.abs(x).max(0) > below)
    return x[:, : min(x.shape[1], (int(loud[-1]) + 1 if len(loud) else 1) + keep)]
