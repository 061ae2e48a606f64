"""Recordings of hours: decoded, mixed, resampled and scaled in blocks, to the samples that the whole would give."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ganworks.core.console.text import printable
from ganworks.kinds.audio.data import sound

LONG = 32 << 20  # bytes from which on an encoded recording is not read as a whole
MOST = 1 << 32  # samples x channels: 74 hours of mono at 16 kHz


@dataclass(frozen=True)
class LongSound:
    """An encoded recording that is too long to be held in memory. open: gives its bytes, from their beginning."""

    open: Callable[[], BinaryIO]
    name: str

    def facts(self) -> tuple[int, int]:
        """(rate in Hz, channels) from the header alone; raises SoundError."""
        with self._opened() as file:
            return sound.sound_facts(file, self.name)

    def converted(
        self, rate: int, channels: int, how: sound.Normalize, work: Path, warnings: Counter[str]
    ) -> tuple[np.memmap, int]:
        """(int16 [channels, n] at `rate` Hz in a nameless file of the folder `work`, its own rate in Hz).

        It is read two or three times, so that only a block of it is in memory. Raises SoundError, UsageError, OSError.
        """
        with self._opened() as file:
            own, had = sound.sound_facts(file, self.name, warnings)
        length, scale, channel = self._measured(had, warnings)
        wanted = sound.resampled_length(length, channels, own, rate, MOST) if own != rate else length

        def blocks(met: Counter[str]) -> Iterator[np.ndarray]:
            at = 0
            for block in _resampled(self._mixed(scale, channels, channel, met), own, rate, channels):
                yield block[:, : wanted - at]
                at += block.shape[1]

        gain, met = np.float32(1), Counter[str]()
        if how == "peak":
            gain = sound.normal_gain(max(float(np.abs(b).max(initial=0)) for b in blocks(met)), warnings)
        with tempfile.TemporaryFile(dir=work) as file:
            file.truncate(2 * channels * wanted)
            at = 0
            for block in blocks(met):
                for channel, samples in enumerate(sound.to_int16(block if gain == 1 else block * gain)):
                    file.seek(2 * (channel * wanted + at))
                    file.write(np.ascontiguousarray(samples).data)
                at += block.shape[1]
            file.flush()
            warnings.update(set(met))
            return np.memmap(file, np.int16, "r", shape=(channels, wanted)), own

    def _opened(self) -> BinaryIO:
        try:
            return self.open()
        except Exception as error:  # a damaged zip may raise anything
            raise sound.SoundError(self.name, f"it cannot be opened ({printable(str(error))[:160]}).") from error

    def _decoded(self) -> Iterator[np.ndarray]:
        with self._opened() as file:
            yield from sound.sound_blocks(file, self.name, MOST)

    def _measured(self, channels: int, warnings: Counter[str]) -> tuple[int, np.float32, int | None]:
        """(samples of a channel, what they are divided by, the channel to take where all together cancel)."""
        length, bad, peak = 0, 0, 0.0
        each, mean = np.zeros(channels), 0.0
        for block in self._decoded():
            length += len(block)
            bad += int((~np.isfinite(block)).sum())
            peak = max(peak, float(np.abs(block).max()))
            found = sound.powers(np.ascontiguousarray(block.T))
            each, mean = each + found[0], mean + found[1]
        scale = sound.full_scale(peak, bad, length * channels, self.name, warnings)
        return length, scale, sound.loudest(each, mean)

    def _mixed(
        self, scale: np.float32, channels: int, channel: int | None, warnings: Counter[str]
    ) -> Iterator[np.ndarray]:
        for block in self._decoded():
            x = np.ascontiguousarray(block.T)
            x = x if scale == 1 else x / scale
            one = channels == 1 and len(x) > 1
            yield sound.mono(x, channel, warnings) if one else sound.mix(x, channels, warnings)


def _resampled(blocks: Iterator[np.ndarray], rate: int, to: int, channels: int) -> Iterator[np.ndarray]:
    """Blocks [C, n] of a recording at another rate, as `resample` gives them."""
    if rate == to:
        yield from blocks
        return
    stream = sound.resampler().ResampleStream(rate, to, channels, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block.T)).T
    yield stream.resample_chunk(np.zeros((0, channels), np.float32), last=True).T
