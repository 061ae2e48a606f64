"""The evaluator of classifiers: accuracy, calibration and confusion on held-out labelled images, beside baselines.

The main baseline is the same network, trained by the same optimiser on the labelled images alone; the difference is the
gain from unlabelled or generated images.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ganworks.core.abilities.teaching import players_of
from ganworks.core.chance import seeded
from ganworks.core.console.text import counted
from ganworks.core.contracts import Nets, Watched, Work, uses_of
from ganworks.core.order import Order
from ganworks.core.spec import key
from ganworks.files.packing.feed import DataFeed
from ganworks.kinds.images.classification import pictures as pictures_of
from ganworks.kinds.images.classification.probe import ProbeClassifier
from ganworks.metrics.estimate import Estimate, wilson
from ganworks.metrics.samples import by_class, watched
from ganworks.metrics.scoring import Measurement
from ganworks.metrics.tasks import TaskReport, TimedByTrial, interval, metric, save_pictures
from ganworks.training.engine import Engine

FEWEST = 20  # held-out images below which nothing is scored
SCORED, SHOWN, BINS = 2000, 40, 15
ALONE = 100_000  # most examples for the baseline, which with few labels has long stopped changing by then


def probabilities(net: nn.Module, x: Tensor, batch: int = 256) -> Tensor:
    """Images [N, C, H, W] in [-1, 1] -> probabilities of the classes [N, K], float32 on the CPU."""
    device = next(net.parameters()).device
    with torch.inference_mode():
        parts = [net(part.to(device)).float().softmax(1).cpu() for part in x.split(batch)]
    return torch.cat(parts) if parts else torch.zeros(0, 0)


def confusion(chances: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Confusion matrix int64 [K, K]: rows are true classes, columns predictions. chances: [N, K]; y: [N]."""
    classes = chances.shape[1]
    return np.bincount(y * classes + chances.argmax(1), minlength=classes**2).reshape(classes, classes)


