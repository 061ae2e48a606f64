"""Inpainting: the hole in a photo filled from what is around it."""

from __future__ import annotations

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.kinds.images.inpainting.game import Inpainting
from ganworks.kinds.images.inpainting.networks import Inpaint


def inpaint(facts: Facts) -> Config:
    """Fill holes of any shape: gated convolutions that correct a smooth fill, first in L1, then against patches.

    Gated convolutions: Yu et al. 2019 (arXiv 1806.03589); the adversarial loss counts only patches with filled pixels,
    as LaMa does (Suvorov et al. 2021, arXiv 2109.07161), whose Fourier convolutions are networks.blocks_of=fourier.
    Smaller than either, and without VGG19 unless game.vgg names its weights; fine texture is grain of a strength
    that the network predicts. game.adversarial_from=1 game.detail=0 trains for L1 alone.
    """
    g = Optimizer(lr=1e-3, lr_end=2e-5, betas=(0.9, 0.99), warmup=0.02)
    d = Optimizer(lr=1e-3, lr_end=4e-5, betas=(0.5, 0.99))
    train = Train(batch=8, ema=(1_500.0,))
    return Config("inpaint", facts.domain, Inpaint(), Inpainting(), g=g, d=d, train=train)
