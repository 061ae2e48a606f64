"""The evaluator of texts: the generator compared with its own warm start, a trigram model and real lines."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganworks.core.console.text import counted
from ganworks.core.contracts import Nets, Work
from ganworks.core.spec import key
from ganworks.files.atomic import replace_file
from ganworks.files.rasters.write import save_picture
from ganworks.kinds.text.metrics.measures import bleu, self_bleu
from ganworks.kinds.text.metrics.models import NaiveBayes
from ganworks.kinds.text.metrics.panel import BLEU_SAMPLES, MEANING, SET_SAMPLES, Panel, cut, rivals
from ganworks.kinds.text.metrics.pictures import curve
from ganworks.metrics.estimate import wilson
from ganworks.metrics.scoring import Measurement
from ganworks.metrics.tasks import TaskReport, TimedByTrial, metric, too_few
from ganworks.use.model import Model

FEWEST = 20  # held-out texts below which nothing is scored
SHOWN, SCORED = 40, 1000
TOGETHER = 512  # texts written between two looks at the progress
TEMPERATURES = (0.7, 0.8, 0.9, 1.0, 1.1)
NOISE = 0.005  # difference in balance between two sets of 1,000 samples
SURE = 0.01  # a difference in bleu_4 or backward_bleu_4 beyond chance
OURS, WARM = "adversarial", "maximum likelihood"

Curve = list[tuple[float, float, float]]  # temperature, self-BLEU-4, BLEU-4


class TextEvaluator(TimedByTrial):
    """Evaluates the texts of G. data: a `TextSet`; config: that of the training; work: reports progress."""

    objective = "-balance"
    noise = NOISE

    def __init__(self, data: Any, config: Any, work: Work):
        self.data, self.config, self.work = data, config, work
        self.characters = data.vocabulary.kind == "characters"

    @property
    def ready(self) -> bool:
        """Whether enough texts are held out for an evaluation."""
        return len(self.data.held) >= FEWEST

    @cached_property
    def panel(self) -> Panel:
        """The measures of lists of sentences."""
        held, training = (np.random.default_rng(key("panel", len(part))).permutation(part)
                          for part in (self.data.held, self.data.train))  # fmt: skip
        return Panel(*(cut([self.data.texts[k] for k in part], self.characters) for part in (held, training)))

    def model(self, net: nn.Module, **options: Any) -> Model:
        """A model of the generator, with options of the domain."""
        info = {"recipe": self.config.recipe, "domain": self.config.domain}
        model = Model(net, self.data.spec, info, device=next(net.parameters()).device)
        return model.prepared(**options)

    def written(self, net: nn.Module, count: int, seed: int = 1, **options: Any) -> list[str]:
        """The texts that a user gets with this seed."""
        return self.model(net, **options).sample(count, seed=seed).items

    def examples(self) -> Tensor:
        """None: self-BLEU detects collapse."""
        return None  # pyrefly: ignore

    def sample(self, nets: Nets) -> None:
        """None, as `examples`."""

    def show(self, nets: Nets) -> tuple[str, bytes]:
        """Forty texts, with their classes where there are any."""
        made = self.model(nets["G"]).sample(SHOWN, seed=0)
        return ".txt", self.config.domain.encode(made, ".txt", False)

    def score(self, nets: Nets) -> tuple[dict[str, float], dict[str, float], str]:
        """Quick scores of 1,000 samples, those of real training texts, and an empty name of features."""
        texts = self.written(nets["G"], SCORED)
        return self.panel.quick(cut(texts, self.characters)), self.floor, ""

    @cached_property
    def floor(self) -> dict[str, float]:
        """The quick scores of real training texts."""
        return self.panel.quick(self.panel.real_lines())

    def agreement(self, net: nn.Module, count: int, seed: int) -> Measurement:
        """The share of samples in the class asked for, according to a classifier of training texts."""
        data = self.data
        known = NaiveBayes(cut([data.texts[k] for k in data.train], self.characters), data.labels[data.train],
                        data.spec.num_classes)  # fmt: skip
        held = known(cut([data.texts[k] for k in data.held], self.characters)) == data.labels[data.held]
        made = self.model(net).sample(count, seed=seed)
        right = known(cut(made.items, self.characters)) == made.labels
        meaning = "Share of samples that a classifier of training texts assigns to the class asked for."
        return metric(right, wilson(float(held.mean()), len(held)), better="higher", meaning=meaning)

    def temperatures(self, net: nn.Module, name: str, seed: int) -> Curve:
        """Quality against diversity: BLEU-4 and self-BLEU-4 of 1,000 samples at each temperature."""
        points = []
        for k, t in enumerate(TEMPERATURES):
            self.work(f"Temperatures, {name}", k, len(TEMPERATURES))
            some = cut(self.written(net, BLEU_SAMPLES, seed, temperature=t), self.characters)
            points.append(
                (t, float(self_bleu(some, (4,)).mean()), float(bleu(some, self.panel.references, (4,)).mean()))
            )
        self.work(f"Temperatures, {name}", len(TEMPERATURES), len(TEMPERATURES))
        return points

    def evaluate(
        self, nets: Nets, *, count: int, seed: int, pictures: Path, progress: Work, about: dict[str, Any]
    ) -> TaskReport:
        """The full evaluation, on at most 5,000 samples; a plot of the curves and texts go to the folder `pictures`."""
        start, panel = time.monotonic(), self.panel
        if not self.ready:
            return TaskReport.of_nothing(too_few(len(self.data.held), FEWEST, "text", "texts"), about)
        count = min(count, SET_SAMPLES)
        warm = nets.get("G_warm")
        lists = {OURS: self._cut(nets["G"], count, seed + 1, progress, OURS)}
        if warm is not None:
            lists[WARM] = self._cut(warm, count, seed + 1, progress, WARM, temperature=1.0)
        lists |= {"trigram model": panel.trigrams.sample(count, key(seed, "trigrams")), "real": panel.real_lines(seed)}
        lists |= rivals(self.config.domain.rivals, self.characters)
        found = {}
        for k, (name, some) in enumerate(lists.items()):
            progress("Measuring the texts", k, len(lists))
            found[name] = panel.measure(some)
        progress("Measuring the texts", len(lists), len(lists))
        curves = {OURS: self.temperatures(nets["G"], OURS, seed + 2)}
        if warm is not None:
            curves[WARM] = self.temperatures(warm, WARM, seed + 2)
        metrics = self._metrics(lists[OURS], found)
        if self.data.labels is not None:
            metrics["agreement"] = self.agreement(nets["G"], min(count, BLEU_SAMPLES), seed + 3)
        pictures.mkdir(parents=True, exist_ok=True)
        points = {name: (v["self_bleu_4"], v["bleu_4"]) for name, v in found.items() if name not in curves}
        save_picture(curve(curves, points), pictures / "curve.png")
        replace_file(pictures / "texts.txt", self._texts(nets, seed))
        files = {"Quality against diversity over temperature": "curve.png", "Texts": "texts.txt"}
        verdict = [] if warm is None else self.verdict(nets, found, curves, metrics["balance"])
        return TaskReport(
            metrics,
            count,
            {name: values for name, values in found.items() if name != OURS},
            [temperature_table(curves)],
            files,
            [*verdict, *self.protocol(count)],
            self.warnings(found),
            about=about,
            seconds=time.monotonic() - start,
        )

    def _cut(self, net: nn.Module, count: int, seed: int, progress: Work, name: str, **options: Any) -> list[list[str]]:
        model, texts = self.model(net, **options), []
        for k in range(0, count, TOGETHER):
            progress(f"Writing, {name}", k, count)
            texts += model.sample(min(TOGETHER, count - k), seed=seed, start=k).items
        progress(f"Writing, {name}", count, count)
        return cut(texts, self.characters)

    def _metrics(self, sentences: list[list[str]], found: dict[str, dict[str, float]]) -> dict[str, Measurement]:
        items, out = self.panel.items(sentences), {}
        each = {**items, "balance": self.panel.balanced(items)}
        for name, (better, meaning) in MEANING.items():
            if name in found[OURS]:
                values = each.get(name, found[OURS][name])
                out[name] = metric(values, found["real"][name], better=better, meaning=meaning)
                if name == "kernel":  # about 0 for real texts, so a ratio means nothing
                    out[name] = replace(out[name], ratio=None)
        return out

    def _texts(self, nets: Nets, seed: int) -> str:
        parts = []
        for title, net in ((OURS, nets["G"]), (WARM, nets.get("G_warm"))):
            if net is not None:
                lines = self.config.domain.encode(self.model(net).sample(SHOWN, seed=seed), ".txt", False).decode()
                parts.append(f"# {title}\n{lines}")
        return "\n".join(parts)

    def verdict(
        self, nets: Nets, found: dict[str, dict[str, float]], curves: dict[str, Curve], balance: Measurement
    ) -> list[str]:
        """One sentence that says whether adversarial training helped, from scores under the same protocol.

        balance: of the adversarial generator; its interval is the least difference that counts.
        """
        sure = max(SURE, (balance.high - balance.low) / 2)
        ours, warm = found[OURS], found[WARM]
        if self.same_weights(nets):
            return [
                "Adversarial training did not help: the snapshot with the best balance is that of the warm start, "
                "and it was published."
            ]
        names = ("bleu_4", "self_bleu_4", "backward_bleu_4", "balance")
        numbers = ", ".join(f"{name} {ours[name]:.3f} against {warm[name]:.3f}" for name in names)
        same = at(curves[WARM], ours["self_bleu_4"])
        far = warm["balance"] - ours["balance"] if same is None else same - ours["bleu_4"]
        covers = ours["backward_bleu_4"] - warm["backward_bleu_4"]
        better, worse = far < -sure and covers > -sure, far > sure or covers < -sure
        word = "helped" if better else "did not help" if worse else "made no difference beyond chance"
        beside = "" if same is None else f" At that self_bleu_4, maximum likelihood has bleu_4 {same:.3f}."
        return [f"Adversarial training {word}: {numbers} of maximum likelihood at temperature 1.{beside}"]

    @staticmethod
    def same_weights(nets: Nets) -> bool:
        """Whether the published generator is its own warm start: an untrained critic, or none, and the same weights."""
        critic = getattr(nets["G"], "critic", None)
        chosen = critic is not None and bool(critic.out.weight.any())
        pairs = zip(nets["G"].parameters(), nets["G_warm"].parameters(), strict=True)
        return not chosen and all(torch.allclose(a, b, atol=1e-3) for a, b in pairs)

    def protocol(self, count: int) -> list[str]:
        """Sentences that describe the protocol."""
        what = "characters" if self.characters else 'Texygen\'s tokens (lower case, "." and "," apart)'
        held = len(self.data.held)
        return [
            f"BLEU is the mean sentence BLEU of {counted(min(count, BLEU_SAMPLES), 'sample')} against "
            f"{counted(held, 'held-out text')}, "
            f"smoothing method 1, of {what}. It grows with the number of references: compare under the same one.",
            f"Self-BLEU: {min(count, BLEU_SAMPLES):,} samples against each other. Backward BLEU: "
            f"{counted(min(held, BLEU_SAMPLES), 'held-out text')} against {counted(count, 'sample')}. Real: "
            "training texts as samples.",
            "The maximum likelihood generator samples at temperature 1, the adversarial one at its own temperature.",
            "The trigram model is interpolated with weights fitted to a tenth of the training texts.",
        ]

    def warnings(self, found: dict[str, dict[str, float]]) -> list[str]:
        """Warnings about few references, repetition and copies."""
        ours, real = found[OURS], found["real"]
        out = []
        if len(self.data.held) < 500:
            out.append(
                f"Only {counted(len(self.data.held), 'text is', 'texts are')} held out: with few references "
                "BLEU is low and rough."
            )
        if ours["self_bleu_4"] > real["self_bleu_4"] + 0.1:
            out.append("The samples repeat each other far more than real texts do (self_bleu_4).")
        if ours["copied"] > 0.05 + 2 * copied_by_chance(self.panel):
            out.append(f"{100 * ours['copied']:.0f} % of the samples are training texts word for word.")
        return out


def copied_by_chance(panel: Panel) -> float:
    """Share of held-out sentences that occur in the training texts as well."""
    known = {tuple(s) for s in panel.training}
    return sum(tuple(s) in known for s in panel.asked) / max(1, len(panel.asked))


def at(points: Curve, place: float) -> float | None:
    """BLEU-4 of a curve at the self-BLEU-4 `place`, by linear interpolation; None outside of the curve."""
    line = sorted((x, y) for _, x, y in points)
    xs, ys = [x for x, _ in line], [y for _, y in line]
    return float(np.interp(place, xs, ys)) if xs[0] <= place <= xs[-1] else None


def temperature_table(curves: dict[str, Curve]) -> dict[str, Any]:
    """The curves as a table of the report."""
    rows = [[name, t, round(x, 4), round(y, 4)] for name, points in curves.items() for t, x, y in points]
    return {"title": "Over temperature", "columns": ["generator", "temperature", "self-BLEU-4", "BLEU-4"], "rows": rows}
