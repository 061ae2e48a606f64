"""The evaluator of unpaired translation: pictures, quick scores and the full evaluation on held-out images."""

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

from ganworks.core.console.text import counted
from ganworks.core.contracts import Nets
from ganworks.core.spec import Spec
from ganworks.files.rasters.pixels import grid
from ganworks.kinds.images.shared import fidelity
from ganworks.kinds.images.shared.palette import colour_table, nearest_colour, paint, palettes_of, planes
from ganworks.kinds.images.unpaired import measures as unpaired
from ganworks.metrics import tasks
from ganworks.metrics.estimate import Estimate
from ganworks.metrics.features import RandomConv, score_key, to_unit
from ganworks.metrics.kernel import kernel_distance

FEWEST = 4  # held-out images on each side below which nothing is scored
_SHOWN, _SCORED, _WATCHED, _TOGETHER = 8, 200, 32, 32

MEANING = {
    "kid": "Kernel distance of translated images to the target set; about 0 is perfect.",
    "kid_back": "The same for target images translated to the source side, against the source set.",
    "stats": "1000 x Frechet distance of colour, contrast and sharpness (12 independent statistics) to the targets.",
    "structure": "Correlation of edges with those of the input; 1 keeps every edge, 0 is unrelated to the input.",
    "cycle": "L1 between an image and its translation there and back, as a share of the range; 0 is perfect.",
    "truth": "L1 to the true translation, where held-out files are paired by name.",
}


def translate(net: nn.Module, images: np.ndarray, spec: Spec, back: nn.Module | None = None) -> np.ndarray:
    """Translate stored images [n, C, H, W] by a network of this spec, 32 at a time: [n, C', H, W] as stored.

    back: a second network, which translates the first one's output, not rounded, back: [n, C, H, W].
    """
    device = next(net.parameters()).device
    given, made = palettes_of(spec)
    made = made if back is None else given
    plain, parts = Spec(spec.kind, spec.source, low=spec.low, high=spec.high), []
    with torch.inference_mode():
        for start in range(0, len(images), _TOGETHER):
            x = to_unit(images[start : start + _TOGETHER], plain)
            if given:
                x = planes(nearest_colour(x, colour_table(given)), len(given))
            y = net(x.to(device, memory_format=torch.channels_last)).float()
            y = (y if back is None else back(y).float()).cpu().contiguous()
            parts.append((paint(y.argmax(1), colour_table(made)) if made else y).numpy())
    y = (np.concatenate(parts) + 1) * ((spec.high - spec.low) / 2) + spec.low
    return np.rint(y).clip(0, 255).astype(np.uint8) if spec.dtype == "uint8" else y.astype(np.float32)


