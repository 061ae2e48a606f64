"""Games of time series: a discriminator and an auxiliary one on the static part (attributes and ranges), as in
DoppelGANger.

Lin et al. 2020 (1909.13403), equation 1 and section 4.2. The gradient penalty takes the norm of each example
separately, as Gulrajani et al. 2017 (1704.00028) define it; a norm over the whole batch would hardly constrain any
single example.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Portion, within
from ganworks.core.spec import Batch
from ganworks.games.adversarial import Adversarial, LossFn, Nets, Terms


class FixedGenerator:
    """Takes the place of G and returns examples that were already generated."""

    def __init__(self, made: Tensor, z_dim: int):
        self.made, self.z_dim = made, z_dim

    def __call__(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.made


class SeenDiscriminator(nn.Module):
    """D on the features that it computes by `seen`, so that penalties take gradients with respect to these."""

    def __init__(self, D: nn.Module):
        super().__init__()
        self.D = D

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits [B]."""
        return self.D.logits(x, y)  # pyrefly: ignore


def seen(nets: Nets, made: FixedGenerator, batch: Batch) -> tuple[Nets, Batch]:
    """(networks, batch) of the same turn in the features of D, with respect to which penalties take their gradients."""
    D = nets["D"]
    there = copy.copy(batch)
    there["x"] = D.seen(batch["x"])
    return {**nets, "G": FixedGenerator(D.seen(made.made), made.z_dim), "D": SeenDiscriminator(D)}, there


@dataclass(frozen=True)
class SeriesGame(Adversarial):
    """The two-player game of `Adversarial` with a second discriminator, `auxiliary` of D.

    auxiliary: weight of the second discriminator's losses (published: 1); 0 leaves it out.
    likelihood: weight of the negative log-likelihood per step beside the adversarial loss, for generators that have one
        (`surprise`).
    adversarial_from: fraction of the budget for which a generator with a likelihood learns from it alone.
    adversarial: weight of the adversarial loss for G.
    """

    auxiliary: Annotated[float, within(0, 1000)] = 1.0
    likelihood: Annotated[float, within(0, 1000)] = 0.0
    adversarial_from: Portion = 0.0
    adversarial: Annotated[float, within(above=0, most=1000)] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.adversarial_from and not self.likelihood:
            raise UsageError("game.likelihood must lie above 0 if game.adversarial_from does.")

    @property
    def heard_from(self) -> float:
        """Fraction of the budget after which G is trained against D."""
        return self.adversarial_from + 0.25 * (1 - self.adversarial_from) if self.adversarial_from else 0.0

    @property
    def phases(self) -> tuple[float, ...]:
        """Fractions of the budget at which the turns change."""
        start = self.adversarial_from
        return (0.0, start, self.heard_from) if 0 < start < 1 else (0.0,)

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], LossFn]]:
        """First G alone by likelihood, then D as well, then both against each other."""
        if not self.adversarial_from or (progress >= self.heard_from and self.adversarial_from < 1):
            yield from super().turns(step, progress)
            return
        yield ("G",), self.likelihood_turn
        if progress >= self.adversarial_from and self.adversarial_from < 1:
            yield ("D",), self.discriminator_turn

    def likelihood_turn(self, nets: Nets, batch: Batch) -> Terms:
        """G's negative log-likelihood [B] per step."""
        return {"surprise": self.likelihood * nets["G"].surprise(batch["x"], batch.y)}

    def discriminator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """Terms of both discriminators, each [B]; those of the auxiliary one begin with aux_."""
        G = nets["G"]
        with torch.no_grad():
            made = FixedGenerator(G(batch.draw.normal(G.z_dim), batch.y), G.z_dim)
        terms = super().discriminator_turn(*seen(nets, made, batch))
        return {**terms, **self._aside(nets, made, batch, super().discriminator_turn)}

    def generator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """G's terms, each [B]."""
        G = nets["G"]
        made = FixedGenerator(G(batch.draw.normal(G.z_dim), batch.y), G.z_dim)
        terms = super().generator_turn(*seen(nets, made, batch))
        terms |= self._aside(nets, made, batch, super().generator_turn)
        terms = {n: t if n.startswith("_") else self.adversarial * t for n, t in terms.items()}
        return terms | self.likelihood_turn(nets, batch) if self.likelihood else terms

    def _aside(self, nets: Nets, made: FixedGenerator, batch: Batch, turn: Any) -> Terms:
        second = nets["D"].auxiliary
        if second is None or not self.auxiliary:
            return {}
        terms = turn({**nets, "G": made, "D": second}, batch)
        return {f"aux_{name}": self.auxiliary * term for name, term in terms.items() if not name.startswith("_")}
