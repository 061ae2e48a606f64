"""The domain of vocoders: recordings and their mel frames for training, files and arrays in use.

| rule | what happens |
|---|---|
| rate | that of most recordings, at most 48,000 Hz, unless `rate` says otherwise; all are resampled to it |
| channels | mixed down to one for training; in use, channels are processed one by one |
| level | kept; crops are made louder and softer by up to `gain` dB |
| frames | n_fft: the power of two below 46 ms; hop: a quarter of it; mels: 40 below 12 kHz, else 80; unless given |
| longer than 10 s | cut into pieces; all pieces of a recording train, or all are held out |
"""

from __future__ import annotations

import io
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ganworks.core.console.text import printable
from ganworks.core.contracts import Progress
from ganworks.core.errors import UsageError, whole
from ganworks.core.schema.declare import OnCorrupt, Sparing, check, within
from ganworks.core.spec import Draw, Spec
from ganworks.files.array_files import load_npy
from ganworks.files.rasters.decode import DecodeError
from ganworks.files.wav import wav_bytes
from ganworks.kinds.audio.data import sound
from ganworks.kinds.audio.data.dataset import Sounds, pack_sounds
from ganworks.kinds.audio.data.sources import open_sounds, usual_rate
from ganworks.kinds.audio.pitch import VOICED, pitch_track
from ganworks.kinds.audio.vocoder.evaluator import VocoderEvaluator
from ganworks.kinds.audio.vocoder.mel import frames_of, margin_of
from ganworks.kinds.audio.vocoder.networks import HIGHEST

HIGHEST_RATE = 48_000  # the highest rate that is chosen without `rate`
PIECE = 10  # seconds
CHUNK = 2000  # frames processed at a time


