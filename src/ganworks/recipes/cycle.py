"""Unpaired translation with a way back: CycleGAN and DualGAN."""

from __future__ import annotations

from ganworks.games.cycle import Cycle as CycleGame
from ganworks.networks.cycle import Cycle
from ganworks.settings import Config, Facts, Optimizer, Train


def cyclegan(facts: Facts) -> Config:
    """CycleGAN."""
    adam = Optimizer(lr=2e-4, lr_end=2e-6, betas=(0.5, 0.999))
    return Config(
        "cyclegan",
        facts.domain,
        Cycle(),
        CycleGame(),
        g=adam,
        d=adam,
        train=Train(batch=4, ema=(2_000.0,)),
    )


def dualgan(facts: Facts) -> Config:
    """DualGAN."""
    adam = Optimizer(lr=2e-4, lr_end=2e-6, betas=(0.5, 0.999))
    return Config(
        "dualgan",
        facts.domain,
        Cycle(generator="unet"),
        CycleGame(loss="wasserstein", gp=10.0),
        g=adam,
        d=adam,
        train=Train(batch=4, ema=(2_000.0,)),
    )
