"""The adversarial autoencoder (Makhzani et al. 2015, 1511.05644): D makes the codes of examples like the prior.

Two phases in each step: encoder and decoder minimise the reconstruction error; then D learns to tell codes drawn from
N(0, I), which are the real ones, from codes of examples, and E to deceive it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from ganworks.core.contracts import LossFn, Nets, Terms
from ganworks.core.schema.declare import Weight
from ganworks.core.spec import Batch
from ganworks.games.latents.adversary import WithUnpairedLoss
from ganworks.games.latents.gaussian import drawn, squared_error


@dataclass(frozen=True)
class AAE(WithUnpairedLoss):
    """Settings of the game. E gives a point (the published experiments), or a Gaussian that is sampled.

    loss: adversarial loss, a name from `games.losses.LOSSES` that does not compare pairs.
    reconstruction: weight of the mean squared error over all values of an example.
    adversarial: weight of the adversarial loss of E.
    """

    reconstruction: Weight = 10.0
    adversarial: Weight = 1.0

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], LossFn]]:
        """Reconstruction, then D and E on the codes."""
        yield ("G", "E"), self.reconstruction_turn
        yield ("D",), self.discriminator_turn
        yield ("E",), self.encoder_turn

    def reconstruction_turn(self, nets: Nets, batch: Batch) -> Terms:
        """The weighted mean squared error [B] of encoder and decoder."""
        G, x = nets["G"], batch["x"]
        made = G(drawn(nets["E"](x, batch.y), batch), batch.y)
        return {"reconstruction": self.reconstruction * squared_error(x, made) / x[0].numel()}

    def discriminator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """D's loss [B]: codes of the prior are real, codes of examples are fake."""
        D = nets["D"]
        with torch.no_grad():
            codes = drawn(nets["E"](batch["x"], batch.y), batch)
        r, f = D(batch.draw.normal(codes.shape[1]), batch.y), D(codes, batch.y)
        return {"d_loss": self._loss.discriminator(r, f), "_real": r.detach(), "_fake": f.detach()}

    def encoder_turn(self, nets: Nets, batch: Batch) -> Terms:
        """E's adversarial loss [B]; `_code_deviation`, over the batch, tends to that of the prior, 1."""
        codes = drawn(nets["E"](batch["x"], batch.y), batch)
        loss = self._loss.generator(None, nets["D"](codes, batch.y))
        return {"e_loss": self.adversarial * loss, "_code_deviation": codes.detach().std(0, correction=0)}
