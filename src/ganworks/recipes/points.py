"""Points in a few dimensions: the smallest data on which a GAN can be seen to cover every mode, or not."""

from __future__ import annotations

from ganworks.games.adversarial import Adversarial
from ganworks.networks.mlp import MLP
from ganworks.settings import Config, Facts, Optimizer, Train


def points(facts: Facts) -> Config:
    """Paired loss with R1 and R2 on fully connected players, for points, small vectors and mode-coverage tests.

    Method: Huang et al. 2024 (arXiv 2501.05441) with MLPs. Gamma falls by three orders of magnitude: large gamma
    spreads the samples over all modes, small gamma then makes each of them as narrow as the data's.
    """
    adam = Optimizer(lr=1e-3, lr_end=1e-6, betas=(0.0, 0.99))
    game = Adversarial(loss="relativistic", r1=0.05, r2=0.05, r1_end=1e-4, r2_end=1e-4, burn_in=0.6)
    networks = MLP(hidden=(128, 128, 128), z_dim=max(2, min(64, facts.spec.shape[0])))
    train = Train(batch=128, budget="2M", ema=(1e12,), ema_ramp=0.02, precision="fp32", threads=1)
    notes = ("gamma falls from 0.05 to 0.0001 over 60 % of the budget: first all modes, then sharp ones",)
    return Config("points", facts.domain, networks, game, g=adam, d=adam, train=train, notes=notes)
