"""Games in two stages, for photos with a known target: G alone on distances to it, then G against D."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ganworks.core.contracts import Terms
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Portion, Weight
from ganworks.core.spec import Batch, Spec
from ganworks.games.losses import Loss, loss
from ganworks.games.stages import alone, phases
from ganworks.games.teachers import Taught, esrgan_distance, keys_of, load_all
from ganworks.pretrained.load import Loaded


@dataclass(frozen=True)
class TwoStages(Taught):
    """Stages, loss and perceptual term of a game, which defines the three turns.

    The perceptual term belongs to the second stage; where there is none, it is there from the start.

    adversarial_from: fraction of the budget at which D joins; 0: at once, 1: never.
    loss: loss of the adversarial stage, a name from `games.losses.LOSSES`.
    match: weight of feature matching.
    perceptual: weight of the perceptual term, where `features` or `vgg` is given.
    vgg: name or file of VGG19 for the perceptual term of Real-ESRGAN; "": none. `features` takes any network.
    """

    adversarial_from: Portion = 1.0
    loss: str = "hinge"
    match: Weight = 0.0
    perceptual: Weight = 0.1
    vgg: str = ""

    @cached_property
    def _loss(self) -> Loss:
        return loss(self.loss)

    @cached_property
    def _vgg(self) -> tuple[Loaded, ...]:
        found = load_all(self.vgg) if self.perceptual else ()
        for other in (each.key for each in found if each.net.architecture != "vgg19"):
            raise UsageError(f"vgg={self.vgg} is {other}, not VGG19. features={self.vgg} takes any network.")
        return found

    def taught_by(self, spec: Spec) -> dict[str, str]:
        """Key -> SHA-256 of the networks that G learns from."""
        return {**super().taught_by(spec), **keys_of(self._vgg, spec)}

    @property
    def phases(self) -> tuple[float, ...]:
        """Fractions of the budget where the turns change."""
        return phases(self.adversarial_from)

    def turns(self, step: int, progress: float) -> Iterator[tuple[tuple[str, ...], Any]]:
        """G alone in the first stage; D, then G in the second."""
        if alone(progress, self.adversarial_from):
            yield ("G",), self.pixel_turn
        else:
            yield ("D",), self.discriminator_turn
            yield ("G",), self.generator_turn

    def pixel_turn(self, nets: dict[str, Any], batch: Any) -> Terms:
        """G's terms [B] in the first stage."""
        raise NotImplementedError

    def discriminator_turn(self, nets: dict[str, Any], batch: Any) -> Terms:
        """D's terms [B]."""
        raise NotImplementedError

    def generator_turn(self, nets: dict[str, Any], batch: Any) -> Terms:
        """G's terms [B] in the second stage."""
        raise NotImplementedError

    def seen_by(self, D: Any, made: Tensor, real: Tensor) -> tuple[list[Tensor], list[Tensor] | None]:
        """D's features of G's output and, where the loss or feature matching needs them, of the target; else None."""
        found = D.features(made)
        if not self._loss.paired and not self.match:
            return found, None
        with torch.no_grad():
            return found, D.features(real)

    def late_terms(self, made: Tensor, real: Tensor, batch: Batch) -> Terms:
        """G's perceptual terms [B] in the second stage; {} without a teacher."""
        terms = self.perceptual_terms(made, real, batch)
        if self._vgg:
            terms["vgg"] = self.perceptual * esrgan_distance(self._vgg[0].net, made, real)
        return terms

    def early_terms(self, made: Tensor, real: Tensor, batch: Batch) -> Terms:
        """The same in the first stage, where it is the only one; {} else."""
        return self.late_terms(made, real, batch) if self.adversarial_from == 1 else {}
