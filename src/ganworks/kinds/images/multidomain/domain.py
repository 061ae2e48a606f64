"""The domain of translation between classes: images with classes, each of which can be translated to any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ganworks.core.console.text import counted
from ganworks.core.contracts import Nets, Progress, Watched
from ganworks.core.errors import UsageError, pixels
from ganworks.core.spec import Draw, Spec
from ganworks.files.packing.pack import Packed, cache_folder
from ganworks.files.rasters.pixels import grid, viewable
from ganworks.kinds.images.domain import Images
from ganworks.kinds.images.shared import fidelity
from ganworks.kinds.images.shared.reading import class_number
from ganworks.kinds.images.shared.tiles import tiled
from ganworks.kinds.images.unpaired.measures import structure
from ganworks.metrics.classifier import Classifier, classifier_of
from ganworks.metrics.estimate import wilson
from ganworks.metrics.features import score_key, score_name
from ganworks.metrics.judges.pictures import PublishedFeatures
from ganworks.metrics.judges.sets import JudgedByNetworks
from ganworks.metrics.kernel import unbiased_mmd
from ganworks.metrics.samples import by_class
from ganworks.metrics.tasks import TaskReport, TimedByTrial, metric, save_pictures, spaced, too_few

_QUICK, _FULL, _SHOWN, _COLUMNS = 64, 1000, 8, 8
_FEWEST = 8  # held-out examples below which nothing is scored
_NOISE = 0.05  # standard error of the agreement on so few examples
_TILE, _OVERLAP = 1024, 64
MEANING = {
    "agreement": "Share of translated images that a classifier of real images sees as the class asked for.",
    "cycle": "L1 between an image and its translation to another class and back, as a share of the range.",
    "structure": "Correlation of edges between an image and its translation; 1 keeps every edge.",
    "kid": "Kernel distance between translations to a class and real images of it, mean over classes.",
}


@dataclass(frozen=True)
class Multi(Images):
    """Images with labels (folders, labels.csv, arrays with labels): `x` is an image, `src` the same one, `y` its class.

    The settings are those of `Images`; data needs labels of two classes or more.
    """

    options: ClassVar[dict[str, str]] = {
        "label": "the class to make, by name or number (needed)",
        "tile": f"side in pixels above which the picture is translated in parts (default {_TILE}); 0: never",
    }

    def open(self, path: Any, cache: str | Path | None = None, on_progress: Progress | None = None) -> Packed:
        """Pack the data (or open its pack). Raises UsageError when it has fewer than two classes."""
        if not self.labelled:
            raise UsageError("Translation between classes needs the labels: leave labels= away.")
        data = super().open(path, cache, on_progress)
        if data.spec.num_classes < 2:
            raise UsageError(
                f'"{data.summary["source"]}" has no classes to translate between. Put the images of each class in a '
                "folder of its own, or add a labels.csv with the columns file and label."
            )
        data.spec = replace(data.spec, kind="multi", source=data.spec.shape)
        return data

    def batch(self, data: Packed, indices: np.ndarray, draw: Draw) -> dict[str, Tensor]:
        """Images of these indices, augmented, as `x` and as `src` [B, C, H, W], and their classes `y` [B]."""
        batch = super().batch(data, indices, draw)
        return batch | {"src": batch["x"]}

    def evaluator(self, data: Packed, source: Any, config: Any, work: Any) -> MultiEvaluator:  # pyrefly: ignore
        """What evaluates translations of held-out images."""
        return MultiEvaluator(data, work)

    def apply(self, net: nn.Module, x: Tensor, spec: Spec, options: Mapping[str, Any]) -> Tensor:
        """Translate x [1, C, H, W] in [-1, 1], of any size, to options["label"], a class or its number; the same shape.

        options["tile"]: side in pixels above which the image is translated in parts (default 1024; 0: never). Raises
        UsageError for a label that is missing or unknown.
        """
        tile = pixels("tile", options.get("tile", _TILE))
        y = torch.tensor([class_number(spec, options.get("label"))], device=x.device)
        return tiled(lambda part: net(part, y.expand(len(part))), x, tile, _OVERLAP)


class MultiEvaluator(JudgedByNetworks, TimedByTrial):
    """Evaluates G's translations of held-out images to other classes. data: from `Multi.open`."""

    objective = "-agreement"
    noise = _NOISE

    def __init__(self, data: Packed, work: Any):
        self.data, self.work, self.classes = data, work, data.spec.num_classes

    @property
    def ready(self) -> bool:
        """Whether enough images are held out for scores."""
        return len(self.data.held) >= _FEWEST

    @cached_property
    def classifier(self) -> Classifier:
        """A classifier trained on the real training images; it never sees a translation."""
        return classifier_of(self.data, cache_folder(None)[0], progress=self.work)

    def examples(self) -> Watched:
        """Real images, for the watch for collapse."""
        where, labels = spaced(self.data.train, _QUICK), self.data.labels
        assert labels is not None
        return by_class(torch.from_numpy(self.data.raw(where).astype(np.float32)), labels[where])

    def sample(self, nets: Nets) -> Watched:
        """Translations of training images, on the scale of the files, for the watch for collapse."""
        where = spaced(self.data.train, _QUICK)
        asked = self.others(where)
        return by_class(torch.from_numpy(self.translate(nets, where, asked).astype(np.float32)), asked)

    def show(self, nets: Nets) -> Image.Image:
        """One row for each of a few images, held out if any are: the image, then its translation to each class."""
        where = spaced(self.data.held if len(self.data.held) else self.data.train, _SHOWN)
        columns = min(self.classes, _COLUMNS)
        made = [self.translate(nets, where, np.full(len(where), k)) for k in range(columns)]
        stacked = np.stack([self.data.raw(where), *made], 1)
        labels = ["input", *self.data.spec.classes[:columns]] * len(where)
        return grid(viewable(self._seen(stacked.reshape(-1, *stacked.shape[2:]))), columns + 1, labels)

    def score(self, nets: Nets) -> tuple[dict[str, float], dict[str, float], str]:
        """Agreement, cycle and structure on up to 64 held-out images, and the floors of real images."""
        where = spaced(self.data.held, _QUICK)
        values, _ = self.measured(nets, where, self.others(where))
        floor = {"agreement": self.classifier.accuracy, "cycle": 0.0, "structure": 1.0}
        return {k: float(np.mean(v)) for k, v in values.items()}, floor, score_key(self.classifier)

    def evaluate(
        self, nets: Nets, *, count: int, seed: int, pictures: Path, progress: Any, about: dict[str, Any]
    ) -> TaskReport:
        """Evaluate translations of the held-out images (at most `count` and 1,000) to other classes in turn."""
        where = spaced(self.data.held, min(count, _FULL))
        if not self.ready:
            return TaskReport.of_nothing(too_few(len(where), _FEWEST, "image", "images"), about)
        asked = self.others(where, seed)
        values, made = self.measured(nets, where, asked)
        accuracy = self.classifier.accuracy
        metrics = {
            name: metric(values[name], floor, better="lower" if name == "cycle" else "higher", meaning=MEANING[name])
            for name, floor in {
                "agreement": wilson(accuracy, len(self.data.held)),
                "cycle": 0.0,
                "structure": 1.0,
            }.items()
        }
        before = self.data.raw(where)
        coloured = self._coloured(before, asked)
        sets = {"translated": made, "unchanged": before, "coloured": coloured}
        distances, rows = self._by_class(values["agreement"], sets, asked)
        if distances["translated"]:
            metrics[self._kid] = metric(
                float(np.mean(distances["translated"])), float(np.mean(distances["real"])), meaning=MEANING["kid"]
            )
        sheet = {"Each row: an image, then that image as each class": ("classes.png", self.show(nets))}
        return TaskReport(
            metrics,
            len(where),
            baselines=self._baselines(before, coloured, asked, distances),
            tables=[{"title": "By class", "columns": ["class", "asked", "agreement", "kid"], "rows": rows}],
            pictures=save_pictures(pictures, sheet),
            protocol=[
                f"{counted(len(where), 'held-out image')}, each translated to one other class.",
                f"The classifier was trained on the real training images; it is right on {accuracy:.1%} of the "
                "held-out ones.",
            ],
            warnings=[f"Only {counted(len(where), 'image is', 'images are')} held out: the numbers say little."]
            if len(where) < 50
            else [],
            extractor=score_key(self.classifier),
            about=about,
        )

    def others(self, where: np.ndarray, seed: int = 0) -> np.ndarray:
        """For each image a class other than its own, the others in turn: int64 [n]."""
        assert self.data.labels is not None
        step = 1 + (np.arange(len(where)) + seed) % (self.classes - 1)
        return (self.data.labels[where] + step) % self.classes

    def translate(self, nets: Nets, where: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """Images of these indices translated to the asked classes, [n, C, H, W] as stored."""
        return self._stored(self._run(nets["G"], self.data.fetch(where)["x"], asked))

    def measured(self, nets: Nets, where: np.ndarray, asked: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """(agreement, cycle and structure of each image [n], the translations as stored)."""
        assert self.data.labels is not None
        x = self.data.fetch(where)["x"]
        made = self._run(nets["G"], x, asked)
        back = self._run(nets["G"], made, self.data.labels[where])
        stored, before = self._stored(made), self.data.raw(where)
        return {
            "agreement": (self.classifier.predict(stored)[0] == asked).astype(np.float64),
            "cycle": fidelity.l1(self._seen(self._stored(back)), self._seen(before)),
            "structure": structure(self._seen(before), self._seen(stored)),
        }, stored

    @torch.inference_mode()
    def _run(self, net: nn.Module, x: Tensor, asked: np.ndarray) -> Tensor:
        device = next(net.parameters()).device
        parts = zip(x.split(16), torch.from_numpy(np.asarray(asked)).split(16), strict=True)
        return torch.cat(
            [net(a.to(device, memory_format=torch.channels_last), y.to(device)).float().cpu() for a, y in parts]
        )

    def _stored(self, x: Tensor) -> np.ndarray:
        spec = self.data.spec
        values = (x.numpy() + 1) / 2 * (spec.high - spec.low) + spec.low
        return np.rint(values).astype(spec.dtype) if spec.dtype == "uint8" else values.astype(spec.dtype)

    def _seen(self, stored: np.ndarray) -> np.ndarray:
        """Stored images as uint8 in 0..255, for pictures and distances."""
        spec = self.data.spec
        if spec.dtype == "uint8":
            return stored
        return np.rint((stored - spec.low) / (spec.high - spec.low) * 255).clip(0, 255).astype(np.uint8)

    @property
    def _kid(self) -> str:
        """The name of the kernel distance; by a published network it holds its key."""
        return score_name("kid", self._features)

    @property
    def _features(self) -> Any:
        """What distances of sets are measured in: the classifier, or the published network that was asked for."""
        return self.classifier if self._judge is None else PublishedFeatures(self.data.spec, self._judge)

    def _by_class(
        self, agreed: np.ndarray, sets: dict[str, np.ndarray], asked: np.ndarray
    ) -> tuple[dict[str, list[float]], list[list[Any]]]:
        """(kernel distances of each set to real training images, one per class with enough images; rows of a table)."""
        labels, data = self.data.labels, self.data
        assert labels is not None
        distances: dict[str, list[float]] = {name: [] for name in ("real", *sets)}
        rows: list[list[Any]] = []
        see = self._features
        for k, name in enumerate(data.spec.classes):
            chosen, shown = asked == k, None
            real = see(data.raw(spaced(data.train[labels[data.train] == k], _FULL)))
            held = data.held[labels[data.held] == k]
            if min(len(real), len(held), chosen.sum()) >= 4:
                distances["real"].append(unbiased_mmd(see(data.raw(held)), real))
                for which, images in sets.items():
                    distances[which].append(unbiased_mmd(see(images[chosen]), real))
                shown = round(distances["translated"][-1], 4)
            rows.append(
                [name, int(chosen.sum()), round(float(agreed[chosen].mean()), 4) if chosen.any() else None, shown]
            )
        return distances, rows

    def _baselines(
        self, before: np.ndarray, coloured: np.ndarray, asked: np.ndarray, distances: dict[str, list[float]]
    ) -> dict[str, dict[str, float]]:
        """Scores of changing nothing, and of changing the colours alone."""
        kept = structure(self._seen(before), self._seen(coloured))
        out = {"unchanged image": {"structure": 1.0, "cycle": 0.0}, "colours of the class": {"structure": kept.mean()}}
        for (name, row), (which, images) in zip(
            out.items(), (("unchanged", before), ("coloured", coloured)), strict=True
        ):
            out[name] = {k: float(v) for k, v in row.items()}
            out[name]["agreement"] = float((self.classifier.predict(images)[0] == asked).mean())
            if distances[which]:
                out[name][self._kid] = float(np.mean(distances[which]))
        return out

    def _coloured(self, images: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """Images whose channels have the mean and standard deviation of the training images of the asked class."""
        labels, spec = self.data.labels, self.data.spec
        assert labels is not None
        out = images.astype(np.float64)
        mean, deviation = out.mean((2, 3), keepdims=True), out.std((2, 3), keepdims=True)
        out = (out - mean) / np.maximum(deviation, 1e-6)
        for k in np.unique(asked):
            real = self.data.raw(spaced(self.data.train[labels[self.data.train] == k], _FULL)).astype(np.float64)
            if len(real):
                own = real.std((2, 3)).mean(0)[:, None, None], real.mean((0, 2, 3))[:, None, None]
                out[asked == k] = out[asked == k] * own[0] + own[1]
        out = out.clip(spec.low, spec.high)
        return np.rint(out).astype(spec.dtype) if spec.dtype == "uint8" else out.astype(spec.dtype)
