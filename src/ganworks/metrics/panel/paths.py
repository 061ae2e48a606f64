"""Perceptual path length: how far samples move in features for a small step between latents.

Karras, Laine and Aila 2019 (1812.04948), section 4.1, equation 2: squared distance over the square of the step. There
the distance is LPIPS by VGG16; here it is that of the features that judge, which are named. Samples are not rounded:
the bytes of files hardly change over so small a step (a rounded sample gives a value some thirty times too large).
"""

from __future__ import annotations

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.metrics.features import score_name
from ganworks.metrics.panel.examined import Examined
from ganworks.metrics.tasks import Measurement, metric

STEP = 1e-4  # of the way between two latents
MOST = 2000
_TRIMMED = 0.01


def path_length(examined: Examined) -> dict[str, Measurement]:
    """{"ppl": mean squared feature distance over the squared step}, the largest and smallest hundredth left out."""
    if examined.near is None:
        raise UsageError("metrics=ppl needs a generator: evaluate a run.")
    spec = examined.spec
    half, middle = (spec.high - spec.low) / 2, (spec.high + spec.low) / 2
    one, other = (
        examined.extractor((x.numpy() * half + middle).astype(np.float32))
        for x in examined.near(min(examined.count, MOST), STEP)
    )
    apart = np.sort((one.astype(np.float64) - other).__pow__(2).sum(1) / STEP**2)
    cut = int(_TRIMMED * len(apart))
    said = "Perceptual path length: how much features change for a small step in the latents; less is smoother."
    return {score_name("ppl", examined.extractor): metric(apart[cut : len(apart) - cut], meaning=said)}
