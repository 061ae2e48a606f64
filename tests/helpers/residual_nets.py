"""What the tests of the residual GANs share: published sizes, small variants, a spec, singular values by numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from ganworks.core.spec import Spec
from ganworks.kinds.images.residual.networks import ResNetGAN

BIG = {"spectral": "both", "embed": 128, "attention": 64}
DEEP = BIG | {"width": 128, "latent": "everywhere", "bottleneck": True, "blocks": 2}
# pixels, classes, settings, parameters of G and of D. SNGAN's D at 128 pixels: as in BigGAN's PyTorch code, and as its
# own authors have it, with 64 channels between the convolutions of the first block in place of the image's 3. SAGAN 64
# wide is the baseline of BigGAN's table 1 ("81.5 M parameters").
PUBLISHED: dict[str, tuple[int, int, dict[str, Any], int, int]] = {
    "sngan-cifar": (32, 0, {"width": 64, "d_width": 32, "spectral": "D", "d_inner": "in"}, 4_276_739, 1_053_825),
    "sngan-128": (128, 1000, {"width": 64, "spectral": "D", "d_inner": "all-in"}, 41_996_931, 30_005_013),
    "sngan-128-own": (128, 1000, {"width": 64, "spectral": "D", "d_inner": "in"}, 41_996_931, 30_041_857),
    "sagan-128": (128, 1000, BIG | {"width": 32, "embed": 0, "d_inner": "all-in"}, 13_498_692, 7_761_078),
    "sagan-128-64": (128, 1000, BIG | {"width": 64, "embed": 0}, 42_017_412, 39_448_258),
    "biggan-cifar": (32, 10, {"width": 64, "spectral": "both", "init": "normal"}, 4_304_387, 4_207_361),
    "biggan-128": (128, 1000, BIG | {"width": 96, "z_dim": 120, "latent": "split"}, 70_433_988, 87_982_370),
    "biggan-256": (256, 1000, BIG | {"width": 96, "z_dim": 140, "latent": "split"}, 82_235_844, 99_225_890),
    "biggan-deep-128": (128, 1000, DEEP, 50_244_484, 34_590_210),
    "biggan-deep-256": (256, 1000, DEEP, 55_736_708, 38_247_426),
}


VARIANTS = {
    "sngan": ResNetGAN(width=4, spectral="D", d_inner="in"),
    "sagan": ResNetGAN(width=4, spectral="both", attention=32),
    "biggan": ResNetGAN(width=4, spectral="both", embed=6, latent="split", attention=16, z_dim=21, init="orthogonal"),
    "deep": ResNetGAN(width=8, embed=6, latent="everywhere", bottleneck=True, blocks=2, spectral="both"),
    "tables": ResNetGAN(width=4, latent="split", init="normal", blocks=2),
}


def images(shape: tuple[int, int, int], classes: int) -> Spec:
    return Spec("images", shape, tuple(f"class {k}" for k in range(classes)))


def largest(layer: nn.Module) -> float:
    """The largest singular value of its weights, by numpy in float64."""
    weight = layer.weight.detach().double().numpy()
    return float(np.linalg.norm(weight.reshape(len(weight), -1), 2))
