"""Inpainting in two stages: G alone on L1 distances, then against a patch discriminator that scores the filled part.

LaMa (Suvorov et al. 2021, 2109.07161), section 2.2, labels a patch as fake only where it holds filled pixels; free-form
inpainting (Yu et al. 2019, 1806.03589) and LaMa add feature matching and perceptual terms. Every term here is a mean
over the hole, in which patches and features count by their share of it, so that it does not depend on the hole's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ganworks.core.contracts import Terms
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Portion, Weight, check, within
from ganworks.core.spec import Batch
from ganworks.games.losses import loss
from ganworks.games.patches import per_example
from ganworks.kinds.images.shared.two_stages import TwoStages

_USUAL, _KNEE = 0.05, 6.0  # usual gradient energy of photos in [-1, 1], the unit of `texture`; it is quadratic below 6


@dataclass(frozen=True)
class Inpainting(TwoStages):
    """Settings of the game. batch: x [B, C, H, W] in [-1, 1], mask [B, 1, H, W] with 1 = hole, src: G's input.

    D sees the composite: the real picture with the hole filled by G.

    adversarial_from: fraction of the budget at which D joins; 0: at once, 1: never (L1 alone).
    loss: loss of the adversarial stage, a name from `games.losses.LOSSES`.
    gan: weight of the adversarial term in G's loss.
    match: weight of feature matching in G's loss.
    r1: gamma of the gradient penalty on real pictures (0: off; published: 0.001).
    hole: weight of L1 in the hole.
    known: weight of L1 on the known pixels.
    detail: weight of the difference in gradient energy, which asks for as much texture as in the truth, wherever it
        lies. Together with the L1 of the picture with grain it determines the strength of the grain, and nothing else.
    window: side of the square over which the energy is averaged, odd; 0: over the whole hole. Grain is then put where
        it
        costs the least L1, which is where most is uncertain: the same energy at half the cost of a window of 5.
    """

    adversarial_from: Portion = 0.75
    loss: str = "hinge"
    gan: Weight = 0.005
    match: Weight = 0.02
    r1: Weight = 0.0
    hole: Weight = 1.0
    known: Weight = 0.05
    detail: Weight = 0.05
    window: Annotated[int, within(0, 99, unit="pixels")] = 0

    def __post_init__(self) -> None:
        check(self)
        loss(self.loss)
        if self.window and self.window % 2 == 0:
            raise UsageError(f"window must be 0 (the hole) or an odd number of pixels up to 99, not {self.window}.")

    def pixel_turn(self, nets: dict[str, Any], batch: Batch) -> Terms:
        """l1, known, grain and, where weighted, detail and, without a second stage, perceptual, each [B]."""
        fill, grain = nets["G"].parts(batch["src"])
        made = composite(fill + grain, batch["x"], batch["mask"])
        return {**self._truth(fill, grain, batch), **self.early_terms(made, batch["x"], batch)}

    def discriminator_turn(self, nets: dict[str, Any], batch: Batch) -> Terms:
        """d_loss and, where weighted, r1, each [B]; _real and _fake are the mean logits in the hole."""
        D, x, mask = nets["D"], batch["x"], batch["mask"]
        with torch.no_grad():
            fake = composite(nets["G"](batch["src"]), x, mask)
        real = x.detach().requires_grad_() if self.r1 else x
        r, f = (D(real), D(fake)) if self.r1 else D(torch.cat([x, fake])).chunk(2)
        terms = {"d_loss": in_hole(self._loss.discriminator(r, f), mask)}
        if self.r1:
            (slope,) = torch.autograd.grad(per_example(r).sum(), real, create_graph=True)
            terms["r1"] = self.r1 / 2 * slope.float().square().flatten(1).sum(1)
        return {**terms, "_real": in_hole(r.detach(), mask), "_fake": in_hole(f.detach(), mask)}

    def generator_turn(self, nets: dict[str, Any], batch: Batch) -> Terms:
        """g_loss, l1, known, grain and, where weighted, match, detail and perceptual, each [B]."""
        D, x, mask = nets["D"], batch["x"], batch["mask"]
        fill, grain = nets["G"].parts(batch["src"])
        fake = composite(fill + grain, x, mask)
        found, wanted = self.seen_by(D, fake, x)
        adversarial = self._loss.generator(None if wanted is None else wanted[-1], found[-1])
        terms = {"g_loss": self.gan * in_hole(adversarial, mask), **self._truth(fill, grain, batch)}
        if wanted is not None and self.match:
            terms["match"] = self.match * matching(wanted, found, mask)
        return {**terms, **self.late_terms(fake, x, batch), "_fake": in_hole(found[-1].detach(), mask)}

    def _truth(self, fill: Tensor, grain: Tensor, batch: Batch) -> Terms:
        """Distances to the truth: of the fill alone, and of fill plus grain, in which the fill has no gradient."""
        x, mask = batch["x"], batch["mask"]
        apart, grained = (fill - x).abs(), fill.detach() + grain
        terms = {"l1": self.hole * in_hole(apart, mask)}
        if self.known:
            terms["known"] = self.known * in_hole(apart, 1 - mask)
        terms["grain"] = self.hole * in_hole((grained - x).abs(), mask)
        if self.detail:
            terms["detail"] = self.detail * texture(composite(grained, x, mask), x, mask, self.window)
        return terms


def composite(made: Tensor, x: Tensor, mask: Tensor) -> Tensor:
    """[B, C, H, W]: `made` in the hole, x everywhere else, in x's dtype."""
    return torch.where(mask > 0.5, made.to(x.dtype), x)


