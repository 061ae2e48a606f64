"""Recipes of time series: the default, and TimeGAN."""

from __future__ import annotations

from ganworks.games.series import SeriesGame
from ganworks.networks.series import Series
from ganworks.settings import Config, Facts, Optimizer, Train

_FOREVER = 1e12  # a half-life that `ema_ramp` alone limits


def series(facts: Facts) -> Config:
    """Attributes, then the range of each column, then the steps: the order of DoppelGANger with newer parts.

    Paper: Lin et al. 2020 (arXiv 1909.13403).
    """
    adam = Optimizer(lr=1e-3, lr_end=2e-5, betas=(0.0, 0.99))
    game = SeriesGame(loss="relativistic", r1=1.0, r2=1.0, r1_end=0.05, r2_end=0.05)
    train = Train(batch=128, ema=(_FOREVER,), ema_ramp=0.03, precision="fp32")
    return Config("series", facts.domain, Series(), game, g=adam, d=adam, train=train)
