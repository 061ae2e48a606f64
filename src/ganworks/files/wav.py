"""Encodes waves as WAV and FLAC files with a note of provenance. The same wave and note give the same bytes.

RIFF (Microsoft 1991): "fmt ", "LIST" of type INFO with ISFT (software) and ICMT (the note as JSON), "_PMX" (the note as
XMP), then "data".
"""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.files.provenance.containers import riff_chunk
from ganworks.files.provenance.content import of_sound
from ganworks.files.provenance.note import text_of
from ganworks.files.provenance.xmp import xmp


def soundfile() -> Any:
    """The module `soundfile`; raises UsageError if it is not installed."""
    try:
        import soundfile as module
    except (ImportError, OSError) as error:
        raise UsageError("Sound needs soundfile and soxr: pip install 'ganworks[audio]'.") from error
    return module


def _text(value: str) -> bytes:
    return value.encode() + b"\0"


def wav_bytes(wave: np.ndarray, rate: int, mark: dict[str, Any] | None = None) -> bytes:
    """int16 [C, n] at `rate` Hz as a 16-bit PCM WAV. mark: a note to store, or None. Raises UsageError above 4 GB."""
    if wave.dtype != np.int16 or wave.ndim != 2:
        raise ValueError(f"a WAV is written from int16 [C, n], not from {wave.dtype} {wave.shape}")
    channels = len(wave)
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    parts = [b"WAVE", riff_chunk(b"fmt ", form)]
    if mark is not None:
        mark = {**mark, "content": of_sound(wave, rate)}
        note = riff_chunk(b"ISFT", _text("ganworks")) + riff_chunk(b"ICMT", _text(text_of(mark)))
        parts += [riff_chunk(b"LIST", b"INFO" + note), riff_chunk(b"_PMX", xmp(mark).encode())]
    parts.append(riff_chunk(b"data", np.ascontiguousarray(wave.T).astype("<i2").tobytes()))
    content = b"".join(parts)
    if len(content) >= 1 << 32:
        raise UsageError("A WAV holds at most 4 GB; write fewer samples, or a folder of one file each.")
    return b"RIFF" + struct.pack("<I", len(content)) + content


def flac_bytes(wave: np.ndarray, rate: int, mark: dict[str, Any] | None = None) -> bytes:
    """int16 [C, n] at `rate` Hz as FLAC with at most 8 channels; the note goes into the comment. Raises UsageError."""
    library, buffer = soundfile(), io.BytesIO()
    if len(wave) > 8:
        raise UsageError(f"A FLAC has at most 8 channels, not {len(wave)}; write a .wav.")
    with library.SoundFile(buffer, "w", rate, len(wave), "PCM_16", format="FLAC") as file:
        if mark is not None:
            mark = {**mark, "content": of_sound(wave, rate)}
            file.software, file.comment = "ganworks", text_of(mark)
        file.write(np.ascontiguousarray(wave.T))
    return buffer.getvalue()


def read_pcm(content: bytes, name: str) -> tuple[np.ndarray, int]:
    """(int16 [C, n], rate in Hz) of a sound that `wav_bytes` or `flac_bytes` wrote. Raises UsageError for others."""
    library = soundfile()
    try:
        with library.SoundFile(io.BytesIO(content)) as file:
            if file.subtype != "PCM_16":
                raise UsageError(f"{name} has samples of another type than 16 bits ({file.subtype}).")
            return np.ascontiguousarray(file.read(dtype="int16", always_2d=True).T), int(file.samplerate)
    except library.LibsndfileError as error:
        raise UsageError(f"{name} cannot be read: {str(error)[:160]}") from error
