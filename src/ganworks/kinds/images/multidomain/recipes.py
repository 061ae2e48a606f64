"""The recipe of translation between several classes with one generator."""

from __future__ import annotations

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.kinds.images.multidomain.game import StarGame
from ganworks.kinds.images.multidomain.networks import StarNetworks


def stargan(facts: Facts) -> Config:
    """StarGAN: one generator translates an image to any of the classes; `apply` takes label=NAME.

    Paper: Choi et al. 2018 (arXiv 1711.09020), followed where there is a GPU: Wasserstein loss with gradient penalty
    10, weights 10 (cycle) and 1 (class), five D turns per G turn, Adam 1e-4 (0.5, 0.999), batch 16; at 128 pixels G has
    8.4 M parameters and D 44.8 M. The rate falls as a half cosine, where the paper has it constant and then a straight
    line, and the weights of G are averaged. Different on a CPU, so that minutes suffice: hinge loss with R1 and one D
    turn per G turn, smaller networks, labels that modulate the norms, and a generator that adds to its input.
    """
    if facts.device != "cpu":
        adam = Optimizer(lr=1e-4, lr_end=0.0, betas=(0.5, 0.999))
        networks = StarNetworks(64, 6, "published", False, "strided", 64, 6)
        return Config("stargan", facts.domain, networks, StarGame(), g=adam, d=adam, train=_train(16))
    adam = Optimizer(lr=1e-3, lr_end=1e-5, betas=(0.5, 0.999))
    game = StarGame(loss="hinge", cycle=10.0, gp=0.0, r1=0.1, n_critic=1)
    notes = ("The networks are small, as there is no GPU; with one they are those of the paper.",)
    return Config("stargan", facts.domain, StarNetworks(), game, g=adam, d=adam, train=_train(8), notes=notes)


def _train(batch: int) -> Train:
    return Train(batch=batch, ema=(1e12,), ema_ramp=0.02)
