"""All metrics of a generator with intervals, beside the values of real data: `score` during training, `evaluate` after
it.

`reference.py` describes the protocol. Samples are requested by index, so that a seed gives the same samples at any
batch size; metrics are computed on the values that would be written to files.
"""

from __future__ import annotations

import math
import platform
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganworks.core.chance import untouched_random_state
from ganworks.core.console.text import counted
from ganworks.core.errors import UsageError
from ganworks.metrics.classifier import Classifier
from ganworks.metrics.estimate import Estimate, wilson
from ganworks.metrics.features import FeatureExtractor, MetricDataset, Progress, score_key, score_name
from ganworks.metrics.reference import FEWEST, Measured, Reference
from ganworks.metrics.samples import Sample, SampleFeatures, sample_features
from ganworks.metrics.sheets import draw_all

PROTOCOL = (
    "All comparisons use {n} examples on each side; mean over groups of {n} samples: {groups}.",
    "fd and kid compare with {train} training examples; floor: held-out examples against them.",
    "precision, recall, density and coverage compare with {n} held-out examples; floor: training examples.",
    "authenticity and copied search {train} training examples; floor: held-out examples; for copied also training "
    "examples, each compared with the others.",
)
MEANING = {
    "fd": ("lower", "Frechet distance of all samples to real data; the floor is perfect."),
    "kid": ("lower", "Kernel distance (MMD): like fd, but without assuming a Gaussian. About 0 is perfect."),
    "precision": ("higher", "Share of samples that lie where real examples lie."),
    "recall": ("higher", "Share of real examples that lie where samples lie."),
    "density": ("higher", "How densely real examples surround a sample; real data has 1."),
    "coverage": ("higher", "Share of real examples with a sample nearby: the diversity of the samples."),
    "authenticity": ("floor", "Share of samples that are not near copies of a training example."),
    "copied": ("floor", "Share of samples nearer to a training example than halfway to its nearest other one."),
    "agreement": ("higher", "Share of samples that a classifier of real data assigns to the requested class."),
}
ALARM = 0.5  # authenticity below this part of its floor means copying: blurred pictures, too, lie near others
NEAR = 0.05  # so do near copies this far above their floor
WIDE = 0.1  # share; where an interval of near copies is wider, nothing is said


@dataclass(frozen=True)
class Measurement:
    """A value with its 95 % interval [low, high], the same for real data (floor), and value / floor.

    ratio: None if the floor is not clearly above zero. better: "lower", "higher", or "floor" if the value of real data
    is the aim. meaning: one sentence for readers new to the metric.
    """

    value: float
    low: float
    high: float
    floor: float
    floor_low: float
    floor_high: float
    ratio: float | None
    better: str
    meaning: str


