"""VAE-GAN (Larsen et al. 2016, 1512.09300): a VAE whose reconstruction error is measured in the features of a GAN's D.

Algorithm 1: E minimises the KL term and the error of the features, G the error of the features and the adversarial loss
on reconstructions and samples of the prior, D the adversarial loss. Each has a turn of its own, and what the others
computed is a constant in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ganworks.core.contracts import LossFn, Nets, Terms
from ganworks.core.schema.declare import Weight
from ganworks.core.spec import Batch
from ganworks.games.latents.adversary import WithUnpairedLoss
from ganworks.games.latents.gaussian import learn_variance, squared_error


@dataclass(frozen=True)
class VAEGAN(WithUnpairedLoss):
    """Settings of the game.

    loss: adversarial loss, a name from `games.losses.LOSSES` that does not compare pairs.
    gamma: weight in G's loss of the squared error of the features, as a share of its mean, against the adversarial
        terms; E has no such weight.
    beta: weight of the KL term in E's loss.

    The Gaussian of the features has a learned variance (2006.13202) in place of 1: networks, sizes and a training that
    goes on have features of very different scales, and of small ones an error of variance 1 would teach E nothing.
    """

    gamma: Weight = 1.0
    beta: Weight = 1.0

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], LossFn]]:
        """D, then G, then E."""
        yield ("D",), self.discriminator_turn
        yield ("G",), self.generator_turn
        yield ("E",), self.encoder_turn

    def _codes(self, nets: Nets, batch: Batch) -> tuple[Tensor, Tensor]:
        """Codes [B, z_dim] of the examples and of the prior, both constants."""
        z_dim = nets["G"].z_dim
        with torch.no_grad():
            return nets["E"](batch["x"], batch.y).sample(batch.draw.normal(z_dim)), batch.draw.normal(z_dim)

    def discriminator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """D's terms, each [B]: real examples against samples of the prior and against reconstructions."""
        G, D, x, y = nets["G"], nets["D"], batch["x"], batch.y
        of_x, of_prior = self._codes(nets, batch)
        with torch.no_grad():
            made, fake = G(of_x, y), G(of_prior, y)
        r, f, m = D(x, y), D(fake.to(x.dtype), y), D(made.to(x.dtype), y)
        return {
            "d_prior": 0.5 * self._loss.discriminator(r, f),
            "d_reconstruction": 0.5 * self._loss.discriminator(r, m),
            "_real": r.detach(),
            "_fake": f.detach(),
        }

    def generator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """G's terms, each [B]: gamma times the error of the features, and the adversarial loss of both fakes."""
        G, D, x, y = nets["G"], nets["D"], batch["x"], batch.y
        of_x, of_prior = self._codes(nets, batch)
        seen = D.features(G(of_x, y), y)
        with torch.no_grad():
            wanted = D.features(x, y)
        f, m = D(G(of_prior, y), y), D.judge(seen, y)
        error, size = squared_error(wanted, seen), wanted[0].numel()
        learn_variance(nets["E"], error, size)
        return {
            "features": self.gamma * error / (size * nets["E"].variance.clone()),
            "g_prior": 0.5 * self._loss.generator(None, f),
            "g_reconstruction": 0.5 * self._loss.generator(None, m),
        }

    def encoder_turn(self, nets: Nets, batch: Batch) -> Terms:
        """E's terms, each [B]: the KL term and the error of the features (their Gaussian negative log-likelihood,
        1512.09300, equation 7, without its constant); nothing adversarial.
        """
        G, E, D, x, y = nets["G"], nets["E"], nets["D"], batch["x"], batch.y
        posterior = E(x, y)
        seen = D.features(G(posterior.sample(batch.draw.normal(G.z_dim)), y), y)
        with torch.no_grad():
            wanted = D.features(x, y)
        error = squared_error(wanted, seen) / (2 * nets["E"].variance.clone())
        return {"kl": self.beta * posterior.kl().sum(1), "e_features": error}
