"""Recipes for time series: the default and TimeGAN."""

from __future__ import annotations

from typing import Literal

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.kinds.series.game import SeriesGame
from ganworks.kinds.series.networks.families import SeriesNetworks
from ganworks.kinds.series.networks.timegan import TimeGAN
from ganworks.kinds.series.timegan_game import TimeGANGame

_FOREVER = 1e12  # so long a half-life that `ema_ramp` alone limits the average


def series(facts: Facts) -> Config:
    """Attributes, then the length, then the steps, each given the earlier ones, by a recurrent generator's likelihood.

    Order: DoppelGANger, Lin et al. 2020 (arXiv 1909.13403). Training: the likelihood of Flow-GAN, Grover et al. 2018
    (arXiv 1705.08868), here of mixtures of logistics on the grid of the data (arXiv 1701.05517). The discriminator
    joins at game.adversarial_from, which is off by default (see `ganworks help series`). With
    networks.generator=recurrent, dense, conv or basis the generator learns from the discriminator alone, with the loss
    and penalties of R3GAN (arXiv 2501.05441); networks.generator=recurrent networks.discriminator=dense are
    DoppelGANger's networks.
    """
    short = bool(facts.spec.facts.get("basis"))
    kind = str(facts.given.get("networks.generator", "chain"))
    critic = Optimizer(lr=5e-4, lr_end=2e-5, betas=(0.0, 0.99))
    train = Train(batch=128, ema=(_FOREVER,), ema_ramp=0.03, precision="fp32")
    discriminator: Literal["basis", "dense"] = "basis" if short else "dense"
    if kind != "chain":
        networks = SeriesNetworks("dense", discriminator, hidden=(256, 256, 256), d_hidden=(256, 256, 256))
        game = SeriesGame(loss="relativistic", r1=10.0, r2=10.0)
        return Config("series", facts.domain, networks, game, g=critic, d=critic, train=train)
    adam = Optimizer(lr=2e-3, lr_end=2e-5, betas=(0.9, 0.99), warmup=0.01)
    networks = SeriesNetworks("chain", discriminator, hidden=(128, 48), d_hidden=(256, 256), dropout=0.2, jitter=0.15)
    game = SeriesGame(loss="relativistic", r1=10.0, r2=10.0, likelihood=1.0, adversarial_from=1.0, adversarial=0.05)
    return Config("series", facts.domain, networks, game, g=adam, d=critic, train=train)


def timegan(facts: Facts) -> Config:
    """TimeGAN: a GAN in the latent space of a recurrent autoencoder, with a supervisor that predicts the next latent.

    Paper: Yoon, Jarrett and van der Schaar, NeurIPS 2019 (not on arXiv). Networks, stages of equal length, turns,
    losses and weights, batch 128 and Adam 1e-3 (0.9, 0.999) are those of the authors' code; it trains for 50,000 steps
    a stage, 6.4 M examples in each. Differences: attributes, lengths and ranges are drawn separately and given to all
    networks; errors are means over the steps that a series has; while D's loss is low, its gradient is zero and Adam's
    momentum goes on; Adam's moments are kept from stage to stage; the averaged weights are published.
    """
    adam = Optimizer(lr=1e-3, betas=(0.9, 0.999))
    train = Train(batch=128, ema=(_FOREVER,), ema_ramp=0.03, precision="fp32")
    networks = TimeGAN(layers=3, noise=0, uniform=True, d_layers=3, d_both=False, d_steps=True, apart=True)
    game = TimeGANGame(1 / 3, 2 / 3, 100.0, 0.1, 100.0, 10.0, roots=True, apart=True, repeats=2, rest=0.15)
    return Config("timegan", facts.domain, networks, game, g=adam, d=adam, train=train)
