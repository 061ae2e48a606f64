"""Evaluates a generator of tables against held-out rows, beside simple baselines and real data."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

from ganworks.core.chance import seeded
from ganworks.core.console.text import counted
from ganworks.core.contracts import Nets, Work
from ganworks.core.spec import key
from ganworks.files.atomic import replace_file
from ganworks.files.rasters.write import save_picture
from ganworks.files.tables.write import frame_csv
from ganworks.kinds.tables.data.layout import to_frame
from ganworks.kinds.tables.metrics import measures as likeness
from ganworks.kinds.tables.metrics import privacy as table_privacy
from ganworks.kinds.tables.metrics.relations import Relations
from ganworks.metrics.scoring import Measurement
from ganworks.metrics.tasks import TaskReport, TimedByTrial, metric, too_few

FEWEST, QUICK, WATCHED, SHOWN = 20, 3000, 256, 8
CHUNK, TRIES = 1024, 4
APART = 0.1  # largest distance of real data's own similarity of pairs from its ceiling
MEANING = {
    "pairs": "Mean similarity of all pairs of columns: 1 - total variation of their joint bins.",
    "shapes": "Mean similarity of single columns: 1 - Kolmogorov-Smirnov or 1 - total variation.",
    "detection": "How well gradient boosting tells generated from real rows (AUC): 0.5 not at all, 1 always.",
    "attack": "Membership inference (AUC): 0.5 is guessing which rows were trained on. No proof of privacy.",
    "copies": "Share of generated rows that equal a training row in all columns but ids.",
}


def generated_frame(net: nn.Module, spec: Any, count: int, seed: int) -> Any:
    """A DataFrame of `count` generated rows; the network is in evaluation mode."""
    draw = torch.Generator().manual_seed(key(seed, "judge"))
    device = next(net.parameters()).device
    rows = []
    with torch.inference_mode(), seeded(seed, "judge", "noise"):
        for first in range(0, count, CHUNK):
            z = torch.randn(min(CHUNK, count - first), net.z_dim, generator=draw)  # pyrefly: ignore
            rows.append(net(z.to(device)).float().cpu().numpy())
    return to_frame(spec, np.concatenate(rows), np.arange(count), seed)


class TableEvaluator(TimedByTrial):
    """Quick scores that choose the best snapshot; `evaluate` adds trained models, baselines and the privacy audit.

    The best snapshot is the one with the highest likelihood of held-out rows, if the generator knows it and is trained
    by it; else the one with the lowest detection, or, if few rows are held out, the one with the highest similarity of
    pairs.
    """

    def __init__(self, data: Any, config: Any, work: Work, prepare: Callable[..., nn.Module]):
        self.data, self.config, self.work, self.prepare = data, config, work, prepare
        known = getattr(config.game, "likelihood", 0) and getattr(config.game, "adversarial_from", 0) == 1
        self.objective = "nats" if known else "detection" if len(data.held) >= 1000 else "-pairs"
        self.noise = 0.0 if known else 0.01 if len(data.held) >= 1000 else 0.003

    @property
    def ready(self) -> bool:
        """Whether enough rows are held out."""
        return len(self.data.held) >= FEWEST

    @cached_property
    def train(self) -> Any:
        """The training rows in random order."""
        return self._frame(self.data.train)

    @cached_property
    def held(self) -> Any:
        """The held-out rows."""
        return self._frame(self.data.held)

    def _frame(self, indices: np.ndarray) -> Any:
        order = np.random.default_rng(key("order", len(indices))).permutation(indices)
        return self.data.frame.iloc[order].reset_index(drop=True)

    @cached_property
    def coder(self) -> likeness.Coder:
        """Bins and numbers fitted on the training rows."""
        return likeness.Coder(self.data.columns, self.train)

    def made(self, nets: Nets, count: int, seed: int = 0) -> Any:
        """A DataFrame of generated rows that meet the rules."""
        return generated_frame(self.prepare(nets["G"], self.data.spec, {}), self.data.spec, count, seed)

    def examples(self) -> Tensor:
        """Real rows [n, D] for the collapse watch."""
        return self.data.rows(self.data.train[:WATCHED])

    def sample(self, nets: Nets) -> Tensor:
        """Generated rows [n, D] for the collapse watch."""
        net = nets["G"]
        z = torch.randn(WATCHED, net.z_dim, generator=torch.Generator().manual_seed(key("watch")))
        with torch.inference_mode():
            return net(z.to(next(net.parameters()).device)).float().cpu()

    def show(self, nets: Nets) -> Image.Image:
        """Eight generated rows, and the marginals of generated and real rows."""
        return picture(self.coder, self.train, self.made(nets, 1000))

    def score(self, nets: Nets) -> tuple[dict[str, float], dict[str, float], str]:
        """pairs, shapes and detection of up to 3,000 rows, and the same of real rows."""
        count = min(QUICK, max(1000, len(self.held)))
        values = self.measure(self.made(nets, count), self.held.iloc[:QUICK])
        if hasattr(nets["G"], "surprise"):
            values["nats"] = self.nats(nets["G"])
        return values, self._floor, "table"

    def nats(self, net: Any) -> float:
        """Negative log-likelihood of held-out rows in nats per choice; it rises with overfitting."""
        rows = self.data.rows(self.data.held[:QUICK])
        choices = len(net.layout.sizes)
        total = 0.0
        for part in range(TRIES):
            draw = torch.Generator().manual_seed(key("nats", part))
            rank = torch.rand(len(rows), choices, generator=draw).argsort(1).argsort(1)
            seen = rank < torch.randint(choices, (len(rows), 1), generator=draw)
            device = next(net.parameters()).device
            with torch.inference_mode():
                total += float(net.surprise(rows.to(device), seen.to(device)).mean())
        return total / TRIES / choices

    @cached_property
    def _floor(self) -> dict[str, float]:
        return self.measure(self.train.iloc[:QUICK], self.held.iloc[:QUICK])

    def measure(self, made: Any, real: Any) -> dict[str, float]:
        """pairs, shapes and detection of generated rows against held-out ones."""
        found = likeness.pairs(self.coder, real, made)
        shapes = likeness.shapes(self.coder, real, made)
        values = {"pairs": float(np.mean(list(found.values())))} if found else {}
        values["shapes"] = float(np.mean(list(shapes.values())))
        values["detection"] = likeness.auc(likeness.detection(self.coder, real, made))
        return values

    def ill_divided(self) -> bool:
        """Whether held-out rows are less like the training rows than as many training rows are: real data's own score
        is far from its ceiling.
        """
        some = self.train.iloc[: len(self.held)]
        rest = self.train.iloc[len(some) :] if len(self.train) > 2 * len(some) else self.train
        own, ceiling = (list(likeness.pairs(self.coder, part, rest).values()) for part in (self.held, some))
        return bool(own) and float(np.mean(ceiling) - np.mean(own)) > APART

    def evaluate(
        self, nets: Nets, *, count: int, seed: int, pictures: Path, progress: Work, about: dict[str, Any]
    ) -> TaskReport:
        """The full evaluation, on as many generated rows as training rows (at most 10 times `count`)."""
        start = time.monotonic()
        if not self.ready:
            return TaskReport.of_nothing(too_few(len(self.data.held), FEWEST, "row", "rows"), about)
        if self.ill_divided():
            return TaskReport.of_nothing(
                "The held-out rows are unlike the training rows, so that real data would get a poor score: no verdict.",
                about,
            )
        made = self.made(nets, min(len(self.train), 10 * count), seed)
        progress("Comparing", 1, 4)
        rivals = {"real data": self.train, "each column by itself": likeness.independent(self.train, seed)}
        target, task = self.data.spec.facts["target"], None
        if target:
            task = likeness.Task.of(self.coder, target, self.train)
        if task is not None and task.kind != "number":
            within = likeness.independent(self.train, seed, within=target)
            rivals[f"each column by itself within {target}"] = within
        metrics, tables = self._likeness(made)
        baselines = {name: self.measure(frame, self.held) for name, frame in rivals.items()}
        related = Relations(self.coder, self.train).judge(
            made, self.held, {n: f for n, f in rivals.items() if n != "real data"}
        )
        metrics, tables = {**metrics, **related.metrics}, [*tables, *related.tables]
        for name, value in related.values.items():
            baselines[name]["relations"] = value
        progress("Training models on generated rows", 2, 4)
        if task is not None:
            tables.append(self._models(task, made, rivals, metrics, baselines))
        progress("Membership inference attack", 3, 4)
        found = table_privacy.audit(self.coder, self.train, self.held, made, seed)
        if found:
            metrics["attack"] = _between(metric(found["attack"], better="floor", meaning=MEANING["attack"]), found)
            metrics["copies"] = metric(found["copies"], found["held_copies"], better="floor", meaning=MEANING["copies"])
            baselines["real data"]["copies"] = found["held_copies"]
        metrics = {n: replace(m, floor=baselines["real data"].get(n, m.floor)) for n, m in metrics.items()}
        pictures.mkdir(parents=True, exist_ok=True)
        save_picture(picture(self.coder, self.train, made), pictures / "columns.png")
        replace_file(pictures / "rows.csv", frame_csv(made.head(100)))
        return TaskReport(
            metrics,
            len(made),
            baselines,
            tables,
            {"Columns": "columns.png", "Made rows": "rows.csv"},
            self.protocol(len(made), target, found),
            [*related.warnings, *self.warnings(found)],
            about=about,
            seconds=time.monotonic() - start,
        )

    def _likeness(self, made: Any) -> tuple[dict[str, Measurement], list[dict[str, Any]]]:
        """pairs, shapes and detection with intervals; tables of columns and of the least similar pairs."""
        pairs = likeness.pairs(self.coder, self.held, made)
        shapes = likeness.shapes(self.coder, self.held, made)
        seen = likeness.detection(self.coder, self.held, made)
        low, high = likeness.auc_interval(seen)
        found = {"pairs": metric(list(pairs.values()), better="higher", meaning=MEANING["pairs"])} if pairs else {}
        found["shapes"] = metric(list(shapes.values()), better="higher", meaning=MEANING["shapes"])
        detected = metric(likeness.auc(seen), meaning=MEANING["detection"])
        found["detection"] = _between(detected, {"low": low, "high": high})
        worst = sorted(pairs.items(), key=lambda item: item[1])[:20]
        tables = [
            {
                "title": "Columns, the least similar first",
                "columns": ["column", "likeness"],
                "rows": [[n, round(v, 4)] for n, v in sorted(shapes.items(), key=lambda item: item[1])],
            },
            {
                "title": "The least similar pairs of columns",
                "columns": ["pair", "likeness"],
                "rows": [[f"{a} and {b}", round(v, 4)] for (a, b), v in worst],
            },
        ]
        return found, tables

    def _models(
        self,
        task: likeness.Task,
        made: Any,
        rivals: dict[str, Any],
        metrics: dict[str, Measurement],
        baselines: dict[str, dict[str, float]],
    ) -> dict[str, Any]:
        """Scores on held-out rows of three model families trained on each table; boosting's become metrics."""
        rows, names = [], []
        for name, frame in {"This model": made, **rivals}.items():
            families = likeness.learnt(self.coder, task, frame, self.held)
            for family, scores in families.items():
                rows.append([f"{name}, {family}", *(round(v, 4) for v in scores.values())])
            mine = {f"tstr_{k}": v for k, v in families["boosting"].items()}
            if name == "This model":
                target = self.data.spec.facts["target"]
                said = f"Train on generated rows, test on real ones: boosting predicts {target}."
                metrics |= {k: metric(v, better="higher", meaning=said) for k, v in mine.items()}
            else:
                baselines[name] |= mine
            names = list(families["boosting"])
        return {
            "title": "Models trained on a table, tested on held-out rows",
            "columns": ["learnt from", *names],
            "rows": rows,
        }

    def protocol(self, made: int, target: str, attack: dict[str, Any]) -> list[str]:
        """How the evaluation was done, in sentences."""
        out = [
            f"{counted(made, 'generated row')} against {len(self.held):,} held-out ones; ids and constant "
            "columns are left out.",
            "Pairs: numbers in at most ten quantile bins of the training rows, values of 5 % of the rows or more in "
            "bins of their own, at most 200 values of a category, mean of all pairs. Intervals of pairs, relations and "
            "shapes are over pairs and columns.",
            "Relations: of columns a and b, the distributions of a - b and a + b (standardised unless of one size) and "
            "the rows beyond their usual range; a <= b, and b following from a, where nearly all training rows do; "
            "of as many rows as are held out. A pair counts by its least like relation.",
            "Detection: gradient boosting, equal numbers of real and generated rows, tested on 30 % of them.",
        ]
        if target:
            out.append(f"Models predict {target} trained on at most {likeness.LARGEST_TRAIN:,} rows.")
        if attack:
            out.append(
                f"The attack compares {attack['count']:,} training rows with as many held-out ones by their "
                "distance to made rows and to the other held-out rows."
            )
        return [
            *out,
            "A failed attack proves only that this attack fails. It does not make the rows private.",
        ]

    def warnings(self, attack: dict[str, Any]) -> list[str]:
        """What a reader must know to interpret the numbers."""
        out = (
            [f"Only {counted(len(self.held), 'row is', 'rows are')} held out: the numbers are imprecise."]
            if len(self.held) < 500
            else []
        )
        if attack and attack["low"] > 0.55:
            out.append(
                f"The attack finds training rows (AUC {attack['attack']:.2f}): these rows give away who is in the "
                "data. Train for less long, with fewer columns, or with differential privacy."
            )
        if attack and attack["copies"] > 2 * attack["held_copies"] + 0.01:
            out.append(
                f"{attack['copies']:.1%} of the generated rows are rows of the training data "
                f"(of held-out ones: {attack['held_copies']:.1%})."
            )
        return out


