"""Encodes waves as WAV and FLAC files with a note of provenance. The same wave and note give the same bytes.

RIFF (Microsoft 1991): "fmt ", "LIST" of type INFO with ISFT (software) and ICMT (the note as JSON), then "data".
"""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.core.schema.plain import read_json


def soundfile() -> Any:
    """The module `soundfile`; raises UsageError if it is not installed."""
    try:
        import soundfile as module
    except (ImportError, OSError) as error:
        raise UsageError("Sound needs soundfile and soxr: pip install 'ganworks[audio]'.") from error
    return module


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _text(value: str) -> bytes:
    return value.encode() + b"\0"


def wav_bytes(wave: np.ndarray, rate: int, mark: dict[str, Any] | None = None) -> bytes:
    """int16 [C, n] at `rate` Hz as a 16-bit PCM WAV. mark: a note to store, or None. Raises UsageError above 4 GB."""
    if wave.dtype != np.int16 or wave.ndim != 2:
        raise ValueError(f"a WAV is written from int16 [C, n], not from {wave.dtype} {wave.shape}")
    channels = len(wave)
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    parts = [b"WAVE", _chunk(b"fmt ", form)]
    if mark is not None:
        note = _chunk(b"ISFT", _text("ganworks")) + _chunk(b"ICMT", _text(json.dumps(mark)))
        parts.append(_chunk(b"LIST", b"INFO" + note))
    parts.append(_chunk(b"data", np.ascontiguousarray(wave.T).astype("<i2").tobytes()))
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
            file.software, file.comment = "ganworks", json.dumps(mark)
        file.write(np.ascontiguousarray(wave.T))
    return buffer.getvalue()


def read_note(data: bytes) -> dict[str, Any] | None:
    """The note in a WAV that `wav_bytes` wrote; None if there is none."""
    at = 12
    while data[:4] == b"RIFF" and at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"LIST" and data[at + 8 : at + 12] == b"INFO":
            return _in_list(data[at + 12 : at + 8 + size])
        at += 8 + size + size % 2
    return None


def _in_list(info: bytes) -> dict[str, Any] | None:
    at = 0
    while at + 8 <= len(info):
        name, size = info[at : at + 4], int.from_bytes(info[at + 4 : at + 8], "little")
        if name == b"ICMT":
            try:
                return read_json(info[at + 8 : at + 8 + size].rstrip(b"\0"), "the note")
            except UsageError:
                return None
        at += 8 + size + size % 2
    return None
