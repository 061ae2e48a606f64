"""The two-player game with further regularisers of D, and of which fakes G learns from, each by its published weight.

All are off by default: game=regularised alone is game=adversarial. Lazy intervals are settings of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import torch
from torch import Tensor, nn

from ganworks.augment.diffaugment import DiffAugment
from ganworks.core.contracts import Nets, Terms
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Weight, within
from ganworks.core.spec import Batch, Draw
from ganworks.games.adversarial import Adversarial, DiscriminatorView
from ganworks.games.penalties import consistency, dragan, latent_contrast, lecam, orthogonal, top

_MEANS = "logit_means"  # buffer of D: sums of the running means of both kinds of logits, and of their weights


class PackedGenerator(nn.Module):
    """G(z, y) on packs: latents [B, pack * z_dim] -> packs of examples [B, pack * C, ...]."""

    def __init__(self, G: nn.Module, pack: int):
        super().__init__()
        self.net, self.pack = G, pack
        self.z_dim = pack * int(G.z_dim)  # pyrefly: ignore

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return joined(self.net(z.reshape(len(z) * self.pack, -1), y), self.pack)


class FewerDraws(Draw):
    """The first rows of another draw."""

    def __init__(self, draw: Draw, count: int):
        self.draw, self.count, self.total = draw, count, draw.total
        self.generator, self.rows, self.device = draw.generator, draw.rows, draw.device

    def _keep(self, values: Tensor) -> Tensor:
        return self.draw._keep(values)[: self.count]


def joined(x: Tensor, pack: int) -> Tensor:
    """Examples [B, C, ...] -> packs [B // pack, pack * C, ...]; what is left of the last pack is not used."""
    count = len(x) // pack
    return x[: count * pack].reshape(count, pack * x.shape[1], *x.shape[2:])


def packed(nets: Nets, batch: Batch, pack: int) -> tuple[Nets, Batch]:
    """Players and a batch whose examples are packs. Raises UsageError for labelled data and too small batches."""
    if pack == 1:
        return nets, batch
    if batch.num_classes:
        raise UsageError("game.pack is for training without classes: give labels=off, or networks.crowd=on instead.")
    if batch.size < pack:
        raise UsageError(f"A batch of {batch.size} holds no pack of {pack} examples; give a larger batch=.")
    count = batch.size // pack
    packs = Batch(
        lambda: {"x": joined(batch["x"], pack)},
        FewerDraws(batch.draw, count),
        size=count,
        seen=batch.seen,
        progress=batch.progress,
    )
    return {**nets, "G": PackedGenerator(nets["G"], pack)}, packs


@dataclass(frozen=True)
class Regularised(Adversarial):
    """`Adversarial` with regularisers, each off at 0.

    dragan: weight of DRAGAN's penalty around real examples (1705.07215; published: 10).
    lecam: weight of LeCam's regulariser, for few examples (2104.03310; published: 3e-7 to 1e-2).
    lecam_decay: decay of the running means of logits in LeCam's regulariser.
    cr: weight of consistency of D on real examples under `same` (1910.12027: 10).
    cr_fake: the same on generated examples (bCR, 2002.04724: 10).
    same: changes, as in `augment`, under which D should say the same.
    zcr: weight of consistency of D for near latents (zCR, 2002.04724: 5).
    zcr_g: weight of the difference that near latents make in G's output (zCR: 20; of mean squares here).
    near: standard deviation of the noise between near latents (zCR: 0.03 to 0.07).
    ortho: weight of orthogonal regularisation of G (BigGAN, 1809.11096: 1e-4).
    top_k: share of the fakes that G learns from at the end, those that D takes for the most real (2002.06224: 0.5).
    top_k_by: fraction of the budget in which the share falls from 1 to `top_k` in a straight line.
    pack: examples that D is given at a time, joined along the first axis, such as the channels of pictures: PacGAN
        (1712.04086; 2 to 4). D sees whether examples repeat. Goes without classes and without `augment`.
    every: steps from one time with dragan, cr, cr_fake and zcr to the next, which then have so many times the weight.
    """

    dragan: Weight = 0.0
    lecam: Weight = 0.0
    lecam_decay: Annotated[float, within(0, below=1)] = 0.99
    cr: Weight = 0.0
    cr_fake: Weight = 0.0
    same: str = "translation"
    zcr: Weight = 0.0
    zcr_g: Weight = 0.0
    near: Annotated[float, within(above=0)] = 0.05
    ortho: Weight = 0.0
    top_k: Annotated[float, within(above=0, most=1)] = 1.0
    top_k_by: Annotated[float, within(above=0, most=1)] = 0.5
    pack: Annotated[int, within(1, 64, unit="examples")] = 1
    every: Annotated[int, within(1, 1000, unit="steps")] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.cr or self.cr_fake) and not self._same.names:
            raise UsageError('game.cr needs changes under which D should say the same: game.same="translation".')

        if self.pack > 1 and self.augment:
            raise UsageError("game.pack goes without game.augment: a pack is not augmented example by example.")

    @cached_property
    def _same(self) -> DiffAugment:
        return self.augmentation(self.same)

    def equip(self, nets: Nets) -> None:
        """Give D the running means of LeCam's regulariser, where it is on."""
        super().equip(nets)
        if self.lecam and _MEANS not in dict(nets["D"].named_buffers()):
            nets["D"].register_buffer(_MEANS, torch.zeros(3))

    def discriminator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """As in `Adversarial`, each term [B], or with packs [B / pack]."""
        return super().discriminator_turn(*packed(nets, batch, self.pack))

    def regularised(
        self, nets: Nets, batch: Batch, view: DiscriminatorView, x: tuple[Tensor, Tensor], logits: tuple[Tensor, Tensor]
    ) -> Terms:
        """D's regularisers, each [B]."""
        terms: Terms = {}
        if self.lecam:
            terms["lecam"] = lecam(*logits, *self._means(nets["D"], *logits), self.lecam)
        if batch.seen // batch.draw.total % self.every:
            return terms
        scale = float(self.every)
        if self.dragan:
            terms["dragan"] = dragan(nets["D"], x[0], batch.draw, weight=scale * self.dragan, y=batch.y)
        for name, weight, known, said in zip(("cr", "cr_fake"), (self.cr, self.cr_fake), x, logits, strict=True):
            if weight:
                changed = self._same(known, self._same.draw(batch.draw))
                terms[name] = consistency(said, view(changed), scale * weight)
        if self.zcr:
            made, near = self._near(nets["G"], batch)
            terms["zcr"] = consistency(view(made), view(near), scale * self.zcr)
        return terms

    def generator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """G's terms, each [B]: g_loss, of the best fakes alone with `top_k`, and zcr_g and ortho where they are on."""
        nets, batch = packed(nets, batch, self.pack)
        terms = super().generator_turn(nets, batch)
        share = 1 - (1 - self.top_k) * min(1.0, batch.progress / self.top_k_by)
        count = max(1, round(share * batch.size))
        if count < batch.size:
            terms["g_loss"] = top(terms["g_loss"], terms["_fake"], count)
        if self.zcr_g:
            terms["zcr_g"] = latent_contrast(*self._near(nets["G"], batch), self.zcr_g)
        if self.ortho:
            terms["ortho"] = orthogonal(nets["G"], self.ortho).expand(batch.size)
        return terms

    def _near(self, G: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """What G makes of latents and of near ones."""
        z = batch.draw.normal(G.z_dim)  # pyrefly: ignore
        other = z + self.near * batch.draw.normal(G.z_dim)  # pyrefly: ignore
        return G(z, batch.y), G(other, batch.y)

    @torch.no_grad()
    def _means(self, D: nn.Module, r: Tensor, f: Tensor) -> tuple[Tensor, Tensor]:
        """The running means of both kinds of logits, these included; their sums are divided by that of the weights."""
        sums = dict(D.named_buffers())[_MEANS]
        new = torch.stack([r.mean(), f.mean(), torch.ones_like(r.mean())]).to(sums)
        sums.mul_(self.lecam_decay).add_(new, alpha=1 - self.lecam_decay)
        return sums[0] / sums[2], sums[1] / sums[2]
