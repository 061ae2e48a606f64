"""BEGAN (Berthelot et al. 2017, 1703.10717): D is an autoencoder, and the errors of its reconstructions are balanced.

D minimises L(x) - k L(G(z)), G minimises L(G(z)), and k moves so that L(G(z)) / L(x) tends to gamma (section 3.3). The
measure of convergence M = L(x) + |gamma L(x) - L(G(z))| falls while the training goes well (section 3.4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch

from ganworks.core.contracts import LossFn, Nets, Terms
from ganworks.core.schema.declare import Weight, check, within
from ganworks.core.spec import Batch


@dataclass(frozen=True)
class BEGAN:
    """Settings of the game, for networks `BEGANNetworks`.

    gamma: the ratio of errors that is aimed at; less gives sharper and less varied samples.
    lambda_k: how far k moves in a step, for a difference of errors of 1.
    """

    gamma: Annotated[float, within(0, 1)] = 0.5
    lambda_k: Weight = 0.001

    def __post_init__(self) -> None:
        check(self)

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], LossFn]]:
        """D, then G."""
        yield ("D",), self.discriminator_turn
        yield ("G",), self.generator_turn

    def discriminator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """D's terms, each [B]; _convergence is the measure M of the batch, which the health checks read."""
        G, D, x, y = nets["G"], nets["D"], batch["x"], batch.y
        with torch.no_grad():
            fake = G(batch.draw.normal(G.z_dim), y).to(x.dtype)
        real, made = D(x, y), D(fake, y)
        with torch.no_grad():
            D.balance.copy_(self.gamma * real.mean() - made.mean())
            measure = real.mean() + D.balance.abs()
        return {"d_real": real, "d_fake": -D.k.clone() * made, "_convergence": measure, "_k": D.k.clone()}

    def generator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """G's term [B]: the error with which D reconstructs its samples."""
        G = nets["G"]
        return {"g_loss": nets["D"](G(batch.draw.normal(G.z_dim), batch.y), batch.y)}

    def after(self, nets: Nets, players: tuple[str, ...]) -> None:
        """Move k after D's turn, within 0 and 1."""
        if "D" in players:
            D = nets["D"]
            D.k.add_(self.lambda_k * D.balance).clamp_(0, 1)
