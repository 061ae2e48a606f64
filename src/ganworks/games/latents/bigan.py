"""BiGAN (Donahue et al. 2017, 1605.09782) and ALI (Dumoulin et al. 2017, 1606.00704): D sees pairs of example and code.

D tells pairs (x, E(x)) from pairs (G(z), z); G and E minimise the loss together. At the optimum E inverts G. With a
point from E it is BiGAN, with a Gaussian that is sampled ALI.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from ganworks.core.contracts import LossFn, Nets, Terms
from ganworks.core.spec import Batch
from ganworks.games.latents.adversary import WithUnpairedLoss
from ganworks.games.latents.gaussian import drawn


@dataclass(frozen=True)
class BiGAN(WithUnpairedLoss):
    """Settings of the game.

    loss: adversarial loss, a name from `games.losses.LOSSES` that does not compare pairs.
    """

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], LossFn]]:
        """D, then G and E together."""
        yield ("D",), self.discriminator_turn
        yield ("G", "E"), self.inverse_turn

    def _pairs(self, nets: Nets, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits [B] of the pairs (x, E(x)) and (G(z), z)."""
        G, E, D, x, y = nets["G"], nets["E"], nets["D"], batch["x"], batch.y
        z = batch.draw.normal(G.z_dim)
        code = drawn(E(x, y), batch)
        return D(x, code, y), D(G(z, y).to(x.dtype), z, y)

    def discriminator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """D's loss [B]: pairs of examples and their codes are real."""
        r, f = self._pairs(nets, batch)
        return {"d_loss": self._loss.discriminator(r, f), "_real": r.detach(), "_fake": f.detach()}

    def inverse_turn(self, nets: Nets, batch: Batch) -> Terms:
        """The loss [B] of G and E: D's, with the labels of both kinds of pairs exchanged (1605.09782, section 3.3)."""
        r, f = self._pairs(nets, batch)
        return {"ge_loss": self._loss.discriminator(f, r)}
