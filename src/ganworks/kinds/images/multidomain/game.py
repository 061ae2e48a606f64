"""Translation between several classes with one generator: StarGAN, Choi et al. 2018 (1711.09020), section 3.

G translates an image to an asked class; D tells real patches from generated ones and predicts the class. G has three
terms: D's logits on the patches, D's prediction of the asked class, and the distance between the image and its
translation back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from ganworks.core.contracts import LossFn, Nets, Terms
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Weight, check, within
from ganworks.core.spec import Batch
from ganworks.games.losses import Loss, loss
from ganworks.games.patches import discriminator_terms, distance, generator_terms, per_example
from ganworks.games.penalties import gradient_penalty, r1


@dataclass(frozen=True)
class StarGame:
    """Settings of the game.

    loss: a name from `games.losses.LOSSES`.
    classify: weight of the class terms of both players (equations 2 and 3).
    cycle: weight of the L1 distance between an image and its translation there and back (equation 4).
    gp: weight of the gradient penalty on interpolates, for the sum of the patch logits (paper: 10, with the Wasserstein
        loss); 0: off.
    r1: gamma of the zero-centred gradient penalty on real images, for the mean of the patch logits; 0: off.
    n_critic: D turns per G turn.
    """

    loss: str = "wasserstein"
    classify: Weight = 1.0
    cycle: Weight = 10.0
    gp: Weight = 10.0
    r1: Weight = 0.0
    n_critic: Annotated[int, within(1, 100)] = 5

    def __post_init__(self) -> None:
        check(self, "game.")
        if loss(self.loss).paired:
            raise UsageError(f"game.loss={self.loss} compares pairs of images; this game has none. Try hinge.")

    @cached_property
    def _loss(self) -> Loss:
        return loss(self.loss)

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], LossFn]]:
        """D `n_critic` times, then G."""
        for _ in range(self.n_critic):
            yield ("D",), self.discriminator_turn
        yield ("G",), self.generator_turn

    def discriminator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """D's terms, each [B]: d_loss, d_class (of the real images) and, where weighted, gp and r1."""
        G, D = nets["G"], nets["D"]
        real, y = batch["x"], batch["y"]
        with torch.no_grad():
            fake = G(batch["src"], asked(batch)).to(real.dtype)
        logits, kinds = D.both(torch.cat([real, fake]))
        (r, f), kinds = logits.split(len(real)), kinds[: len(real)]
        terms = {"d_loss": discriminator_terms(self._loss, r, f)}
        terms["d_class"] = self.classify * F.cross_entropy(kinds.float(), y, reduction="none")
        if self.gp:
            terms["gp"] = gradient_penalty(
                lambda x: D(x).float().flatten(1).sum(1), real, fake, batch.draw, weight=self.gp
            )
        if self.r1:
            terms["r1"] = r1(lambda x: per_example(D(x)), real, self.r1)
        return {
            **terms,
            "_real": per_example(r).detach(),
            "_fake": per_example(f).detach(),
            "_right": (kinds.argmax(1) == y).float(),
        }

    def generator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """G's terms, each [B]: g_loss, g_class (D's cross-entropy for the asked class) and cycle."""
        G, D = nets["G"], nets["D"]
        src, to = batch["src"], asked(batch)
        fake = G(src, to)
        logits, kinds = D.both(fake)
        back = G(fake, batch["y"])
        return {
            "g_loss": generator_terms(self._loss, None, logits),
            "g_class": self.classify * F.cross_entropy(kinds.float(), to, reduction="none"),
            "cycle": self.cycle * distance(back, src),
            "_obeyed": (kinds.argmax(1) == to).float(),
        }


def asked(batch: Batch) -> Tensor:
    """Classes to translate to, int64 [B]: any class, an image's own included, so that G learns to change nothing."""
    return batch.draw.integers(batch.num_classes)
