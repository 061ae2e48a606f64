"""Metrics that ask a classifier, or go class by class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.metrics.classifier import classifier_of
from ganworks.metrics.estimate import Estimate, around, wilson
from ganworks.metrics.features import score_name
from ganworks.metrics.kernel import unbiased_mmd
from ganworks.metrics.panel.examined import Examined
from ganworks.metrics.tasks import Measurement, metric

SPLITS, PART = 10, 500
_FEWEST = 4  # examples of a class on each side


def inception_score(chances: np.ndarray, seed: int = 0) -> Estimate:
    """exp of the mean Kullback-Leibler divergence of class probabilities [n, K] from their mean.

    Salimans et al. 2016 (1606.03498), section 4: over 10 parts, of which each has at least 500 rows, in random order;
    the interval is that of their mean. 1 is the worst, K the best. Fewer rows give lower scores.
    """
    rows = np.asarray(chances, np.float64)[np.random.default_rng(seed).permutation(len(chances))]
    values = []
    for part in np.array_split(rows, max(1, min(SPLITS, len(rows) // PART))):
        p = part.clip(1e-12)
        mean = p.mean(0, keepdims=True)
        values.append(np.exp((p * (np.log(p) - np.log(mean))).sum(1).mean()))
    error = np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return around(float(np.mean(values)), float(error))


def score(examined: Examined) -> dict[str, Measurement]:
    """{"is": the inception score by the classifier of the data's own labels}; floor: held-out examples."""
    judge = examined.classifier("is")
    made, real = (inception_score(judge.both(x)[1]) for x in (examined.made, examined.held))
    said = "Inception score by a classifier of this data: sure of single samples, and varied over all. Not that of "
    said += "ImageNet: compare it with the value of real data alone."
    return {"is": metric(made, real, better="higher", meaning=said)}


def kernel_by_class(examined: Examined) -> dict[str, Measurement]:
    """{"kid_by_class": mean over classes of the kernel distance of their samples to their held-out examples}.

    Floor: training examples in place of samples. Raises UsageError without classes.
    """
    asked, held, train = examined.asked, examined.labels(0), examined.labels(1)
    if asked is None or held is None or train is None:
        raise UsageError("metrics=kid_by_class needs a generator by class.")
    sides = [examined.extractor(x) for x in (examined.made, examined.train, examined.held)]
    found, floor = [], []
    for y in range(examined.spec.num_classes):
        parts = [side[labels == y] for side, labels in zip(sides, (asked, train, held), strict=True)]
        if min(map(len, parts)) >= _FEWEST:
            found.append(unbiased_mmd(parts[0], parts[2]))
            floor.append(unbiased_mmd(parts[1], parts[2]))
    if not found:
        raise UsageError(f"metrics=kid_by_class needs {_FEWEST} held-out examples of a class; no class has so many.")
    said = f"Kernel distance within a class, mean over {len(found)} classes: also sees a class without variety."
    name = score_name("kid_by_class", examined.extractor)
    return {name: metric(np.array(found), float(np.mean(floor)), meaning=said)}


@dataclass
class _Made:
    """Samples as the training data of a classifier, held-out examples after them."""

    spec: Any
    fingerprint: str
    train: np.ndarray
    held: np.ndarray
    labels: np.ndarray | None
    examples: np.ndarray

    def raw(self, indices: np.ndarray) -> np.ndarray:
        return self.examples[indices]


def accuracy_score(examined: Examined) -> dict[str, Measurement]:
    """{"cas": accuracy on held-out examples of a classifier that was trained on samples alone}.

    Ravuri and Vinyals 2019 (1905.10887). Floor: the same classifier trained on as many real examples.
    """
    labels, asked = examined.labels(0), examined.asked
    if labels is None or asked is None or len(examined.spec.shape) != 3:
        raise UsageError("metrics=cas needs a generator of pictures by class.")
    real = examined.labels(1)
    assert real is not None
    shares = []
    for x, y in ((examined.made, asked), (examined.train, real)):
        rows = np.arange(len(x) + len(examined.held))
        data = _Made(examined.spec, "cas", rows[: len(x)], rows[len(x) :], np.concatenate([y, labels]),
                     np.concatenate([x, examined.held]))  # fmt: skip
        judge = classifier_of(data, None, seed=examined.seed, progress=examined.progress)
        shares.append(wilson(judge.accuracy, len(labels)))
    said = "Accuracy on real examples of a classifier that was trained on samples alone: what the samples can teach."
    return {"cas": metric(shares[0], shares[1], better="higher", meaning=said)}