def in_hole(values: Tensor, mask: Tensor) -> Tensor:
    """[B]: the mean of a map [B, c, h, w] over the hole; on a smaller map a place counts by its share of the hole."""
    values = values.float()
    if values.shape[2:] != mask.shape[2:]:
        mask = F.adaptive_avg_pool2d(mask, (values.shape[2], values.shape[3]))
    return (values * mask).sum((1, 2, 3)) / (mask.sum((1, 2, 3)) * values.shape[1]).clamp_min(1e-6)


def matching(real: Sequence[Tensor], fake: Sequence[Tensor], mask: Tensor) -> Tensor:
    """[B]: feature matching in the hole: L1 between D's features, summed over the layers but the last, the logits."""
    pairs = zip(real[:-1], fake[:-1], strict=True)
    return torch.stack([in_hole((r.detach().float() - f.float()).abs(), mask) for r, f in pairs]).sum(0)


def texture(made: Tensor, real: Tensor, mask: Tensor, window: int = 0) -> Tensor:
    """[B]: 2 k^2 (sqrt(1 + (d/k)^2) - 1) for the difference d of gradient energies in units of 0.05, with k = 6.

    The energies are those of the whole hole (window 0), or those around each of its pixels, with a mean over the hole.
    Where the truth is uncertain, the squared difference of energies is least at the expected energy. A difference of
    pictures would be least at their average, which has too little energy, and an absolute difference of energies at
    their median, which is below the mean.
    """
    steps = _energy(made) - _energy(real)
    if window:
        apart = F.avg_pool2d(steps, window, 1, window // 2, count_include_pad=False)
    else:
        apart = in_hole(steps, mask)[:, None, None, None].expand_as(mask)
    apart = apart / (_USUAL * _KNEE)
    return in_hole(2 * _KNEE**2 * ((1 + apart.square()).sqrt() - 1), mask)


def _energy(x: Tensor) -> Tensor:
    """Squared steps to the right and downwards, summed and averaged over channels: [B, 1, H, W] float32."""
    x = x.float()
    across, down = (x[..., 1:] - x[..., :-1]).square(), (x[:, :, 1:] - x[:, :, :-1]).square()
    return (F.pad(across, (0, 1, 0, 0)) + F.pad(down, (0, 0, 0, 1))).mean(1, keepdim=True)
