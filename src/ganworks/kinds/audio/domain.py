"""The domain of recordings: how files become waves of one length, and how generated waves become marked files.

| rule | what happens |
|---|---|
| rate | that of most recordings, at most 16,000 Hz, unless `rate` says otherwise; all are resampled to it |
| channels | mixed down to one unless `channels` says otherwise |
| level | each recording is scaled to a peak of 0.95 (`normalize=off`: kept) |
| length | `seconds`; else the power of two that holds 95 % of the recordings, or one second where that is above 4 s |
| shorter | silence follows |
| longer | the loudest part |
| longer than 1.5 times, where most are longer | cut into pieces; all pieces of a recording train, or all are held out |
| written | 16-bit WAV; silence at the end (below 0.1 % of full scale) is cut off, 20 ms of it stay |
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ganworks.audit.evidence import Evidence, refuse_features
from ganworks.core.contracts import Progress, Work
from ganworks.core.errors import UsageError, nearest, whole
from ganworks.core.schema.declare import HeldOut, OnCorrupt, check, within
from ganworks.core.spec import Draw, Spec
from ganworks.files.packing.exclusions import without
from ganworks.files.wav import flac_bytes, wav_bytes
from ganworks.kinds.audio.data import sound
from ganworks.kinds.audio.data.dataset import Sounds, pack_sounds
from ganworks.kinds.audio.data.sources import open_sounds, usual_rate
from ganworks.kinds.audio.metrics.evaluator import AudioEvaluator
from ganworks.kinds.audio.metrics.measures import features
from ganworks.kinds.audio.spectral import stft

USUAL_RATE = 16_000  # the highest rate that is chosen without `rate`
MOST_SAMPLES = 65_536
N_FFT = 256  # of the statistics of the bins, which are stored with the data
_LOOKED_AT = 1000  # recordings from which these statistics are computed
_SILENCE, _TAIL = 1e-3, 0.02  # magnitude, full scale = 1; seconds of silence that are kept


class WaveSet(Sounds):
    """`Sounds` whose examples are waves of one length, [C, n] as in spec.shape.

    cut: whether longer recordings are cut into pieces. starts: int64 [N], the first sample of each example in its
    recording or piece.
    """

    def __init__(self, folder: Path, samples: int, held_out: float, cut: bool = False):
        super().__init__(folder, piece=samples if cut else 0, held_out=held_out)
        self.samples = samples
        self.starts = np.array([self._loudest(row) for row in range(len(self))])
        self.spec = Spec("audio", (self.channels, samples), self.classes, -1, 1, "float32", facts=self._known())

    def _loudest(self, row: int) -> int:
        """The start of the window with the most energy, in steps of 1/32 of its length."""
        room = self.length(row) - self.samples
        if room <= 0:
            return 0
        energy = np.concatenate([[0.0], np.square(self.read(row), dtype=np.float64).sum(0).cumsum()])
        starts = np.unique(np.linspace(0, room, 1 + 32 * -(-room // self.samples)).astype(int))
        return int(starts[np.argmax(energy[starts + self.samples] - energy[starts])])

    def _known(self) -> dict[str, Any]:
        """The facts of the spec: the rate, the normalisation, and for SpecGAN the statistics of every bin."""
        rows = self.train[np.linspace(0, len(self.train) - 1, min(_LOOKED_AT, len(self.train))).astype(int)]
        logs = [
            (stft(self.waves(part), N_FFT, N_FFT // 2).abs() * (4 / N_FFT)).clamp_min(1e-4).log().mean(1)
            for part in np.array_split(rows, -(-len(rows) // 64))
        ]
        log = torch.cat(logs).double()
        mean, deviation = log.mean((0, 2)), log.std((0, 2)).clamp_min(1e-2)
        return {
            "rate": self.rate,
            "normalize": self.facts["normalize"],
            "bin_means": [round(v, 4) for v in mean.tolist()],
            "bin_deviations": [round(v, 4) for v in deviation.tolist()],
        }

    def waves(self, indices: Any) -> Tensor:
        """float32 [n, C, samples] in [-1, 1]."""
        out = torch.zeros(len(indices), self.channels, self.samples)
        for place, row in enumerate(np.asarray(indices).tolist()):
            out[place] = torch.from_numpy(self.read(row, int(self.starts[row]), self.samples))
        return out

    def raw(self, indices: Any) -> np.ndarray:
        """The same as a NumPy array."""
        return self.waves(indices).numpy()

    def fetch(self, indices: Any) -> dict[str, Tensor]:
        """x float32 [n, C, samples] and, with labels, y int64 [n]."""
        batch = {"x": self.waves(indices)}
        if self.labels is not None:
            batch["y"] = torch.from_numpy(self.labels[np.asarray(indices)])
        return batch

    @property
    def summary(self) -> dict[str, Any]:
        """The facts of `Sounds.summary`, and how the recordings were brought to one length."""
        short = float((self.rows[:, 2] - self.rows[:, 1] < self.samples).mean())
        note = (
            f"examples of {self.samples:,} samples ({self.samples / self.rate:.3g} s); silence follows "
            f"{100 * short:.0f} % of the recordings"
        )
        facts = super().summary
        return {**facts, "samples": self.samples, "notes": [*facts["notes"], note]}


@dataclass(frozen=True)
class Audio:
    """The domain of recordings: how files become waves of one length.

    rate: samples per second; 0 = that of most recordings, at most 16,000.
    channels: channels of an example; 1 mixes down.
    seconds: length of an example; 0 = chosen from the data.
    labels: "on" (labels.csv, class folders, or the first part of names such as 7_anna_3.wav), "name" (always the
        names), "off".
    normalize: "peak" scales each recording to full scale, "off" leaves its level.
    on_corrupt: "error", or "skip" to leave out what cannot be read.
    held_out: share of the recordings that is kept out of training, for the evaluation.
    exclude: a list of recordings to leave out, as `ganworks audit` writes it (exclude.csv); "" for none.
    Raises UsageError for values outside their range.
    """

    rate: Annotated[int, within(unit="Hz")] = 0
    channels: Annotated[int, within(1, 16)] = 1
    seconds: Annotated[float, within(0, unit="seconds")] = 0.0
    labels: bool | str = True
    normalize: Literal["peak", "off"] = "peak"
    on_corrupt: OnCorrupt = "error"
    held_out: HeldOut = 0.1
    exclude: str = ""

    forms: ClassVar[tuple[str, ...]] = (".wav", ".flac")
    each: ClassVar[str] = ".wav"
    options: ClassVar[dict[str, str]] = {
        "rounds": "rounds of Griffin-Lim that find the phases of generated spectrograms (0 to 1000)",
    }

    def __post_init__(self) -> None:
        check(self)
        if self.rate and not 1000 <= self.rate <= 192_000:
            raise UsageError(f"rate must be 0 (chosen) or from 1,000 to 192,000 Hz, not {self.rate}.")
        if self._labels not in ("on", "off", "name"):
            raise UsageError(f'labels must be on, off or name, not "{self.labels}".')

    @cached_property
    def _labels(self) -> str:
        given = str(self.labels).lower()
        return {"true": "on", "false": "off", "no": "off"}.get(given, given)

    def open(self, path: Any, cache: str | Path | None = None, on_progress: Progress | None = None) -> WaveSet:
        """Pack recordings, or open their pack. path: a folder, zip or file of WAV, FLAC or OGG; or arrays with a rate:
        (arrays, rate) or (arrays, rate, labels). Raises UsageError when there are no usable recordings.
        """
        source = self.source(path)
        rate, note = (self.rate, f"rate: {self.rate} Hz, as asked") if self.rate else usual_rate(source, USUAL_RATE)
        source.notes.append(note)
        folder = pack_sounds(
            source,
            rate=rate,
            channels=self.channels,
            normalize=self.normalize,
            cache=cache,
            on_corrupt=self.on_corrupt,
            on_progress=on_progress,
        )
        lengths = Sounds(folder).lengths
        samples = self.samples(lengths, rate)
        return WaveSet(folder, samples, self.held_out, cut=bool(np.median(lengths) > samples))

    def source(self, path: Any) -> Any:
        """The recordings as files, without those that `exclude` lists."""
        by_name = {"on": "auto", "off": "never", "name": "always"}[self._labels]
        return without(open_sounds(path, self._labels != "off", by_name), self.exclude)

    def evidence(self, path: Any, features: str, work: Work) -> Evidence:
        """What an audit may look at: spectra, loudness, silence, labels. Raises UsageError for features."""
        refuse_features(features, "recordings")
        from ganworks.kinds.audio.data.evidence import evidence_of

        lenient = replace(self, on_corrupt="skip")
        data = lenient.open(path, on_progress=lambda done, total: work("Reading the data", done, total))
        return evidence_of(data, self.source(path))

    def samples(self, lengths: np.ndarray, rate: int) -> int:
        """The length of an example in samples, for recordings of these lengths [N]; UsageError for a bad `seconds`."""
        if self.seconds:
            wanted = round(self.seconds * rate)
            if not 128 <= wanted <= MOST_SAMPLES:
                raise UsageError(
                    f"seconds={self.seconds:g} are {wanted:,} samples at {rate:,} Hz; 128 to "
                    f"{MOST_SAMPLES:,} can be made. Choose another length or a lower rate."
                )
            return wanted
        usual = float(np.quantile(lengths, 0.95))
        if usual > 4 * rate:
            usual = rate
        return int(min(MOST_SAMPLES, max(1024, 2 ** math.ceil(math.log2(usual)))))

    def batch(self, data: WaveSet, indices: np.ndarray, draw: Draw) -> dict[str, Tensor]:
        """x float32 [B, C, samples] and, with labels, y int64 [B]; nothing is drawn."""
        return data.fetch(indices)

    @property
    def compared_by(self) -> str:
        """What `points` are."""
        return "log-mel spectra"

    def points(self, data: WaveSet, examples: np.ndarray) -> np.ndarray:
        """Waves [n, C, samples] as points [n, 480], between which an audit takes distances."""
        return features(examples, data.rate)

    def evaluator(self, data: WaveSet, source: Any, config: Any, work: Any) -> AudioEvaluator:
        """The evaluator of generated sound: see `AudioEvaluator`."""
        return AudioEvaluator(data, config, work)

    def prepare(self, net: nn.Module, spec: Spec, options: dict[str, Any]) -> nn.Module:
        """The generator with the asked rounds of Griffin-Lim; UsageError for an option unknown or without effect."""
        for name in options:
            if name not in self.options:
                raise UsageError(f'Sound has no option "{name}". {nearest(name, self.options)}')
        if "rounds" not in options:
            return net
        front = getattr(net, "front", None)
        if front is None:
            raise UsageError("rounds has no effect: this generator makes waves itself, without Griffin-Lim.")
        net.front = replace(front, rounds=whole("rounds", options["rounds"], 0, 1000))
        return net

    def encode(self, samples: Any, suffix: str, mark: bool) -> bytes:
        """The samples, one after the other, as .wav (16 bits, with the mark in a LIST/INFO chunk) or .flac."""
        rate = int(samples.spec.facts["rate"])
        wave = np.concatenate([*self.decode(samples)], 1)
        note = (samples.note(0) if len(samples) == 1 else samples.note()) if mark else None
        return (flac_bytes if suffix == ".flac" else wav_bytes)(sound.to_int16(wave), rate, note)

    def decode(self, samples: Any) -> list[np.ndarray]:
        """Waves float32 [C, n], without the silence at their end."""
        keep = round(_TAIL * int(samples.spec.facts["rate"]))
        return [sound.trimmed(wave, _SILENCE, keep) for wave in samples.data]
