"""Recipes of time series: the default, and TimeGAN."""

from __future__ import annotations

from ganworks.games.series import SeriesGame
from ganworks.games.series_timegan import TimeGANGame
from ganworks.networks.series import Series
from ganworks.networks.series_timegan import TimeGAN
from ganworks.settings import Config, Facts, Optimizer, Train

_FOREVER = 1e12  # a half-life that `ema_ramp` alone limits


def series(facts: Facts) -> Config:
    """Attributes, then the range of each column, then the steps: the order of DoppelGANger with newer parts.

    Paper: Lin et al. 2020 (arXiv 1909.13403).
    """
    adam = Optimizer(lr=2e-3, lr_end=2e-5, betas=(0.9, 0.99), warmup=0.01)
    judge = Optimizer(lr=5e-4, lr_end=2e-5, betas=(0.0, 0.99))
    short = bool(facts.spec.facts.get("basis"))
    networks = Series("chain", "basis" if short else "dense", hidden=(128,), d_hidden=(256, 256))
    game = SeriesGame(loss="relativistic", r1=10.0, r2=10.0, likelihood=1.0, adversarial_from=0.8)
    train = Train(batch=128, ema=(_FOREVER,), ema_ramp=0.03, precision="fp32")
    return Config("series", facts.domain, networks, game, g=adam, d=judge, train=train)


def timegan(facts: Facts) -> Config:
    """TimeGAN: a GAN in the latent space of a recurrent autoencoder, with a supervisor of its steps.

    Paper: Yoon, Jarrett and van der Schaar, NeurIPS 2019. Differs from it: attributes and ranges are drawn apart and given
    to all parts; D learns on every step instead of only while its loss is high; averaged weights are published.
    """
    adam = Optimizer(lr=1e-3, lr_end=1e-4, betas=(0.5, 0.99))
    train = Train(batch=128, ema=(_FOREVER,), ema_ramp=0.03, precision="fp32")
    return Config("timegan", facts.domain, TimeGAN(), TimeGANGame(), g=adam, d=adam, train=train)
