"""Sounds for the tests of vocoders, and a small vocoder."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from ganworks.files.wav import wav_bytes

SMALL = {"networks.width": 16, "networks.blocks": 1, "networks.d_width": 2, "networks.d_most": 8, "networks.d_scale": 2,
         "domain.segment": 1024}  # fmt: skip
RATE = 8000


def tone(seconds: float = 1.0, pitch: float = 150.0, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """A buzz of falling harmonics in a little noise."""
    t = np.arange(int(seconds * rate)) / rate
    buzz = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 8))
    return (0.1 * buzz + 0.01 * np.random.default_rng(seed).standard_normal(len(t))).astype(np.float32)


def write(path: Path, x: np.ndarray, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav_bytes(np.rint(np.atleast_2d(x) * 32767).astype(np.int16), rate))
    return path


def heard(path: Path) -> tuple[np.ndarray, int]:
    with wave.open(str(path)) as file:
        x = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels()).T
        return x / 32768, file.getframerate()


def folder_of(folder: Path) -> Path:
    """24 buzzes of 0.3 to 0.8 seconds in two class folders."""
    for k in range(24):
        write(folder / ("low" if k % 2 else "high") / f"{k}.wav", tone(0.3 + 0.02 * k, 100 + 10 * (k % 9), seed=k))
    return folder