@dataclass(frozen=True)
class VocoderDomain:
    """How recordings become pairs of mel frames and sound, and how a trained network is used.

    rate: samples per second; 0: chosen, see the table above.
    n_fft: length of a frame; 0: chosen.
    hop: samples from one frame to the next; 0: chosen.
    mels: mel bands of a frame; 0: chosen.
    low: the frequency at which the bands begin.
    high: the frequency at which the bands end; 0: half the rate.
    segment: length of a training crop, a multiple of hop; 0: chosen.
    gain: crops are made louder or softer at random by up to this much.
    labels: whether the evaluation compares classes (folders, or the first part of names such as 7_anna_3.wav) by a
        classifier; the vocoder is not trained on them.
    on_corrupt: "error", or "skip" to leave out what cannot be read.
    held_out: share of the recordings that is kept out of training, for the evaluation.
    Raises UsageError for values outside their range, or that do not fit each other.
    """

    takes: ClassVar[tuple[str, ...]] = (*sound.SUFFIXES, ".npy")
    gives: ClassVar[str] = ".wav"
    options: ClassVar[dict[str, str]] = {"chunk": f"frames processed at a time ({CHUNK}); 0: the whole sound"}

    rate: Annotated[int, within(unit="Hz")] = 0
    n_fft: Annotated[int, within(unit="samples")] = 0
    hop: Annotated[int, within(unit="samples")] = 0
    mels: int = 0
    low: Annotated[float, within(unit="Hz")] = 0.0
    high: Annotated[float, within(unit="Hz")] = 0.0
    segment: Annotated[int, within(unit="samples")] = 0
    gain: Annotated[float, within(0, 40, unit="dB")] = 6.0
    labels: bool = True
    on_corrupt: OnCorrupt = "error"
    held_out: Sparing = 0.1

    def __post_init__(self) -> None:
        check(self)
        ranges = {"rate": (1000, 192_000), "n_fft": (16, 16_384), "hop": (4, 8192), "mels": (1, 1024)}
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if value and not least <= value <= most:
                raise UsageError(f"{name} must be 0 (chosen) or from {least:,} to {most:,}, not {value}.")

    def frames(self, rate: int) -> dict[str, Any]:
        """The facts of mel frames at a rate, with all settings chosen: rate, n_fft, hop, mels, low, high.

        Raises UsageError for settings that do not fit each other or the rate.
        """
        n_fft = self.n_fft or 2 ** int(math.log2(max(32, 0.0465 * rate)))
        hop = self.hop or n_fft // 4
        mels = self.mels or (40 if rate < 12_000 else 80)
        high = self.high or rate / 2
        if n_fft % 2 or hop > n_fft // 2 or (n_fft - hop) % 2:
            raise UsageError(f"n_fft={n_fft} and hop={hop}: both must be even, and hop at most half of n_fft.")
        if mels > n_fft // 2 or not 0 <= self.low < high <= rate / 2:
            raise UsageError(f"{mels} mels from {self.low:g} to {high:g} Hz do not fit n_fft={n_fft} at {rate} Hz.")
        return {"rate": rate, "n_fft": n_fft, "hop": hop, "mels": mels, "low": float(self.low), "high": float(high)}

    def open(self, path: Any, cache: str | Path | None = None, on_progress: Progress | None = None) -> Sounds:
        """Pack recordings, or open their pack. path: a folder, zip or file of WAV, FLAC or OGG; or (arrays, rate).

        Raises UsageError for settings that do not fit the rate, and when there are no usable recordings.
        """
        source = open_sounds(path, str(self.labels).lower() not in ("false", "off", "no"))
        rate, note = (self.rate, f"rate: {self.rate} Hz, as asked") if self.rate else usual_rate(source, HIGHEST_RATE)
        facts = self.frames(rate)
        segment = self.segment or max(32 * facts["hop"], 4096 // facts["hop"] * facts["hop"])
        if segment % facts["hop"] or not facts["n_fft"] <= segment <= 65_536:
            raise UsageError(
                f"segment={segment} must be a multiple of hop={facts['hop']}, from n_fft={facts['n_fft']} to 65,536."
            )
        source.notes.append(note)
        folder = pack_sounds(
            source, rate=rate, normalize="off", cache=cache, on_corrupt=self.on_corrupt, on_progress=on_progress
        )
        shown = (facts["mels"], segment // facts["hop"])
        spec = Spec("vocoder", (1, segment), (), -1, 1, "float32", shown, facts)
        return Sounds(folder, piece=PIECE * rate, held_out=self.held_out, spec=spec)

    def batch(self, data: Sounds, indices: np.ndarray, draw: Draw) -> dict[str, Tensor]:
        """x [B, 1, segment]: crops at keyed places; src [B, mels, segment / hop]: their log-mel frames; pitch
        [B, segment / hop] in Hz, 0 where there is none.

        Crops are cut with a margin, so that their frames equal those of the whole recording.
        """
        facts, length = data.spec.facts, data.spec.shape[1]
        hop, margin = facts["hop"], margin_of(facts)
        rows = []
        for index, (place, loud) in zip(indices, draw.uniform(2).tolist(), strict=True):
            room = data.length(int(index)) - length
            start = int(place * (room + 1)) if room >= 0 else -int(place * (1 - room))
            part = data.read(int(index), start - margin, length + 2 * margin)[0]
            most = 1 / max(1e-6, float(np.abs(part).max()))
            rows.append(part * np.float32(min(10 ** ((2 * loud - 1) * self.gain / 20), most)))
        wave = torch.from_numpy(np.stack(rows))
        inner = slice(margin // hop, margin // hop + length // hop)
        src = frames_of(wave, facts)[:, :, inner]
        hertz, sure = pitch_track(wave, facts["rate"], hop, HIGHEST)
        found = torch.where(sure > VOICED, hertz, 0.0)[:, inner]
        x = wave[:, None, margin : margin + length]
        return {"x": x.contiguous(), "src": src.contiguous(), "pitch": found.float().contiguous()}

    def evaluator(self, data: Sounds, source: Any, config: Any, work: Any) -> Any:
        """The evaluator of vocoders: see `VocoderEvaluator`."""
        return VocoderEvaluator(self, data, config)

    # Use ----------------------------------------------------------------------------------------------------------

    def apply(self, net: nn.Module, x: Tensor, spec: Spec, options: dict[str, Any]) -> Tensor:
        """Log-mel frames [B, mels, T] -> samples [B, T hop] of any length, without seams between chunks."""
        asked = whole("chunk", options.get("chunk", CHUNK), 0, 10**9)
        chunk, long = asked or x.shape[2], getattr(net, "long", None)
        return (net(x) if long is None else long(x, chunk)).float()[:, 0]

    def resynthesised(self, net: nn.Module, x: Tensor, spec: Spec, options: dict[str, Any] | None = None) -> Tensor:
        """Copy synthesis: samples [B, n] -> mel frames -> samples [B, n]."""
        device = next(net.parameters()).device
        made = self.apply(net, frames_of(x, spec.facts).to(device), spec, options or {})
        return made[:, : x.shape[1]].cpu()

    def change(
        self, net: nn.Module, spec: Spec, content: bytes, name: str, *, seed: int, options: dict[str, Any], note: Any
    ) -> tuple[bytes, str]:
        """A file of sound, or a .npy of log-mel frames [mels, T], as a 16-bit WAV; and a note on the conversion.

        Channels are processed one by one and resampled to the rate of the network. Raises DecodeError for a file that
        cannot be read, and UsageError for a network that makes values that are not finite.
        """
        facts, said = spec.facts, ""
        if name.lower().endswith(".npy"):
            mel = read_mel(content, name, facts["mels"])
            made = self.apply(net, mel.to(next(net.parameters()).device), spec, options).cpu()
        else:
            met: Counter[str] = Counter()
            x, rate = sound.read_sound(content, name, met)
            made = self.resynthesised(net, torch.from_numpy(sound.resample(x, rate, facts["rate"])), spec, options)
            done = [f"resampled from {rate:,} to {facts['rate']:,} Hz"] * (rate != facts["rate"])
            said = "; ".join([*done, *met])
        if not torch.isfinite(made).all():
            raise UsageError("The network made NaN or infinite values: its training has diverged.")
        return wav_bytes(sound.to_int16(made.clamp(-1, 1).numpy()), facts["rate"], note), said

    def change_array(self, net: nn.Module, spec: Spec, array: Any, *, options: dict[str, Any]) -> np.ndarray:
        """Log-mel frames [mels, T] (natural logarithms) -> samples [T hop] float32 in [-1, 1]; DecodeError."""
        mel = check_mel(np.asarray(array), "the array", spec.facts["mels"]).to(next(net.parameters()).device)
        return self.apply(net, mel, spec, options)[0].clamp(-1, 1).cpu().numpy()


def read_mel(content: bytes, name: str, mels: int) -> Tensor:
    """A .npy of log-mel frames [mels, T] (or [1, mels, T]) -> [1, mels, T] float32; DecodeError for anything else."""
    try:
        array = load_npy(io.BytesIO(content), name)
    except UsageError as error:
        raise DecodeError(printable(name), f"damaged or no array ({printable(str(error))[:160]}).") from error
    return check_mel(array, printable(name), mels)


def check_mel(array: np.ndarray, name: str, mels: int) -> Tensor:
    """A checked array of log-mel frames -> [1, mels, T] float32; DecodeError for a wrong shape, type or range."""
    array = array[0] if array.ndim == 3 and len(array) == 1 else array
    if array.ndim != 2 or len(array) != mels or not array.size or array.dtype.kind != "f":
        shape = f"{array.dtype} {list(array.shape)}"
        raise DecodeError(name, f"log-mel frames for this model are floats [{mels}, T], not {shape}.")
    if not np.isfinite(array).all() or np.abs(array).max() > 100:
        raise DecodeError(name, "log-mel frames are finite natural logarithms; these are not.")
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))[None]