@dataclass
class Report:
    """The result of `evaluate`; `to_dict` is the content of eval.json.

    extractor: name@hash of the extractor, on which every value depends. metrics: by name, which of a published network
    holds its key, "kid[mobilenet_v2:272e38e5]". count: samples. n: examples on each side of a
    comparison. classes: one entry per class (share of samples, share of real data, agreement, coverage). memorisation:
    flag, sentence, and the samples nearest to training data. pictures: title -> file name.
    """

    extractor: str
    extractor_sha256: str
    metrics: dict[str, Measurement]
    count: int
    n: int
    train: int
    held: int
    seed: int
    split: str
    quantised: str
    protocol: list[str]
    memorisation: dict[str, Any]
    classes: list[dict[str, Any]] = field(default_factory=list)
    classifier_accuracy: float | None = None
    warnings: list[str] = field(default_factory=list)
    pictures: dict[str, str] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON; numbers that are not finite become None."""
        return plain(asdict(self))


Scores = dict[str, float]


def score(
    sample: Sample,
    dataset: MetricDataset,
    extractor: FeatureExtractor,
    *,
    count: int = 2000,
    seed: int = 0,
    cache: Path | None = None,
    reference: Reference | None = None,
) -> tuple[Scores, Scores]:
    """Quick scores during training: ({metric: value}, {metric: floor}); adds "fd_ratio" = fd / its floor.

    sample(start, n): samples start..start+n-1 as stored, with requested labels or None. reference: what `Reference.of`
    returned for this data and extractor; if None, it is made, or read from `cache`. Global random states do not change,
    not even by `sample`.
    """
    _enough(count)
    with untouched_random_state(), torch.no_grad():
        real = reference or Reference.of(dataset, extractor, cache)
        n = real.count(count)
        made = sample_features(sample, extractor, count)
        floor = real.floor(n, repeats=2, subsets=10, seed=seed)
        found = real.measure(made.features, n, repeats=2, subsets=10, seed=seed)
    values, floors = ({k: e.value for k, e in m.metrics.items()} for m in (found, floor))
    agree = _agreement(made)
    if agree is not None and isinstance(extractor, Classifier):
        values["agreement"], floors["agreement"] = agree.value, extractor.accuracy
    return {**values, "fd_ratio": values["fd"] / max(floors["fd"], 1e-12)}, {**floors, "fd_ratio": 1.0}


def evaluate(
    sample: Sample,
    dataset: MetricDataset,
    extractor: FeatureExtractor,
    *,
    count: int = 10_000,
    seed: int = 0,
    cache: Path | None = None,
    reference: Reference | None = None,
    pictures: Path | None = None,
    progress: Progress | None = None,
    about: dict[str, Any] | None = None,
) -> Report:
    """The full report on `count` samples.

    sample, reference: as for `score`. seed: of subsets and bootstrap, not of the samples. pictures: folder for PNG
    pictures, or None. about: facts about the generator to store with the numbers (checkpoint hash, truncation). Raises
    UsageError if there is too little data or if a sample is not finite.
    """
    began = time.perf_counter()
    _enough(count)
    with untouched_random_state(), torch.no_grad():
        real = reference or Reference.of(dataset, extractor, cache, progress=progress)
        made = sample_features(sample, extractor, count, progress)
        found = real.measure(made.features, real.count(count), seed=seed)
        report = _report(dataset, extractor, real, made, found)
        report.seed, report.about = seed, dict(about or {})
        if pictures is not None and len(dataset.spec.shape) == 3:
            report.pictures = draw_all(pictures, sample, dataset, real=real, made=made, found=found)
    report.seconds = round(time.perf_counter() - began, 3)
    return report


def _report(
    dataset: MetricDataset, extractor: FeatureExtractor, real: Reference, made: SampleFeatures, found: Measured
) -> Report:
    count, n = len(made.features), len(found.covered)
    floor = real.floor(n)
    metrics = {name: _metric(name, found.metrics[name], floor.metrics[name]) for name in found.metrics}
    accuracy = extractor.accuracy if isinstance(extractor, Classifier) else None
    agree = _agreement(made)
    if agree is not None and accuracy is not None:
        metrics["agreement"] = _metric("agreement", agree, wilson(accuracy, len(real.held)))
    facts = {"n": n, "groups": count // n, "train": len(real.train)}
    return Report(
        extractor=score_key(extractor),
        extractor_sha256=extractor.sha256,
        metrics={score_name(name, extractor): metric for name, metric in metrics.items()},
        count=count,
        n=n,
        train=len(real.train),
        held=len(real.held),
        seed=0,
        split=real.split,
        quantised="uint8, as written to disk" if dataset.spec.dtype == "uint8" else "no: float32 data",
        protocol=[line.format(**facts) for line in PROTOCOL],
        memorisation=_memorisation(metrics, found),
        classes=_classes(dataset, real, made, found),
        classifier_accuracy=accuracy,
        warnings=_warnings(dataset, extractor, real, n),
        versions=_versions(),
    )


def _metric(name: str, found: Estimate, floor: Estimate) -> Measurement:
    better, meaning = MEANING[name]
    clear = floor.value > 0 if name == "fd" else floor.low > 0  # fd is never negative, kid may be
    ratio = found.value / floor.value if clear else None
    ends = floor.value, floor.low, floor.high
    return Measurement(found.value, found.low, found.high, *ends, ratio, better, meaning)


def _agreement(made: SampleFeatures) -> Estimate | None:
    """Share of samples whose predicted label is the requested one."""
    if made.predicted is None or made.asked is None:
        return None
    return wilson(float((made.predicted == made.asked).mean()), len(made.asked))


def _classes(dataset: MetricDataset, real: Reference, made: SampleFeatures, found: Measured) -> list[dict[str, Any]]:
    """For each class: its share of samples and of training data, agreement, coverage of held-out examples."""
    if made.predicted is None or dataset.labels is None:
        return []
    labels, n = np.asarray(dataset.labels), len(found.covered)
    floor = real.floor(n)
    held, train, entries = labels[real.held_rows[:n]], labels[real.train_rows], []
    for label, name in enumerate(dataset.spec.classes):
        mine, asked = held == label, made.asked == label if made.asked is not None else None
        entries.append(
            {
                "name": name,
                "share": float((made.predicted == label).mean()),
                "real_share": float((train == label).mean()),
                "held": int(mine.sum()),
                "agreement": None
                if asked is None or not asked.any()
                else asdict(wilson(float((made.predicted[asked] == label).mean()), int(asked.sum()))),
                "coverage": float(found.covered[mine].mean()) if mine.any() else None,
                "coverage_floor": float(floor.covered[mine].mean()) if mine.any() else None,
            }
        )
    return entries


def _memorisation(metrics: dict[str, Measurement], found: Measured) -> dict[str, Any]:
    """Whether the generator copies, by two signs of which one is enough; "sure" is False where it cannot be told."""
    own, close = metrics["authenticity"], metrics["copied"]
    few = own.value < ALARM * own.floor and own.high < own.floor_low
    near = close.value > close.floor + NEAR and close.low > close.floor_high
    seen = (
        f"{100 * close.value:.0f} % of the samples are near copies of a training example, {100 * close.floor:.0f} % of "
    )
    seen += "unseen real examples are."
    unsure = close.floor_high - close.floor_low > WIDE or close.high - close.low > WIDE
    if few or near:
        says = f"{seen} The generator repeats training examples: look at the nearest neighbours, train on more data, "
        says += "add augmentation or stop earlier."
    elif unsure:
        says = "There is not enough real data, or there are too few samples, to tell whether the generator copies."
    else:
        says = f"{seen} Nothing here points to copying; this is no proof of privacy."
    distance = found.near.distance[:, 0]
    closest = np.argsort(distance, kind="stable")[:10]
    return {
        "flagged": bool(few or near),
        "sure": bool(few or near or not unsure),
        "sentence": says,
        "margin": ALARM,
        "closest_samples": closest.tolist(),
        "closest_distances": distance[closest].tolist(),
    }


def _warnings(dataset: MetricDataset, extractor: FeatureExtractor, real: Reference, n: int) -> list[str]:
    said = []
    if n < extractor.dim + 1:
        said.append(f"Only {counted(n, 'example')} for {extractor.dim} features: fd is mostly bias; trust kid instead.")
    if n < 1000:
        said.append(f"Only {counted(n, 'held-out example')}: intervals are wide and small differences mean nothing.")
    if twice := n - int(real.manifold(n).first.sum()):
        among = counted(n, "held-out example")
        said.append(f"{twice:,} of {among} repeat others; as neighbours, copies count once.")
    if len(real.train) < len(dataset.train):
        said.append(
            f"Copies were searched in {len(real.train):,} of {counted(len(dataset.train), 'training example')}."
        )
    if isinstance(extractor, Classifier) and not extractor.accuracy >= 0.9:
        said.append(
            f"The classifier is right on only {extractor.accuracy:.0%} of held-out examples: read agreement with care."
        )
    return said


def _enough(count: int) -> None:
    if count < FEWEST:
        raise UsageError(
            f"{counted(count, 'sample is', 'samples are')} too few to evaluate; request at least {FEWEST}, better 2000."
        )


def _versions() -> dict[str, str]:
    try:
        own = version("ganworks")
    except PackageNotFoundError:
        own = "source"
    return {"ganworks": own, "torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()}


def plain(value: Any) -> Any:
    """Containers and NumPy numbers as plain types for JSON."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
