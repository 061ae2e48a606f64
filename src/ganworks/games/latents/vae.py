"""The variational autoencoder (Kingma and Welling 2013, 1312.6114): the likelihood model beside every GAN here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from ganworks.core.contracts import LossFn, Nets, Terms
from ganworks.core.schema.declare import Count, Portion, Weight, check, within
from ganworks.core.spec import Batch
from ganworks.games.latents.gaussian import (
    learn_variance,
    negative_log_likelihood,
    squared_error,
    with_free_bits,
)


@dataclass(frozen=True)
class VAE:
    """Settings of a VAE with a Gaussian likelihood around G's output, of one variance for all values.

    G and E minimise -log p(x | z) + beta KL(q(z | x) | N(0, I)), both summed over all dimensions, the mean taken
    over the batch. All in nats, of densities over network values (-1 to 1).

    variance: of the likelihood; 0: learned, as the mean squared error of the last hundred steps (2006.13202).
    beta: weight of the KL term; 1 gives the bound, more gives codes that are independent of each other (Higgins et al.
        2016, 1606.05579).
    free_bits: nats of KL that each dimension of the code may use without cost (Kingma et al. 2016, 1606.04934).
    warmup: fraction of the budget in which the KL term grows from 0 to its weight, in a straight line (Sonderby et al.
        2016, 1602.02282).
    draws: codes that are drawn for each example to estimate the bound when it is measured.
    """

    variance: Annotated[float, within(0, 1000)] = 0.0
    beta: Weight = 1.0
    free_bits: Weight = 0.0
    warmup: Portion = 0.1
    draws: Count = 8

    meanings: ClassVar[Mapping[str, tuple[str, str]]] = {
        "elbo": ("higher", "Lower bound on the log-likelihood of a held-out example, in nats (of a density)."),
        "kl": ("floor", "What the code of an example says about it, in nats; near 0, the codes are not used."),
    }

    def __post_init__(self) -> None:
        check(self)

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], LossFn]]:
        """One turn, of decoder and encoder."""
        yield ("G", "E"), self.bound_turn

    def bound_turn(self, nets: Nets, batch: Batch) -> Terms:
        """Both parts of the negative bound, each [B]; _kl is the KL term before weights, _deviation the learned one."""
        G, E, x = nets["G"], nets["E"], batch["x"]
        posterior = E(x, batch.y)
        made = G(posterior.sample(batch.draw.normal(G.z_dim)), batch.y)
        if not self.variance:
            learn_variance(E, squared_error(x, made), x[0].numel())
        variance = self._variance(E)
        kl = posterior.kl()
        weight = self.beta * (min(1.0, batch.progress / self.warmup) if self.warmup else 1.0)
        return {
            "reconstruction": negative_log_likelihood(x, made, variance),
            "kl": weight * with_free_bits(kl, self.free_bits),
            "_kl_nats": kl.sum(1).detach(),
            "_deviation": variance.sqrt().detach(),
        }

    def _variance(self, E: torch.nn.Module) -> Tensor:
        held: Tensor = E.variance  # type: ignore[assignment]
        return torch.full_like(held, self.variance) if self.variance else held.clone()

    def measures(self, nets: Nets, batch: Batch) -> dict[str, Tensor]:
        """elbo [B], the bound with `beta` 1 and without free bits, from `draws` codes; kl [B]."""
        G, E, x = nets["G"], nets["E"], batch["x"]
        posterior, variance = E(x, batch.y), self._variance(E)
        kl = posterior.kl().sum(1)
        likelihood = torch.zeros_like(kl)
        for _ in range(self.draws):
            made = G(posterior.sample(batch.draw.normal(G.z_dim)), batch.y)
            likelihood -= negative_log_likelihood(x, made, variance) / self.draws
        return {"elbo": likelihood - kl, "kl": kl}
