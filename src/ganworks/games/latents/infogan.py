"""InfoGAN (Chen et al. 2016, 1606.03657): codes of the generator that a head of D can read back from its samples.

A lower bound on the mutual information of codes and samples, H(c) + log q(c | x) (equation 4), is maximised by G and,
as in the authors' code, by D's trunk and head too. q is a softmax for the category, and for each continuous code a
Gaussian of standard deviation 1, as there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ganworks.core.contracts import LossFn, Nets, Terms
from ganworks.core.schema.declare import Weight
from ganworks.core.spec import Batch
from ganworks.games.latents.adversary import WithUnpairedLoss


def category_information(logits: Tensor, category: Tensor) -> Tensor:
    """log K + log q(c | x) in nats [B], for logits [B, K] and categories [B]: log K at best, 0 for a uniform guess."""
    return math.log(logits.shape[1]) - F.cross_entropy(logits.float(), category, reduction="none")


def continuous_information(means: Tensor, codes: Tensor) -> Tensor:
    """log 2 + log N(c; mean, 1), summed over codes, in nats [B], for means and codes [B, n].

    As the deviation of q is held at 1, at best log 2 - log(2 pi) / 2 = -0.226 for each code: only differences say much.
    """
    each = math.log(2) - 0.5 * ((means.float() - codes).square() + math.log(2 * math.pi))
    return each.sum(1)


@dataclass(frozen=True)
class InfoGAN(WithUnpairedLoss):
    """Settings of the game, for networks `InfoNetworks`.

    loss: adversarial loss, a name from `games.losses.LOSSES` that does not compare pairs.
    categorical: weight of the information of the categorical code.
    continuous: weight of the information of the continuous codes.
    """

    categorical: Weight = 1.0
    continuous: Weight = 1.0

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], LossFn]]:
        """D with its head, then G."""
        yield ("D",), self.discriminator_turn
        yield ("G",), self.generator_turn

    def _information(self, nets: Nets, z: Tensor, read: tuple[Tensor, Tensor]) -> Terms:
        """The negative weighted bounds [B] on the information of the codes of latents, and the plain ones."""
        category, values = nets["G"].codes(z)
        terms: Terms = {}
        if category is not None:
            found = category_information(read[0], category)
            terms |= {"category": -self.categorical * found, "_category_nats": found.detach()}
        if values.shape[1]:
            found = continuous_information(read[1], values)
            terms |= {"codes": -self.continuous * found, "_codes_nats": found.detach()}
        return terms

    def discriminator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """D's terms, each [B]: the adversarial loss, and the information that its head reads from samples."""
        G, D, x, y = nets["G"], nets["D"], batch["x"], batch.y
        z = batch.draw.normal(G.z_dim)
        with torch.no_grad():
            fake = G(z, y).to(x.dtype)
        r = D(x, y)
        f, *read = D.read(fake, y)
        terms = {f"d_{k}" if k[0] != "_" else k: v for k, v in self._information(nets, z, (read[0], read[1])).items()}
        return {"d_loss": self._loss.discriminator(r, f), **terms, "_real": r.detach(), "_fake": f.detach()}

    def generator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """G's terms, each [B]: the adversarial loss and the information of its codes."""
        G, D, y = nets["G"], nets["D"], batch.y
        z = batch.draw.normal(G.z_dim)
        f, *read = D.read(G(z, y), y)
        return {"g_loss": self._loss.generator(None, f), **self._information(nets, z, (read[0], read[1]))}
