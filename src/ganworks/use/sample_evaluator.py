"""The evaluator of generators of samples: pictures, quick scores, and the full evaluation on held-out data."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganworks.core.abilities.encoding import MeasuresExamples, joined_of
from ganworks.core.console.text import counted
from ganworks.core.contracts import Nets, Watched, Work, labels_of, showing_of
from ganworks.core.spec import Batch, Draw, key
from ganworks.files.packing.pack import cache_folder
from ganworks.metrics.classifier import extractor_for
from ganworks.metrics.features import FeatureExtractor, choices, score_key
from ganworks.metrics.panel.choose import measure
from ganworks.metrics.panel.examined import Examined
from ganworks.metrics.reference import FEWEST, Reference
from ganworks.metrics.samples import by_class, watched
from ganworks.metrics.scoring import Report, evaluate, score
from ganworks.metrics.sheets import reconstruction_sheet
from ganworks.metrics.tasks import TaskReport, metric, save_pictures, spaced, too_few
from ganworks.use.exploring.nearby import pairs_of
from ganworks.use.model import Model

_GRID = 64  # samples on a progress grid
_SCORED = 1000  # samples of a score during training
_QUICK, _WHOLE = 250, 2000  # held-out examples that an encoder describes, during a training and after it
_PAIRS, _SHEET = 24, "reconstructions.png"  # held-out examples that are shown beside their reconstructions
_ERROR = ("lower", "Root mean squared difference from the reconstruction, as a share of the range of values.")
_RELABELLED = 200_000  # examples up to which data is packed again with its labels, to train an extractor on them


class SampleEvaluator:
    """Shows, scores and evaluates samples of G. data: an opened data set; source: what it was opened from.

    config: the training's, for its domain (`show`, `extractor`), recipe and seed. work: is told how far preparation is.
    """

    objective = "fd"
    noise: float | None = None

    def __init__(self, data: Any, source: Any, config: Any, work: Work):
        self.data, self.source, self.config, self.work = data, source, config, work
        self._model: Model | None = None
        self._named = ""  # the extractor that was asked for
        self._further: tuple[tuple[str, ...], bool] = ((), False)  # metrics that were asked for; whether some may fail

    @property
    def ready(self) -> bool:
        """Whether enough examples are held out to score with."""
        return len(self.data.held) >= FEWEST

    @cached_property
    def labelled(self) -> Any:
        """The data set, with its labels even where the training ignores them."""
        return with_labels(self.config.domain, self.data, self.source)

    @cached_property
    def measured(self) -> tuple[FeatureExtractor, Reference]:
        """The extractor, and the real data in its features; both are cached beside the packed data."""
        return seen_by(self.config.domain, self.labelled, self.work, self._named)

    @property
    def extractors(self) -> tuple[str, ...]:
        """Names of the feature extractors that fit this data."""
        return choices(self.labelled)

    def with_extractor(self, name: str) -> SampleEvaluator:
        """This evaluator with the extractor of that name; UsageError for an unknown one."""
        other = self._again()
        other._named = name
        return other

    def with_metrics(self, names: Sequence[str], *, skip: bool) -> SampleEvaluator:
        """This evaluator with further metrics. skip: leave out those that do not apply, else UsageError for them."""
        other = self._again()
        other._further = tuple(names), skip
        return other

    def _again(self) -> SampleEvaluator:
        other = SampleEvaluator(self.data, self.source, self.config, self.work)
        other._named, other._further = self._named, self._further
        return other

    def model(self, nets: Nets) -> Model:
        """The generator, ready to sample."""
        if self._model is None:
            info = {"recipe": self.config.recipe, "seed": self.config.train.seed}
            device = next(nets["G"].parameters()).device
            self._model = Model(nets["G"], self.data.spec, info, device=device)
        else:
            self._model.net.load_state_dict(nets["G"].state_dict())
        return self._model

    def examples(self) -> Watched:
        """64 real examples for the collapse check, or eight of each class."""
        train, classes = self.data.train, self.data.spec.num_classes
        few = train[np.linspace(0, len(train) - 1, min(watched(_GRID, classes), len(train))).astype(int)]
        return by_class(_floats(self.data.raw(few)), np.asarray(self.data.labels)[few] if classes else None)

    def sample(self, nets: Nets) -> Watched:
        """64 samples for the collapse check, or eight of each class."""
        made, labels = rows(self.model(nets), 0, watched(_GRID, self.data.spec.num_classes), seed=0)
        return by_class(_floats(made), labels)

    def show(self, nets: Nets) -> Image.Image:
        """A grid of samples, with a column for each class."""
        classes, domain = self.data.spec.num_classes, self.config.domain
        columns = classes if 2 <= classes <= 16 else None
        count = showing_of(domain, _GRID) if columns is None else columns * max(1, round(_GRID / columns))
        return domain.show(rows(self.model(nets), 0, count, seed=0)[0], columns=columns)

    def score(self, nets: Nets) -> tuple[dict[str, float], dict[str, float], str]:
        """Scores of 1,000 samples, the same of real data, and the extractor's key."""
        extractor, reference = self.measured
        model = self.model(nets)
        scores, floor = score(
            lambda start, n: rows(model, start, n), self.data, extractor, count=_SCORED, reference=reference
        )
        described = {name: float(values.mean()) for name, (values, _) in self.described(nets, _QUICK).items()}
        return {**scores, **described}, floor, score_key(extractor)

    def described(self, nets: Nets, count: int) -> dict[str, tuple[np.ndarray, tuple[str, str]]]:
        """How well encoders describe `count` held-out examples: measure -> (values [n], (better, meaning)).

        Empty for games that make samples only. Each example gets the same draws in every call.
        """
        game, network = self.config.game, joined_of(self.config.networks, nets)
        measured = game if isinstance(game, MeasuresExamples) else None
        meanings = {**(measured.meanings if measured else {}), **({"reconstruction_error": _ERROR} if network else {})}
        held, found = spaced(self.data.held, count), {name: [] for name in meanings}
        for start in range(0, len(held) if meanings else 0, _GRID):
            batch = self._batch(held[start : start + _GRID], nets)
            with torch.inference_mode():
                values = measured.measures(nets, batch) if measured else {}
                if network is not None:
                    apart = (network(batch["x"], batch.y) - batch["x"]).flatten(1).square().mean(1).sqrt() / 2
                    values = {**values, "reconstruction_error": apart}
            for name, value in values.items():
                found[name].append(value.float().cpu().numpy())
        return {name: (np.concatenate(values), meanings[name]) for name, values in found.items() if values}

    def _batch(self, indices: np.ndarray, nets: Nets) -> Batch:
        """Held-out examples as they are, without augmentation, with draws of their own."""
        device = next(nets["G"].parameters()).device
        draw = Draw(key("described", int(indices[0])), len(indices), slice(None), device)
        values = {name: value.to(device) for name, value in self.data.fetch(indices).items()}
        return Batch(lambda: values, draw, size=len(indices), num_classes=self.data.spec.num_classes)

    def _reconstructed(self, nets: Nets) -> Image.Image | None:
        """Held-out pictures above their reconstructions; None for other data, and where nothing is reconstructed."""
        network = joined_of(self.config.networks, nets)
        if network is None or len(self.data.spec.shape) != 3:
            return None
        batch = self._batch(spaced(self.data.held, _PAIRS), nets)
        with torch.inference_mode():
            made = network(batch["x"], batch.y)
        return reconstruction_sheet(batch["x"].float().cpu().numpy(), made.float().cpu().numpy())

    def costs(self, nets: Nets) -> tuple[float, float]:
        """Seconds of one score and of one sample grid, from the time of a grid of samples."""
        start = time.perf_counter()
        samples = rows(self.model(nets), 0, _GRID, seed=0)[0].astype(np.float32)
        made = time.perf_counter() - start
        if not self.ready or not self.config.train.judge:
            return 0.0, made
        extractor, _ = self.measured
        start = time.perf_counter()
        extractor(samples.astype(self.data.spec.dtype))
        seen = time.perf_counter()
        self.described(nets, _GRID)
        described = (time.perf_counter() - seen) * _QUICK / _GRID
        return (made + seen - start) * _SCORED / len(samples) + described + 0.2, made

    def evaluate(
        self, nets: Nets, *, count: int, seed: int, pictures: Path, progress: Work, about: dict[str, Any]
    ) -> Report | TaskReport:
        """The full evaluation on `count` samples; its pictures go to a folder. Too few held-out examples: no score."""
        if not self.ready:
            return TaskReport.of_nothing(too_few(len(self.data.held), FEWEST), about)
        extractor, reference = self.measured
        model = self.model(nets)
        report = evaluate(
            lambda start, n: rows(model, start, n, seed=seed + 1),
            self.labelled,
            extractor,
            count=count,
            seed=seed,
            reference=reference,
            pictures=pictures,
            progress=progress,
            about={**about, "generator": model.fingerprint, "truncation": 1.0},
        )
        self._measure_further(report, model, count, seed, progress)
        described = self.described(nets, min(count, _WHOLE))
        for name, (values, (better, meaning)) in described.items():
            report.metrics[name] = metric(values, better=better, meaning=meaning)
        if described:
            many = len(next(iter(described.values()))[0])
            report.protocol.append(f"{', '.join(described)}: mean over {counted(many, 'held-out example')}.")
        if (sheet := self._reconstructed(nets)) is not None:
            drawn = save_pictures(pictures, {"Held-out examples, above what became of them": (_SHEET, sheet)})
            report.pictures = {**drawn, **report.pictures}
        return report

    def _measure_further(self, report: Report, model: Model, count: int, seed: int, progress: Work) -> None:
        names, skip = self._further
        if not names:
            return
        extractor, _ = self.measured
        further(
            report,
            names,
            Examined(
                lambda start, n: rows(model, start, n, seed=seed + 1),
                self.labelled,
                extractor,
                count,
                seed,
                progress,
                pairs_of(model, seed),
            ),
            skip=skip,
        )