class UnpairedEvaluator(tasks.TimedByTrial):
    """Evaluates G and, where there is one, G_back. data: an opened `Unpaired` data set.

    There is no objective: the newest snapshot is published, since no score on a few images chooses a better one.
    """

    objective = ""
    noise: float | None = None

    def __init__(self, data: Any, device: str = "auto"):
        self.data, self.spec = data, data.spec
        self.back = replace(data.spec, shape=data.spec.source, source=data.spec.shape)  # the spec of G_back

    @property
    def ready(self) -> bool:
        """Whether enough images are held out on both sides for scores."""
        return len(self.data.held) >= FEWEST

    @cached_property
    def _held(self) -> tuple[np.ndarray, np.ndarray]:
        return self.data.unseen("source"), self.data.unseen("target")

    def _some(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Up to `count` held-out examples of both sides; training examples where none are held out."""
        get = self.data.unseen if len(self.data.held) else self.data.seen
        return get("source", count), get("target", count)

    def forth(self, nets: Nets, images: np.ndarray) -> np.ndarray:
        """Source images translated to the target side, as stored."""
        return translate(nets["G"], images, self.spec)

    def backwards(self, nets: Nets, images: np.ndarray) -> np.ndarray:
        """Target images translated to the source side, as stored."""
        return translate(nets["G_back"], images, self.back)

    def examples(self) -> Tensor | None:
        """Real target images, for the watch for collapse."""
        return torch.from_numpy(self.data.seen("target", _WATCHED).astype(np.float32))

    def sample(self, nets: Nets) -> Tensor | None:
        """Translated source images, for the watch for collapse."""
        return torch.from_numpy(self.forth(nets, self.data.seen("source", _WATCHED)).astype(np.float32))

    def show(self, nets: Nets) -> Image.Image:
        """Rows of input, translation and, with G_back, its translation back; then the same from the other side."""
        a, b = self._some(_SHOWN)
        made = self.forth(nets, a)
        rows = [a, made]
        if "G_back" in nets:
            returned = self.backwards(nets, b)
            rows += [translate(nets["G"], a, self.spec, nets["G_back"]), b, returned, self.forth(nets, returned)]
        elif a.shape[1:] == b.shape[1:]:
            rows += [b, self.forth(nets, b)]
        columns = min(len(row) for row in rows)
        return grid(_same_channels([row[:columns] for row in rows]), columns)

    @cached_property
    def _extractors(self) -> tuple[RandomConv, RandomConv]:
        shapes = [side.shape[1:] for side in (self.data.seen("target", 1), self.data.seen("source", 1))]
        ahead, behind = (RandomConv(replace(self.spec, shape=shape)) for shape in shapes)
        return ahead, behind

    def score(self, nets: Nets) -> tuple[dict[str, float], dict[str, float], str]:
        """(quick scores on up to 200 held-out images a side, floors of real data, the extractor's key)."""
        values = self._measure(nets, _SCORED)
        floors = self._real(_SCORED)
        scores = {name: tasks.metric(value).value for name, value in values.items()}
        return scores, floors, score_key(self._extractors[0])

    def _measure(self, nets: Nets, count: int) -> dict[str, np.ndarray | float | Estimate]:
        """For each score its values per image, an estimate, or one number."""
        (a, b), (ahead, behind) = (held[:count] for held in self._held), self._extractors
        made = self.forth(nets, a)
        out: dict[str, np.ndarray | float | Estimate] = {
            "kid": kernel_distance(ahead(made), ahead(b)),
            "stats": unpaired.statistics_distance(made, b, independent=True),
            "structure": unpaired.structure(a, made),
        }
        if "G_back" in nets:
            returned = self.backwards(nets, b)
            out["kid_back"] = kernel_distance(behind(returned), behind(a))
            there = (
                translate(nets["G"], a, self.spec, nets["G_back"]),
                translate(nets["G_back"], b, self.back, nets["G"]),
            )
            out["cycle"] = np.concatenate([fidelity.l1(there[0], a), fidelity.l1(there[1], b)])
        if self.data.paired:
            out["truth"] = fidelity.l1(made, b[: len(made)])
        return out

    def _real(self, count: int) -> dict[str, float]:
        """Floors: the distances of real training images to the held-out ones of the same side."""
        (a, b), (ahead, behind) = (held[:count] for held in self._held), self._extractors
        seen_a, seen_b = self.data.seen("source", len(a)), self.data.seen("target", len(b))
        return {
            "kid": kernel_distance(ahead(seen_b), ahead(b)).value,
            "stats": unpaired.statistics_distance(seen_b, b, independent=True),
            "kid_back": kernel_distance(behind(seen_a), behind(a)).value,
        }

    def _baselines(self) -> dict[str, dict[str, float]]:
        """Scores of the input itself and of its colour transfer, where both sides have the same channels."""
        a, b = self._held
        if a.shape[1] != b.shape[1]:
            return {}
        extractor, out = self._extractors[0], {}
        moved = unpaired.colour_transfer(a, self.data.seen("source", _SCORED), self.data.seen("target", _SCORED))
        for name, images in (("the input itself", a), ("colour transfer", moved)):
            out[name] = {
                "kid": kernel_distance(extractor(images), extractor(b)).value,
                "stats": unpaired.statistics_distance(images, b, independent=True),
                "structure": float(unpaired.structure(a, images).mean()),
            }
            if self.data.paired:
                out[name]["truth"] = float(fidelity.l1(images, b[: len(images)]).mean())
        return out

    def evaluate(
        self, nets: Nets, *, count: int, seed: int, pictures: Path, progress: Any, about: dict[str, Any]
    ) -> tasks.TaskReport:
        """Evaluate every score with its interval, floors and simple baselines; a picture shows both directions.

        There is no score when fewer than FEWEST images are held out on a side.
        """
        if not self.ready:
            return tasks.TaskReport.of_nothing(
                tasks.too_few(len(self.data.held), FEWEST, "image of a side", "images of a side"), about
            )
        start = time.perf_counter()
        progress("Evaluating", 0, 2)
        values, floors = self._measure(nets, len(self._held[0])), self._real(len(self._held[0]))
        progress("Evaluating", 1, 2)
        meanings = {name: ("higher" if name == "structure" else "lower", said) for name, said in MEANING.items()}
        metrics = tasks.metrics_of(values, floors, meanings)
        sheet = {"Input, translation, translation back": ("translations.png", self.show(nets))}
        files = tasks.save_pictures(pictures, sheet)
        progress("Evaluating", 2, 2)
        a, b = (len(side) for side in self._held)
        return tasks.TaskReport(
            metrics,
            count=a,
            baselines=self._baselines(),
            pictures=files,
            protocol=[
                f"{a} held-out source and {b} held-out target images, each once, at the size of the training.",
                "Floors: training images of the target set against its held-out images.",
                "A translation must be near the target set (kid, stats) and preserve its input (structure, cycle): "
                "the input itself is perfect in the second, any target image in the first.",
            ],
            warnings=[]
            if min(a, b) >= 50
            else [f"Only {counted(min(a, b), 'held-out image')}: distances are uncertain."],
            extractor=score_key(self._extractors[0]),
            about=about,
            seconds=time.perf_counter() - start,
        )


def _same_channels(rows: list[np.ndarray]) -> np.ndarray:
    most = max(row.shape[1] for row in rows)
    return np.concatenate([row if row.shape[1] == most else row[:, :1].repeat(most, 1) for row in rows])
