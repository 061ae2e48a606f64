"""Sliced Wasserstein distance of patches of Laplacian pyramids: whether details look right, scale by scale.

Karras, Aila, Laine and Lehtinen 2018 (1710.10196), section 5: 7x7 patches of each level, normalised by mean and
deviation of each channel, projected on random directions; the mean distance of the sorted projections.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ganworks.core.spec import key
from ganworks.metrics.features import to_unit
from ganworks.metrics.panel.examined import Examined
from ganworks.metrics.tasks import Measurement, metric

PATCH, EACH, COARSEST = 7, 64, 16
DIRECTIONS, MOST = 256, 2000
SCALE = 1000.0  # as the paper prints it
_BINOMIAL = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0])


def pyramid(x: Tensor) -> list[Tensor]:
    """Images [n, C, H, W] -> their Laplacian pyramid, finest first, down to 16 pixels; binomial filters of 5 taps."""
    kernel = (_BINOMIAL[:, None] * _BINOMIAL / 256).expand(x.shape[1], 1, 5, 5)
    levels = []
    while min(x.shape[2:]) >= 2 * COARSEST:
        low = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), kernel, groups=x.shape[1])[:, :, ::2, ::2]
        up = x.new_zeros(*x.shape[:2], low.shape[2] * 2, low.shape[3] * 2)
        up[:, :, ::2, ::2] = low
        up = F.conv2d(F.pad(up, (2, 2, 2, 2), mode="reflect"), 4 * kernel, groups=x.shape[1])
        levels.append(x - up[:, :, : x.shape[2], : x.shape[3]])
        x = low
    return [*levels, x]


def patches(level: Tensor, draw: torch.Generator) -> Tensor:
    """64 random 7x7 patches of each image of a level, [64 n, C, 7, 7]."""
    n, _, height, width = level.shape
    side = min(PATCH, height, width)
    windows = level.unfold(2, side, 1).unfold(3, side, 1)
    rows = torch.randint(windows.shape[2], (n, EACH), generator=draw)
    columns = torch.randint(windows.shape[3], (n, EACH), generator=draw)
    return windows[torch.arange(n)[:, None], :, rows, columns].flatten(0, 1)


def sliced(a: Tensor, b: Tensor, draw: torch.Generator, directions: int = DIRECTIONS) -> float:
    """Sliced Wasserstein-1 distance of rows a [n, d] and b [n, d]: the mean over random unit directions."""
    towards = torch.randn(a.shape[1], directions, generator=draw)
    towards = towards / towards.norm(dim=0)
    total = 0.0
    for part in towards.split(32, 1):
        total += float(((a @ part).sort(0).values - (b @ part).sort(0).values).abs().mean(0).sum())
    return total / directions


def _normalised(x: Tensor) -> Tensor:
    mean, deviation = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True)
    return ((x - mean) / deviation.clamp_min(1e-8)).flatten(1)


def distances(a: np.ndarray, b: np.ndarray, examined: Examined) -> list[float]:
    """Distance x 1000 at each level of the pyramid, finest first, of examples as stored, as many on each side."""
    n = min(len(a), len(b), MOST)
    found = []
    levels = (pyramid(to_unit(x[:n], examined.spec)) for x in (a, b))
    for level, (x, y) in enumerate(zip(*levels, strict=True)):
        draws = [torch.Generator().manual_seed(key(examined.seed, "swd", level, side)) for side in range(3)]
        one, other = (_normalised(patches(part, draw)) for part, draw in zip((x, y), draws, strict=False))
        found.append(SCALE * sliced(one, other, draws[2]))
    return found


def wasserstein(examined: Examined) -> dict[str, Measurement]:
    """{"swd_64": ..., "swd_32": ..., "swd": their mean}, by the height of the level; floor: training examples."""
    examined.pictures("swd", PATCH)
    found = distances(examined.made, examined.held, examined)
    floor = distances(examined.train, examined.held, examined)
    height, measured = examined.spec.shape[1], {}
    for level, (value, best) in enumerate(zip(found, floor, strict=True)):
        said = (
            f"Distance of {PATCH}x{PATCH} patches at {-(-height // 2**level)} pixels (x 1000): how right details are."
        )
        measured[f"swd_{-(-height // 2**level)}"] = metric(value, best, meaning=said)
    said = "Distance of patches, mean over all scales (x 1000)."
    return {"swd": metric(float(np.mean(found)), float(np.mean(floor)), meaning=said), **measured}
