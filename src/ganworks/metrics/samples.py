"""Features of generated samples, from which all scores and pictures of them are computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganworks.core.console.text import counted
from ganworks.core.contracts import Watched
from ganworks.core.errors import UsageError
from ganworks.metrics.classifier import Classifier
from ganworks.metrics.features import FeatureExtractor, Progress
from ganworks.metrics.reference import CHUNK

Sample = Callable[[int, int], tuple[np.ndarray, np.ndarray | None]]  # (first, count) -> examples as on disk, labels


def watched(count: int, classes: int) -> int:
    """How many outputs the check for mode collapse looks at: `count`, or eight for each class, and at most 256."""
    return max(count, min(256, 8 * classes))


def by_class(x: Tensor, labels: Any) -> Watched:
    """Outputs [n, ...] with their classes [n], or alone where there are none (labels: None)."""
    return x if labels is None else (x, torch.as_tensor(np.asarray(labels), dtype=torch.int64))


@dataclass
class SampleFeatures:
    """Features [N, D] of samples, class probabilities [N, classes] or None, requested labels [N] or None."""

    features: np.ndarray
    chances: np.ndarray | None
    asked: np.ndarray | None

    @property
    def predicted(self) -> np.ndarray | None:
        """Most likely label [N], or None without a classifier."""
        return None if self.chances is None else self.chances.argmax(1)


def sample_features(
    sample: Sample, extractor: FeatureExtractor, count: int, progress: Progress | None = None
) -> SampleFeatures:
    """Features of samples 0..count-1, which are generated a few hundred at a time and not kept.

    Raises UsageError if a sample is not finite.
    """
    features, chances, asked = [], [], []
    for start in range(0, count, CHUNK):
        examples, labels = sample(start, min(CHUNK, count - start))
        if isinstance(extractor, Classifier):
            seen, likely = extractor.both(examples)
            chances.append(likely)
        else:
            seen = extractor(examples)
        features.append(seen)
        if labels is not None:
            asked.append(np.asarray(labels))
        if progress:
            progress("scoring samples", min(start + CHUNK, count), count)
    made = SampleFeatures(
        np.concatenate(features), np.concatenate(chances) if chances else None, np.concatenate(asked) if asked else None
    )
    bad = int((~np.isfinite(made.features)).any(1).sum())
    if bad:
        raise UsageError(
            f"{bad:,} of {counted(count, 'sample holds', 'samples hold')} values that are not finite: this "
            "generator has "
            "diverged. Evaluate an earlier snapshot."
        )
    return made
