"""The evaluator of vocoders: held-out recordings against their resynthesis from mel frames."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganworks.core.console.text import counted
from ganworks.core.contracts import Nets, Work
from ganworks.files.atomic import replace_file
from ganworks.files.rasters.write import save_picture
from ganworks.files.wav import wav_bytes
from ganworks.kinds.audio.data.sound import to_int16
from ganworks.kinds.audio.vocoder.measures import SIZES, from_mel, mel_distance, pitch_errors, spectra
from ganworks.kinds.audio.vocoder.mel import frames_of
from ganworks.kinds.audio.vocoder.pictures import spectrogram_sheet
from ganworks.metrics import tasks

SCORED, SHOWN, HEARD = 16, 3, 4
ROUNDS = 32  # of Griffin-Lim
CLASSIFIED = 2000  # recordings that the classifier is trained on
MEANING = {
    "stft": "Mean absolute difference of ln magnitudes (floor 1e-3) at n_fft 128, 256 and 512.",
    "convergence": "Norm of the difference of the spectrograms over that of the original, mean of three sizes.",
    "stft_128": "stft at n_fft 128, which resolves time best.",
    "stft_256": "stft at n_fft 256.",
    "stft_512": "stft at n_fft 512, which resolves frequency best and shows wrong phases.",
    "mel": "Mean absolute difference of log10 mel bands between input and output.",
    "pitch": "Root mean square difference of ln F0 where both sounds have a pitch; 0.06 is a semitone.",
    "voicing": "Share of frames where only one of the two sounds has a pitch.",
    "level": "Root mean square over that of the original; 1 is right.",
    "same_class": "Share of recordings that a classifier of real ones assigns to the same class as the original.",
    "speed": "Seconds of sound made in one second on one processor core, mel frames included.",
}
BEST = {"same_class": 1.0, "level": 1.0}
BETTER = {"same_class": "higher", "speed": "higher", "level": "floor"}


class VocoderEvaluator(tasks.TimedByTrial):
    """Evaluates G on held-out recordings. domain: a `VocoderDomain`; data: the `Sounds` that it opened.

    A training on spectral distances alone publishes its best snapshot. One with an adversarial stage publishes the
    newest, since the distances may rise in that stage while the sound gets better.
    """

    noise = 0.01

    def __init__(self, domain: Any, data: Any, config: Any):
        self.domain, self.data = domain, data
        self.objective = "stft" if getattr(config.game, "adversarial_from", 1.0) == 1.0 else ""

    @property
    def ready(self) -> bool:
        """Whether any recording is held out."""
        return len(self.data.held) > 0

    def wave(self, row: int) -> Tensor:
        """A recording, or a piece of one, float32 [1, n]."""
        return torch.from_numpy(self.data.read(int(row)))

    @cached_property
    def scored(self) -> list[Tensor]:
        """The held-out recordings of a quick score."""
        rows = self.data.held[:: max(1, len(self.data.held) // SCORED)][:SCORED]
        return [self.wave(row) for row in rows]

    @cached_property
    def shown(self) -> list[Tensor]:
        """The recordings of a progress picture: held-out ones if there are any."""
        rows = self.data.held if self.ready else self.data.train
        return [self.wave(row) for row in rows[:SHOWN]]

    def examples(self) -> Tensor | None:
        """None: there is no check for collapse, since every input has its own target."""
        return None

    def sample(self, nets: Nets) -> Tensor | None:
        """None, as `examples`."""
        return None

    def made(self, nets: Nets, x: Tensor) -> Tensor:
        """The resynthesis of samples x [1, n], as `apply` makes it."""
        with torch.inference_mode():
            return self.domain.resynthesised(nets["G"], x, self.data.spec).clamp(-1, 1)

    def classic(self, x: Tensor) -> Tensor:
        """The baseline: Griffin-Lim from the same mel frames."""
        f = self.data.spec.facts
        size = (f["rate"], f["n_fft"], f["hop"], f["low"], f["high"])
        return from_mel(frames_of(x, f), *size, length=x.shape[1], rounds=ROUNDS).clamp(-1, 1)

    def show(self, nets: Nets) -> Image.Image:
        """Spectrograms of the originals (left) and of their resynthesis (right)."""
        return spectrogram_sheet([[x[0], self.made(nets, x)[0]] for x in self.shown], self.rate, ["original", "made"])

    @property
    def rate(self) -> int:
        """Sample rate in Hz."""
        return int(self.data.spec.facts["rate"])

    def score(self, nets: Nets) -> tuple[dict[str, float], dict[str, float], str]:
        """(stft and convergence on up to 16 held-out recordings, no floors, no name of features)."""
        found = [spectra(x[0], self.made(nets, x)[0]) for x in self.scored]
        values = {name: float(np.mean([f[name] for f in found])) for name in ("stft", "convergence")}
        return values, {}, ""

    def compare(self, x: Tensor, made: Tensor) -> dict[str, float]:
        """All distances between a recording [1, n] and its resynthesis [1, n]."""
        f = self.data.spec.facts
        pitches, voicing = pitch_errors(x[0], made[0], self.rate, f["hop"])
        return {
            **spectra(x[0], made[0]),
            "mel": mel_distance(x[0], made[0], self.rate, f["n_fft"], f["hop"], f["mels"]),
            "pitch": pitches,
            "voicing": voicing,
            "level": float(made.square().mean().sqrt() / x.square().mean().sqrt().clamp_min(1e-9)),
        }

    def evaluate(
        self, nets: Nets, *, count: int, seed: int, pictures: Path, progress: Work, about: dict[str, Any]
    ) -> tasks.TaskReport:
        """The full evaluation: up to `count` held-out recordings, resynthesised by G and by Griffin-Lim."""
        if not len(self.data.held):
            return tasks.TaskReport.of_nothing(tasks.too_few(0, 1, "recording", "recordings"), about)
        start, held = time.perf_counter(), self.data.held[:count]
        guess = self.classifier()
        rows: dict[str, list[dict[str, float]]] = {"": [], f"Griffin-Lim {ROUNDS}": []}
        triples: list[tuple[Tensor, ...]] = []
        kept = set(np.linspace(0, len(held) - 1, HEARD).round().astype(int).tolist())
        for done, row in enumerate(held):
            progress("Resynthesising", done, len(held))
            x = self.wave(row)
            versions = (self.made(nets, x), self.classic(x))
            for found, made in zip(rows.values(), versions, strict=True):
                same = {} if guess is None else {"same_class": float(guess(made) == guess(x))}
                found.append(self.compare(x, made) | same)
            if done in kept:
                triples.append((x, *versions))
        progress("Resynthesising", len(held), len(held))
        ours, classic = rows.values()
        metrics = {name: self._metric(name, ours) for name in MEANING if ours and name in ours[0]}
        metrics["speed"] = tasks.metric(self.speed(nets), better="higher", meaning=MEANING["speed"])
        baselines = {f"Griffin-Lim {ROUNDS}": _means(classic)} if classic else {}
        return tasks.TaskReport(
            metrics=metrics,
            count=len(held),
            baselines=baselines,
            pictures=self._files(triples, pictures) if triples else {},
            protocol=self._protocol(len(held)),
            warnings=[]
            if len(held) >= 10
            else [f"Only {counted(len(held), 'recording is', 'recordings are')} held out: the intervals are wide."],
            about=about,
            seconds=time.perf_counter() - start,
        )

    def _metric(self, name: str, rows: list[dict[str, float]]) -> Any:
        better, meaning = BETTER.get(name, "lower"), MEANING[name]
        return tasks.metric_over(rows, name, BEST.get(name), better=better, meaning=meaning)

    def speed(self, nets: Nets, seconds: float = 5.0) -> float:
        """Seconds of sound made in one second on one processor core."""
        x = torch.zeros(1, int(self.rate * seconds))
        before = torch.get_num_threads()
        try:
            torch.set_num_threads(1)
            self.made(nets, x[:, : self.rate // 2])
            start = time.process_time()
            self.made(nets, x)
            return seconds / max(1e-9, time.process_time() - start)
        finally:
            torch.set_num_threads(before)

    def classifier(self) -> Callable[[Tensor], int] | None:
        """Sound [1, n] -> class, learned from training recordings (95 % accuracy on FSDD); None without labels."""
        labels = self.data.labels
        if labels is None or len(np.unique(labels[self.data.train])) < 2:
            return None
        from sklearn.linear_model import RidgeClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        train = self.data.train
        rows = train[np.linspace(0, len(train) - 1, min(CLASSIFIED, len(train))).astype(int)]
        model = make_pipeline(StandardScaler(), RidgeClassifier(alpha=0.25 * len(rows)))
        model.fit(np.stack([self._features(self.wave(row)) for row in rows]), labels[rows])
        return lambda x: int(model.predict(self._features(x)[None])[0])

    def _features(self, x: Tensor) -> np.ndarray:
        """Log-mel frames averaged over 12 equal parts of the recording, [12 mels]."""
        mel = frames_of(x, self.data.spec.facts)
        return torch.nn.functional.adaptive_avg_pool1d(mel, 12)[0].flatten().numpy()

    def _files(self, triples: list[tuple[Tensor, ...]], pictures: Path) -> dict[str, str]:
        """Write sounds and their spectrograms into a folder; title -> file."""
        pictures.mkdir(parents=True, exist_ok=True)
        found = {"Spectrograms: original, this model, Griffin-Lim": "spectrograms.png"}
        names = ("original", "made", "griffin-lim")
        shown = spectrogram_sheet([[x[0] for x in triple] for triple in triples], self.rate, list(names))
        save_picture(shown, pictures / "spectrograms.png")
        for number, triple in enumerate(triples, 1):
            for name, x in zip(names, triple, strict=True):
                file = f"sound-{number}-{name}.wav"
                replace_file(pictures / file, wav_bytes(to_int16(x.numpy()), self.rate, None))
                found[f"{number}: {name}"] = file
        return found

    def _protocol(self, count: int) -> list[str]:
        f = self.data.spec.facts
        bands = f"{f['mels']} mel bands, {f['low']:g} to {f['high']:g} Hz, n_fft {f['n_fft']}, hop {f['hop']}"
        return [
            f"{counted(count, 'held-out recording')} (or pieces of 10 s) at {self.rate} Hz, made from {bands}.",
            f"Spectrograms at n_fft {', '.join(map(str, SIZES))}, hop a quarter, Hann window; magnitudes above 1e-3.",
            f"Griffin-Lim: pseudo-inverse of the mel filters, {ROUNDS} rounds, momentum 0.99, random initial phases.",
            "Pitch by autocorrelation, 60 to 1,000 Hz; a frame has a pitch where the correlation is above 0.5.",
        ]


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {n: float(np.nanmean(v)) if np.isfinite(v).any() else math.nan for n, v in columns.items()}
