"""The evaluator of inpainting: pictures, quick scores and the full evaluation on held-out photos."""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ganworks.core.console.text import counted
from ganworks.core.contracts import Nets
from ganworks.core.errors import UsageError
from ganworks.core.spec import Draw, key
from ganworks.files.rasters.pixels import grid, resize
from ganworks.kinds.images.inpainting import measures as holes
from ganworks.kinds.images.inpainting.masks import Masks
from ganworks.kinds.images.shared.photo_pack import Photos
from ganworks.metrics import tasks
from ganworks.metrics.judges.sets import MOST, JudgedByNetworks, SetJudge

FEWEST = 4  # held-out photos below which nothing is scored
_SHOWN, _SCORED, _TOGETHER = 8, 32, 8
MEANING = {
    "hole_l1": ("lower", "Mean absolute difference from the truth in the hole, as a share of the range."),
    "hole_psnr": ("higher", "Peak signal-to-noise ratio in the hole, in dB."),
    "ssim": ("higher", "Structural similarity of the whole filled picture to the truth."),
    "energy": ("floor", "Gradient energy in the hole over the truth's: 1 = as much texture, a blur has below 0.1."),
    "seams": ("floor", "The same for steps across the edge of the hole: above 1 the edge of the fill is visible."),
}


def squares(data: Photos, indices: np.ndarray, side: int) -> np.ndarray:
    """The middle square of each photo at `side` pixels: [n, C, side, side] as stored. UsageError for smaller photos."""
    out = []
    for photo in map(data.whole, indices):
        short = min(photo.shape[1:])
        if short < side:
            raise UsageError(f"Photos of {short} pixels cannot be shown at {side}.")
        out.append(resize(photo, (side, side), "crop"))
    return np.stack(out)


def filled(domain: Any, net: nn.Module, truth: np.ndarray, masks: Tensor, data: Photos) -> np.ndarray:
    """Photos `truth` [n, C, H, W] with the holes of `masks` [n, 1, H, W] filled by the domain's `apply`, as stored."""
    device, out = next(net.parameters()).device, []
    middle, half = (data.spec.high + data.spec.low) / 2, (data.spec.high - data.spec.low) / 2
    with torch.inference_mode():
        for picture, mask in zip(truth, masks, strict=True):
            options = {"mask": mask[None].to(device), "tile": 0}
            y = domain.apply(net, data.scaled(picture[None]).to(device), data.spec, options)
            out.append(y[0].float().cpu().numpy() * half + middle)
    y = np.stack(out)
    return np.rint(y).astype(np.uint8) if data.spec.dtype == "uint8" else y.astype(np.float32)


