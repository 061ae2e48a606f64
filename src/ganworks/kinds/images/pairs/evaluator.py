"""The evaluator of paired translation: it compares G's translations of held-out sources with their true targets.

Pictures are scored by L1, PSNR and SSIM and, against blur, by patch_fd; label maps by the share of pixels that have the
right class and by mIoU. Simple methods are scored on the same pairs, because each of them does well on one number: the
mean image on L1, a training photo on patch_fd.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional as F

from ganworks.core.chance import seeded
from ganworks.core.console.text import counted
from ganworks.core.contracts import Nets
from ganworks.core.errors import UsageError
from ganworks.kinds.images.pairs import measures as paired
from ganworks.kinds.images.shared import lpips
from ganworks.kinds.images.shared.fidelity import l1, psnr, ssim
from ganworks.kinds.images.shared.palette import colour_table, nearest_colour
from ganworks.metrics import tasks
from ganworks.metrics.judges.sets import MOST, JudgedByNetworks, SetJudge

QUICK, BATCH, SHOWN, DRAWS, SMALL = 128, 16, 6, 300, 16

Show = Callable[..., Image.Image]

MEANING = {
    "l1": ("lower", "mean absolute difference to the true image, 0 to 1; blurred images do well here"),
    "psnr": ("higher", "peak signal-to-noise ratio to the true image in dB, range 255, all channels"),
    "ssim": ("higher", "structural similarity to the true image: Gaussian window 11x11, sigma 1.5, mean of channels"),
    "patch_fd": ("lower", "Frechet distance of 8x8 patches to those of the true images: blur and artefacts"),
    "lpips": ("lower", "learned perceptual distance to the true image: AlexNet, version 0.1"),
    "accuracy": ("higher", "share of the pixels that have the true class"),
    "miou": ("higher", "intersection over union, mean over the classes"),
}


def to_bytes(x: Tensor) -> np.ndarray:
    """Images in [-1, 1] -> uint8, as they are written to disk."""
    return ((x.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu().numpy()


class PairEvaluator(JudgedByNetworks, tasks.TimedByTrial):
    """Evaluates G. data: opened pairs (spec, train, held, pairs(indices)). show: draws (images, columns, labels)."""

    objective = ""  # the newest snapshot is published: each single score prefers something that a person would not
    noise: float | None = None

    def __init__(self, data: Any, show: Show):
        self.data, self.draw = data, show
        self.palette = data.spec.facts.get("target_palette")

    def with_extractor(self, name: str) -> PairEvaluator:
        """This evaluator with a published network beside its scores; UsageError where label maps are made."""
        if self.palette:
            raise UsageError(
                f"features={name}: this run makes label maps, which are compared class by class; published networks "
                "look at pictures. Leave features out."
            )
        return super().with_extractor(name)

    @property
    def ready(self) -> bool:
        """Whether enough pairs are held out for scores."""
        return len(self.data.held) >= 4

    def _held(self, count: int) -> np.ndarray:
        held = self.data.held if len(self.data.held) else self.data.train
        return held[np.linspace(0, len(held) - 1, min(count, len(held))).astype(int)]

    def translate(self, nets: Nets, indices: np.ndarray, seed: int = 0) -> np.ndarray:
        """G's translations of the sources of these pairs, uint8 [n, C, H, W]; the same seed gives the same bytes."""
        G = nets["G"]
        device = next(G.parameters()).device
        out = []
        with seeded(seed, "translate"), torch.inference_mode():
            for start in range(0, len(indices), BATCH):
                src = self.data.pairs(indices[start : start + BATCH])[0]
                out.append(to_bytes(G(src.to(device, memory_format=torch.channels_last))))
        return np.concatenate(out)

    def targets(self, indices: np.ndarray) -> np.ndarray:
        """The true targets, uint8 [n, C, H, W]."""
        return to_bytes(self.data.pairs(indices)[1])

    def examples(self) -> Tensor:
        """True targets, for the watch for collapse."""
        return torch.from_numpy(self.targets(self._held(32)).astype(np.float32))

    def sample(self, nets: Nets) -> Tensor:
        """Translations of the same pairs, for the watch for collapse."""
        return torch.from_numpy(self.translate(nets, self._held(32)).astype(np.float32))

    def show(self, nets: Nets) -> Image.Image:
        """Input, output and truth of a few held-out pairs, two pairs in each row."""
        return self.sheet(nets, self._held(SHOWN), 2)

    def sheet(self, nets: Nets, indices: np.ndarray, across: int) -> Image.Image:
        """Input, output and truth of these pairs, `across` pairs in each row."""
        made, true, src = self.translate(nets, indices), self.targets(indices), to_bytes(self.data.pairs(indices)[0])
        most = max(len(made[0]), len(src[0]))
        triples = [x if len(x) == most else x.repeat(most, 0) for row in zip(src, made, true, strict=True) for x in row]
        return self.draw(np.stack(triples), 3 * across, ["input", "output", "truth"] * len(made))

    def classes(self, images: np.ndarray) -> np.ndarray:
        """uint8 [n, C, H, W] -> class numbers [n, H, W] by the target's palette."""
        x = torch.from_numpy(images).float() / 127.5 - 1
        return nearest_colour(x, colour_table(self.palette)).numpy()

    @cached_property
    def quick(self) -> tuple[np.ndarray, np.ndarray, Any]:
        """What every quick score needs: indices, true targets, and their patch statistics (None for label maps)."""
        chosen = self._held(QUICK)
        true = self.targets(chosen)
        return chosen, true, None if self.palette else paired.Patches.of(true)

    def score(self, nets: Nets) -> tuple[dict[str, float], dict[str, float], str]:
        """Scores on up to 128 held-out pairs."""
        chosen, true, patches = self.quick
        made = self.translate(nets, chosen)
        if self.palette:
            counts = self._counts(made, true)
            return {"accuracy": float(paired.accuracy(counts).mean()), "miou": paired.miou(counts)}, {}, ""
        found = {"l1": l1(made, true), "psnr": psnr(made, true)}
        scores = {name: float(values.mean()) for name, values in found.items()}
        return {**scores, "patch_fd": patches.distance(made)}, {}, ""

    def _counts(self, made: np.ndarray, true: np.ndarray) -> np.ndarray:
        return paired.label_confusion(self.classes(made), self.classes(true), len(self.palette))

    def evaluate(
        self, nets: Nets, *, count: int, seed: int, pictures: Path, progress: Any, about: dict[str, Any]
    ) -> tasks.TaskReport:
        """Evaluate on up to `count` held-out pairs; pictures show the first, the best and the worst of them."""
        if not len(self.data.held):
            return tasks.TaskReport.of_nothing(tasks.too_few(0, 1, "pair", "pairs"), about)
        began = time.perf_counter()
        held = self._held(count)
        progress("translating held-out pairs", 0, len(held))
        made, true = self.translate(nets, held, seed), self.targets(held)
        progress("translating held-out pairs", len(held), len(held))
        errors = l1(made, true)
        report = (self._labels if self.palette else self._photos)(made, true, held)
        report.about, report.count = about, len(held)
        order = np.argsort(errors, kind="stable")
        sheets = {"held-out pairs": held[:12], "best by L1": held[order[:6]], "worst by L1": held[order[::-1][:6]]}
        files = {title: f"{title.replace(' ', '-').lower()}.png" for title in sheets}
        made = {
            f"{title}: input, output, truth": (files[title], self.sheet(nets, chosen, 2))
            for title, chosen in sheets.items()
        }
        report.pictures = tasks.save_pictures(pictures, made)
        report.warnings += self._warnings(held)
        report.seconds = round(time.perf_counter() - began, 3)
        return report

    def _warnings(self, held: np.ndarray) -> list[str]:
        said = (
            [f"Only {counted(len(held), 'held-out pair')}: small differences mean nothing."] if len(held) < 50 else []
        )
        leaked = getattr(self.data, "leaked", 0)
        return said + ([f"{leaked} of the held-out pairs were also trained on."] if leaked else [])

    def _photos(self, made: np.ndarray, true: np.ndarray, held: np.ndarray) -> tasks.TaskReport:
        patches = paired.Patches.of(true)
        found = {"l1": l1(made, true), "psnr": psnr(made, true), "ssim": ssim(made, true)}
        metrics = tasks.metrics_of(found, {}, MEANING)
        perceptual = lpips.available() if min(true.shape[2:]) >= lpips.SMALLEST and true.shape[1] in (1, 3) else None
        if perceptual is not None:
            metrics["lpips"] = tasks.metric(perceptual(made, true), meaning=MEANING["lpips"][1])
        others = self.targets(self._others(len(true)))
        floor = patches.distance(others)
        metrics["patch_fd"] = tasks.metric(patches.distance(made), floor, meaning=MEANING["patch_fd"][1])
        baselines = {"other real images": {"patch_fd": floor}}
        simple_methods = self._simple(true, held)
        for name, images in simple_methods.items():
            baselines[name] = {
                "l1": float(l1(images, true).mean()), "psnr": float(psnr(images, true).mean()),
                "ssim": float(ssim(images, true).mean()), "patch_fd": patches.distance(images),
            }  # fmt: skip
        seen = self._seen_by(made, true, simple_methods)
        metrics |= seen[0]
        for name, values in seen[1].items():
            baselines[name] |= values
        protocol = [
            f"{counted(len(true), 'held-out pair')} at {true.shape[3]} x {true.shape[2]} pixels, 8 bits, all channels.",
            "patch_fd compares 80 features of 8x8 patches, whitened by the true images; its floor is the value of "
            "other real images.",
            *seen[2],
        ]
        key = self._judge.key if self._judge else ""
        return tasks.TaskReport(metrics, len(true), baselines, protocol=protocol, extractor=key)

    def _seen_by(
        self, made: np.ndarray, true: np.ndarray, simple: dict[str, np.ndarray]
    ) -> tuple[dict[str, Any], dict[str, dict[str, float]], list[str]]:
        """(scores, those of simple methods, protocol) by the published network that was asked for, if any."""
        if self._judge is None:
            return {}, {}, []
        judge, rows = SetJudge(self._judge, self.data.spec), np.arange(len(true))
        real, seen = judge.see(true), judge.see(self.targets(self._others(MOST)))
        values = {name: judge.values(judge.see(images), real, seen) for name, images in simple.items()}
        return judge.scores(judge.see(made), real, seen, rows), values, [judge.protocol(len(seen))]

    def _labels(self, made: np.ndarray, true: np.ndarray, held: np.ndarray) -> tasks.TaskReport:
        counts = self._counts(made, true)
        better, meaning = MEANING["miou"]
        spread = tasks.bootstrap(len(counts), lambda rows: paired.miou(counts[rows]), DRAWS)
        metrics = {
            "accuracy": tasks.metric(paired.accuracy(counts), better="higher", meaning=MEANING["accuracy"][1]),
            "miou": replace(
                tasks.metric(paired.miou(counts), better=better, meaning=meaning), low=spread[0], high=spread[1]
            ),
        }
        baselines = {}
        for name, images in self._simple(true, held).items():
            found = self._counts(images, true)
            baselines[name] = {"accuracy": float(paired.accuracy(found).mean()), "miou": paired.miou(found)}
        whole = counts.sum(0)
        shares, overlap = whole.sum(1) / whole.sum(), paired.overlaps(whole)
        recall = np.diagonal(whole) / np.maximum(whole.sum(1), 1)
        rows = [
            [f"#{bytes((c * 3)[:3]).hex()}", f"{shares[k]:.3f}", f"{recall[k]:.3f}", f"{overlap[k]:.3f}"]
            for k, c in enumerate(self.palette)
        ]
        columns = ["colour", "share of pixels", "found", "intersection over union"]
        table = {"title": "Classes", "columns": columns, "rows": rows}
        protocol = [f"{counted(len(true), 'held-out pair')} at {true.shape[3]} x {true.shape[2]} pixels; "
        "classes are the nearest "
                    "colours of the palette."]  # fmt: skip
        return tasks.TaskReport(metrics, len(true), baselines, [table], protocol=protocol)

    def _others(self, count: int) -> np.ndarray:
        """Training pairs, spread evenly: `count` of them, or all."""
        train = self.data.train
        return train[np.linspace(0, len(train) - 1, min(count, len(train))).astype(int)]

    def _simple(self, true: np.ndarray, held: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs of simple methods for the same sources: uint8 [n, C, H, W] each."""
        train = self.data.train
        targets = self.targets(train)
        out = {"nearest training source": targets[self._nearest(held, train)]}
        if self.palette:
            index = self.classes(targets)
            counts = np.stack([(index == k).sum(0) for k in range(len(self.palette))])
            table = np.array(self.palette, np.uint8)
            out["commonest class"] = _everywhere(table[counts.sum((1, 2)).argmax()][:, None, None], true)
            out["per-pixel prior"] = _everywhere(table[counts.argmax(0)].transpose(2, 0, 1), true)
            return out
        out["mean image"] = _everywhere(np.rint(targets.mean(0)).astype(np.uint8), true)
        out["true images blurred by 1 pixel"] = np.stack([_blurred(image) for image in true])
        if "source_palette" in self.data.spec.facts:
            out["mean colour per label"] = self._painted(train, held, targets)
        return out

    def _source_classes(self, indices: np.ndarray) -> np.ndarray:
        table = colour_table(self.data.spec.facts["source_palette"])
        return nearest_colour(self.data.pairs(indices)[0], table).numpy()

    def _painted(self, train: np.ndarray, held: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Each label of the source painted in the mean colour that it has in the training targets."""
        seen, asked = self._source_classes(train), self._source_classes(held)
        classes = len(self.data.spec.facts["source_palette"])
        grey = np.full(targets.shape[1], 128.0)
        values = targets.transpose(0, 2, 3, 1)
        colours = np.stack([values[seen == k].mean(0) if (seen == k).any() else grey for k in range(classes)])
        return np.rint(colours[asked]).astype(np.uint8).transpose(0, 3, 1, 2)

    def _nearest(self, held: np.ndarray, train: np.ndarray) -> np.ndarray:
        """For each held-out source, the position in `train` of the source nearest to it at 16x16 pixels."""
        asked, seen = (self._thumbs(i) for i in (held, train))
        distance = (seen**2).sum(1)[None] - 2 * asked @ seen.T
        return distance.argmin(1)

    def _thumbs(self, indices: np.ndarray) -> np.ndarray:
        parts = [self.data.pairs(indices[n : n + 64])[0] for n in range(0, len(indices), 64)]
        return torch.cat([F.adaptive_avg_pool2d(p, SMALL).flatten(1) for p in parts]).double().numpy()


def _everywhere(image: np.ndarray, true: np.ndarray) -> np.ndarray:
    return np.broadcast_to(image, true.shape).copy()


def _blurred(image: np.ndarray) -> np.ndarray:
    """uint8 [C, H, W] with a Gaussian blur of 1 pixel."""
    return np.stack([np.asarray(Image.fromarray(plane).filter(ImageFilter.GaussianBlur(1))) for plane in image])
