"""The evaluator of restoration: pictures, quick scores and the full evaluation on held-out photos."""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganworks.core.console.text import counted
from ganworks.core.contracts import Nets, Work
from ganworks.core.spec import Draw, key
from ganworks.files.rasters.pixels import grid, to_image, viewable
from ganworks.files.rasters.write import save_picture
from ganworks.kinds.images.restoration.degrade import FILTERS
from ganworks.kinds.images.restoration.detail import detail, grid_energy, with_noise
from ganworks.kinds.images.shared import fidelity
from ganworks.metrics import tasks
from ganworks.metrics.judges.sets import MOST, JudgedByNetworks, SetJudge

SHOWN, SHOWN_SIDE = 4, 128
SCORED, SCORED_SIDE = 8, 192
NAMES = ("psnr", "ssim", "l1", "detail", "detail_match", "grid")
MEANING = {
    "psnr": "Peak signal-to-noise ratio to the original in dB; higher is closer, and blur is not punished.",
    "ssim": "Structural similarity to the original; 1 is the same.",
    "l1": "Mean absolute difference to the original, as a share of the range.",
    "detail": "Energy of the high frequencies over the original's; 1 is right, 0 is blurred.",
    "detail_match": "Correlation of the high frequencies with the original's: 1 the same detail, 0 invented detail.",
    "grid": "Energy of patterns that repeat every `scale` pixels, over the original's; 1: none, above 5: visible.",
}


def levels(x: Tensor) -> np.ndarray:
    """[B, C, H, W] in [-1, 1] -> whole levels 0..255 as float64, as a file would hold them."""
    return np.rint((x.detach().float().cpu().clamp(-1, 1).numpy().astype(np.float64) + 1) * 127.5)


def compare(made: np.ndarray, real: np.ndarray, scale: int, luma: bool) -> dict[str, float]:
    """All scores of one image [1, C, H, W] in 0..255 against its original, `scale` pixels of border cut off."""
    border = scale if scale > 1 else 0
    energy, match = detail(made, real, max(2, scale), border=border)
    values = {
        name: float(getattr(fidelity, name)(made, real, luma=luma, border=border)[0]) for name in ("psnr", "ssim", "l1")
    }
    pattern = grid_energy(made, real, max(2, scale), border=border)
    return values | {"detail": float(energy[0]), "detail_match": float(match[0]), "grid": float(pattern[0])}


def enlarged(src: Tensor, scale: int, name: str) -> Tensor:
    """src [B, C, H, W] in [-1, 1], enlarged by one of Pillow's filters in 8 bits, for the baselines."""
    planes = levels(src).astype(np.uint8)
    size = (src.shape[3] * scale, src.shape[2] * scale)
    made = [[np.asarray(Image.fromarray(p).resize(size, FILTERS[name])) for p in row] for row in planes]
    return torch.from_numpy(np.array(made).astype(np.float32)) / 127.5 - 1


