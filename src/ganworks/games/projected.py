"""Projected discriminators: they see pictures only through the features of frozen published networks.

Projected GANs, Sauer et al. 2021 (2111.01007): random mixing over channels and scales, a hinge loss on every scale, no
gradient penalty, and differentiable augmentation before the features. Here they judge alone, or beside the
discriminator of the networks, as in vision-aided training (Kumari et al. 2022, 2112.09130).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import torch
from torch import Tensor, nn

from ganworks.core.contracts import LossFn, Nets, Terms
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Weight, Width, within
from ganworks.core.spec import Batch, Spec
from ganworks.games.adversarial import Adversarial
from ganworks.games.losses import loss
from ganworks.games.patches import discriminator_terms, generator_terms, per_example
from ganworks.games.teachers import keys_of, load_all, maps
from ganworks.layers.projections import ProjectedDiscriminator
from ganworks.pretrained.load import Loaded


@dataclass(frozen=True)
class Projected(Adversarial):
    """The two-player game with a projected discriminator, in the place of the networks' own D, or as P beside it.

    It has the hinge loss and no penalty; other settings of `Adversarial` are those of the networks' own D. Both see
    pictures that are augmented by the same policy.

    features: published networks, by name or file, several with commas.
    side: pictures whose shorter side is smaller are enlarged to it before they are looked at (0: the side that each
        network was trained on, as published; smaller is faster).
    feature_width: channels after the random mixing, and of the projected discriminator's convolutions.
    weight: weight of its term in the loss of G.
    own: whether the networks' own D judges, too.
    """

    features: str = ""
    side: Annotated[int, within(0, 1024, unit="pixels")] = 0
    feature_width: Width = 64
    weight: Weight = 1.0
    own: bool = False

    @cached_property
    def _teachers(self) -> tuple[Loaded, ...]:
        found = load_all(self.features)
        if not found:
            raise UsageError(
                "A projected discriminator needs a published network: features=NAME or features=FILE. `ganworks "
                "features` lists those that are known, and says how to get one."
            )
        return found

    @property
    def player(self) -> str:
        """The projected discriminator: P beside D, or D itself, in the place of the networks'."""
        return "P" if self.own else "D"

    def taught_by(self, spec: Spec) -> dict[str, str]:
        """Key -> SHA-256 of the networks; see `core.teaching.LearnsFromNetworks`."""
        return keys_of(self._teachers, spec)

    def players(self, spec: Spec) -> dict[str, nn.Module]:
        """The projected discriminator for the stages of these networks, at the size in which they see the data."""
        keys_of(self._teachers, spec)
        x = torch.zeros(1, *spec.shape)
        with torch.no_grad():
            seen = self._maps(x)
        sizes = [[min(stage.shape[2:]) for stage in stages] for stages in seen]
        channels = [[stage.shape[1] for stage in stages] for stages in seen]
        return {self.player: ProjectedDiscriminator(channels, sizes, self.feature_width, spec.num_classes)}

    def _maps(self, x: Tensor) -> list[list[Tensor]]:
        """The stages of every network for pictures [B, C, H, W] in [-1, 1]."""
        return [maps(teacher.net, x, self.side or teacher.net.size) for teacher in self._teachers]

    def _judged(self, judge: nn.Module, x: Tensor, batch: Batch) -> list[Tensor]:
        """Its logits on pictures, augmented anew in every call."""
        augment = self._augment
        if augment is not None:
            x = augment(x, augment.draw(batch.draw), self.augment_p)
        return judge(self._maps(x), batch.y)

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], LossFn]]:
        """The turns of D where it judges, that of the projected discriminator, then G's."""
        if self.train != "G":
            for _ in range(self.n_critic if self.own else 0):
                yield ("D",), self.discriminator_turn
            yield (self.player,), self.projected_turn
        if self.train != "D":
            yield ("G",), self.generator_turn

    def projected_turn(self, nets: Nets, batch: Batch) -> Terms:
        """The term p_loss [B] of the projected discriminator; its mean logits, as _real and _fake where it is alone."""
        G, judge, real = nets["G"], nets[self.player], batch["x"]
        with torch.no_grad():
            fake = G(batch.draw.normal(G.z_dim), batch.y).to(real.dtype)
        r, f = self._judged(judge, real, batch), self._judged(judge, fake, batch)
        shown = {"_p_real": per_example(r).detach(), "_p_fake": per_example(f).detach()}
        if not self.own:
            shown = {"_real": shown["_p_real"], "_fake": shown["_p_fake"]}
        return {"p_loss": discriminator_terms(loss("hinge"), r, f), **shown}

    def generator_terms(self, nets: Nets, batch: Batch, fake: Tensor) -> Terms:
        """G's terms [B]: those against D where it judges, and p_g_loss."""
        f = self._judged(nets[self.player], fake, batch)
        terms = {"p_g_loss": self.weight * generator_terms(loss("hinge"), None, f)}
        return {**super().generator_terms(nets, batch, fake), **terms} if self.own else terms