def further(report: Report, names: Sequence[str], examined: Examined, *, skip: bool) -> None:
    """Add metrics of the panel to a report, and to its warnings why others were left out."""
    found, left = measure(names, examined, skip=skip)
    report.metrics |= found
    report.warnings += left
    if found:
        report.protocol.append(f"{', '.join(found)}: {examined.size:,} samples beside as many held-out examples.")


def _floats(x: np.ndarray) -> Tensor:
    return torch.from_numpy(x.astype(np.float32))


def seen_by(domain: Any, data: Any, work: Work, name: str = "") -> tuple[FeatureExtractor, Reference]:
    """(the named extractor, or the domain's own; the real data in its features)."""
    cache = cache_folder(None)[0]
    extractor = extractor_for(data, cache, name=name, progress=work) if name else domain.extractor(data, cache, work)
    return extractor, Reference.of(data, extractor, cache, progress=work)


def rows(model: Model, start: int, count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray | None]:
    """Samples start..start+count-1 of a seed as the metrics want them: (array as on disk, labels or None)."""
    made = np.concatenate([part for _, part in model.stream(count, seed, start=start)])
    return made, model.label_list(None, np.arange(start, start + count))


def with_labels(domain: Any, data: Any, source: Any) -> Any:
    """The data set for an evaluation: the same examples with their labels, where labels=off left them out.

    Features of a classifier measure an unconditional generator better than random features do. The split into training
    and held-out examples follows from their contents, so it is the same one.
    """
    unused = data.labels is None and labels_of(domain) in (False, "off")
    if not unused or len(data) > _RELABELLED:
        return data
    other = replace(domain, labels=True).open(source)
    same = (
        other.labels is not None and np.array_equal(other.train, data.train) and np.array_equal(other.held, data.held)
    )
    return other if same else data