class InpaintingEvaluator(JudgedByNetworks, tasks.TimedByTrial):
    """Evaluates how G fills holes in the middle squares of held-out photos, at twice the crops' size where possible.

    There is no objective: the newest snapshot is published, since L1 alone would choose the blurred one from before the
    adversarial stage.
    """

    objective = ""
    noise: float | None = None

    def __init__(self, domain: Any, data: Photos):
        self.domain, self.data = domain, data
        short = int(data.shapes[data.held if len(data.held) else data.train, 1:].min())
        self.side = min(short, 2 * min(data.spec.shape[1:]))

    @property
    def ready(self) -> bool:
        """Whether enough photos are held out for scores."""
        return len(self.data.held) >= FEWEST

    @cached_property
    def _shown(self) -> tuple[np.ndarray, Tensor]:
        return self.pairs(self.domain.holes(), _SHOWN, "shown")

    @cached_property
    def _scored(self) -> tuple[np.ndarray, Tensor]:
        return self.pairs(self.domain.holes(), _SCORED, "scored")

    def pairs(self, masks: Masks, count: int, name: str) -> tuple[np.ndarray, Tensor]:
        """(`count` held-out pictures, photos in turn, a mask for each); training photos where none are held out."""
        photos = self.data.held if len(self.data.held) else self.data.train
        indices = np.resize(photos, count)
        some = squares(self.data, indices, self.side)
        return some, masks(self.side, self.side, Draw(key("holes", name), count, slice(None)))

    def fill(self, nets: Nets, truth: np.ndarray, masks: Tensor) -> np.ndarray:
        """Pictures with their holes filled by G, as stored."""
        return filled(self.domain, nets["G"], truth, masks, self.data)

    def examples(self) -> Tensor | None:
        """None: there is no watch for collapse, as every input has its own target."""
        return None

    def sample(self, nets: Nets) -> Tensor | None:
        """None; see `examples`."""
        return None

    def show(self, nets: Nets) -> Image.Image:
        """Rows of picture with hole, filled picture and truth."""
        truth, masks = self._shown
        hollow = np.where(masks.numpy() > 0, np.asarray(self.data.spec.high, truth.dtype), truth)
        rows = np.concatenate([hollow, self.fill(nets, truth, masks), truth])
        return grid(rows if rows.dtype == np.uint8 else self.data.scaled(rows), len(truth))

    def score(self, nets: Nets) -> tuple[dict[str, float], dict[str, float], str]:
        """Quick scores on 32 held-out pictures, and the value of the truth."""
        truth, masks = self._scored
        found = self._bytes(self.fill(nets, truth, masks)), self._bytes(truth), masks.numpy()
        scores = {"hole_l1": float(holes.hole_l1(*found).mean()), "energy": holes.energy_ratio(*found)}
        return scores, {"energy": 1.0}, ""

    def _bytes(self, images: np.ndarray) -> np.ndarray:
        """Stored images on the scale 0..255, float64."""
        low, high = self.data.spec.low, self.data.spec.high
        return (np.asarray(images, np.float64) - low) * (255 / (high - low))

    def evaluate(
        self, nets: Nets, *, count: int, seed: int, pictures: Path, progress: Any, about: dict[str, Any]
    ) -> tasks.TaskReport:
        """Evaluate every measure with its interval, beside mean fill and harmonic fill; a table by area of the hole."""
        if not len(self.data.held):
            return tasks.TaskReport.of_nothing(tasks.too_few(0, 1, "photo", "photos"), about)
        start = time.perf_counter()
        count = min(count, max(_SCORED, 4 * len(self.data.held)))
        progress("Filling", 0, 2)
        truth, masks = self.pairs(self.domain.holes(), count, f"judged {seed}")
        real, mask = self._bytes(truth), masks.numpy()
        made = self._bytes(self.fill(nets, truth, masks))
        progress("Measuring", 1, 2)
        values, fills = holes.measure(made, real, mask), self._baselines(real, mask)
        ratios = {name: holes.energy_ratio(made, real, mask, name == "seams") for name in ("energy", "seams")}
        photo = np.arange(count) % len(self.data.held)
        found = {n: ratios[n] if n in ratios else tasks.clustered(values[n], photo) for n in MEANING}
        metrics = tasks.metrics_of(found, dict.fromkeys(ratios, 1.0), MEANING)
        said = self._seen_by(made, real, photo, metrics)
        files = tasks.save_pictures(pictures, {"With hole, filled, truth": ("filled.png", self.show(nets))})
        progress("Measuring", 2, 2)
        return tasks.TaskReport(
            metrics,
            count=count,
            baselines=fills,
            tables=[_by_area(values)],
            pictures=files,
            protocol=[
                f"The middle squares of {counted(len(self.data.held), 'held-out photo')} at {self.side} x "
                f"{self.side} pixels, "
                f"{counted(count, 'mask')} as in training ({self.domain.masks}, {self.domain.area[0]:.0%} to "
                f"{self.domain.area[1]:.0%} of the area).",
                "hole_l1, hole_psnr and energy are measured in the hole alone; known pixels are kept exactly. "
                "Intervals are over photos.",
                "A blur does well on L1 and PSNR and badly on energy; invented texture does the opposite.",
                *said,
            ],
            extractor=self._judge.key if self._judge else "",
            warnings=[]
            if len(self.data.held) >= 20
            else [f"Only {counted(len(self.data.held), 'photo is', 'photos are')} held out."],
            about=about,
            seconds=time.perf_counter() - start,
        )

    def _seen_by(self, made: np.ndarray, real: np.ndarray, photo: np.ndarray, metrics: dict[str, Any]) -> list[str]:
        """Add what a published network says, if one was asked for; returns the protocol. photo: number of each row's.

        The distance of sets takes each photo once.
        """
        if self._judge is None:
            return []
        judge, once = SetJudge(self._judge, self.data.spec), np.unique(photo, return_index=True)[1]
        large = [i for i in self.data.train if min(self.data.shapes[i, 1:]) >= self.side]
        some = tasks.spaced(np.array(large, np.int64), MOST)
        seen = judge.see(self._bytes(squares(self.data, some, self.side))) if len(some) else np.zeros((0, 1))
        a, b = judge.see(made), judge.see(real)
        metrics |= judge.scores(a[once], b[once], seen, photo[once])
        metrics[f"apart[{judge.key}]"] = judge.apart(a, b, photo)
        return [judge.protocol(len(some))]

    @staticmethod
    def _baselines(real: np.ndarray, mask: np.ndarray) -> dict[str, dict[str, float]]:
        out = {}
        for name, fill in (("mean fill", holes.mean_fill), ("harmonic fill", holes.harmonic)):
            made = fill(real, mask)
            found = {k: float(np.nanmean(v)) for k, v in holes.measure(made, real, mask).items() if k != "area"}
            ratios = [holes.energy_ratio(made, real, mask, seams) for seams in (False, True)]
            out[name] = {**found, "energy": ratios[0], "seams": ratios[1]}
        return out


def _by_area(values: dict[str, np.ndarray]) -> dict[str, Any]:
    rows = [
        [label, count, *(round(means[k], 4) for k in ("hole_l1", "hole_psnr", "ssim", "energy"))]
        for label, count, means in holes.by_area(values)
    ]
    columns = ["hole", "pictures", "L1 in the hole", "PSNR in the hole", "SSIM", "energy (mean of ratios)"]
    return {"title": "By area of the hole", "columns": columns, "rows": rows}
