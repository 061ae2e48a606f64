"""The evaluator of generated sound: sheets of spectrograms, quick scores, and a full evaluation with sound files."""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ganworks.core.console.text import counted
from ganworks.core.contracts import Nets, Watched
from ganworks.core.spec import key
from ganworks.files.atomic import replace_file
from ganworks.files.rasters.write import save_picture
from ganworks.files.wav import wav_bytes
from ganworks.kinds.audio.data import sound
from ganworks.kinds.audio.metrics import measures as audio
from ganworks.kinds.audio.metrics.pictures import sheet
from ganworks.kinds.audio.pitch import pitch
from ganworks.metrics.estimate import wilson
from ganworks.metrics.samples import by_class, watched
from ganworks.metrics.tasks import TaskReport, TimedByTrial, metrics_of, too_few

FEWEST, LEAST = 20, 8  # recordings on each side below which nothing is scored in training, and at all
_SCORED, _SHOWN, _WATCHED, _TOGETHER = 200, 30, 32, 32
_MOST = 2000  # samples of a full evaluation, and real recordings of each kind


MEANING = {
    "recognised": ("higher", "Share of samples that a classifier of real recordings assigns to the class asked for."),
    "accuracy_score": ("higher", "Accuracy on unseen recordings of a classifier trained on samples alone."),
    "kd": ("lower", "Kernel distance between features of samples and of unseen recordings; about 0 is perfect."),
    "fd": ("lower", "Frechet distance between the same features in 32 principal components, at equal count."),
    "spread": ("floor", "How varied samples of one class are, relative to unseen recordings; 1 is equally varied."),
    "copied": ("floor", "Share of samples nearer to a training recording than halfway to its nearest other one."),
    "nearest": ("floor", "Distance to the nearest training recording, relative to the median of unseen recordings."),
    "loudness": (
        "floor",
        "Median root mean square of the samples, relative to unseen recordings; 1 is equally loud.",
    ),
    "pitch": ("lower", "Distance between the distributions of the fundamental frequency, in semitones."),
}