def _between(value: Measurement, found: dict[str, float]) -> Measurement:
    return replace(value, low=found["low"], high=found["high"])


def picture(coder: likeness.Coder, real: Any, made: Any) -> Image.Image:
    """Marginals of up to 24 columns: dark bars are real, light ones generated."""
    a, sizes = coder.bins(real)
    b, _ = coder.bins(made)
    shown, wide, tall = min(24, len(sizes)), 260, 130
    columns = min(4, shown)
    sheet = Image.new("RGB", (columns * wide, -(-shown // columns) * tall), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for k in range(shown):
        left, top = k % columns * wide + 8, k // columns * tall + 6
        pen.text((left, top), coder.names[k][:34], (40, 40, 40), font)
        shares = [np.bincount(x[:, k], minlength=sizes[k])[:24] / len(x) for x in (a, b)]
        step = (wide - 20) / len(shares[0])
        scale = (tall - 34) / max(1e-9, *shares[0], *shares[1])
        for which, (share, colour) in enumerate(zip(shares, ((70, 90, 140), (235, 150, 60)), strict=True)):
            for place, value in enumerate(share):
                x = left + place * step + which * step / 2
                floor = top + tall - 14
                pen.rectangle((x, floor - value * scale, x + max(1, step / 2 - 1), floor), fill=colour)
    return sheet
