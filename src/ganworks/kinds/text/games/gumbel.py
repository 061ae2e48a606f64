"""RelGAN's game (Nie et al., ICLR 2019): the critic's gradient reaches G through soft tokens, without rewards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import within
from ganworks.core.spec import Batch
from ganworks.kinds.text.games.sequences import Made, Nets, Sequences, Terms, evaluation_mode
from ganworks.layers.copies import take_over


@dataclass(frozen=True)
class SoftTokens(Sequences):
    """`Sequences` with soft tokens, softmax(sharpness (logits + Gumbel noise)), in place of rewards.

    policy: weight of G's adversarial loss.
    loss: D's loss, a name from `losses.LOSSES`; RelGAN's is relativistic.
    sharpness: inverse temperature of the soft tokens at the end of the budget; it grows exponentially from 1 at the
        beginning of the adversarial stage.
    """

    loss: str = "relativistic"
    anchor: float = 0.0
    sharpness: Annotated[float, within(1, 1_000_000)] = 100.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rollouts:
            raise UsageError("rollouts are for rewards; soft tokens have none, so rollouts must be 0.")

    def sharpness_at(self, progress: float) -> float:
        """The inverse temperature at a fraction of the budget."""
        share = (progress - self.adversarial_from) / max(1e-9, 1 - self.adversarial_from)
        return self.sharpness ** min(1.0, max(0.0, share))

    def _soft(self, nets: Nets, batch: Batch, y: Tensor | None) -> Tensor:
        G = nets["G"]
        return G.soft_sample(batch.draw.uniform(G.length, G.size), self.sharpness_at(batch.progress), y)

    def discriminator_turn(self, nets: Nets, batch: Batch, made: Made, keep: bool = False) -> Terms:
        """The term d_loss [B], the mean over D's views; _real and _fake are the mean logits [B]."""
        if keep:
            take_over(nets["G_warm"], nets["G"])
        y = batch.y
        with torch.no_grad(), evaluation_mode(nets["G"]):
            fake = self._soft(nets, batch, y)
        r, f = nets["D"](batch["x"], y), nets["D"](fake, y)
        terms = self._loss.discriminator(r, f)
        return {"d_loss": mean_over_views(terms), "_real": mean_logits(r), "_fake": mean_logits(f)}

    def generator_turn(self, nets: Nets, batch: Batch, made: Made) -> Terms:
        """The terms g_loss [B] and, with `anchor`, nll [B]; _fake is the mean logits [B]."""
        y, D = batch.y, nets["D"]
        r = None
        if self._loss.paired:
            with torch.no_grad():
                r = D(batch["x"], y)
        f = D(self._soft(nets, batch, y), y)
        terms = {"g_loss": self.policy * mean_over_views(self._loss.generator(r, f)), "_fake": mean_logits(f)}
        if self.anchor:
            terms["nll"] = self.anchor * self._nll(nets["G"], batch)
        return terms


def mean_over_views(values: Tensor) -> Tensor:
    """Values [B, views] or [B] -> [B], the mean over the views."""
    return values.mean(1) if values.dim() > 1 else values


def mean_logits(logits: Tensor) -> Tensor:
    """The mean over the views [B], detached."""
    return mean_over_views(logits).detach()
