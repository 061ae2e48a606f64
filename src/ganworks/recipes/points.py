"""Points in a few dimensions: the smallest data on which a GAN can be seen to cover every mode, or not."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from ganworks.data.spec import Spec
from ganworks.games.adversarial import Adversarial
from ganworks.networks.mlp import MLP
from ganworks.settings import Config, Facts, Optimizer, Train


@dataclass(frozen=True)
class DeepMLP(MLP):
    """`MLP` with variance-preserving weights (He et al. 2015, 1502.01852) and biases at zero, for many layers.

    torch's own initialisation shrinks the signal in every layer: after six, biases are most of what is left. On
    the grid, 6 layers of 64, 6,000 steps: 80.7 % of high quality and reverse KL 0.007 against 60.6 % and 0.150.
    """

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """Fresh players {"G", "D"} for `spec`, initialised from torch's global random state."""
        nets = super().build(spec)
        for net in nets.values():
            linear = [m for m in net.modules() if isinstance(m, nn.Linear)]
            for layer in linear:
                gain = 1.0 if layer is linear[-1] else math.sqrt(2 / 1.04)  # leaky slope 0.2
                nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.in_features))
                nn.init.zeros_(layer.bias)
        return nets


def points(facts: Facts) -> Config:
    """Paired loss with R1 and R2 on deep, narrow, fully connected players, for points and mode coverage.

    Method: Huang et al. 2024 (arXiv 2501.05441) with MLPs. Gamma falls from 0.05 to 0.00002 together with the
    learning rate: large gamma spreads the samples over all modes, small gamma makes each as narrow as the data's.
    Depth is what makes the generator's steps between modes steep: 3 layers of 128 leave 41 % of the samples
    between the modes of the grid, 6 layers of 64 leave 12 % after fewer examples.
    """
    adam = Optimizer(lr=1.5e-3, lr_end=1e-4, betas=(0.0, 0.99))
    game = Adversarial(loss="relativistic", r1=0.05, r2=0.05, r1_end=2e-5, r2_end=2e-5)
    networks = DeepMLP(hidden=(64,) * 8, z_dim=max(2, min(64, facts.spec.shape[0])))
    train = Train(batch=128, budget="5M", ema=(1e12,), ema_ramp=0.02, precision="fp32", judge=False)
    notes = ("the gradient penalty falls a thousandfold with the learning rate: first all modes, then sharp ones",)
    return Config("points", facts.domain, networks, game, g=adam, d=adam, train=train, notes=notes)
