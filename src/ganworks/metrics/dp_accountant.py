"""Privacy accounting for differentially private training: epsilon at a delta, by Renyi accounting of the subsampled
Gaussian.

Mironov, Talwar, Zhang 2019 (arXiv 1908.10530), section 3.3, integer orders; the conversion to epsilon is that of Balle
et al. 2020 (arXiv 1905.09982), theorem 21. Two data sets are neighbours when one has one example more. The bound is for
Poisson sampling: every example is in a batch with the same probability, on its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ganworks.core.errors import UsageError

ORDERS = (*range(2, 65), 80, 96, 128, 192, 256, 512, 1024)


@dataclass(frozen=True)
class Releases:
    """Noisy sums: `steps` of them, each over a share `rate` of the examples; noise: standard deviation in clipping
    lengths.
    """

    rate: float
    noise: float
    steps: int


def renyi(rate: float, noise: float, order: int) -> float:
    """Renyi divergence of one release at an integer order >= 2 (1908.10530, section 3.3); order / 2 / noise^2 at rate
    1.
    """
    if noise <= 0:
        return math.inf
    if rate >= 1:
        return order / (2 * noise**2)
    if rate <= 0:
        return 0.0
    logs = [
        math.lgamma(order + 1)
        - math.lgamma(k + 1)
        - math.lgamma(order - k + 1)
        + (order - k) * math.log1p(-rate)
        + k * math.log(rate)
        + (k * k - k) / (2 * noise**2)
        for k in range(order + 1)
    ]
    most = max(logs)
    return (most + math.log(sum(math.exp(v - most) for v in logs))) / (order - 1)


def epsilon(releases: Sequence[Releases], delta: float) -> float:
    """The smallest epsilon at this delta for all releases together; infinite without noise. Raises UsageError for a
    delta outside (0, 1).
    """
    if not 0 < delta < 1:
        raise UsageError(f"delta must lie between 0 and 1, and below 1 / number of rows, not {delta}.")
    found = []
    for order in ORDERS:
        total = sum(r.steps * renyi(r.rate, r.noise, order) for r in releases)
        found.append(total + math.log1p(-1 / order) - (math.log(delta) + math.log(order)) / (order - 1))
    return max(0.0, min(found))
