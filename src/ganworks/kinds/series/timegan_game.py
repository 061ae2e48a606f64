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
from ganworks.core.schema.declare import OF_BUDGET, Weight, check, within
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


def judged(loss: Tensor) -> Tensor:
    """The mean over the steps [B] of losses or logits [B, T]; those of whole series [B] as they are."""
    return loss.mean(1) if loss.dim() == 2 else loss


@dataclass(frozen=True)
class TimeGANGame:
    """Three stages, by fractions of the budget.

    embed: fraction of the budget at which the first stage ends (autoencoder).
    supervise: fraction of the budget at which the second stage ends (supervisor).
    supervised: weight of the supervised loss in the generator's turn.
    carried: weight of the supervised loss in the turn of embedder and recovery (None: a tenth of `supervised`).
    matched: weight of the moments in the generator's turn.
    recovered: weight of the reconstruction error.
    roots: whether weights are of the roots of mean squared errors over the batch, and data of 0 to 1, as published; the
        supervised loss of embedder and recovery and that of the second stage stay squared.
    apart: whether the recovery network moves with the embedder alone, as published; needs networks.apart=on.
    repeats: turns of the generator, and of embedder and recovery, for each turn of D.
    rest: D does not learn from batches of which its loss is no higher.

    The authors' code has 10 sqrt(reconstruction) + 0.1 supervised for embedder and recovery, and the adversarial terms
    + 100 sqrt(supervised) + 100 moments for the generator; the paper has eta = 10 for the supervised loss.
    """

    embed: Annotated[float, within(above=0, below=1, unit=OF_BUDGET)] = 0.2
    supervise: Annotated[float, within(above=0, below=1, unit=OF_BUDGET)] = 0.3
    supervised: Weight = 10.0
    carried: Weight | None = None
    matched: Weight = 10.0
    recovered: Weight = 10.0
    roots: bool = False
    apart: bool = False
    repeats: Annotated[int, within(1, 100)] = 1
    rest: Weight = 0.0

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
        coders = ("GR", "E") if self.apart else ("G", "E")
        if progress < self.embed:
            yield coders, self.embedding_turn
        elif progress < self.supervise:
            yield ("G",), self.supervisor_turn
        else:
            for _ in range(self.repeats):
                yield ("G",), self.generator_turn
                yield coders, self.joint_turn
            yield ("D",), self.discriminator_turn

    def _given(self, nets: Nets, batch: Batch) -> Any:
        return nets["E"].given(batch["x"], batch.y)

    def _root(self, squared: Tensor) -> Tensor:
        """Errors [B], or the root of their mean, all equal; 1e-12 keeps the gradient finite at 0."""
        return (squared.mean() + 1e-12).sqrt().expand(len(squared)) if self.roots else squared

    def embedding_turn(self, nets: Nets, batch: Batch) -> Terms:
        """Reconstruction error [B]: equation 7."""
        G, real = nets["G"], self._given(nets, batch)
        steps, flags = G.recover(nets["E"](real.steps, real.static), real.static)
        wanted = real.steps[:, :, : steps.shape[2]]
        error = ((steps - wanted).square().mean(2) * real.active).sum(1) / real.active.sum(1).clamp_min(1)
        error = error + (flags - (2 * real.active - 1)).square().mean(1)
        return {"recover": self.recovered * self._root(error / 4 if self.roots else error)}  # -1..1 is twice 0..1

    def supervisor_turn(self, nets: Nets, batch: Batch) -> Terms:
        """Error of the next latent [B] for real latents, which are held fixed."""
        real = self._given(nets, batch)
        with torch.no_grad():
            latents = nets["E"](real.steps, real.static)
        return {"supervise": self.supervised * next_step(nets["G"], latents, real.active, real.static)}

    def joint_turn(self, nets: Nets, batch: Batch) -> Terms:
        """Reconstruction error and the supervised loss, for embedder and recovery."""
        real = self._given(nets, batch)
        latents = nets["E"](real.steps, real.static)
        ahead = next_step(nets["G"], latents, real.active, real.static)
        carried = 0.1 * self.supervised if self.carried is None else self.carried
        return {**self.embedding_turn(nets, batch), "go_on": carried * ahead}

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
        apart = moments(real.steps, made) / (2 if self.roots else 1)
        return {
            "g_loss": judged(softplus(-f) + softplus(-before)),
            "supervise": self.supervised * self._root(next_step(G, known, real.active, real.static)),
            "moments": self.matched * apart,
            "_fake": judged(f.detach()),
        }

    def discriminator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """D's loss [B] on real latents, and on generated ones before and after the supervisor: equation 8."""
        G, D, real = nets["G"], nets["D"], self._given(nets, batch)
        with torch.no_grad():
            known = nets["E"](real.steps, real.static)
            latents, static = G.latents(batch.draw.normal(G.z_dim), batch.y)
            ahead = G.ahead(latents, static)
        r, f, before = D(known, real.static), D(ahead, static), D(latents, static)
        loss = judged(softplus(-r) + softplus(f) + softplus(before))
        if self.rest:
            loss = loss * (loss.detach().mean() > self.rest)
        return {"d_loss": loss, "_real": judged(r.detach()), "_fake": judged(f.detach())}