class AudioEvaluator(TimedByTrial):
    """Evaluates the samples of G. data: a `WaveSet`; config: that of the training; work: reports progress."""

    objective = "kd"

    def __init__(self, data: Any, config: Any, work: Any):
        self.data, self.config, self.work = data, config, work
        self.rate = int(data.spec.facts["rate"])

    @property
    def ready(self) -> bool:
        """Whether enough recordings are held out for an evaluation."""
        return len(self.data.held) >= FEWEST and len(self.data.train) >= LEAST

    @cached_property
    def noise(self) -> float | None:
        """A difference in kd within chance: half the width of the interval of real recordings; None without scores."""
        if not self.ready:
            return None
        found = self.reference.kd(self.reference.seen)
        return (found.high - found.low) / 2

    @cached_property
    def _some(self) -> tuple[np.ndarray, np.ndarray]:
        """The training and held-out rows that samples are compared with: fixed draws."""
        draw = np.random.default_rng(key("audio", len(self.data)))
        train, held = (draw.permutation(rows)[:_MOST] for rows in (self.data.train, self.data.held))
        return np.sort(train), np.sort(held)

    @cached_property
    def reference(self) -> audio.ReferenceFeatures:
        """Features of real training and held-out recordings."""
        train, held = self._some
        found = []
        for rows, label in ((train, "training"), (held, "held-out")):
            self.work(f"Computing features of {counted(len(rows), f'{label} recording')}", 0, len(rows))
            found.append(
                np.concatenate(
                    [
                        audio.features(self.data.raw(part), self.rate)
                        for part in np.array_split(rows, -(-len(rows) // 256))
                    ]
                )
            )
        y = self.data.labels
        return audio.ReferenceFeatures(found[0], found[1], *((None, None) if y is None else (y[train], y[held])))

    def made(self, nets: Nets, count: int, seed: int = 0, start: int = 0) -> tuple[np.ndarray, np.ndarray | None]:
        """`count` samples, the classes in turn: (waves [n, C, N], labels [n] or None), keyed by seed and index."""
        net, classes, parts = nets["G"], self.data.spec.num_classes, []
        device = next(net.parameters()).device
        labels = np.arange(start, start + count) % classes if classes else None
        for k in range(0, count, _TOGETHER):
            draw = torch.Generator().manual_seed(key("heard", seed, start + k))
            z = torch.randn(_TOGETHER, net.z_dim, generator=draw)[: count - k]
            y = None if labels is None else torch.from_numpy(labels[k : k + _TOGETHER]).to(device)
            with torch.inference_mode():
                parts.append(net(z.to(device), y).float().cpu().numpy())
        return np.concatenate(parts), labels

    def examples(self) -> Watched:
        """Features of real recordings for the collapse check: waves can differ where sounds do not."""
        classes = self.data.spec.num_classes
        rows = self.data.train[np.linspace(0, len(self.data.train) - 1, watched(_WATCHED, classes)).astype(int)]
        features = torch.from_numpy(audio.features(self.data.raw(rows), self.rate))
        return by_class(features, self.data.labels[rows] if classes else None)

    def sample(self, nets: Nets) -> Watched:
        """Features of samples for the collapse check."""
        waves, labels = self.made(nets, watched(_WATCHED, self.data.spec.num_classes))
        return by_class(torch.from_numpy(audio.features(waves, self.rate)), labels)

    def show(self, nets: Nets) -> Image.Image:
        """A sheet of waves and spectrograms, one column for each class."""
        names = self.data.spec.classes
        columns = min(len(names), 10) if names else 6
        waves, _ = self._shown(nets, columns)
        return sheet(waves, self.rate, columns, names)

    def _shown(self, nets: Nets, columns: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Samples in rows of `columns`; the first classes only, where there are more classes than columns."""
        classes, rows = self.data.spec.num_classes, max(1, _SHOWN // columns)
        if classes <= columns:
            return self.made(nets, rows * columns)
        waves, labels = self.made(nets, rows * classes)
        assert labels is not None
        return waves[labels < columns], labels[labels < columns]

    def score(self, nets: Nets) -> tuple[dict[str, float], dict[str, float], str]:
        """Quick scores of 200 samples, the same scores of real recordings, and the name of the features."""
        waves, y = self.made(nets, _SCORED, seed=1)
        x = self.reference.standard(audio.features(waves, self.rate))
        scores = {
            "kd": self.reference.kd(x).value,
            "spread": self.reference.spread(x, y),
        }
        if self.reference.recogniser is not None and y is not None:
            scores["recognised"] = float((self.reference.recogniser(x) == y).mean())
        return scores, {name: self._own[name] for name in scores}, audio.name(self.rate)

    @cached_property
    def _own(self) -> dict[str, float]:
        return self.reference.own()

    def costs(self, nets: Nets) -> tuple[float, float]:
        """Seconds that one score and one picture take."""
        if self.ready:
            _ = self.reference, self._own, self.noise  # computed once, so not part of the cost of a score
        return super().costs(nets)

    def evaluate(
        self, nets: Nets, *, count: int, seed: int, pictures: Path, progress: Any, about: dict[str, Any]
    ) -> TaskReport:
        """The full evaluation, on at most 2,000 samples and no more than there are training recordings."""
        start, data = time.monotonic(), self.data
        pictures.mkdir(parents=True, exist_ok=True)
        files = self._files(nets, pictures)
        if min(len(data.held), len(data.train)) < LEAST:
            return TaskReport.of_nothing(
                too_few(len(data.held), LEAST, "recording", "recordings"), about, pictures=files
            )
        count = min(count, len(self._some[0]))
        parts, labels = [], []
        for k in range(0, count, 256):
            progress("Making samples", k, count)
            waves, y = self.made(nets, min(256, count - k), seed + 1, k)
            parts.append(waves)
            labels += [] if y is None else [y]
        waves, y = np.concatenate(parts), np.concatenate(labels) if labels else None
        progress("Comparing with recordings", count, count)
        found = self.reference.measure(self.reference.standard(audio.features(waves, self.rate)), y)
        real = data.raw(self._some[1])
        own, pitches = (
            dict(self._own),
            [pitch(v, self.rate) for v in (waves, real, data.raw(self._some[0][:500]))],
        )
        found["loudness"] = float(np.median(audio.loudness(waves)) / max(1e-9, np.median(audio.loudness(real))))
        found["pitch"] = audio.pitch_distance(pitches[0], pitches[1])
        own |= {"loudness": 1.0, "pitch": audio.pitch_distance(pitches[2], pitches[1])}
        sure = {"recognised": wilson(own["recognised"], len(real))} if "recognised" in own else {}
        metrics = metrics_of({n: v for n, v in found.items() if np.isfinite(audio.middle(v))}, {**own, **sure}, MEANING)
        return TaskReport(
            metrics,
            count,
            {"class Gaussians of features": self.reference.gaussians(y, count), "real recordings": own},
            self._tables(found, y),
            files,
            self._protocol(count),
            self._warnings(metrics),
            audio.name(self.rate),
            about,
            time.monotonic() - start,
        )

    def _files(self, nets: Nets, pictures: Path) -> dict[str, str]:
        """Write sheets of samples and of real recordings, and a sound file for each of the first classes."""
        names = self.data.spec.classes
        columns = min(len(names), 10) if names else 6
        waves, y = self._shown(nets, columns)
        save_picture(sheet(waves, self.rate, columns, names), pictures / "samples.png")
        rows = self.data.held if len(self.data.held) >= columns else self.data.train
        if y is not None and self.data.labels is not None:
            ranked = rows[np.argsort(self.data.labels[rows], kind="stable")]
            per = [ranked[self.data.labels[ranked] == c][:3] for c in range(columns)]
            rows = np.array([p[k % len(p)] for k in range(3) for p in per if len(p)])
        rows = rows[: 3 * columns]
        save_picture(sheet(self.data.raw(rows), self.rate, columns, names), pictures / "real.png")
        files = {
            "Samples, a column for each class" if names else "Samples": "samples.png",
            "Real recordings": "real.png",
        }
        for k in range(columns):
            title = f"Sound: {names[k]}" if names else f"Sound {k + 1}"
            files[title] = f"sound-{k}.wav"
            one_after_the_other = [self._alone(wave) for wave in waves[k::columns]]
            wave = sound.to_int16(np.concatenate(one_after_the_other, 1))
            replace_file(
                pictures / files[title], wav_bytes(wave, self.rate, {"software": "ganworks", "generated": True})
            )
        return files

    def _alone(self, wave: np.ndarray) -> np.ndarray:
        return sound.trimmed(wave, 1e-3, self.rate // 5)

    def _tables(self, found: dict[str, Any], y: np.ndarray | None) -> list[dict[str, Any]]:
        """A table of the recognition rate of each class."""
        if y is None or "recognised" not in found:
            return []
        rows = [
            [name, int((y == c).sum()), round(float(found["recognised"][y == c].mean()), 3)]
            for c, name in enumerate(self.data.spec.classes)
            if (y == c).any()
        ]
        return [{"title": "Recognition by class", "columns": ["class", "samples", "recognised"], "rows": rows}]

    def _protocol(self, count: int) -> list[str]:
        train, held = (len(rows) for rows in self._some)
        return [
            f"{counted(count, 'sample')}, the classes in turn, against {held:,} held-out and "
            f"{counted(train, 'training recording')}.",
            f"Features: {audio.name(self.rate)}, standardised by the training recordings.",
            "recognised: by a support vector machine trained on the training recordings. accuracy_score: of one "
            "trained on the samples, on the held-out recordings.",
            "Real recordings: the scores of held-out recordings, or of training recordings against them. Class "
            "Gaussians are drawn in 60 principal components of the training features; they make no sound at all.",
        ]

    def _warnings(self, metrics: dict[str, Any]) -> list[str]:
        out = []
        if len(self.data.held) < 200:
            out.append(
                f"Only {counted(len(self.data.held), 'recording is', 'recordings are')} held out: distances are rough."
            )
        if (ratio := metrics["loudness"].value) < 0.5 or ratio > 2:
            out.append(f"The samples are {ratio:.2g} times as loud as recordings.")
        if metrics["copied"].value > 0.1:
            out.append(f"{100 * metrics['copied'].value:.0f} % of the samples are near copies of training recordings.")
        return out
