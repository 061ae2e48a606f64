"""Recipe for points in a few dimensions: the smallest data on which mode coverage can be seen."""

from __future__ import annotations

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.games.adversarial import Adversarial
from ganworks.networks.mlp import MLP


def points(facts: Facts) -> Config:
    """Paired loss with R1 and R2 on deep, narrow, fully connected players, for points and mode coverage.

    Method: Huang et al. 2024 (arXiv 2501.05441) with MLPs. Gamma falls from 0.05 to 0.00005 together with the
    learning rate: large gamma spreads the samples over all modes, small gamma makes each as narrow as the data's.
    A deep generator has steeper transitions between modes: with 3 layers of 128, 41 % of the samples lie between the
    modes of the grid; with 6 layers of 64 it is 12 %, after fewer examples.
    """
    adam = Optimizer(lr=1.5e-3, lr_end=1e-6, betas=(0.0, 0.99))
    game = Adversarial(loss="relativistic", r1=0.05, r2=0.05, r1_end=5e-5, r2_end=5e-5)
    networks = MLP(hidden=(64,) * 8, init="he", z_dim=max(2, min(64, facts.spec.shape[0])))
    train = Train(batch=128, budget="5M", ema=(1e12,), ema_ramp=0.02, precision="fp32", judge=False)
    notes = (
        "the gradient penalty falls a thousandfold along with the learning rate: all modes first, then sharp ones",
    )
    return Config("points", facts.domain, networks, game, g=adam, d=adam, train=train, notes=notes)