def calibration_error(chances: np.ndarray, y: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: |accuracy - mean confidence| over bins of equal width, weighted by their share.

    Guo et al. 2017 (1706.04599), equation 3. chances: [N, K]; y: [N]. 0 is perfect.
    """
    sure, right = chances.max(1), chances.argmax(1) == y
    place = np.minimum((sure * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    gaps = np.bincount(place, right - sure.astype(np.float64), minlength=bins)
    return float(np.abs(gaps).sum() / max(1, count.sum()))


def reliability(chances: np.ndarray, y: np.ndarray, bins: int = 10) -> list[tuple[float, float, int]]:
    """(mean confidence, accuracy, count) of each bin of confidence that is not empty. chances: [N, K]; y: [N]."""
    sure, right = chances.max(1), chances.argmax(1) == y
    place = np.minimum((sure * bins).astype(int), bins - 1)
    held = [place == b for b in range(bins) if (place == b).any()]
    return [(float(sure[m].mean()), float(right[m].mean()), int(m.sum())) for m in held]


def log_loss(chances: np.ndarray, y: np.ndarray) -> np.ndarray:
    """-log of the probability of the true class, in nats [N]. chances: [N, K]; y: [N]."""
    return -np.log(np.maximum(chances[np.arange(len(y)), y].astype(np.float64), 1e-12))


def simple(chances: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """accuracy, ece and log_loss as plain numbers."""
    accuracy = float((chances.argmax(1) == y).mean())
    return {"accuracy": accuracy, "ece": calibration_error(chances, y), "log_loss": float(log_loss(chances, y).mean())}


def measured(chances: np.ndarray, y: np.ndarray) -> dict[str, Measurement]:
    """The metrics of a classifier with 95 % intervals: Wilson's for the accuracy, bootstrap for the others."""
    right = chances.argmax(1) == y
    share = wilson(float(right.mean()), len(y))
    meaning = "Share of held-out images given their class."
    found = {
        "accuracy": _within(metric(right, better="higher", meaning=meaning), share),
        "log_loss": metric(log_loss(chances, y), meaning="Minus the log of the true class's probability, in nats."),
    }
    rng = np.random.default_rng(key("calibration", len(y)))
    draws = [calibration_error(chances[i], y[i]) for i in (rng.integers(len(y), size=len(y)) for _ in range(200))]
    low, high = np.quantile(draws, [0.025, 0.975])
    error = Estimate(calibration_error(chances, y), float(low), float(high))
    meaning = "How far confidence is from accuracy, on average (expected calibration error, 15 bins)."
    return found | {"ece": _within(metric(error.value, meaning=meaning), error)}


def _within(value: Measurement, estimate: Estimate) -> Measurement:
    return replace(value, value=estimate.value, low=estimate.low, high=estimate.high)


def nearest_labelled(known: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """[n]: the label of the labelled image nearest to each of x [n, ...] by pixels. known: [m, ...], y: [m]."""
    a, b = (torch.from_numpy(v.reshape(len(v), -1).astype(np.float32)) for v in (x, known))
    return y[torch.cat([torch.cdist(part, b).argmin(1) for part in a.split(1000)]).numpy()]


class ClassEvaluator(TimedByTrial):
    """Evaluates classifier C, and shows images of G where there is one. data: a `PartialData`; config: the training's.

    The newest weights are published: choosing by the held-out labels would be training on them (Oliver et al. 2018,
    1804.09170).
    """

    objective = ""
    noise: float | None = None

    def __init__(self, data: Any, config: Any, work: Work):
        self.data, self.config, self.work = data, config, work

    @property
    def ready(self) -> bool:
        """Whether enough labelled images are held out for scores."""
        return len(self.data.held) >= FEWEST

    @cached_property
    def some(self) -> np.ndarray:
        """Indices of the held-out images for quick scores, at most 2,000, always the same."""
        order = np.random.default_rng(key("held", len(self.data.held))).permutation(self.data.held)
        return order[:SCORED]

    def examples(self) -> Watched | None:
        """Labelled images in [-1, 1], for the check for collapse; None without a generator: a classifier has none."""
        if "G" not in uses_of(self.config.networks):
            return None
        few = self.data.known[: watched(SHOWN, self.data.spec.num_classes)]
        return by_class(self.data.images(few), self.data.labels[few])

    def sample(self, nets: Nets) -> Watched | None:
        """Images of G for the check, the classes in turn."""
        if "G" not in nets:
            return None
        return by_class(*self._generated(nets["G"], watched(SHOWN, self.data.spec.num_classes)))

    def _generated(self, G: nn.Module, count: int) -> tuple[Tensor, Tensor]:
        """(images of G [count, C, H, W], the classes asked for, in turn)."""
        device = next(G.parameters()).device
        z = torch.randn(count, G.z_dim, generator=torch.Generator().manual_seed(key("show")))  # pyrefly: ignore
        asked = torch.arange(count) % self.data.spec.num_classes
        with torch.inference_mode():
            return G(z.to(device), asked.to(device)).float().cpu(), asked

    def chances(self, net: nn.Module, indices: np.ndarray) -> np.ndarray:
        """Probabilities [n, K] of the classes for the images of these indices."""
        parts = [indices[i : i + 1024] for i in range(0, len(indices), 1024)]
        return np.concatenate([probabilities(net, self.data.images(part)).numpy() for part in parts])

    def show(self, nets: Nets) -> Image.Image:
        """Held-out images with C's predictions, and below them samples of G where there is one."""
        chosen = self.some[:SHOWN] if len(self.data.held) else self.data.known[:SHOWN]
        answers = pictures_of.answers(self.data, chosen, self.chances(nets["C"], chosen))
        return pictures_of.stacked([answers, *([self.made(nets["G"])] if "G" in nets else [])])

    def made(self, G: nn.Module) -> Image.Image:
        """Forty samples of G, the classes in turn."""
        x, _ = self._generated(G, SHOWN)
        return self.config.domain.show(x, columns=min(10, self.data.spec.num_classes))

    def score(self, nets: Nets) -> tuple[dict[str, float], dict[str, float], str]:
        """Accuracy, calibration error and log loss on at most 2,000 held-out images."""
        return simple(self.chances(nets["C"], self.some), self.data.labels[self.some]), {}, ""

    def alone(self, seen: int) -> nn.Module:
        """The same network trained on the labelled images alone, with averaged weights as the published one has.

        seen: examples that the published one has seen; the baseline sees as many, but at most 100,000.
        """
        config = replace(self.config, game=self.config.game.alone())
        with seeded(config.train.seed, "init"):
            net = {**config.networks.build(self.data.spec), **players_of(config.game, self.data.spec)}["C"]
        order = Order(len(self.data.train), key(config.train.seed, "order"))
        feed = DataFeed(self.data, order, config.domain.batch, torch.device("cpu"))
        total = max(config.train.batch, min(ALONE, seen))
        with torch.random.fork_rng(devices=[]):
            engine = Engine({"C": net}, config.game, config, feed, total, self.data.spec.num_classes, averaged=("C",))
            while engine.clock.seen < total:
                engine.step()
                self.work("Training on the labels alone", engine.clock.seen, total)
        net.load_state_dict(engine.average(0, "C"))
        return net.eval().requires_grad_(False)

    def seen_through(self, C: ProbeClassifier, indices: np.ndarray) -> np.ndarray:
        """The features [n, d] by which C classifies the images of these indices."""
        parts = [indices[i : i + 256] for i in range(0, len(indices), 256)]
        with torch.inference_mode():
            device = next(C.parameters()).device
            return np.concatenate([C.features(self.data.images(part).to(device)).cpu().numpy() for part in parts])

    def baselines(self, C: nn.Module, held: np.ndarray, seen: int) -> tuple[dict[str, dict[str, float]], np.ndarray]:
        """(scores of simple methods on the same held-out images, probabilities [n, K] of the network of `alone`)."""
        data, y = self.data, self.data.labels[held]
        alone = self.chances(self.alone(seen), held)
        near = nearest_labelled(data.raw(data.known), data.labels[data.known], data.raw(held))
        most = int(data.counts.argmax())
        found = {"nearest labelled image": {"accuracy": float((near == y).mean())}}
        if isinstance(C, ProbeClassifier):
            a, b = (self.seen_through(C, rows) for rows in (data.known, held))
            near = nearest_labelled(a, data.labels[data.known], b)
            found["nearest labelled image by the same features"] = {"accuracy": float((near == y).mean())}
        return {
            "same network, labels alone": simple(alone, y),
            **found,
            f"always {data.spec.classes[most]}": {"accuracy": float((y == most).mean())},
        }, alone

    def evaluate(
        self, nets: Nets, *, count: int, seed: int, pictures: Path, progress: Work, about: dict[str, Any]
    ) -> TaskReport:
        """Evaluate on at most `count` held-out images; pictures are written to the folder `pictures`."""
        start, data = time.monotonic(), self.data
        rng = np.random.default_rng(key(seed, "judge"))
        held = np.sort(rng.permutation(data.held)[:count])
        if not len(held):
            return TaskReport.of_nothing("No labelled image is held out, so there is no score.", about)
        y, chances = data.labels[held], self.chances(nets["C"], held)
        baselines, alone = self.baselines(nets["C"], held, int(about.get("seen") or ALONE))
        metrics = measured(chances, y)
        gain = (chances.argmax(1) == y).astype(float) - (alone.argmax(1) == y)
        low, high = interval(gain)
        meaning = "Accuracy above that of the same network trained on the labels alone, on the same images."
        more = Estimate(float(gain.mean()), low, high)
        metrics["gain"] = _within(metric(more.value, better="higher", meaning=meaning), more)
        table = confusion(chances, y)
        names = list(data.spec.classes)
        made = {
            "Confusion": pictures_of.confusion_picture(table, names),
            "Reliability": pictures_of.reliability_picture(reliability(chances, y)),
            "Surest mistakes": pictures_of.mistakes(data, held, chances, y),
        }
        if "G" in nets:
            made["Generated"] = self.made(nets["G"])
        named = {title: (f"{title.lower().replace(' ', '-')}.png", image) for title, image in made.items()}
        files = save_pictures(pictures, named)
        return TaskReport(
            metrics,
            len(held),
            baselines,
            [per_class(table, names), confusion_table(table, names)],
            files,
            self.protocol(len(held)),
            self.warnings(table, names, len(held)),
            about=about,
            seconds=time.monotonic() - start,
        )

    def protocol(self, count: int) -> list[str]:
        """How the classifier was evaluated, in sentences."""
        known = len(self.data.known)
        return [
            f"{count:,} held-out labelled images; 95 % intervals: Wilson's for the accuracy, else bootstrap.",
            f"Trained with {counted(known, 'label')} and {counted(len(self.data.train) - known, 'image')} without one.",
            "The baseline is the same network with the same optimiser and augmentation on the labels alone, for at "
            f"most {ALONE:,} examples.",
            "The held-out labels did not choose the weights: those of the end of the training are evaluated.",
        ]

    def warnings(self, table: np.ndarray, names: list[str], count: int) -> list[str]:
        """What makes the numbers uncertain, in sentences."""
        missing = [n for n, row in zip(names, table, strict=True) if not row.sum()]
        out = [f"No image of {', '.join(missing)} is held out: nothing is known of these classes."] if missing else []
        return out + ([f"Only {counted(count, 'held-out image')}: the interval is wide."] if count < 200 else [])


def per_class(table: np.ndarray, names: list[str]) -> dict[str, Any]:
    """A table of recall, precision and F1 of each class, from counts [K, K]."""
    right, asked, told = table.diagonal(), table.sum(1), table.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, precision, f1 = right / asked, right / told, 2 * right / (asked + told)
    rows = [
        [n, int(c), *(round(float(v), 4) if np.isfinite(v) else None for v in (r, p, f))]
        for n, c, r, p, f in zip(names, asked, recall, precision, f1, strict=True)
    ]
    return {"title": "Classes", "columns": ["class", "held-out images", "recall", "precision", "F1"], "rows": rows}


def confusion_table(table: np.ndarray, names: list[str]) -> dict[str, Any]:
    """The whole confusion matrix for up to 20 classes, else a table of the 20 most frequent confusions."""
    if len(names) <= 20:
        rows = [[n, *row] for n, row in zip(names, table.tolist(), strict=True)]
        return {"title": "Confusion (row: true class, column: answer)", "columns": ["", *names], "rows": rows}
    wrong = table - np.diag(table.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:20]
    rows = [[names[i // len(names)], names[i % len(names)], int(wrong.flat[i])] for i in order if wrong.flat[i]]
    return {"title": "Most frequent confusions", "columns": ["true class", "answer", "times"], "rows": rows}