class RestorationEvaluator(JudgedByNetworks, tasks.TimedByTrial):
    """Evaluates G on held-out photos. domain: a `Restore`; data: the `Photos` that it opened.

    A training for PSNR alone keeps its best snapshot by PSNR. One with an adversarial stage keeps the newest, since
    PSNR is expected to fall in that stage.
    """

    noise = 0.02

    def __init__(self, domain: Any, data: Any, config: Any):
        self.domain, self.data, self.seed = domain, data, config.train.seed
        self.scale = domain.scale
        alone = getattr(config.game, "adversarial_from", 1.0) == 1.0 and not getattr(config.game, "features", "")
        self.objective = "-psnr" if alone else ""  # a perceptual term costs PSNR, as an adversarial one does
        grey_input = data.spec.source[0] != data.spec.shape[0]
        self.luma = data.spec.shape[0] in (1, 3) and not grey_input  # colours are what colourisation is about

    @property
    def ready(self) -> bool:
        """Whether any photo is held out."""
        return len(self.data.held) > 0

    def pair(self, index: int, side: int | None = None) -> tuple[Tensor, Tensor]:
        """(src, x) of one photo, [1, C, H, W] each: its middle `side` pixels, or all of it; the same every time."""
        pixels = self.data.whole(int(index))
        height, width = (n // self.scale * self.scale for n in (min(m, side or m) for m in pixels.shape[1:]))
        top, left = (pixels.shape[1] - height) // 2, (pixels.shape[2] - width) // 2
        x = self.data.scaled(pixels[None, :, top : top + height, left : left + width])
        draw = Draw(key("restore", "judge", int(self.data.hashes[index, 0])), 1, slice(None))
        return self.domain.chain(x, draw, self.data.spec.dtype == "uint8"), x

    @cached_property
    def scored(self) -> list[tuple[Tensor, Tensor]]:
        """The pairs of a quick score."""
        return [self.pair(i, SCORED_SIDE) for i in self.data.held[:SCORED]]

    @cached_property
    def shown(self) -> list[tuple[Tensor, Tensor]]:
        """The pairs of a progress picture: held out if there are any."""
        indices = self.data.held if self.ready else self.data.train
        return [self.pair(i, SHOWN_SIDE) for i in indices[:SHOWN]]

    def examples(self) -> Tensor | None:
        """None: there is no watch for collapse, as every input has its own target."""
        return None

    def sample(self, nets: Nets) -> Tensor | None:
        """None; see `examples`."""
        return None

    def restored(self, nets: Nets, src: Tensor) -> Tensor:
        """The result of `apply` on src, on the CPU."""
        net = nets["G"]
        device = next(net.parameters()).device
        with torch.inference_mode():
            return self.domain.apply(net, src.to(device), self.data.spec, {}).cpu()

    def show(self, nets: Nets) -> Image.Image:
        """One row for each photo: input (enlarged), output and original."""
        return _sheet([(self.baseline(src), self.restored(nets, src), x) for src, x in self.shown])

    def baseline(self, src: Tensor, name: str = "bicubic") -> Tensor:
        """The input in the shape of the original: enlarged by a filter, grey repeated over the channels."""
        made = enlarged(src, self.scale, name) if self.scale > 1 else src
        return made.expand(-1, self.data.spec.shape[0], -1, -1)

    def score(self, nets: Nets) -> tuple[dict[str, float], dict[str, float], str]:
        """Mean PSNR and SSIM on the middles of up to 8 held-out photos."""
        found = [compare(levels(self.restored(nets, s)), levels(x), self.scale, self.luma) for s, x in self.scored]
        return {name: float(np.mean([f[name] for f in found])) for name in ("psnr", "ssim")}, {}, ""

    def evaluate(
        self, nets: Nets, *, count: int, seed: int, pictures: Path, progress: Work, about: dict[str, Any]
    ) -> tasks.TaskReport:
        """Evaluate on every held-out photo as a whole, and compare with simple methods on the same inputs."""
        if not len(self.data.held):
            return tasks.TaskReport.of_nothing(tasks.too_few(0, 1, "photo", "photos"), about)
        start, held = time.perf_counter(), self.data.held[:count]
        rows: dict[str, list[dict[str, float]]] = {}
        triples = []
        judge = SetJudge(self._judge, self.data.spec) if self._judge else None
        features: dict[str, list[np.ndarray]] = {}
        for done, index in enumerate(held):
            progress("Restoring", done, len(held))
            src, x = self.pair(index)
            real, made = levels(x), self.restored(nets, src)
            for name, image in {"": levels(made), **self._baselines(src, real)}.items():
                rows.setdefault(name, []).append(compare(image, real, self.scale, self.luma))
                if judge:
                    features.setdefault(name, []).append(judge.see_tiles(image[0]))
            if judge:
                features.setdefault("true", []).append(judge.see_tiles(real[0]))
            if len(triples) < 2 * SHOWN:
                triples.append(tuple(_middle(t, 2 * SHOWN_SIDE) for t in (self.baseline(src), made, x)))
        progress("Restoring", len(held), len(held))
        pictures.mkdir(parents=True, exist_ok=True)
        if triples:
            save_picture(_sheet(triples), pictures / "restored.png")
        for number, (before, after, _) in enumerate(triples[:SHOWN], 1):
            for name, image in (("before", before), ("after", after)):
                save_picture(to_image(viewable(image)[0]), pictures / f"photo-{number}-{name}.png")
        metrics = {name: self._metric(name, rows.get("", [])) for name in NAMES} if rows else {}
        baselines = {n: {k: float(np.nanmean([r[k] for r in v])) for k in NAMES} for n, v in rows.items() if n}
        protocol = self._protocol(len(held))
        if judge and rows:
            protocol.append(self._seen_by(judge, features, metrics, baselines))
        return tasks.TaskReport(
            metrics=metrics,
            count=len(held),
            baselines=baselines,
            pictures={"Input, output, original (held-out photos)": "restored.png"} if triples else {},
            protocol=protocol,
            extractor=judge.key if judge else "",
            warnings=[]
            if len(held) >= 10
            else [f"Only {counted(len(held), 'photo is', 'photos are')} held out: the intervals are wide."],
            about=about,
            seconds=time.perf_counter() - start,
        )

    def _seen_by(
        self,
        judge: SetJudge,
        features: dict[str, list[np.ndarray]],
        metrics: dict[str, Any],
        baselines: dict[str, dict[str, float]],
    ) -> str:
        """Add what a published network says of squares of the results and of simple methods; returns the protocol."""
        group = np.repeat(np.arange(len(features["true"])), [len(part) for part in features["true"]])
        made = {name: np.concatenate(parts) for name, parts in features.items()}
        some = tasks.spaced(self.data.train, max(1, MOST // max(1, len(made["true"]) // len(features["true"]))))
        photos = [levels(self.data.scaled(self.data.whole(int(i))[None]))[0] for i in some]
        seen = np.concatenate([judge.see_tiles(photo) for photo in photos])
        metrics |= judge.scores(made[""], made["true"], seen, group)
        for name in baselines:
            baselines[name] |= judge.values(made[name], made["true"], seen)
        return f"{judge.protocol(len(seen))} Pictures are squares of {judge.side} pixels, not scaled."

    def _metric(self, name: str, rows: list[dict[str, float]]) -> Any:
        better = {"l1": "lower", "grid": "lower", "detail": "floor"}.get(name, "higher")
        floor = 1.0 if name in ("detail", "detail_match", "ssim", "grid") else None
        return tasks.metric_over(rows, name, floor, better=better, meaning=MEANING[name])

    def _baselines(self, src: Tensor, real: np.ndarray) -> dict[str, np.ndarray]:
        if self.scale == 1:
            return {"input": levels(self.baseline(src))}
        bicubic, lanczos = (levels(self.baseline(src, name)) for name in ("bicubic", "lanczos"))
        noisy = np.rint(with_noise(lanczos, real, self.scale).clip(0, 255))
        return {"bicubic": bicubic, "lanczos": lanczos, "lanczos + white noise": noisy}

    def _protocol(self, count: int) -> list[str]:
        channels = "BT.601 luma (16 to 235)" if self.luma else "all channels"
        border = f"{self.scale} pixels of border cut off" if self.scale > 1 else "no border cut off"
        return [
            f"{counted(count, 'held-out photo')}, whole, degraded by {self.domain.chain.text}, scale "
            f"{self.scale}; 8-bit results.",
            f"PSNR, SSIM and L1 on {channels}, {border}; SSIM with an 11x11 Gaussian window of sigma 1.5.",
            f"High frequencies: luma above the Nyquist frequency of the image {max(2, self.scale)} times smaller.",
            f"Grid: spectrum at the multiples of 1/{max(2, self.scale)} cycles per pixel over that beside them.",
        ]


def _middle(x: Tensor, side: int) -> Tensor:
    top, left = (max(0, n - side) // 2 for n in x.shape[2:])
    return x[:, :, top : top + side, left : left + side]


def _sheet(triples: list[Any]) -> Image.Image:
    """Rows of input, output and original; smaller images stand at the top left of their cell."""
    height, width = (max(t[2].shape[n] for t in triples) for n in (2, 3))
    cells = []
    for triple in triples:
        for image in triple:
            cell = image.new_ones(image.shape[1], height, width)
            cell[:, : image.shape[2], : image.shape[3]] = image[0]
            cells.append(cell)
    return grid(torch.stack(cells), 3, ["input", "output", "original"] * len(triples))
