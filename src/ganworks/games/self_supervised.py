"""The hinge game with a discriminator that also has to know its examples: it rebuilds real ones from its own maps.

FastGAN (Liu, Zhu, Song, Elgammal 2021, 2101.04775), section 3.2: with few examples D memorises them by a detail; small
decoders that are trained with it, on real examples alone, make its maps describe the whole and the parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from ganworks.core.contracts import Nets, Terms
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Share, Weight
from ganworks.core.spec import Batch
from ganworks.games.adversarial import Adversarial
from ganworks.games.patches import Maps, distance, per_example


@runtime_checkable
class RebuildsExamples(Protocol):
    """A discriminator of patches whose maps can be decoded."""

    def patches(self, x: Tensor, y: Tensor | None = None) -> Maps:
        """Examples [B, C, H, W] -> logit maps; calling it gives their means [B]."""
        ...

    def examine(self, x: Tensor, y: Tensor | None, quarter: Tensor) -> tuple[Maps, list[tuple[Tensor, Tensor]]]:
        """Examples [B, C, H, W] -> (logit maps, pairs of what was rebuilt and what it should be, [B, C, h, w] each).

        quarter: [B] int64, 0 to 3: the quarter of each example of which the details are rebuilt.
        """
        ...


@dataclass(frozen=True)
class SelfSupervised(Adversarial):
    """`Adversarial` with the hinge loss on patches, for a D that `RebuildsExamples`. It has no gradient penalties.

    rebuild: weight of the mean absolute error of what D rebuilds.
    margin_noise: the margin of the hinge is drawn for each patch between 1 and so much less, as the authors' code does.
    """

    loss: str = "hinge"
    r1: Weight = 0.0
    r2: Weight = 0.0
    rebuild: Weight = 1.0
    margin_noise: Share = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss != "hinge" or self.r1 or self.r2 or self.gp:
            raise UsageError("This game is played with game.loss=hinge and without penalties (r1, r2, gp).")

    def discriminator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """D's terms [B]: d_loss, the hinge over patches, and rebuild; _real and _fake are mean logits."""
        D, real = _able(nets["D"]), batch["x"]
        with torch.no_grad():
            fake = self.generated(nets["G"], batch).to(real.dtype)
        on_real, on_fake = (
            self._changed(x, view) for x, view in zip((real, fake), self._views(nets["D"], batch), strict=True)
        )
        r, rebuilt = D.examine(on_real, batch.y, batch.draw.integers(4))
        f = D.patches(on_fake, batch.y)
        terms = {"d_loss": self._hinge(r, 1.0, batch) + self._hinge(f, -1.0, batch)}
        if self.rebuild:
            apart = [distance(made, wanted) for made, wanted in rebuilt]
            terms["rebuild"] = self.rebuild * torch.stack(apart).sum(0)
        return {**terms, "_real": per_example(r).detach(), "_fake": per_example(f).detach()}

    def _changed(self, x: Tensor, view: Any) -> Tensor:
        """The examples as D sees them, augmented."""
        return x if view.augment is None else view.augment(x, view.numbers, view.p)

    def _hinge(self, maps: Maps, sign: float, batch: Batch) -> Tensor:
        """[B]: mean over patches of relu(margin - sign * logit)."""
        logits = (maps if isinstance(maps, Tensor) else torch.cat([m.flatten(1) for m in maps], 1)).float().flatten(1)
        margin = 1 - self.margin_noise * batch.draw.uniform(logits.shape[1])
        return (margin - sign * logits).relu().mean(1)

    def generator_terms(self, nets: Nets, batch: Batch, fake: Tensor) -> Terms:
        """G's term g_loss [B]: minus D's logits, mean over patches."""
        on_fake = self._views(nets["D"], batch)[1]
        f = on_fake(fake).float()
        return {"g_loss": -f, "_fake": f.detach()}


def _able(D: Any) -> RebuildsExamples:
    if not isinstance(D, RebuildsExamples):
        raise UsageError(
            "This game needs a discriminator that rebuilds examples, such as networks=fastgan; "
            f"{type(D).__name__} does not. game=adversarial goes with all."
        )
    return D
