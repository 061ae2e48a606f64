"""What the metrics of the panel may look at: samples, held-out and training examples, each read once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.metrics.classifier import Classifier
from ganworks.metrics.features import FeatureExtractor, MetricDataset, Progress
from ganworks.metrics.samples import Sample

MOST = 10_000  # examples of each kind
Near = Callable[[int, float], tuple[Tensor, Tensor]]  # (pairs, step) -> samples [n, *shape] at both ends of a step


@dataclass(frozen=True, eq=False)
class Examined:
    """A generator's samples beside real data. All arrays are in the data's own range and type.

    sample: see `metrics.samples`. count: samples to look at. extractor: for metrics that compare features. near: pairs
    of samples whose latents lie a small step apart, unquantised in [-1, 1]; None where there is no generator.
    """

    sample: Sample
    dataset: MetricDataset
    extractor: FeatureExtractor
    count: int
    seed: int = 0
    progress: Progress | None = None
    near: Near | None = None

    @property
    def spec(self) -> Spec:
        """The form of an example."""
        return self.dataset.spec

    @cached_property
    def _made(self) -> tuple[np.ndarray, np.ndarray | None]:
        parts, labels = [], []
        for start in range(0, self.size, 500):
            x, y = self.sample(start, min(500, self.size - start))
            parts.append(x)
            labels += [] if y is None else [np.asarray(y)]
            if self.progress:
                self.progress("samples for further metrics", start + len(x), self.size)
        return np.concatenate(parts), np.concatenate(labels) if labels else None

    @property
    def size(self) -> int:
        """Examples of each kind: as many as are asked for, and as there are held out, at most 10,000."""
        return min(self.count, len(self.dataset.held), MOST)

    @property
    def made(self) -> np.ndarray:
        """[size, *shape] samples."""
        return self._made[0]

    @property
    def asked(self) -> np.ndarray | None:
        """[size] the classes that were asked for; None without."""
        return self._made[1]

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows [size] of the data that are held out, and of training data, both drawn by the seed."""
        draw = np.random.default_rng(self.seed)
        held, train = (draw.permutation(rows)[: self.size] for rows in (self.dataset.held, self.dataset.train))
        return np.sort(held), np.sort(train)

    @cached_property
    def held(self) -> np.ndarray:
        """[size, *shape] held-out examples."""
        return self.dataset.raw(self.rows[0])

    @cached_property
    def train(self) -> np.ndarray:
        """[<= size, *shape] training examples."""
        return self.dataset.raw(self.rows[1])

    def labels(self, which: int) -> np.ndarray | None:
        """The classes of held-out (0) or training (1) examples; None without."""
        return None if self.dataset.labels is None else np.asarray(self.dataset.labels)[self.rows[which]]

    def pictures(self, name: str, least: int) -> None:
        """Raise UsageError unless examples are pictures of at least `least` pixels a side."""
        if len(self.spec.shape) != 3 or min(self.spec.shape[1:]) < least:
            raise UsageError(
                f"metrics={name} needs pictures of at least {least} pixels a side; these examples have shape "
                f"{list(self.spec.shape)}."
            )

    def classifier(self, name: str) -> Classifier:
        """The extractor where it is a classifier of these classes; else UsageError."""
        if not isinstance(self.extractor, Classifier):
            raise UsageError(f"metrics={name} needs class probabilities: data with labels, and features=classifier.")
        return self.extractor
