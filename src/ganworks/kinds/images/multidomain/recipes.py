"""Translation between several classes with one generator."""

from __future__ import annotations

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.kinds.images.multidomain.game import StarGame
from ganworks.kinds.images.multidomain.networks import StarNetworks


def stargan(facts: Facts) -> Config:
    """StarGAN: one generator makes of an image any of the classes that the folders name; say label=NAME to apply it.

    Paper: Choi et al. 2018 (arXiv 1711.09020): cycle 10, class 1. Not as there, so that minutes suffice:
    hinge loss with R1 and one D turn for one of G (paper: game.loss=wasserstein game.gp=10 game.r1=0 game.n_critic=5
    lr=1e-4), labels that modulate the norms (networks.labels=maps), and a generator that adds to its input
    (networks.residual=off).
    """
    adam = Optimizer(lr=1e-3, lr_end=1e-5, betas=(0.5, 0.999))
    game = StarGame(loss="hinge", cycle=10.0, gp=0.0, r1=0.1, n_critic=1)
    train = Train(batch=8, ema=(1e12,), ema_ramp=0.02)
    return Config("stargan", facts.domain, StarNetworks(), game, g=adam, d=adam, train=train)
