"""Unpaired translation with cycle consistency: CycleGAN and DualGAN are settings of one game.

Both train two generators and two discriminators: each translation must look real to the discriminator of its side, and
must give the original when it is translated back. CycleGAN: Zhu et al. 2017 (1703.10593), least squares, cycle and
identity terms, an image history. DualGAN: Yi et al. 2017 (1704.02510), Wasserstein losses and a larger cycle weight.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ganworks.core.contracts import LossFn, Nets, Terms
from ganworks.core.schema.declare import Portion, Share, Weight, check, within
from ganworks.core.settings import half_cosine
from ganworks.core.spec import Batch, Draw
from ganworks.games.losses import Loss, unpaired
from ganworks.games.patches import discriminator_terms, distance, generator_terms, parted, per_example
from ganworks.games.penalties import clip_weights, gradient_penalty, r1


@dataclass(frozen=True)
class CycleGame:
    """Settings of the game.

    loss: a name from `games.losses.LOSSES`.
    cycle: weight of the L1 distance between an image and its translation there and back.
    identity: weight of the L1 distance between a target image and G's output for it, which preserves colours that need
        no change; 0: off.
    identity_until: fraction of the budget up to which `identity` counts.
    history: share of the generated images that a discriminator sees from its memory of earlier ones.
    gp: weight of WGAN-GP's gradient penalty; 0: off.
    r1: gamma of the zero-centred gradient penalty on real images, at first; 0: off.
    r1_end: gamma that a half cosine reaches at the end of the budget (None: constant).
    clip: bound to which the discriminators' weights are clipped (WGAN); 0: off.
    n_critic: discriminator turns per generator turn.
    labels: weight of the cross-entropy in the cycle of a label map, in place of L1.
    adversarial: weight of the adversarial term of generated label maps.
    through: share of the gradient of an image's cycle that reaches the label map between; the whole gradient teaches G
        to hide the image in the probabilities.
    noise: standard deviation of the Gaussian noise that is added to an image made from a label map before it is
        translated back, so that classes are read from what is visible (Bashkirova et al. 2019, 1908.01517, section
        4.1).
    recolour: likewise, standard deviation of a shift of the colours of each class and of the whole image.
    r1_share: share of the batch on which `r1` is measured; the term is scaled up accordingly.

    Weights are relative to `games.losses`, whose least squares loss for G is half the published one: the published 10
    is 5 here.
    """

    loss: str = "least-squares"
    cycle: Weight = 5.0
    identity: Weight = 2.5
    identity_until: Portion = 1.0
    history: Annotated[float, within(0, 1, unit="share of the generated images")] = 0.5
    gp: Weight = 0.0
    r1: Weight = 0.0
    r1_end: Weight | None = None
    clip: Annotated[float, within(0, 1000)] = 0.0
    n_critic: Annotated[int, within(1, 1000)] = 1
    labels: Weight = 1.0
    adversarial: Weight = 1.0
    through: Share = 1.0
    noise: Annotated[float, within(0, 10)] = 0.0
    recolour: Annotated[float, within(0, 10)] = 0.0
    r1_share: Annotated[float, within(1e-3, 1, unit="share of the batch")] = 1.0

    def __post_init__(self) -> None:
        check(self, "game.")
        _ = self._loss

    @cached_property
    def _loss(self) -> Loss:
        return unpaired(self.loss)

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], LossFn]]:
        """Both generators, then both discriminators, on the images that were just made."""
        yield ("G", "G_back"), self.generator_turn
        for _ in range(self.n_critic):
            yield ("D", "D_back"), self.discriminator_turn

    def r1_at(self, progress: float) -> float:
        """Gamma of R1 at a fraction of the budget."""
        return self.r1 if self.r1_end is None else half_cosine(self.r1, self.r1_end, progress)

    def after(self, nets: Nets, players: tuple[str, ...]) -> None:
        """Clip the discriminators' weights after their turn, where `clip` asks for it."""
        if self.clip and "D" in players:
            clip_weights(nets["D"], self.clip)
            clip_weights(nets["D_back"], self.clip)

    def generator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """Terms of both generators, each [B]: g_loss, cycle and identity, and the same of G_back (`_back`)."""
        G, G_back, a, b = nets["G"], nets["G_back"], batch["src"], batch["x"]
        same = bool(self.identity) and a.shape[1] == b.shape[1] and batch.progress < self.identity_until
        count = len(a)
        # The networks have no batch statistics, so one call for both batches gives the same result, and is faster.
        forth, back = (net(torch.cat(pair)) if same else net(pair[0]) for net, pair in ((G, (a, b)), (G_back, (b, a))))
        made, made_back = forth[:count], back[:count]
        weights = [self.adversarial if getattr(net, "classes", False) else 1.0 for net in (G, G_back)]
        terms = self._adversarial(nets["D"], made, "", weights[0])
        terms |= self._adversarial(nets["D_back"], made_back, "_back", weights[1])
        if self.cycle:
            terms["cycle"] = self._way_back(G, G_back, made, a, batch.draw)
            terms["cycle_back"] = self._way_back(G_back, G, made_back, b, batch.draw)
        if same:
            terms["identity"] = self.identity * distance(forth[count:], b)
            terms["identity_back"] = self.identity * distance(back[count:], a)
        return terms

    def _way_back(self, there: Any, back: Any, made: Tensor, given: Tensor, draw: Draw) -> Tensor:
        """The weighted cycle term [B]: `made`, the translation of `given` by `there`, translated back by `back`."""
        made = made.to(given.dtype)
        if self.through < 1 and getattr(there, "classes", False):
            made = self.through * made + (1 - self.through) * made.detach()
        if not getattr(back, "classes", False):
            return self.cycle * distance(back(made), given)
        if self.noise:
            made = made + self.noise * draw.normal(*made.shape[1:])
        if self.recolour:
            made = made + self.recolour * colour_shifts(given > 0, made.shape[1], draw)
        return self.labels * cross_entropy(back(made), given)

    def _adversarial(self, D: Any, made: Tensor, side: str, weight: float) -> Terms:
        logits = D(made)
        D.remember(made.detach())
        shown = {} if side else {"_fake": per_example(logits).detach()}
        return {f"g_loss{side}": weight * generator_terms(self._loss, None, logits), **shown}

    def discriminator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """Terms of both discriminators, each [B]: d_loss and, where weighted, gp and r1; _real, _fake: D's logits."""
        return self._side(nets["D"], batch["x"], batch, "") | self._side(nets["D_back"], batch["src"], batch, "_back")

    def _side(self, D: Any, real: Tensor, batch: Batch, side: str) -> Terms:
        fake = D.recall(len(real), batch.draw, self.history).to(real.dtype)
        fake = fake.contiguous(memory_format=torch.channels_last)
        r, f = parted(D(torch.cat([real, fake])), len(real))
        terms = {f"d_loss{side}": discriminator_terms(self._loss, r, f)}
        if self.gp:
            mean = lambda x: per_example(D(x))  # noqa: E731
            terms[f"gp{side}"] = gradient_penalty(mean, real, fake, batch.draw, weight=self.gp)
        if self.r1:
            terms[f"r1{side}"] = self._r1(D, real, self.r1_at(batch.progress))
        if not side:
            terms |= {"_real": per_example(r).detach(), "_fake": per_example(f).detach()}
        return terms

    def _r1(self, D: Any, real: Tensor, gamma: float) -> Tensor:
        """R1 [B] of the first `r1_share` of the batch, scaled so that the mean over the batch stays the same."""
        count = math.ceil(self.r1_share * len(real))
        with torch.autocast(real.device.type, enabled=False):
            terms = r1(lambda x: per_example(D(x)), real[:count].float(), gamma) * (len(real) / count)
        return F.pad(terms, (0, len(real) - count))


def cross_entropy(made: Tensor, given: Tensor) -> Tensor:
    """Cross-entropy [B], mean over pixels, of class planes `made` for those `given`, both [B, K, H, W] in [-1, 1]."""
    chosen = (made.float() + 1).div(2).gather(1, given.argmax(1, keepdim=True))
    return -chosen.clamp(min=1e-6).log().flatten(1).mean(1)


def colour_shifts(classes: Tensor, channels: int, draw: Draw) -> Tensor:
    """Random colour shifts [B, channels, H, W]: one for the whole image plus one for each class.

    classes: bool [B, K, H, W]. Each shift is N(0, 1) for all channels together plus N(0, 0.3^2) for each channel.
    """
    count = classes.shape[1]
    of_class = draw.normal(count, 1) + 0.3 * draw.normal(count, channels)
    of_image = draw.normal(1, 1) + 0.3 * draw.normal(1, channels)
    return torch.einsum("bkhw,bkc->bchw", classes.float(), of_class + of_image)
