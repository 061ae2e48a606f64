"""The recipe of inpainting: holes in photos are filled from their surroundings."""

from __future__ import annotations

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.kinds.images.inpainting.game import Inpainting
from ganworks.kinds.images.inpainting.networks import Inpaint


def inpaint(facts: Facts) -> Config:
    """Fill holes of any shape: gated convolutions correct a smooth fill, trained by L1, then against a discriminator.

    Gated convolutions: Yu et al. 2019 (arXiv 1806.03589). The adversarial loss counts only patches with filled pixels,
    as in LaMa (Suvorov et al. 2021, arXiv 2109.07161), whose Fourier convolutions are networks.blocks_of=fourier. The
    network is smaller than both, and has no perceptual loss unless features= names a network; fine texture is grain,
    whose strength the network predicts. game.adversarial_from=1 game.detail=0 trains for L1 alone.
    """
    g = Optimizer(lr=1e-3, lr_end=2e-5, betas=(0.9, 0.99), warmup=0.02)
    d = Optimizer(lr=1e-3, lr_end=4e-5, betas=(0.5, 0.99))
    train = Train(batch=8, ema=(1_500.0,))
    return Config("inpaint", facts.domain, Inpaint(), Inpainting(), g=g, d=d, train=train)
