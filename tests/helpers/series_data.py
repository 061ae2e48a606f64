"""Small made-up series, and networks small enough for them."""

import numpy as np

from ganworks.core.spec import Batch, Draw
from ganworks.kinds.series.domain import SeriesDomain as Domain

SMALL = {"width": 8, "d_width": 8, "hidden": (16,), "d_hidden": (16,), "z_dim": 4, "noise": 2}


def ragged(count=30):
    rng = np.random.default_rng(0)
    series = [np.cumsum(rng.standard_normal((int(rng.integers(6, 20)), 2)), 0) for _ in range(count)]
    return series, ["ab"[k % 2] for k in range(count)]


def plain(count=120):
    at = np.arange(count)[:, None] / np.array([3.0, 5.0])
    return np.sin(at) * (1 + at / 20) + 0.1 * np.random.default_rng(1).standard_normal((count, 2))


def batch(data, size=6):
    domain = Domain()
    return Batch(
        lambda: domain.batch(data, data.train[:size], Draw(1, size, slice(None))),
        Draw(2, size, slice(None)),
        size=size,
        num_classes=data.spec.num_classes,
    )
