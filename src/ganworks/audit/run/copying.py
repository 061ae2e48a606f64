"""Whether a generator copies: near copies, authenticity, and the test of Meehan et al. 2020.

`copied` and `authentic` are those of `ganworks eval` (`metrics.neighbours`); C_T (arXiv 2004.05675, section 3 and
equations 2 and 3) compares, in cells of the space, the distances of samples and of held-out examples to the nearest
training example: far below 0, samples are systematically nearer than real examples are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ganworks.metrics.estimate import Estimate, wilson
from ganworks.metrics.neighbours import Index, authentic, closeness, closeness_of_others, copied

CELLS, DIRECTIONS, FEWEST = 3, 64, 20  # cells, principal components, samples in a cell that counts
COPYING = -3.0  # C_T below which samples are systematically nearer than chance allows
MARGIN = 0.05  # share of near copies above that of unseen examples


@dataclass(frozen=True)
class Copying:
    """copied, authentic: shares of the samples, unseen_*: of real examples that were not trained on. c_t: see above;
    NaN where no cell holds enough. near: the samples nearest to a training example, [(sample, row of the training
    examples given, closeness)], the nearest first.
    """

    copied: Estimate
    unseen_copied: Estimate
    authentic: Estimate
    unseen_authentic: Estimate
    c_t: float
    near: list[tuple[int, int, float]]

    @property
    def repeats(self) -> bool:
        """Whether near copies are clearly more frequent among samples than among unseen real examples."""
        more = self.copied.value > self.unseen_copied.value + MARGIN
        return more and self.copied.low > self.unseen_copied.high


def copying(train: np.ndarray, held: np.ndarray, made: np.ndarray, shown: int = 10) -> Copying:
    """The copies among samples [m, D], against training [n, D] and held-out [h, D] examples, as points."""
    index = Index(train)
    of_made, of_held = index.nearest(made), index.nearest(held)
    close = closeness(of_made, index)
    unseen = np.concatenate([closeness(of_held, index), closeness_of_others(index)])
    order = np.argsort(close, kind="stable")[:shown]
    return Copying(
        _share(copied(close)),
        _share(copied(unseen)),
        _share(authentic(of_made, index)),
        _share(authentic(of_held, index)),
        c_t(train, of_held.distance[:, 0], of_made.distance[:, 0], held, made),
        [(int(k), int(of_made.index[k, 0]), float(close[k])) for k in order],
    )


def _share(said: np.ndarray) -> Estimate:
    return wilson(float(said.mean()), len(said))


def c_t(train: np.ndarray, held_apart: np.ndarray, made_apart: np.ndarray, held: np.ndarray, made: np.ndarray) -> float:
    """C_T of samples [m, D] and held-out examples [h, D], and the distance of each to its nearest training example."""
    from sklearn.cluster import KMeans

    centre = train.mean(0)
    axes = np.linalg.svd(train[:5000] - centre, full_matrices=False)[2][:DIRECTIONS]
    spread = [((x - centre) @ axes.T).astype(np.float64) for x in (train, held, made)]
    count = min(CELLS, len(train))
    cells = KMeans(count, n_init=3, random_state=0).fit(spread[0])
    of_held, of_made = (cells.predict(x) for x in spread[1:])
    total, weight = 0.0, 0.0
    for cell in range(count):
        p, q = held_apart[of_held == cell], made_apart[of_made == cell]
        if len(q) >= FEWEST and len(p) > 1:
            total, weight = total + len(p) * z_of_ranks(q, p), weight + len(p)
    return total / weight if weight else math.nan


def z_of_ranks(q: np.ndarray, p: np.ndarray) -> float:
    """The U statistic of Mann and Whitney as a standard normal number: how much larger q [m] is than p [n]."""
    ranked = np.sort(p)
    u = float((np.searchsorted(ranked, q, "left") + np.searchsorted(ranked, q, "right")).sum()) / 2
    m, n = len(q), len(p)
    return (u - m * n / 2) / math.sqrt(m * n * (m + n + 1) / 12)
