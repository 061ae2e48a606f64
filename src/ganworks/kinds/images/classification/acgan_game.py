"""AC-GAN as a source of training images (Odena, Olah and Shlens 2017, 1610.09585), for a classifier C.

First a conditional generator is trained, then C goes on learning from labelled and generated images. The discriminator
has a second head that predicts the class. Both players are trained to make that head right: D on real and generated
images, G on its own. Realness is learned from all images, labelled or not; classes from the labelled ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import torch
from torch import Tensor

from ganworks.augment.diffaugment import DiffAugment
from ganworks.core.contracts import Terms
from ganworks.core.schema.declare import OF_BUDGET, Weight, check, within
from ganworks.core.spec import Batch
from ganworks.games.losses import Loss, loss
from ganworks.games.penalties import zero_centred
from ganworks.kinds.images.classification.game import SemiSupervised, label_loss
from ganworks.kinds.images.classification.views import view


@dataclass(frozen=True)
class AuxiliaryClasses:
    """Settings of the game. Reads x (all images), xl and y (labelled ones) of a batch.

    loss: adversarial loss, a name from `games.losses.LOSSES`.
    classes: weight of the class term of D on labelled images, and of the next two where they are None.
    asked: weight of the class term of D on generated images (published: 1). It rewards D for images whose class is easy
        to tell, and G for making only those.
    told: weight of the class term of G (published: 1).
    r1: gamma of the zero-centred gradient penalty on real images, for the realness; 0: off.
    r2: the same on generated images.
    augment: DiffAugment policy for all images that D sees; few images need one.
    start: fraction of the budget at which G is finished, and C, so far trained on the labelled images, gets generated
        images as well.
    generated: weight of generated images in C's loss, where real ones have weight 1.
    label_strength: strength of the random views that C sees, of real and generated images alike.
    """

    loss: str = "hinge"
    classes: Annotated[float, within(0, 1000)] = 1.0
    asked: Weight | None = None
    told: Weight | None = None
    r1: Weight = 0.0
    r2: Weight = 0.0
    augment: str = "translation,cutout"
    start: Annotated[float, within(above=0, below=1, unit=OF_BUDGET)] = 0.6
    generated: Annotated[float, within(0, 1000)] = 0.5
    label_strength: Annotated[float, within(0, 1000)] = 0.5

    def __post_init__(self) -> None:
        check(self)
        loss(self.loss)
        DiffAugment(self.augment)

    @cached_property
    def _loss(self) -> Loss:
        return loss(self.loss)

    @cached_property
    def _augment(self) -> DiffAugment:
        return DiffAugment(self.augment)

    @property
    def phases(self) -> tuple[float, ...]:
        """Fractions of the budget where the turns change: first all three learn, then C alone."""
        return (0.0, self.start)

    def alone(self) -> SemiSupervised:
        """The baseline of this game: C trained on the labelled images alone, under the same views."""
        return SemiSupervised(variant="supervised", label_strength=self.label_strength)

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], Any]]:
        """D, G and C (on labelled images) until `start`; then C alone, on generated images as well."""
        if progress < self.start:
            yield ("D",), self.discriminator_turn
            yield ("G",), self.generator_turn
        yield ("C",), self.classifier_turn

    def _seen(self, x: Tensor, batch: Batch) -> Tensor:
        return self._augment(x, self._augment.draw(batch.draw)) if self._augment.names else x

    def _made(self, G: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        """(generated images [B, C, H, W], the classes asked for, int64 [B], uniform)."""
        asked = batch.draw.integers(batch.num_classes)
        return G(batch.draw.normal(G.z_dim), asked), asked

    def discriminator_turn(self, nets: dict[str, Any], batch: Batch) -> Terms:
        """D's terms, each [B]: d_loss and the cross-entropies of labelled and generated images (equations 2 and 3)."""
        D = nets["D"]
        with torch.no_grad():
            made, asked = self._made(nets["G"], batch)
        parts = [self._seen(p, batch) for p in (batch["x"], batch["xl"], made.to(batch["x"].dtype))]
        sizes = [len(p) for p in parts]
        real, told = D(torch.cat(parts))
        (r, _, f), (_, known, claimed) = real.split(sizes), told.split(sizes)
        terms = {
            "d_loss": self._loss.discriminator(r, f),
            "d_class": self.classes * label_loss(known, batch["y"]),
        }
        if (weight := self._or_classes(self.asked)) > 0:
            terms["d_asked"] = weight * label_loss(claimed, asked)
        for name, gamma, x in (("r1", self.r1, parts[0]), ("r2", self.r2, parts[2])):
            if gamma:
                terms[name] = zero_centred(lambda x: D(x)[0], x, gamma)
        return {**terms, "_real": r.detach(), "_fake": f.detach()}

    def _or_classes(self, weight: float | None) -> float:
        return self.classes if weight is None else weight

    def generator_turn(self, nets: dict[str, Any], batch: Batch) -> Terms:
        """G's terms, each [B]: g_loss and the cross-entropy of the class asked for."""
        D = nets["D"]
        made, asked = self._made(nets["G"], batch)
        f, told = D(self._seen(made, batch))
        r = None
        if self._loss.paired:
            with torch.no_grad():
                r = D(self._seen(batch["x"], batch))[0]
        return {"g_loss": self._loss.generator(r, f), "g_class": self._or_classes(self.told) * label_loss(told, asked)}

    def classifier_turn(self, nets: dict[str, Any], batch: Batch) -> Terms:
        """C's terms, each [B]: cross-entropy of labelled images and, once G is finished, of generated ones."""
        xl = view(batch["xl"], batch.draw, self.label_strength)
        if not self.generated or batch.progress < self.start:
            return {"label": label_loss(nets["C"](xl), batch["y"])}
        with torch.no_grad():
            made, asked = self._made(nets["G"], batch)
        made = view(made.to(xl.dtype), batch.draw, self.label_strength)
        known, claimed = nets["C"](torch.cat([xl, made])).split([len(xl), len(made)])
        return {"label": label_loss(known, batch["y"]), "generated": self.generated * label_loss(claimed, asked)}
