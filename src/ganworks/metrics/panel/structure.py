"""Multi-scale structural similarity of pairs of samples: how alike the samples of a set are.

Wang, Simoncelli and Bovik 2003, with the five weights of its section 3.2; as a measure of diversity within a class,
Odena, Olah and Shlens 2017 (1610.09585), section 4.3: pairs of real pictures are hardly alike, those of
a collapsed class are.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ganworks.metrics.panel.examined import Examined
from ganworks.metrics.tasks import Measurement, metric

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SIDE, SIGMA, K1, K2 = 11, 1.5, 0.01, 0.03
_PAIRS = 1000


def scales(height: int, width: int) -> int:
    """How many of the five scales fit: the window needs 11 pixels at the coarsest."""
    return max(1, min(len(WEIGHTS), int(np.log2(min(height, width) / SIDE)) + 1))


def _window(channels: int) -> Tensor:
    x = torch.arange(SIDE, dtype=torch.float64) - SIDE // 2
    g = torch.exp(-(x**2) / (2 * SIGMA**2))
    g = g / g.sum()
    return (g[:, None] * g[None]).expand(channels, 1, SIDE, SIDE).contiguous()


def ms_ssim(a: Tensor, b: Tensor, span: float = 255.0) -> Tensor:
    """MS-SSIM [n] of pictures [n, C, H, W] float64 whose values span `span`; sides of at least 11 pixels.

    Where fewer than five scales fit, their weights are scaled to sum to 1.
    """
    count = scales(*a.shape[2:])
    weights = np.array(WEIGHTS[:count]) / sum(WEIGHTS[:count])
    c1, c2, window = (K1 * span) ** 2, (K2 * span) ** 2, _window(a.shape[1])
    found = torch.ones(len(a), dtype=torch.float64)
    for scale, weight in enumerate(weights):

        def blur(x: Tensor) -> Tensor:
            return F.conv2d(x, window, groups=x.shape[1])

        ma, mb = blur(a), blur(b)
        va, vb, vab = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
        contrast = (2 * vab + c2) / (va + vb + c2)
        light = (2 * ma * mb + c1) / (ma * ma + mb * mb + c1)
        term = contrast * light if scale == count - 1 else contrast
        found = found * term.mean((1, 2, 3)).clamp_min(0) ** weight
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return found


def pairs(labels: np.ndarray | None, n: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (i, j) [<= count] of two different examples of one class, drawn with a seed; of any two without classes."""
    draw = np.random.default_rng(seed)
    labels = np.zeros(n, np.int64) if labels is None else labels
    groups = [rows for rows in (np.flatnonzero(labels == y) for y in np.unique(labels)) if len(rows) > 1]
    first, second = [], []
    for k in range(count if groups else 0):
        i, j = draw.choice(groups[k % len(groups)], 2, replace=False)
        first.append(i)
        second.append(j)
    return np.array(first, np.int64), np.array(second, np.int64)


def _of_pairs(x: np.ndarray, labels: np.ndarray | None, span: float, seed: int) -> np.ndarray:
    i, j = pairs(labels, len(x), min(_PAIRS, 2 * len(x)), seed)
    values = [
        ms_ssim(torch.from_numpy(x[i[k : k + 50]]).double(), torch.from_numpy(x[j[k : k + 50]]).double(), span).numpy()
        for k in range(0, len(i), 50)
    ]
    return np.concatenate(values) if values else np.array([np.nan])


def similarity(examined: Examined) -> dict[str, Measurement]:
    """{"ms_ssim": mean over pairs of samples of one class}; floor: pairs of held-out examples."""
    examined.pictures("ms_ssim", SIDE)
    span = examined.spec.high - examined.spec.low
    made = _of_pairs(examined.made, examined.asked, span, examined.seed)
    real = _of_pairs(examined.held, None if examined.asked is None else examined.labels(0), span, examined.seed)
    alike = "of one class " if examined.asked is not None else ""
    said = f"How alike two samples {alike}are in their structure; above real data: too little variety."
    return {"ms_ssim": metric(made, metric(real).value, better="floor", meaning=said)}
