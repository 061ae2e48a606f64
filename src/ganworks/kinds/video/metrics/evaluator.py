"""The evaluator of generated clips: whole clips, frames and motion compared with real ones, and with baselines.

The baselines are still clips and clips with shuffled frames: a score that does not separate them from real clips says
nothing about motion.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ganworks.core.console.text import counted
from ganworks.core.contracts import Nets, Watched, Work
from ganworks.core.spec import key
from ganworks.files import provenance
from ganworks.files.atomic import replace_file
from ganworks.files.rasters.write import save_picture
from ganworks.kinds.video.metrics import measures
from ganworks.kinds.video.metrics.pictures import filmstrips, moving
from ganworks.metrics import frechet
from ganworks.metrics.estimate import Estimate, wilson
from ganworks.metrics.features import FeatureExtractor, score_key, score_name
from ganworks.metrics.judges.pictures import PublishedFeatures
from ganworks.metrics.judges.sets import JudgedByNetworks
from ganworks.metrics.kernel import kernel_distance
from ganworks.metrics.samples import by_class, watched
from ganworks.metrics.scoring import Measurement
from ganworks.metrics.tasks import TaskReport, TimedByTrial, metric, too_few
from ganworks.use.model import Model

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

FEWEST, LEAST = 64, 16  # held-out clips below which nothing is scored in training, and at all
SCORED, SHOWN, MOST = 256, 12, 2048
FITTED = 600  # training clips that the features are fitted to
_FRAMES = 4  # frames of each clip that are compared as images
_TRIES = 4  # clips that continue each first frame


MEANINGS = {
    "fd": "Frechet distance of clips: their course over time and the look of their frames.",
    "clip_kd": "Kernel distance of the same features, which needs fewer clips.",
    "frame_kd": "Kernel distance of single frames, whatever their order.",
    "speed": "Distance between the distributions of speed by optical flow (Kolmogorov-Smirnov, 0 to 1).",
    "change": "Distance between the distributions of change from frame to frame (Kolmogorov-Smirnov, 0 to 1).",
    "returns": "Share of clips that move back to their start.",
    "agreement": "Share of clips recognised as the class asked for.",
    "nearness": "Distance to the nearest training clip over that of held-out clips; far below 1: copies.",
}
_BETTER = {"returns": "floor", "agreement": "higher", "nearness": "floor"}


class VideoEvaluator(JudgedByNetworks, TimedByTrial):
    """Evaluates the clips of G. data: a `ClipSet`; features: an extractor (None: `ClipFeatures` of training clips)."""

    objective = "fd"
    noise: float | None = None

    def __init__(self, data: Any, config: Any, work: Work, features: FeatureExtractor | None = None):
        self.data, self.config, self.work, self._given = data, config, work, features
        self._model: Model | None = None

    @property
    def ready(self) -> bool:
        """Whether enough clips are held out for an evaluation."""
        return len(self.data.held) >= FEWEST

    @cached_property
    def some(self) -> np.ndarray:
        """Indices of training clips, a fixed draw, int64."""
        order = np.random.default_rng(key("clips", len(self.data.train))).permutation(self.data.train)
        return np.sort(order[:FITTED])

    @cached_property
    def train(self) -> np.ndarray:
        """These training clips, uint8 [n, T, C, H, W]."""
        return self.data.raw(self.some)

    @cached_property
    def features(self) -> Any:
        """The features of clips."""
        return self._given or measures.ClipFeatures(self.train, self.data.spec)

    @cached_property
    def frames(self) -> Any:
        """The features of single frames: those of the published network that was asked for, if any."""
        if self._judge is not None:
            return PublishedFeatures(replace(self.data.spec, shape=self.data.spec.shape[1:]), self._judge)
        return measures.frame_features(self.data.spec)

    @cached_property
    def known(self) -> np.ndarray:
        """Features of the training clips, with which others are compared."""
        return self.features(self.train)

    @cached_property
    def classifier(self) -> LogisticRegression | None:
        """A classifier trained on the features of training clips; None without classes."""
        if self.data.labels is None or self.data.spec.num_classes < 2:
            return None
        from sklearn.linear_model import LogisticRegression  # slow to import, and sampling needs none

        return LogisticRegression(max_iter=500).fit(self.known, self.data.labels[self.some])

    def model(self, nets: Nets) -> Model:
        """A model of the generator."""
        if self._model is None:
            info = {"recipe": self.config.recipe, "seed": self.config.train.seed}
            self._model = Model(nets["G"], self.data.spec, info, device=next(nets["G"].parameters()).device)
        else:
            self._model.net.load_state_dict(nets["G"].state_dict())
        return self._model

    def examples(self) -> Watched:
        """Real clips for the collapse check."""
        rows = self.data.train[: watched(SHOWN, self.data.spec.num_classes)]
        labels = self.data.labels[rows] if self.data.spec.num_classes else None
        return by_class(torch.from_numpy(self.data.raw(rows).astype(np.float32)), labels)

    def sample(self, nets: Nets) -> Watched:
        """Generated clips for the collapse check."""
        model, count = self.model(nets), watched(SHOWN, self.data.spec.num_classes)
        made = torch.from_numpy(model.sample(count).data.astype(np.float32))
        return by_class(made, model.label_list(None, np.arange(count)))

    def show(self, nets: Nets) -> Image.Image:
        """Generated clips as rows of frames, the classes in turn."""
        return filmstrips(self.model(nets).sample(SHOWN).data)

    def score(self, nets: Nets) -> tuple[dict[str, float], dict[str, float], str]:
        """fd, speed and change on 256 clips, the same for held-out clips, and the key of the features."""
        made, real = self.model(nets).sample(SCORED, seed=1).data, self.data.raw(self.data.held[:SCORED])
        return self._quick(made), self._quick(real), score_key(self.features)

    def _quick(self, clips: np.ndarray) -> dict[str, float]:
        known = frechet.moments(self.known)
        found = {"fd": frechet.distance(known, frechet.moments(self.features(clips)))}
        return found | {n: measures.apart(f(clips), f(self.train)) for n, f in _COURSES.items()}

    def numbers(self, clips: np.ndarray, asked: np.ndarray | None = None) -> dict[str, Estimate]:
        """All metrics of clips uint8 [n, T, C, H, W] against training clips. asked: the classes asked for [n]."""
        seen = self.features(clips)
        found = {
            "fd": frechet.sample_distance(seen, frechet.moments(self.known), min(len(self.data.held), SCORED)),
            "clip_kd": kernel_distance(seen, self.known, subsets=20),
            "frame_kd": kernel_distance(self._pictures(clips), self._pictures(self.train), subsets=20),
        }
        found |= {n: _bare(measures.apart(f(clips), f(self.train))) for n, f in _COURSES.items()}
        found["returns"] = wilson(float(measures.returns(clips).mean()), len(clips))
        if self.classifier is not None and asked is not None:
            told: Any = self.classifier.predict(seen)  # pyrefly: ignore
            found["agreement"] = wilson(float((told == asked).mean()), len(clips))
        found["nearness"] = _bare(_nearest(seen, self.known) / max(self._spare, 1e-9))
        return found

    def _pictures(self, clips: np.ndarray) -> np.ndarray:
        """Features of a few frames of each clip."""
        rng = np.random.default_rng(key("frames", len(clips)))
        which = rng.integers(clips.shape[1], size=(len(clips), _FRAMES))
        return self.frames(clips[np.arange(len(clips))[:, None], which].reshape(-1, *clips.shape[2:]))

    @cached_property
    def _spare(self) -> float:
        return _nearest(self.features(self.data.raw(self.data.held[:SCORED])), self.known)

    def evaluate(
        self, nets: Nets, *, count: int, seed: int, pictures: Path, progress: Work, about: dict[str, Any]
    ) -> TaskReport:
        """The full evaluation, on at most 2,048 clips; animations and strips go to the folder `pictures`."""
        start, data = time.monotonic(), self.data
        count = min(count, MOST)
        made = self.model(nets).sample(count, seed=seed + 1)
        files = self._draw(made.data, data.raw(data.held[:SHOWN]), pictures, made.note())
        if len(data.held) < LEAST:
            return TaskReport.of_nothing(too_few(len(data.held), LEAST, "clip", "clips"), about, count, files)
        held = data.raw(data.held[:MOST])
        labels = None if data.labels is None else data.labels[data.held[:MOST]]
        real = self.numbers(held, labels)
        floors = {"still (first frame of real clips)": measures.still_clips(held),
                  "real clips, frames shuffled": measures.shuffled(held)}  # fmt: skip
        baselines = {name: _values(self.numbers(clips, labels)) for name, clips in floors.items()}
        baselines["real clips, held out"] = _values(real)
        found = self.numbers(made.data, made.labels)
        metrics = {name: _metric(name, value, real[name]) for name, value in found.items()}
        metrics = {self._named(name): value for name, value in metrics.items()}
        baselines = {name: {self._named(k): v for k, v in values.items()} for name, values in baselines.items()}
        if getattr(nets["G"], "predicts", False):
            metrics |= self.going_on(nets["G"])
        about = {**about, "generator": self.model(nets).fingerprint}
        seconds = time.monotonic() - start
        return TaskReport(metrics, count, baselines, [], files, self.protocol(count, len(held)), self.warnings(found),
                          score_key(self.features), about, seconds)  # fmt: skip

    def _named(self, name: str) -> str:
        """The name of a score; that of frames holds the key of a published network."""
        return score_name(name, self.frames) if name == "frame_kd" else name

    @torch.inference_mode()
    def going_on(self, G: nn.Module, most: int = 128) -> dict[str, Measurement]:
        """Error of clips that continue held-out first frames, the best of four, against the real continuations.

        It is relative to the better of two still guesses: the first frame repeated, and the median of training frames.
        (For a small object on a plain background that has moved, the first has twice the error of the second.)
        """
        chosen = self.data.held[:most]
        batch = self.data.fetch(chosen)
        z = torch.randn(_TRIES, len(chosen), G.z_dim, generator=torch.Generator().manual_seed(0))  # pyrefly: ignore
        x, device = batch["x"], next(G.parameters()).device
        y = batch["y"].to(device) if "y" in batch else None
        gaps = [_off(G(part.to(device), y, x[:, 0].to(device)).cpu(), x) for part in z]
        median = torch.from_numpy(np.median(self.train[:, ::_FRAMES], (0, 1)).astype(np.float32) / 127.5 - 1)
        floor = min(float(_off(guess, x).mean()) for guess in (x[:, :1], median))
        share = torch.stack(gaps).amin(0).mean() / max(floor, 1e-9)
        meaning = "Error of clips that continue a first frame, best of four, over that of the best still guess."
        return {"going_on": metric(float(share), meaning=meaning)}

    def _draw(self, made: np.ndarray, real: np.ndarray, folder: Path, note: dict[str, Any]) -> dict[str, str]:
        folder.mkdir(parents=True, exist_ok=True)
        classes, fps = self.data.spec.num_classes, float(self.data.spec.facts.get("fps", 12.0))
        files = {"Generated clips": "clips.webp", "Real clips": "real.webp"}
        for name, clips, mark in zip(files.values(), (made[: 2 * SHOWN], real), (note, None), strict=True):
            if len(clips):
                replace_file(folder / name, provenance.encode(moving(clips, classes), "webp", mark, fps))
        save_picture(filmstrips(made), folder / "strips.png")
        return {**files, "Generated, frame by frame": "strips.png"} if len(real) else {"Generated clips": "clips.webp"}

    def protocol(self, count: int, held: int) -> list[str]:
        """Sentences that describe the protocol."""
        return [
            f"{count:,} generated and {held:,} held-out clips, each compared with "
            f"{counted(len(self.train), 'training clip')}.",
            f"fd: groups of {min(held, SCORED)} clips; 95 % intervals over bootstrap samples, Wilson's for shares.",
            f"Features of clips: {score_key(self.features)}; of frames: {score_key(self.frames)}.",
            "still: the first frame of real clips, repeated; shuffled: their frames in a random order.",
        ]

    def warnings(self, found: dict[str, Estimate]) -> list[str]:
        """Warnings about few clips and about copies."""
        out = [f"Only {counted(len(self.data.held), 'clip is', 'clips are')} held out: the intervals are wide."] * (
            len(self.data.held) < 200
        )
        if found["nearness"].value < 0.5:
            out.append("Generated clips are much nearer to training clips than held-out ones are: they may be copies.")
        return out


_COURSES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"speed": measures.flow, "change": measures.frame_change}


def _off(made: Tensor, real: Tensor) -> Tensor:
    """Mean absolute difference of clips [B, T, C, H, W] after the first frame, [B]."""
    return (made - real)[:, 1:].abs().mean((1, 2, 3, 4))


def _nearest(x: np.ndarray, known: np.ndarray) -> float:
    """Median distance of rows x [n, d] to the nearest of known [m, d]."""
    return float(torch.cdist(torch.from_numpy(x), torch.from_numpy(known)).amin(1).median())


def _bare(value: float) -> Estimate:
    return Estimate(float(value), float("nan"), float("nan"))


def _values(found: dict[str, Estimate]) -> dict[str, float]:
    return {name: value.value for name, value in found.items()}


def _metric(name: str, found: Estimate, real: Estimate) -> Measurement:
    made = metric(found, real, better=_BETTER.get(name, "lower"), meaning=MEANINGS[name])
    return made if name == "fd" else replace(made, ratio=None)
