"""Games in two stages, for photos with a known target: G alone on distances to it, then G against D."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from ganworks.core.contracts import Terms
from ganworks.games.losses import Loss, loss
from ganworks.games.stages import alone, phases
from ganworks.kinds.images.shared.vgg import VGG19, load_vgg, perceptual


class TwoStages(Protocol):
    """Stages, loss and perceptual term of a game; the game has the settings below and defines the three turns.

    adversarial_from: fraction of the budget at which D joins; 0: at once, 1: never. loss: of the adversarial stage.
    match: weight of feature matching. vgg: path of VGG19 weights for a perceptual term of weight `perceptual`; "" for
    none.
    """

    @property
    def adversarial_from(self) -> float: ...
    @property
    def loss(self) -> str: ...
    @property
    def match(self) -> float: ...
    @property
    def perceptual(self) -> float: ...
    @property
    def vgg(self) -> str: ...

    @cached_property
    def _loss(self) -> Loss:
        return loss(self.loss)

    @cached_property
    def _vgg(self) -> VGG19 | None:
        return load_vgg(self.vgg) if self.vgg and self.perceptual else None

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

    def features(self, D: Any, made: Tensor, real: Tensor) -> tuple[list[Tensor], list[Tensor] | None]:
        """D's features of G's output and, where the loss or feature matching needs them, of the target; else None."""
        found = D.features(made)
        if not self._loss.paired and not self.match:
            return found, None
        with torch.no_grad():
            return found, D.features(real)

    def perceptual_terms(self, made: Tensor, real: Tensor) -> Terms:
        """{"perceptual": [B]} where the weights of VGG19 are given, else {}."""
        if self._vgg is None:
            return {}
        return {"perceptual": self.perceptual * perceptual(self._vgg.to(real.device), made, real)}
