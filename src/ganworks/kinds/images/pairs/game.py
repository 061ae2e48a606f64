"""Paired translation: G translates a source into a target, D scores source and target together.

pix2pix (Isola et al. 2017, 1611.07004, equation 4) has an adversarial loss on D(source, target) and 100 times the L1
distance to the true target. pix2pixHD (Wang et al. 2018, 1711.11585, equation 5) and SPADE (Park et al. 2019,
1903.07291, appendix A) use feature matching in place of L1. A network that makes label maps from logits (it has a
`table` of colours) can be trained by cross-entropy in place of L1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganworks.augment.diffaugment import DiffAugment
from ganworks.core.contracts import LossFn, Nets, Terms
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Weight, check, within
from ganworks.core.spec import Batch
from ganworks.games.losses import Loss, loss
from ganworks.games.patches import (
    Maps,
    dice,
    discriminator_terms,
    distance,
    feature_matching,
    focal_frequency,
    generator_terms,
    parted,
    per_example,
)
from ganworks.games.penalties import logits_and_gradient_norms
from ganworks.games.teachers import Taught
from ganworks.kinds.images.shared.palette import mixed, nearest_colour

WATCHED = 512


@dataclass(frozen=True)
class PairView:
    """D's mean logit [B] as a function of the target alone, with sources [B, C, H, W] fixed, for gradient penalties."""

    D: nn.Module
    src: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return per_example(self.D(torch.cat([self.src, x], 1)))

    def rows(self, index: Tensor) -> PairView:
        return PairView(self.D, self.src[index])


@dataclass(frozen=True)
class PairedTranslation(Taught):
    """Settings of paired translation.

    loss: a name from `games.losses.LOSSES`.
    gan: weight of the adversarial term; 0 trains G alone, on the terms below.
    l1: weight of the mean absolute difference in the range [-1, 1], as published.
    ce: weight of the cross-entropy in nats per pixel, for networks with logits; above 0 it replaces their L1 term.
    dice: weight of the Dice loss, for networks with logits (1606.04797): small classes count like large ones.
    ffl: weight of the focal frequency loss, for pictures (2012.12821; published: 1): sharpens what L1 blurs.
    fm: weight of feature matching.
    perceptual: weight of the perceptual term, where `features` is given: the size of L1's share at its own weight.
    r1: gamma of the gradient penalty on real targets (0: off).
    n_critic: D turns per G turn.
    augment: DiffAugment operations on what D sees, source and target alike: "translation,cutout"; "" for none.
    """

    loss: str = "non-saturating"
    gan: Weight = 1.0
    l1: Weight = 100.0
    ce: Weight = 0.0
    dice: Weight = 0.0
    ffl: Weight = 0.0
    fm: Weight = 0.0
    perceptual: Weight = 10.0
    r1: Weight = 0.0
    n_critic: Annotated[int, within(1, 1000)] = 1
    augment: str = ""

    def __post_init__(self) -> None:
        check(self)
        loss(self.loss)
        if "color" in DiffAugment(self.augment).names:
            raise UsageError(
                "augment may be translation and cutout: colours of a source and a target have nothing in common."
            )
        taught = self.features and self.perceptual
        if not any((self.gan, self.l1, self.ce, self.dice, self.ffl, taught)):
            raise UsageError("gan, l1, ce, dice and ffl are all 0: there is nothing to train G on.")

    @cached_property
    def _loss(self) -> Loss:
        return loss(self.loss)

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], LossFn]]:
        """D's turns, then G's; G's alone where there is no adversarial term."""
        for _ in range(self.n_critic if self.gan else 0):
            yield ("D",), self.discriminator_turn
        yield ("G",), self.generator_turn

    def _seen(self, batch: Batch) -> Callable[[Tensor, Tensor], Tensor]:
        """(source, target) -> D's input [B, C, H, W]: their channels together, augmented alike in this turn."""
        augment = DiffAugment(self.augment)
        if not augment.names:
            return lambda src, x: torch.cat([src, x], 1)
        numbers = augment.draw(batch.draw)
        return lambda src, x: augment(torch.cat([src, x], 1), numbers)

    def discriminator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """D's terms, each [B]: d_loss and, where weighted, r1; _real and _fake are logits of patches."""
        G, D = nets["G"], nets["D"]
        src, x, seen = batch["src"], batch["x"], self._seen(batch)
        with torch.no_grad():
            made = G(src)
        both: Maps = D(torch.cat([seen(src, x), seen(src, made.to(x.dtype))]))
        real, fake = parted(both, len(src))
        terms = {"d_loss": discriminator_terms(self._loss, real, fake)}
        if self.r1:
            terms["r1"] = 0.5 * self.r1 * logits_and_gradient_norms(PairView(D, src), x)[1]
        return {**terms, "_real": _some(real), "_fake": _some(fake)}

    def generator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """G's terms, each [B]: g_loss, features, perceptual, l1 and ffl or ce and dice, where weighted; _fake."""
        G = nets["G"]
        src, x = batch["src"], batch["x"]
        terms: Terms = {}
        table = getattr(G, "table", None)
        if (self.ce or self.dice) and table is not None:
            logits, truth = G.logits(src), nearest_colour(x, table)
            made = mixed(logits, table)
            if self.ce:
                terms["ce"] = self.ce * F.cross_entropy(logits, truth, reduction="none").mean((1, 2))
            if self.dice:
                terms["dice"] = self.dice * dice(logits, truth)
        else:
            made = G(src)
            if self.l1:
                terms["l1"] = self.l1 * distance(made, x)
            if self.ffl:
                terms["ffl"] = self.ffl * focal_frequency(made, x)
        terms |= self.perceptual_terms(made, x, batch)
        return {**terms, **self._adversarial(nets["D"], made, batch)} if self.gan else terms

    def _adversarial(self, D: nn.Module, made: Tensor, batch: Batch) -> Terms:
        """G's terms that depend on D."""
        src, x, seen = batch["src"], batch["x"], self._seen(batch)
        if not self.fm:
            with torch.no_grad():
                real = D(seen(src, x)) if self._loss.paired else None
            fake = D(seen(src, made))
            terms = {"g_loss": self.gan * generator_terms(self._loss, real, fake)}
        else:
            with torch.no_grad():
                real_maps = D.features(seen(src, x))  # pyrefly: ignore
            maps = D.features(seen(src, made))  # pyrefly: ignore
            fake, real = _logits(maps), _logits(real_maps)
            terms = {
                "g_loss": self.gan * generator_terms(self._loss, real if self._loss.paired else None, fake),
                "features": self.fm * feature_matching(real_maps, maps),
            }
        return {**terms, "_fake": _some(fake)}


def _some(maps: Maps) -> Tensor:
    """At most WATCHED logits of patches, [n], evenly spread, for the watch on the balance of both players."""
    flat = torch.cat([m.detach().float().flatten() for m in ([maps] if isinstance(maps, Tensor) else maps)])
    return flat[:: -(-len(flat) // WATCHED)]


def _logits(maps: Any) -> Maps:
    """The logits among a discriminator's features: the last of a list, or of each list."""
    return maps[-1] if isinstance(maps[0], Tensor) else [scale[-1] for scale in maps]
