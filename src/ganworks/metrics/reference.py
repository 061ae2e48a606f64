"""Reference features, of training data and of held-out real data, and the floors of all metrics.

One protocol holds for all metrics, at one count n = min(samples, held-out examples):
- Distances (fd, kid) compare with the training data. Floor: n held-out examples in place of the samples.
- Overlap (precision, recall, density, coverage) compares n samples with n held-out examples. Floor: n
  training examples in place of the samples.
- Copying (authenticity, copied) searches the training data. Floor: held-out examples in place of the samples; for
  copied also training examples, each as if it were unseen, as few held-out ones say little about a rare thing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from ganworks.core.errors import UsageError
from ganworks.core.spec import key
from ganworks.files import weights
from ganworks.metrics.classifier import split_hash
from ganworks.metrics.estimate import Estimate, mean, wilson
from ganworks.metrics.features import FeatureExtractor, MetricDataset, Progress
from ganworks.metrics.frechet import Moments, moments, sample_distance
from ganworks.metrics.kernel import kernel_distance
from ganworks.metrics.neighbours import (
    Index,
    Manifold,
    Neighbours,
    Overlap,
    authentic,
    closeness,
    closeness_of_others,
    copied,
    overlap,
)

LIMIT, HELD_LIMIT, CHUNK = 100_000, 10_000, 512
FEWEST = 10


@dataclass
class Measured:
    """All metrics of one set of feature vectors, with values per example (for pictures and classes).

    covered, gap [n]: of each held-out example, means over groups. dense [N]: of each sample. near: nearest training
    rows of each sample.
    """

    metrics: dict[str, Estimate]
    covered: np.ndarray
    gap: np.ndarray
    dense: np.ndarray
    near: Neighbours


@dataclass
class Reference:
    """Features of real data by one extractor: made once by `Reference.of`, then used for every comparison.

    train [m, d], held [h, d]: features of the shuffled examples train_rows [m], held_rows [h] of the data set (at most
    100,000 and 10,000 of them). split: a hash of the held-out split.
    """

    train: np.ndarray
    held: np.ndarray
    train_rows: np.ndarray
    held_rows: np.ndarray
    split: str
    _floors: dict[tuple[int, ...], Measured] = field(default_factory=dict)
    _manifolds: dict[int, Manifold] = field(default_factory=dict)

    @staticmethod
    def of(
        dataset: MetricDataset,
        extractor: FeatureExtractor,
        cache: Path | None = None,
        *,
        progress: Progress | None = None,
    ) -> Reference:
        """Extract the features, or read them from the cache folder. Raises UsageError below 10 held-out examples."""
        if len(dataset.held) < FEWEST:
            raise UsageError(
                f"Evaluating samples needs at least {FEWEST} held-out examples; this data has "
                f"{len(dataset.held)}. Add data: a tenth of it is held out."
            )
        shuffle = np.random.default_rng(key("reference", dataset.fingerprint))
        train = shuffle.permutation(np.asarray(dataset.train))[:LIMIT]
        held = shuffle.permutation(np.asarray(dataset.held))[:HELD_LIMIT]
        split = split_hash(dataset)
        parts = f"{dataset.fingerprint} {split} {extractor.sha256} {LIMIT} {HELD_LIMIT}"
        name = f"features-{hashlib.sha256(parts.encode()).hexdigest()[:24]}.safetensors"
        path = None if cache is None else Path(cache) / name
        kept = _load(path, len(train), len(held), extractor.dim)
        if kept is None:
            kept = (
                extract(dataset, extractor, train, "reading training features", progress),
                extract(dataset, extractor, held, "reading held-out features", progress),
            )
            _save(path, kept)
        return Reference(*kept, train, held, split)

    @cached_property
    def moments(self) -> Moments:
        """Mean and covariance of the training features."""
        return moments(self.train)

    @cached_property
    def index(self) -> Index:
        """Nearest-neighbour search over the training features."""
        return Index(self.train)

    @cached_property
    def unseen(self) -> np.ndarray:
        """`closeness` of real examples: held-out ones, and training ones to the others."""
        return np.concatenate([closeness(self.held_near, self.index), closeness_of_others(self.index)])

    @cached_property
    def held_near(self) -> Neighbours:
        """Nearest training row of each held-out example."""
        return self.index.nearest(self.held)

    def count(self, samples: int) -> int:
        """n of the protocol: the number of examples on each side of a comparison."""
        return min(samples, len(self.held))

    def manifold(self, n: int) -> Manifold:
        """The first n held-out examples with their radii; cached."""
        if n not in self._manifolds:
            self._manifolds[n] = Manifold.of(self.held[:n])
        return self._manifolds[n]

    def floor(self, n: int, *, repeats: int = 50, subsets: int = 100, seed: int = 0) -> Measured:
        """All metrics of real data at this n; cached."""
        wanted = (n, repeats, subsets, seed)
        if wanted not in self._floors:
            over = [overlap(self.manifold(n), self.train[:n])]
            metrics = {**_distances(self, self.held, wanted), **_overlaps(over)}
            metrics |= _copying(self, self.held_near, self.unseen)
            self._floors[wanted] = Measured(metrics, *_means(over), self.held_near)
        return self._floors[wanted]

    def measure(
        self, features: np.ndarray, n: int, *, repeats: int = 50, subsets: int = 100, seed: int = 0
    ) -> Measured:
        """All metrics of samples [N, d], N >= n; fd and overlaps are means over N // n groups of n."""
        groups = np.split(features[: len(features) // n * n], len(features) // n)
        over = [overlap(self.manifold(n), group) for group in groups]
        near = self.index.nearest(features, 3)
        metrics = {**_distances(self, features, (n, repeats, subsets, seed)), **_overlaps(over)}
        metrics |= _copying(self, near, closeness(near, self.index))
        return Measured(metrics, *_means(over), near)


def _distances(real: Reference, features: np.ndarray, how: tuple[int, int, int, int]) -> dict[str, Estimate]:
    n, repeats, subsets, seed = how
    return {
        "fd": sample_distance(features, real.moments, n, seed=seed, repeats=repeats),
        "kid": kernel_distance(features, real.train, subsets=subsets, seed=2020 + seed),
    }


def _overlaps(over: list[Overlap]) -> dict[str, Estimate]:
    precise, dense = np.concatenate([o.precise for o in over]), np.concatenate([o.dense for o in over])
    covered = np.mean([o.covered for o in over], axis=0)
    recalled = np.mean([o.recalled for o in over], axis=0)
    shares = {"precision": precise, "recall": recalled, "coverage": covered}
    return {**{name: wilson(said.mean(), len(said)) for name, said in shares.items()}, "density": mean(dense)}


def _means(over: list[Overlap]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """covered [n], gap [n] and dense [N] of `Measured`."""
    covered, gap = (np.mean([getattr(o, name) for o in over], axis=0) for name in ("covered", "gap"))
    return covered, gap, np.concatenate([o.dense for o in over])


def _copying(real: Reference, near: Neighbours, close: np.ndarray) -> dict[str, Estimate]:
    own, close = authentic(near, real.index), copied(close)
    return {"authenticity": wilson(own.mean(), len(own)), "copied": wilson(close.mean(), len(close))}


def extract(
    dataset: MetricDataset,
    extractor: Callable[[np.ndarray], np.ndarray],
    rows: np.ndarray,
    stage: str,
    progress: Progress | None = None,
) -> np.ndarray:
    """Features [n, d] of these examples, which are read a few hundred at a time in the order of the file."""
    order, parts = np.argsort(rows), []
    for start in range(0, len(rows), CHUNK):
        parts.append(extractor(dataset.raw(rows[order[start : start + CHUNK]])))
        if progress:
            progress(stage, min(start + CHUNK, len(rows)), len(rows))
    features = np.concatenate(parts)
    back = np.empty_like(features)
    back[order] = features
    return back


def _load(path: Path | None, train: int, held: int, dim: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Stored features; None if they are missing, damaged or of another size, and must be extracted anew."""
    kept = None if path is None else weights.stored(path)
    if kept is None or {n: tuple(t.shape) for n, t in kept[0].items()} != {"train": (train, dim), "held": (held, dim)}:
        return None
    return kept[0]["train"].numpy(), kept[0]["held"].numpy()


def _save(path: Path | None, features: tuple[np.ndarray, np.ndarray]) -> None:
    if path is not None:
        weights.store(path, {n: torch.from_numpy(f) for n, f in zip(("train", "held"), features, strict=True)})
