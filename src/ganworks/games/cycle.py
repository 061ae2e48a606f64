"""Translation without pairs by going there and back: CycleGAN and DualGAN are settings of one game.

Both train two generators and two discriminators: each translation must look real to its side's discriminator, and
translated back it must be the image it came from. CycleGAN: Zhu et al. 2017 (1703.10593), least squares, cycle and
identity terms, an image history. DualGAN: Yi et al. 2017 (1704.02510), Wasserstein losses and a stronger way back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ganworks.data.spec import Batch
from ganworks.errors import UsageError, check_ranges
from ganworks.games.losses import Loss, loss
from ganworks.games.patches import discriminator_terms, distance, generator_terms, per_example
from ganworks.games.penalties import clip_weights, gradient_penalty, r1
from ganworks.settings import half_cosine

Nets = dict[str, Any]
Terms = dict[str, Tensor]
LossFn = Callable[[Nets, Batch], Terms]

RANGES = {
    "cycle": (0, 1e6),
    "identity": (0, 1e6),
    "history": (0, 1),
    "gp": (0, 1e6),
    "r1": (0, 1e6),
    "r1_end": (0, 1e6),
    "clip": (0, 1e3),
    "n_critic": (1, 1000),
    "identity_until": (0, 1),
}


@dataclass(frozen=True)
class Cycle:
    """Settings of the game.

    loss: a name from `losses.LOSSES`. cycle: weight of the L1 distance between an image and its translation there and
    back. identity: weight of the L1 distance between a target image and what G makes of it (0: off; it keeps colours
    that need no change), up to the fraction `identity_until` of the budget.
    history: share of the generated images that a discriminator sees from its memory of earlier ones.
    gp: weight of WGAN-GP's penalty. r1: gamma of the zero-centred penalty on real images, which a half cosine brings
    to r1_end at the end of the budget (None: constant). clip: limit of the discriminators' weights (WGAN). Each 0: off.
    n_critic: discriminator turns per generator turn.

    Weights are relative to losses.py, whose least squares for G is half the published one: published 10 is 5 here.
    """

    loss: str = "least-squares"
    cycle: float = 5.0
    identity: float = 2.5
    identity_until: float = 1.0
    history: float = 0.5
    gp: float = 0.0
    r1: float = 0.0
    r1_end: float | None = None
    clip: float = 0.0
    n_critic: int = 1

    def __post_init__(self) -> None:
        if loss(self.loss).paired:
            raise UsageError(f"game.loss={self.loss} compares pairs; unpaired images have none. Try hinge.")
        check_ranges(self, RANGES, "game.")

    @cached_property
    def _loss(self) -> Loss:
        return loss(self.loss)

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], LossFn]]:
        """Both generators, then both discriminators, who see what was just made."""
        yield ("G", "G_back"), self.generator_turn
        for _ in range(self.n_critic):
            yield ("D", "D_back"), self.discriminator_turn

    def r1_at(self, progress: float) -> float:
        """Gamma of R1 at a fraction of the budget."""
        return self.r1 if self.r1_end is None else half_cosine(self.r1, self.r1_end, progress)

    def after(self, nets: Nets, players: tuple[str, ...]) -> None:
        """Weight clipping, when asked for."""
        if self.clip and "D" in players:
            clip_weights(nets["D"], self.clip)
            clip_weights(nets["D_back"], self.clip)

    def generator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """Terms [B]: g_loss, cycle and identity, and the same of the way back (`_back`)."""
        G, G_back, a, b = nets["G"], nets["G_back"], batch["src"], batch["x"]
        same = bool(self.identity) and a.shape[1] == b.shape[1] and batch.progress < self.identity_until
        count = len(a)
        # Networks without batch statistics: one call for both uses is the same, and faster.
        forth, back = (net(torch.cat(pair)) if same else net(pair[0]) for net, pair in ((G, (a, b)), (G_back, (b, a))))
        made, made_back = forth[:count], back[:count]
        terms = self._adversarial(nets["D"], made, "") | self._adversarial(nets["D_back"], made_back, "_back")
        if self.cycle:
            terms["cycle"] = self.cycle * distance(G_back(made.to(a.dtype)), a)
            terms["cycle_back"] = self.cycle * distance(G(made_back.to(b.dtype)), b)
        if same:
            terms["identity"] = self.identity * distance(forth[count:], b)
            terms["identity_back"] = self.identity * distance(back[count:], a)
        return terms

    def _adversarial(self, D: Any, made: Tensor, side: str) -> Terms:
        logits = D(made)
        D.remember(made.detach())
        shown = {} if side else {"_fake": per_example(logits).detach()}
        return {f"g_loss{side}": generator_terms(self._loss, None, logits), **shown}

    def discriminator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """Terms [B]: d_loss, gp and r1 where asked for, of both sides (`_back`); _real and _fake of the first."""
        return self._judge(nets["D"], batch["x"], batch, "") | self._judge(nets["D_back"], batch["src"], batch, "_back")

    def _judge(self, D: Any, real: Tensor, batch: Batch, side: str) -> Terms:
        fake = D.recall(len(real), batch.draw, self.history).to(real.dtype)
        fake = fake.contiguous(memory_format=torch.channels_last)
        r, f = D(torch.cat([real, fake])).split(len(real))
        terms = {f"d_loss{side}": discriminator_terms(self._loss, r, f)}
        if self.gp:
            mean = lambda x: per_example(D(x))  # noqa: E731
            terms[f"gp{side}"] = gradient_penalty(mean, real, fake, batch.draw, weight=self.gp)
        if self.r1:
            terms[f"r1{side}"] = r1(lambda x: per_example(D(x)), real, self.r1_at(batch.progress))
        if not side:
            terms |= {"_real": per_example(r).detach(), "_fake": per_example(f).detach()}
        return terms
