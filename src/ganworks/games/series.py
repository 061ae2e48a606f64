"""Games of time series: D and an auxiliary D on what stands before the steps, as in DoppelGANger.

Lin et al. 2020 (1909.13403), equation 1 and section 4.2. The gradient penalty takes the norm of each example by itself,
as Gulrajani et al. 2017 (1704.00028) define it; a norm of the whole batch would hardly bind any single example.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ganworks.data.spec import Batch
from ganworks.errors import UsageError
from ganworks.games.adversarial import Adversarial, Nets, Terms


class Made:
    """Stands for G where its examples exist already."""

    def __init__(self, made: Tensor, z_dim: int):
        self.made, self.z_dim = made, z_dim

    def __call__(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.made


@dataclass(frozen=True)
class SeriesGame(Adversarial):
    """The two-player game of `Adversarial` with a second discriminator that D holds as `auxiliary`.

    auxiliary: weight of its losses (published: 1); 0 leaves it out.
    """

    auxiliary: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.auxiliary <= 1e3:
            raise UsageError(f"auxiliary must lie between 0 and 1000, not {self.auxiliary}.")

    def discriminator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """Terms of both discriminators, each [B]; those of the auxiliary one begin with aux_."""
        G = nets["G"]
        with torch.no_grad():
            made = Made(G(batch.draw.normal(G.z_dim), batch.y), G.z_dim)
        terms = super().discriminator_turn({**nets, "G": made}, batch)
        return {**terms, **self._aside(nets, made, batch, super().discriminator_turn)}

    def generator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """G's terms, each [B]."""
        G = nets["G"]
        made = Made(G(batch.draw.normal(G.z_dim), batch.y), G.z_dim)
        terms = super().generator_turn({**nets, "G": made}, batch)
        return {**terms, **self._aside(nets, made, batch, super().generator_turn)}

    def _aside(self, nets: Nets, made: Made, batch: Batch, turn: Any) -> Terms:
        second = nets["D"].auxiliary
        if second is None or not self.auxiliary:
            return {}
        terms = turn({**nets, "G": made, "D": second}, batch)
        return {f"aux_{name}": self.auxiliary * term for name, term in terms.items() if not name.startswith("_")}
