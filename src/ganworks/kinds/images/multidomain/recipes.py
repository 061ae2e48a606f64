"""The recipe of translation between several classes with one generator."""

from __future__ import annotations

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.kinds.images.multidomain.game import StarGame
from ganworks.kinds.images.multidomain.networks import StarNetworks


def stargan(facts: Facts) -> Config:
    """StarGAN: one generator translates an image to any of the classes; `apply` takes label=NAME.

    Paper: Choi et al. 2018 (arXiv 1711.09020): weights 10 (cycle) and 1 (class). Different here, so that minutes
    suffice: hinge loss with R1 and one D turn per G turn (paper: game.loss=wasserstein game.gp=10 game.r1=0
    game.n_critic=5 lr=1e-4), labels that modulate the norms (paper: networks.labels=maps), and a generator that adds to
    its input (paper: networks.residual=off).
    """
    adam = Optimizer(lr=1e-3, lr_end=1e-5, betas=(0.5, 0.999))
    game = StarGame(loss="hinge", cycle=10.0, gp=0.0, r1=0.1, n_critic=1)
    train = Train(batch=8, ema=(1e12,), ema_ramp=0.02)
    return Config("stargan", facts.domain, StarNetworks(), game, g=adam, d=adam, train=train)
