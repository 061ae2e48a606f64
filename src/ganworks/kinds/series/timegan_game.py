"""TimeGAN's game (Yoon et al. 2019): train the autoencoder, then the supervisor, then all networks with a
discriminator.

Equations 7 to 9 of the paper. Embedder and recovery minimise the reconstruction error, the supervisor the error of the
next latent. The generator minimises an adversarial loss on its latents before and after the supervisor, the supervised
loss, and the distance between the first two moments of its output and of the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ganworks.core.contracts import Nets, Terms
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import OF_BUDGET, check, within
from ganworks.core.spec import Batch


def next_step(G: Any, latents: Tensor, active: Tensor, static: Tensor) -> Tensor:
    """Squared error [B] of the supervisor's next latents over existing steps: equation 9."""
    error = (G.ahead(latents, static)[:, :-1] - latents[:, 1:]).square().mean(2)
    on = active[:, 1:]
    return (error * on).sum(1) / on.sum(1).clamp_min(1)


def moments(real: Tensor, made: Tensor) -> Tensor:
    """Distance of the means and standard deviations of each step and column over the batch: [B], all equal."""
    spread = (real.var(0) + 1e-6).sqrt() - (made.var(0) + 1e-6).sqrt()
    return ((real.mean(0) - made.mean(0)).abs().mean() + spread.abs().mean()).expand(len(made))


@dataclass(frozen=True)
class TimeGANGame:
    """Three stages, by fractions of the budget.

    embed: fraction of the budget at which the first stage ends (autoencoder).
    supervise: fraction of the budget at which the second stage ends (supervisor).
    supervised: weight of the supervised loss; a tenth of it in the turn of embedder and recovery.
    matched: weight of the moments in the generator's turn.
    recovered: weight of the reconstruction error.

    The authors' code has 10 sqrt(reconstruction) + 0.1 supervised for embedder and recovery, and the adversarial terms
    + 100 sqrt(supervised) + 100 moments for the generator; the paper has eta = 10 for the supervised loss. Here the
    errors stay squared, and all three weights are 10.
    """

    embed: Annotated[float, within(above=0, below=1, unit=OF_BUDGET)] = 0.2
    supervise: Annotated[float, within(above=0, below=1, unit=OF_BUDGET)] = 0.3
    supervised: float = 10.0
    matched: float = 10.0
    recovered: float = 10.0

    def __post_init__(self) -> None:
        check(self)
        if not 0 < self.embed < self.supervise < 1:
            raise UsageError(f"The stages must follow each other: 0 < embed < supervise < 1, not {self}.")

    @property
    def phases(self) -> tuple[float, ...]:
        """Fractions of the budget at which the turns change."""
        return (0.0, self.embed, self.supervise)

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], Callable[..., Terms]]]:
        """The turns of a step: (networks that learn, their loss)."""
        if progress < self.embed:
            yield ("G", "E"), self.embedding_turn
        elif progress < self.supervise:
            yield ("G",), self.supervisor_turn
        else:
            yield ("G",), self.generator_turn
            yield ("G", "E"), self.joint_turn
            yield ("D",), self.discriminator_turn

    def _given(self, nets: Nets, batch: Batch) -> Any:
        return nets["E"].given(batch["x"], batch.y)

    def embedding_turn(self, nets: Nets, batch: Batch) -> Terms:
        """Reconstruction error [B]: equation 7."""
        G, real = nets["G"], self._given(nets, batch)
        steps, flags = G.recover(nets["E"](real.steps, real.static), real.static)
        wanted = real.steps[:, :, : steps.shape[2]]
        error = ((steps - wanted).square().mean(2) * real.active).sum(1) / real.active.sum(1).clamp_min(1)
        ends = (flags - (2 * real.active - 1)).square().mean(1)
        return {"recover": self.recovered * (error + ends)}

    def supervisor_turn(self, nets: Nets, batch: Batch) -> Terms:
        """Error of the next latent [B] for real latents, which are held fixed."""
        real = self._given(nets, batch)
        with torch.no_grad():
            latents = nets["E"](real.steps, real.static)
        return {"supervise": self.supervised * next_step(nets["G"], latents, real.active, real.static)}

    def joint_turn(self, nets: Nets, batch: Batch) -> Terms:
        """Reconstruction error and a tenth of the supervised loss for embedder and recovery."""
        real = self._given(nets, batch)
        latents = nets["E"](real.steps, real.static)
        ahead = next_step(nets["G"], latents, real.active, real.static)
        return {**self.embedding_turn(nets, batch), "go_on": 0.1 * self.supervised * ahead}

    def generator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """Adversarial terms before and after the supervisor, the supervised loss, the moments; each [B]."""
        G, D, real = nets["G"], nets["D"], self._given(nets, batch)
        latents, static = G.latents(batch.draw.normal(G.z_dim), batch.y)
        ahead = G.ahead(latents, static)
        f, before = D(ahead, static), D(latents, static)
        with torch.no_grad():
            known = nets["E"](real.steps, real.static)
        steps, flags = G.recover(ahead, static)
        made = torch.cat([steps, flags[:, :, None]], 2) if G.layout.variable else steps
        return {
            "g_loss": softplus(-f) + softplus(-before),
            "supervise": self.supervised * next_step(G, known, real.active, real.static),
            "moments": self.matched * moments(real.steps, made),
            "_fake": f.detach(),
        }

    def discriminator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """D's loss [B] on real latents, and on generated ones before and after the supervisor: equation 8."""
        G, D, real = nets["G"], nets["D"], self._given(nets, batch)
        with torch.no_grad():
            known = nets["E"](real.steps, real.static)
            latents, static = G.latents(batch.draw.normal(G.z_dim), batch.y)
            ahead = G.ahead(latents, static)
        r, f, before = D(known, real.static), D(ahead, static), D(latents, static)
        return {"d_loss": softplus(-r) + softplus(f) + softplus(before), "_real": r.detach(), "_fake": f.detach()}
