"""The evaluator of generated series: quick scores during training, and a full evaluation beside baselines and real
data.
"""

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
from ganworks.core.contracts import Nets, Watched, Work
from ganworks.core.spec import key
from ganworks.files.rasters.write import save_picture
from ganworks.kinds.series.metrics import measures as alike
from ganworks.kinds.series.metrics import posthoc
from ganworks.kinds.series.metrics.measures import DecodedSeries
from ganworks.kinds.series.metrics.pictures import acf_picture, length_picture, small_multiples
from ganworks.metrics.estimate import Estimate, ks
from ganworks.metrics.samples import by_class
from ganworks.metrics.tasks import TaskReport, TimedByTrial, metrics_of

FEWEST, QUICK, MOST, SHOWN = 20, 600, 2000, 64


class SeriesEvaluator(TimedByTrial):
    """Evaluates generator G. data: a `SeriesSet`; config: of the training. A lower score of boosted trees is better."""

    objective = "told_by_trees"
    noise = 0.02

    def __init__(self, data: Any, config: Any, work: Work):
        self.data, self.config, self.work, self.layout = data, config, work, data.layout
        self.names = [c.name for c in data.layout.numbers]

    @property
    def ready(self) -> bool:
        """Whether there are enough series for an evaluation."""
        return len(self.data.train) >= FEWEST

    def decoded(self, indices: np.ndarray) -> DecodedSeries:
        """Real examples, encoded and decoded as generated ones are."""
        labels = None if self.data.labels is None else self.data.labels[indices]
        return DecodedSeries.of(self.layout, self.data.raw(indices), labels)

    def real(self, most: int, seed: int = 0) -> DecodedSeries:
        """At most `most` training examples, drawn by a key."""
        order = np.random.default_rng(key(seed, "real")).permutation(self.data.train)
        return self.decoded(order[:most])

    @cached_property
    def quick(self) -> DecodedSeries:
        """The real examples for scores during training."""
        return self.real(QUICK)

    def vectors(self, net: nn.Module, count: int, seed: int) -> tuple[Tensor, np.ndarray | None]:
        """(generated vectors [count, size], labels [count] or None); labels are as frequent as in the training data."""
        device = next(net.parameters()).device
        labels = None
        if self.data.spec.num_classes:
            rng = np.random.default_rng(key(seed, "labels"))
            labels = self.data.labels[self.data.train][rng.integers(len(self.data.train), size=count)]
        parts, z_dim = [], int(net.z_dim)  # pyrefly: ignore
        draw = torch.Generator().manual_seed(key(seed, "judge"))
        with torch.inference_mode():
            for low in range(0, count, 256):
                n = min(256, count - low)
                z = torch.randn(256, z_dim, generator=draw)[:n].to(device)
                y = None if labels is None else torch.from_numpy(labels[low : low + n]).to(device)
                parts.append(net(z, y).float().cpu())
        return torch.cat(parts), labels

    def made(self, nets: Nets, count: int, seed: int = 0) -> DecodedSeries:
        """Generated examples, decoded."""
        x, labels = self.vectors(nets["G"], count, seed)
        return DecodedSeries.of(self.layout, x.numpy(), labels)

    def examples(self) -> Watched:
        """Real vectors for the collapse watch."""
        few = self.data.train[np.linspace(0, len(self.data.train) - 1, min(SHOWN, len(self.data.train))).astype(int)]
        labels = self.data.labels[few] if self.data.spec.num_classes else None
        return by_class(torch.from_numpy(self.data.raw(few)), labels)

    def sample(self, nets: Nets) -> Watched:
        """Generated vectors for the collapse watch."""
        return by_class(*self.vectors(nets["G"], SHOWN, 0))

    def show(self, nets: Nets) -> Image.Image:
        """Small multiples: real series above generated ones."""
        return small_multiples(self.quick, self.made(nets, 12, 1), self.names, self.data.spec.classes)

    def score(self, nets: Nets) -> tuple[dict[str, float], dict[str, float], str]:
        """Scores of trees and autocorrelation on a few hundred series."""
        made = self.made(nets, min(QUICK, len(self.quick)), 2)
        values = {"told_by_trees": posthoc.trees(self.quick, made)}
        if self.layout.numbers:
            values["acf_error"] = alike.acf_error(self.quick, made)
        if self.layout.variable:
            values["length_ks"] = ks(self.quick.lengths.astype(float), made.lengths.astype(float))
        return values, {"told_by_trees": 0.0, "acf_error": 0.0}, ""

    def evaluate(
        self, nets: Nets, *, count: int, seed: int, pictures: Path, progress: Work, about: dict[str, Any]
    ) -> TaskReport:
        """The full evaluation, on at most 2,000 series a side; pictures are written to a folder."""
        start = time.monotonic()
        if not self.ready:
            few = f"There are {len(self.data.train)} training series; scores need {FEWEST}. Give more of them."
            return TaskReport.of_nothing(few, about)
        real = self.real(min(count, MOST), seed)
        many = self.made(nets, max(len(real), MOST), seed + 3)
        made = many[: len(real)]
        held = self.decoded(self.data.held[: MOST if len(self.data.held) else 0]) if len(self.data.held) else None
        found = self.measured(real, made, held, seed, progress) | self.shares(real, many)
        ceiling = self.ceiling(real, held, seed)
        report = TaskReport(
            metrics_of({**found, **self.told(found, len(real), held)}, ceiling, MEANING),
            len(made),
            {"real training series": ceiling, **self.floors(real, held, seed, progress)},
            about=about,
            protocol=self.protocol(len(real), held),
            warnings=self.warnings(held, found),
            real=len(real),
        )
        self.draw(report, real, made, pictures)
        report.seconds = time.monotonic() - start
        return report

    def told(self, found: dict[str, float], count: int, held: DecodedSeries | None) -> dict[str, Estimate]:
        """The scores of the judges with intervals, from the number of series that each was tested on."""
        tested = {"told_by_gru": posthoc.gru_tested(count), "told_by_trees": count - count // 2}
        tested["told_apart"] = min(count - count // 2, 0 if held is None else len(held))
        return {name: posthoc.margin(found[name], 2 * n) for name, n in tested.items() if name in found}

    def measured(
        self, real: DecodedSeries, made: DecodedSeries, held: DecodedSeries | None, seed: int, progress: Work
    ) -> dict[str, float]:
        """All values of one set of series against real ones."""
        out = {}
        for k in range(2):
            progress("Scoring by a recurrent network", k, 2)
            out["told_by_gru"] = out.get("told_by_gru", 0.0) + posthoc.gru(real, made, seed + k) / 2
        progress("Scoring by trees", 0, 1)
        return {**out, **self.plain(real, made, held, seed)}

    def plain(
        self, real: DecodedSeries, made: DecodedSeries, held: DecodedSeries | None, seed: int
    ) -> dict[str, float]:
        """The values without those of the recurrent network."""
        out = {"told_by_trees": posthoc.trees(real, made, seed)}
        if held is not None and len(held) >= FEWEST:
            half = len(made) // 2
            out["told_apart"] = posthoc.trees(real, made[:half], seed, (held, made[half:]))
        if self.layout.numbers:
            out["acf_error"], out["cross_error"] = alike.acf_error(real, made), alike.cross_error(real, made)
            out["marginal_ks"], out["range_ks"] = alike.marginal_error(real, made), alike.range_error(real, made)
            out["range_coverage"] = alike.range_coverage(real, made)
        out |= self.shares(real, made)
        if held is not None and len(held) >= FEWEST:
            if self.layout.numbers:
                out["predictive"] = posthoc.predictive(made, held)
                out["copied"] = alike.copies(real, held, made)
            if made.labels is not None and len(set(held.labels.tolist() if held.labels is not None else [])) > 1:
                out["label_accuracy"] = posthoc.label_accuracy(made, held)
        return out

    def shares(self, real: DecodedSeries, made: DecodedSeries) -> dict[str, float]:
        """Errors of the lengths and of the frequencies of attribute values; more samples make them more precise."""
        out = {}
        if self.layout.variable:
            out["length_ks"] = ks(real.lengths.astype(float), made.lengths.astype(float))
        if made.attributes:
            out["attribute_error"] = alike.attribute_error(real, made)
        return out

    def ceiling(self, real: DecodedSeries, held: DecodedSeries | None, seed: int) -> dict[str, float]:
        """The values of real series: one half of the drawn training series against the other."""
        rest = self.real(2 * len(real), seed)[np.arange(len(real), min(2 * len(real), len(self.data.train)))]
        half = len(real) // 2
        one, two = (real, rest) if len(rest) >= half else (real[:half], real[half:])
        out = self.plain(one, two, held, seed) | {"told_by_gru": posthoc.gru(one, two, seed)}
        if "label_accuracy" in out:
            out["label_accuracy"] = posthoc.label_accuracy(real, held) if held is not None else 0.0
        return out

    def floors(
        self, real: DecodedSeries, held: DecodedSeries | None, seed: int, progress: Work
    ) -> dict[str, dict[str, float]]:
        """The values of simple baselines on the same examples."""
        out = {}
        for name, made in alike.floors(self.layout, real, len(real), seed).items():
            progress(f"Floor: {name}", 0, 1)
            found = self.plain(real, made, held, seed)
            out[name] = {k: v for k, v in found.items() if k not in ("label_accuracy", "copied", "attribute_error")}
        if held is not None and held.labels is not None and real.labels is not None:
            most = int(np.bincount(real.labels).argmax())
            out[f"always {self.data.spec.classes[most]}"] = {"label_accuracy": float((held.labels == most).mean())}
        return out

    def draw(self, report: TaskReport, real: DecodedSeries, made: DecodedSeries, folder: Path) -> None:
        """Write the pictures of the evaluation."""
        folder.mkdir(parents=True, exist_ok=True)
        made_of = {"Real and generated": small_multiples(real, made, self.names, self.data.spec.classes)}
        if self.names:
            made_of["Autocorrelation"] = acf_picture(real, made, self.names)
        if self.layout.variable:
            made_of["Lengths"] = length_picture(real.lengths, made.lengths)
        for title, image in made_of.items():
            report.pictures[title] = f"{title.lower().replace(' ', '-')}.png"
            save_picture(image, folder / report.pictures[title])

    def protocol(self, count: int, held: DecodedSeries | None) -> list[str]:
        """How the evaluation was done, in sentences."""
        kind = "windows" if self.layout.window else "series"
        out = [
            f"{count:,} generated {kind} against as many from the training data, both rounded like the data.",
            "told_by_gru: mean of 2 seeds, 16 hidden units, 1,000 batches of 128; told_by_trees: half of the examples "
            "train, half test. Overlapping windows may stand on both sides, which helps the classifier.",
            "Real data: training series against other training series. Floors: see `ganworks help series`.",
        ]
        if held is not None:
            where = "held-out stretches of time, which overlap no training window" if self.layout.window else (
                "series that were held out whole")  # fmt: skip
            out.append(f"told_apart, predictive, copied and label_accuracy use {len(held):,} {kind} of {where}.")
        return out

    def warnings(self, held: DecodedSeries | None, found: dict[str, float]) -> list[str]:
        """What makes the values imprecise."""
        out = []
        if held is None or len(held) < FEWEST:
            out.append(f"Fewer than {FEWEST} examples are held out: copies and predictions are not evaluated.")
        elif len(held) < 100 and "label_accuracy" in found:
            out.append(
                f"Only {counted(len(held), 'held-out series', 'held-out series')}: the accuracy of the label "
                "is imprecise."
            )
        if found.get("copied", 0) > 0.05:
            out.append(
                f"{found['copied']:.0%} of the samples are nearer to a training series than unseen real ones are."
            )
        return out


MEANING = {
    "told_by_gru": (
        "lower",
        "How far above chance a recurrent network tells generated series from real ones, 0 to 0.5.",
    ),
    "told_by_trees": ("lower", "The same for boosted trees on values and changes, a stricter test."),
    "told_apart": ("lower", "Trees trained on training series and tested on held-out ones."),
    "acf_error": ("lower", "Mean error of the autocorrelations at lags 1 to 8."),
    "cross_error": ("lower", "Mean error of the correlations between columns, now and one step before."),
    "marginal_ks": ("lower", "Mean distance of the distributions of the values, 0 to 1."),
    "range_ks": ("lower", "Mean distance of the distributions of each series' smallest and largest value."),
    "range_coverage": ("higher", "Share of the levels of real series that generated series reach."),
    "length_ks": ("lower", "Distance of the distributions of the lengths."),
    "attribute_error": ("lower", "Largest difference in the share of any attribute's value."),
    "predictive": (
        "floor",
        "Error on real series of a next-step forecast trained on generated ones; hardly tells good from bad.",
    ),
    "copied": ("floor", "Share of samples nearer to a training series than 1 % of held-out series are."),
    "label_accuracy": ("higher", "Accuracy on real held-out series of a classifier trained on generated ones."),
}
