"""Where examples lie: real and generated ones as points, between which distances are taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ganworks.core.abilities.auditing import ComparesExamples
from ganworks.core.contracts import Work
from ganworks.core.spec import Spec
from ganworks.metrics.features import fit_inside, to_unit

LARGEST = 1024  # numbers of a point that is made of pixels
CHUNK = 512
Points = Callable[[np.ndarray], np.ndarray]


@dataclass
class Space:
    """The points of one run's examples. data: opened; name: what they are, for readers."""

    data: Any
    name: str
    points: Points

    @staticmethod
    def of(domain: Any, data: Any) -> Space:
        """As the domain says; else pixels for pictures and clips, standardised numbers for everything else."""
        if isinstance(domain, ComparesExamples):
            return Space(data, domain.compared_by, lambda x: domain.points(data, x))
        if len(data.spec.shape) >= 3:
            side = side_of(data.spec)
            return Space(data, f"pixels, at most {side} along a side", lambda x: pixels(x, data.spec, side))
        return Space(data, "numbers, standardised", Standardised(data))

    def real(self, indices: np.ndarray, work: Work, label: str) -> np.ndarray:
        """The points [n, D] float32 of real examples, read a few hundred at a time."""
        parts = []
        for start in range(0, len(indices), CHUNK):
            work(label, start, len(indices))
            parts.append(self.made(self.data.raw(indices[start : start + CHUNK])))
        work(label, len(indices), len(indices))
        return np.concatenate(parts)

    def made(self, examples: np.ndarray) -> np.ndarray:
        """The points [n, D] float32 of generated examples."""
        return np.asarray(self.points(examples), np.float32)


def side_of(spec: Spec) -> int:
    """The longest side at which pictures [C, H, W], or frames [T, C, H, W], have at most LARGEST numbers."""
    *before, height, width = spec.shape
    side = max(height, width)
    while side > 4 and int(np.prod(before)) * round(height * side / max(height, width)) * round(
        width * side / max(height, width)
    ) > max(LARGEST, 16 * int(np.prod(before))):
        side -= 1
    return side


def pixels(examples: np.ndarray, spec: Spec, side: int) -> np.ndarray:
    """Pictures or clips, shrunk, as [n, D] in -1 to 1."""
    x = to_unit(examples, spec)
    frames = x.reshape(-1, *x.shape[-3:])
    return fit_inside(frames, side).reshape(len(x), -1).numpy()


class Standardised:
    """Vectors with mean 0 and variance 1 of each number over training examples; constant numbers become 0."""

    def __init__(self, data: Any):
        self.data = data

    @cached_property
    def _scale(self) -> tuple[np.ndarray, np.ndarray]:
        some = self.data.train[np.linspace(0, len(self.data.train) - 1, min(20_000, len(self.data.train))).astype(int)]
        x = np.asarray(self.data.raw(some), np.float64).reshape(len(some), -1)
        spread = x.std(0)
        return x.mean(0), np.where(spread > 1e-9, spread, np.inf)

    def __call__(self, examples: np.ndarray) -> np.ndarray:
        mean, spread = self._scale
        return (np.asarray(examples, np.float64).reshape(len(examples), -1) - mean) / spread
