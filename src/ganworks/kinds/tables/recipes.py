"""Recipes for tables: an autoregressive generator, and CTGAN."""

from __future__ import annotations

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.kinds.tables.game import Tabular
from ganworks.kinds.tables.networks import CTGAN, ColumnNetworks

_FOREVER = 1e12  # so long a half-life that `ema_ramp` alone limits the average
FEW, SCORED = 5000, 20  # rows below which a table is easily overfitted; passes between scores of such a table


def table(facts: Facts) -> Config:
    """Tables: a generator that makes a row column by column, trained by likelihood.

    A condition can name any column (`where`), since training draws the order of the columns at random: Uria, Murray,
    Larochelle 2014 (arXiv 1310.1757), Hoogeboom et al. 2022 (arXiv 2110.02037). With game.adversarial_from=0.8 a critic
    of packed rows (PacGAN, arXiv 1712.04086) trains it further. The recipe `ctgan` is the adversarial method alone.
    """
    few = facts.count < FEW
    networks = ColumnNetworks(width=128, g_dropout=0.2, smooth=True) if few else ColumnNetworks()
    adam = Optimizer(lr=4e-3 if few else 2e-3, lr_end=1e-5, betas=(0.9, 0.99), warmup=0.02)
    critic = Optimizer(lr=2e-4, betas=(0.5, 0.9))
    score = SCORED * facts.count if few else 0  # often, since the best snapshot may come early
    train = Train(batch=_batch(facts.count), ema=(_FOREVER,), ema_ramp=0.02, precision="fp32", score=score)
    return Config("table", facts.domain, networks, Tabular(), g=adam, d=critic, train=train)


def ctgan(facts: Facts) -> Config:
    """CTGAN: all columns at once from noise and one requested value; a critic of ten rows under WGAN-GP.

    Paper: Xu, Skoularidou, Cuesta-Infante, Veeramachaneni 2019 (arXiv 1907.00503): modes of a Gaussian mixture,
    training by sampling, Adam 2e-4 (0.5, 0.9), batch 500. Differences: the averaged weights are published; sampling
    requests values by their frequencies in the data, not by the logarithms of these.
    """
    game = Tabular(likelihood=0.0, adversarial_from=0.0, asked=1.0)
    adam = Optimizer(lr=2e-4, betas=(0.5, 0.9))
    train = Train(batch=min(500, max(10, facts.count // 10 * 10)), ema=(_FOREVER,), ema_ramp=0.02, precision="fp32")
    return Config("ctgan", facts.domain, CTGAN(), game, g=adam, d=adam, train=train)


def _batch(count: int) -> int:
    """Batch size: 512, but at most an eighth of the rows; a multiple of 10, for packs."""
    return min(500, max(50, count // 80 * 10))
