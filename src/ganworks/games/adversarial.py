"""The two-player game: a discriminator D learns to tell real from generated examples, a generator G to deceive it.

Every published variant here is a choice of loss (`losses.py`), penalty (`penalties.py`) and number of discriminator
steps: the standard GAN, LSGAN, hinge, WGAN, WGAN-GP, and the paired loss with R1 and R2 of R3GAN (Huang et
al. 2024, 2501.05441), which is the default.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ganworks.augment import strength
from ganworks.augment.diffaugment import DiffAugment
from ganworks.core.contracts import LossFn, Nets, Terms
from ganworks.core.errors import UsageError, nearest
from ganworks.core.schema.declare import OF_BUDGET, Portion, Share, Weight, check, within
from ganworks.core.spec import Batch
from ganworks.games.losses import Loss, loss
from ganworks.games.penalties import (
    BACKENDS,
    Probe,
    RowCritic,
    clip_weights,
    interpolate,
    logits_and_gradient_norms,
    one_centred,
)
from ganworks.layers.mixing import mixing


@dataclass(frozen=True)
class DiscriminatorView:
    """D with the labels and the augmentation of one batch, so that the batch can be scored again. A `RowCritic`.

    y: labels [B] or None. augment, p: the augmentation and the probability of its operations. numbers: the random
    numbers [B, n] of the augmentation, or None.
    """

    D: nn.Module
    y: Tensor | None = None
    augment: DiffAugment | None = None
    numbers: Tensor | None = None
    p: float | Tensor = 1.0

    def __call__(self, x: Tensor) -> Tensor:
        if self.augment is not None and self.numbers is not None:
            x = self.augment(x, self.numbers, self.p)
        return self.D(x, self.y)

    def rows(self, index: Tensor) -> DiscriminatorView:
        return replace(
            self,
            y=None if self.y is None else self.y[index],
            numbers=None if self.numbers is None else self.numbers[index],
        )

    def beside(self, other: DiscriminatorView) -> DiscriminatorView:
        """One view of both batches joined, with the examples of this view first."""
        return replace(
            self,
            y=None if self.y is None or other.y is None else torch.cat([self.y, other.y]),
            numbers=None if self.numbers is None or other.numbers is None else torch.cat([self.numbers, other.numbers]),
        )


@dataclass(frozen=True)
class Adversarial:
    """Settings of the two-player game. Defaults: the paired loss with R1 and R2 on every step (2501.05441).

    loss: a name from `losses.LOSSES`.
    r1: gamma of the zero-centred gradient penalty on real examples, at first (0: off).
    r2: gamma of the zero-centred gradient penalty on generated examples, at first (0: off).
    r1_end: final gamma on real examples, reached along a half cosine at the fraction `burn_in` of the budget (None:
        constant). A large gamma helps G to cover all modes, a small one makes them sharp.
    r2_end: final gamma on generated examples, reached in the same way (None: constant).
    burn_in: fraction of the budget after which gamma is constant.
    gp: weight of WGAN-GP's penalty (published: 10); 0: off.
    clip: largest absolute value of D's weights (WGAN: 0.01); 0: off.
    n_critic: turns of D for each turn of G.
    augment: changes of what D sees: "color,translation,cutout" (DiffAugment), "blit,geometry,recolour" (ADA), some of
        both, or "" for none.
    augment_p: probability of each operation of `augment`.
    augment_ramp: fraction of the budget in which the probability rises from 0 to `augment_p` along a half cosine (0:
        `augment_p` from the start).
    augment_target: how far D may know its examples, as the mean sign of its logits of real ones: the probability of
        `augment` follows it from 0 to `augment_p` (ADA, 2006.06676, section 3.1; published: 0.6); 0: it does not.
    augment_length: examples in which that probability can go from 0 to 1.
    pair_augment: use the same augmentation for a real example and its fake (R3GAN draws them independently).
    penalty_every: steps from one turn with penalties to the next. Above 1, penalties get a turn of D of their own, with
        so many times their weight: lazy regularisation (1912.04958, section 3.1; `Optimizer.lazily` for D's optimiser).
    penalty_backend: how penalties are computed: "exact", "func" or "fd".
    penalty_fraction: share of the batch on which "fd" estimates the penalty.
    train: which players learn: "both", or only "G" or "D".
    """

    loss: str = "relativistic"
    r1: Weight = 1.0
    r2: Weight = 1.0
    r1_end: Weight | None = None
    r2_end: Weight | None = None
    burn_in: Annotated[float, within(1e-9, 1, unit=OF_BUDGET)] = 1.0
    gp: Weight = 0.0
    clip: Annotated[float, within(0, 1000)] = 0.0
    n_critic: Annotated[int, within(1, 1000)] = 1
    augment: str = ""
    augment_p: Share = 1.0
    augment_ramp: Portion = 0.0
    augment_target: Share = 0.0
    augment_length: Annotated[int, within(1, unit="examples")] = 500_000
    pair_augment: bool = False
    penalty_every: Annotated[int, within(1, 1000, unit="steps")] = 1
    penalty_backend: str = "exact"
    penalty_fraction: Annotated[float, within(1e-9, 1, unit="share of the batch")] = 1.0
    train: Literal["both", "G", "D"] = "both"

    augmentation: ClassVar[type[DiffAugment]] = DiffAugment  # the augmentation that `augment` configures

    def __post_init__(self) -> None:
        check(self)
        loss(self.loss)
        self.augmentation(self.augment)
        if self.penalty_backend not in BACKENDS:
            raise UsageError(
                f"There is no penalty_backend {self.penalty_backend!r}. {nearest(self.penalty_backend, BACKENDS)}"
            )

    @cached_property
    def _loss(self) -> Loss:
        return loss(self.loss)

    @cached_property
    def _augment(self) -> DiffAugment | None:
        found = self.augmentation(self.augment)
        return found if found.names else None

    def equip(self, nets: Nets) -> None:
        """Give D the memory of an augmentation that adapts."""
        if self.augment_target:
            strength.equip(nets["D"])

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], LossFn]]:
        """The players of this step, in order, and the loss that each minimises."""
        if self.train != "G":
            for _ in range(self.n_critic):
                yield ("D",), self.discriminator_turn
            if self.penalty_every > 1 and step % self.penalty_every == 0 and (self.r1 or self.r2 or self.gp):
                yield ("D",), self.penalty_turn
        if self.train != "D":
            yield ("G",), self.generator_turn

    def after(self, nets: Nets, players: tuple[str, ...]) -> None:
        """Clip the weights of D after the optimiser's step of its turn, if `clip` is set."""
        if self.clip and "D" in players:
            clip_weights(nets["D"], self.clip)

    def gammas(self, progress: float) -> tuple[float, float]:
        """The weights of R1 and R2 at a fraction of the budget."""
        left = _falling(progress, self.burn_in)
        pairs = (self.r1, self.r1_end), (self.r2, self.r2_end)
        r1, r2 = (start if end is None else end + (start - end) * left for start, end in pairs)
        return r1, r2

    def discriminator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """D's terms, each [B]: d_loss, and r1, r2, gp where they are on; _real and _fake are the logits."""
        real = batch["x"]
        with torch.no_grad():
            fake = self.generated(nets["G"], batch).to(real.dtype)
        views = self._views(nets["D"], batch)
        asked = (bool(self.r1), bool(self.r2)) if self.penalty_every == 1 else (False, False)
        (r, r1), (f, r2) = self._score_both(views, real, fake, batch, asked)
        terms = {"d_loss": self._loss.discriminator(r, f)}
        if r1 is not None:
            terms["r1"] = r1
        if r2 is not None:
            terms["r2"] = r2
        if self.gp and self.penalty_every == 1:
            terms["gp"] = self._on_lines(views[0], real, fake, batch)
        terms |= self.regularised(nets, batch, views[0], (real, fake), (r, f))
        if self.augment_target and self._augment is not None:
            strength.observe(nets["D"], r, f, self.augment_target, self.augment_length, self._loss.paired)
            terms["_augment_p"] = self.augment_p * strength.probability(nets["D"]).expand(len(r)).clone()
        return {**terms, "_real": r.detach(), "_fake": f.detach()}

    def regularised(
        self, nets: Nets, batch: Batch, view: DiscriminatorView, x: tuple[Tensor, Tensor], logits: tuple[Tensor, Tensor]
    ) -> Terms:
        """Further terms of D, each [B]. x: real and generated examples; logits: what D says of them, [B] each."""
        return {}

    def penalty_turn(self, nets: Nets, batch: Batch) -> Terms:
        """The penalties alone, each [B], times `penalty_every`: r1, r2, gp where they are on."""
        (on_real, on_fake), (r1, r2) = self._views(nets["D"], batch), self.gammas(batch.progress)
        real, terms = batch["x"], {}
        if self.r1:
            terms["r1"] = self._score(on_real, real, self._probe(real, batch), 0.5 * r1)[1]
        if self.r2 or self.gp:
            with torch.no_grad():
                fake = self.generated(nets["G"], batch).to(real.dtype)
            if self.r2:
                terms["r2"] = self._score(on_fake, fake, self._probe(fake, batch), 0.5 * r2)[1]
            if self.gp:
                terms["gp"] = self._on_lines(on_real, real, fake, batch)
        return {name: self.penalty_every * term for name, term in terms.items()}

    def generated(self, G: Any, batch: Batch) -> Tensor:
        """Generated examples [B, ...] for a turn."""
        return G(batch.draw.normal(G.z_dim), batch.y)

    def generator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """G's terms on examples that it makes for this turn."""
        return self.generator_terms(nets, batch, self.generated(nets["G"], batch))

    def generator_terms(self, nets: Nets, batch: Batch, fake: Tensor) -> Terms:
        """G's term g_loss [B]; _fake holds the logits. With a paired loss D scores real examples as well."""
        on_real, on_fake = self._views(nets["D"], batch)
        r = None
        if self._loss.paired:
            with torch.no_grad():
                r = on_real(batch["x"])
        f = on_fake(fake).float()
        return {"g_loss": self._loss.generator(r, f), "_fake": f.detach()}

    def _views(self, D: nn.Module, batch: Batch) -> tuple[DiscriminatorView, DiscriminatorView]:
        """The views of D on the real and on the generated examples of this turn."""
        if self._augment is None:
            view = DiscriminatorView(D, batch.y)
            return view, view
        p = self.augment_p * (1 - _falling(batch.progress, self.augment_ramp))
        if self.augment_target:
            p = self.augment_p * strength.probability(D).clone()
        real = DiscriminatorView(D, batch.y, self._augment, self._augment.draw(batch.draw), p)
        return real, real if self.pair_augment else replace(real, numbers=self._augment.draw(batch.draw))

    def _on_lines(self, view: DiscriminatorView, real: Tensor, fake: Tensor, batch: Batch) -> Tensor:
        """WGAN-GP's penalty [B] between real examples and fakes."""
        backend = "func" if self.penalty_backend == "func" else "exact"
        return one_centred(logits_and_gradient_norms(view, interpolate(real, fake, batch.draw), backend)[1], self.gp)

    def _score_both(
        self,
        views: tuple[DiscriminatorView, DiscriminatorView],
        real: Tensor,
        fake: Tensor,
        batch: Batch,
        asked: tuple[bool, bool],
    ) -> list[tuple[Tensor, Tensor | None]]:
        """Logits [B] and weighted penalty [B] (None: not asked for) of the real and the generated examples.

        Both are scored in one call where D allows it and both are penalised or neither is: the time of small networks
        depends on the number of operations, and a gradient for examples without a penalty would be wasted.
        """
        weights = [0.5 * gamma for gamma in self.gammas(batch.progress)]
        if asked[0] != asked[1] or mixing(views[0].D):  # such a D scores each kind by itself, as published
            return [
                self._score(view, x, self._probe(x, batch), weight if on else None)
                for view, x, weight, on in zip(views, (real, fake), weights, asked, strict=True)
            ]
        count, probe = len(real), self._probe(real, batch)
        if probe is not None:
            probe = probe.beside(Probe.draw(fake, batch.draw, self.penalty_fraction), count)
        both, x = views[0].beside(views[1]), torch.cat([real, fake])
        logits, norms = self._score(both, x, probe, 1.0 if asked[0] else None)
        if norms is None:
            return [(logits[:count], None), (logits[count:], None)]
        return [(logits[:count], norms[:count] * weights[0]), (logits[count:], norms[count:] * weights[1])]

    def _probe(self, x: Tensor, batch: Batch) -> Probe | None:
        return Probe.draw(x, batch.draw, self.penalty_fraction) if self.penalty_backend == "fd" else None

    def _score(
        self, critic: RowCritic, x: Tensor, probe: Probe | None, weight: float | None
    ) -> tuple[Tensor, Tensor | None]:
        """Logits [B], and weight times the squared gradient norms [B], or None where weight is None."""
        if weight is None:
            return critic(x).float(), None
        logits, norms = logits_and_gradient_norms(critic, x, self.penalty_backend, probe)
        return logits, norms * weight


def _falling(progress: float, burn_in: float) -> float:
    """A half cosine from 1 at the start to 0 at `burn_in`."""
    return 0.0 if progress >= burn_in else 0.5 * (1 + math.cos(math.pi * progress / burn_in))
