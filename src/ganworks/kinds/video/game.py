"""The game of clips: G against a critic of whole clips and a critic of single frames.

MoCoGAN (Tulyakov et al. 2017, 1707.04993, equation 3) has these two; the losses are those of R3GAN (Huang et al. 2024,
2501.05441): the paired relativistic loss, with R1 and R2 on both critics.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import torch
from torch import Tensor

from ganworks.augment.diffaugment import DiffAugment
from ganworks.core.contracts import Nets, Terms
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import OF_BUDGET, Share, Weight, check, within
from ganworks.core.settings import half_cosine
from ganworks.core.spec import Batch
from ganworks.games.losses import Loss, loss
from ganworks.games.penalties import LabelledCritic, logits_and_gradient_norms


@dataclass(frozen=True)
class ClipGame:
    """Settings of the game.

    loss: a name from `losses.LOSSES`.
    r1: gamma of the zero-centred gradient penalties (R1 and R2) on the critic of clips, at first. Clips of 16 frames
        are about four times as far apart as their frames, hence 16 times the gamma.
    r1_end: final gamma on the critic of clips, reached along half a cosine at the end of the budget (None: constant).
    frame: weight of the critic of frames in G's loss; 0: there is no such critic.
    looks: frames of each clip that the critic of frames sees.
    fade: fraction of the budget at which the output of G's convolutions has faded to the share `left`, for a G that
        draws with sprites as well.
    left: share of the output of G's convolutions that is kept after `fade`.
    frame_r1: gamma on the critic of frames, at first.
    frame_r1_end: final gamma on the critic of frames, reached along half a cosine at the end of the budget (None:
        constant).
    augment: DiffAugment policy out of "translation" and "cutout", the same for all frames of a clip.
    given: share of the clips that continue a real first frame, for a G that predicts.
    first: weight of the reconstruction of a given first frame (mean absolute difference).
    """

    loss: str = "relativistic"
    r1: Weight = 8.0
    r1_end: Weight | None = 0.5
    frame: Weight = 1.0
    looks: Annotated[int, within(1, 256, unit="frames")] = 2
    fade: Annotated[float, within(above=0, most=1, unit=OF_BUDGET)] = 0.3
    left: Share = 0.0
    frame_r1: Weight = 0.5
    frame_r1_end: Weight | None = 0.03
    augment: str = ""
    given: Annotated[float, within(0, 1, unit="share of the clips")] = 0.75
    first: Weight = 10.0

    def __post_init__(self) -> None:
        check(self)
        loss(self.loss)
        if "color" in DiffAugment(self.augment).names:
            raise UsageError("game.augment=color is for single images; clips take translation and cutout.")

    @cached_property
    def _loss(self) -> Loss:
        return loss(self.loss)

    @cached_property
    def _augment(self) -> DiffAugment | None:
        return DiffAugment(self.augment) if DiffAugment(self.augment).names else None

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], Any]]:
        """The turns of a step: both critics, then G."""
        yield ("D", "D_frame") if self.frame else ("D",), self.discriminator_turn
        yield ("G",), self.generator_turn

    def made(self, nets: Nets, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Clips [B, T, C, H, W] of G, and which of them [B] (1 or 0) continue the first frame of the real clip with the
        same index, or None if G does not predict. Such clips begin with G's reconstruction of that frame."""
        G = nets["G"]
        if isinstance(faded := getattr(G, "fade", None), Tensor):
            faded.fill_(half_cosine(1.0, self.left, batch.progress, self.fade))
        z = batch.draw.normal(G.z_dim)
        if not getattr(G, "predicts", False):
            return G(z, batch.y), None
        given = (batch.draw.uniform() < self.given).to(z.dtype)
        return G(z, batch.y, batch["x"][:, 0], given, True), given

    def discriminator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """The terms d_loss and penalty of the critic of clips, f_loss and f_penalty of that of frames, each [B]."""
        real = batch["x"]
        with torch.no_grad():
            fake = self.made(nets, batch)[0].to(real.dtype)
        gammas = half_cosine(self.r1, _end(self.r1, self.r1_end), batch.progress)
        r, f, penalty = self._critic_outputs(nets["D"], real, fake, batch, gammas)
        terms = {"d_loss": self._loss.discriminator(r, f), "_real": r.detach(), "_fake": f.detach()}
        if self.r1:
            terms["penalty"] = penalty
        if self.frame:
            gamma = half_cosine(self.frame_r1, _end(self.frame_r1, self.frame_r1_end), batch.progress)
            which = batch.draw.integers(real.shape[1], self.looks)
            r, f, penalty = self._critic_outputs(_critic(nets), picked(real, which), picked(fake, which), batch, gamma)
            terms["f_loss"] = mean_over_frames(self._loss.discriminator(r, f), self.looks)
            if self.frame_r1:
                terms["f_penalty"] = mean_over_frames(penalty, self.looks)
        return terms

    def _critic_outputs(
        self, D: Any, real: Tensor, fake: Tensor, batch: Batch, gamma: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits [B] on real and on generated examples, and the penalty [B] of each pair."""
        x = torch.cat([self._seen(real, batch), self._seen(fake, batch)])
        y = repeated_labels(batch, len(x))
        if not gamma:
            logits, norms = D(x, y), torch.zeros(len(x), device=x.device)
        else:
            logits, norms = logits_and_gradient_norms(LabelledCritic(D, y), x)
        (r, f), (a, b) = logits.float().chunk(2), norms.chunk(2)
        return r, f, 0.5 * gamma * (a + b)

    def _seen(self, x: Tensor, batch: Batch) -> Tensor:
        """Augmented clips; all frames of a clip are augmented in the same way."""
        if self._augment is None:
            return x
        flat = x.flatten(1, 2).contiguous()
        numbers = self._augment.draw(batch.draw)
        return self._augment(flat, numbers.repeat(len(x) // len(numbers), 1)).unflatten(1, x.shape[1:3])

    def generator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """G's terms, each [B]: g_loss on clips, g_frame on some frames of each, and g_first, the distance between a
        given first frame and G's reconstruction of it, the only term that ties a clip to that frame."""
        fake, given = self.made(nets, batch)
        f, r = self._compared(nets["D"], batch["x"], fake, batch)
        terms = {"g_loss": self._loss.generator(r, f), "_fake": f.detach()}
        if given is not None:
            terms["g_first"] = self.first * given * (fake[:, 0] - batch["x"][:, 0]).abs().mean((1, 2, 3))
        if self.frame:
            which = batch.draw.integers(fake.shape[1], self.looks)
            f, r = self._compared(_critic(nets), picked(batch["x"], which), picked(fake, which), batch)
            terms["g_frame"] = self.frame * mean_over_frames(self._loss.generator(r, f), self.looks)
        return terms

    def _compared(self, D: Any, real: Tensor, fake: Tensor, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Logits [B] on generated examples and, for a paired loss, on the real ones with the same indices."""
        r = None
        if self._loss.paired:
            with torch.no_grad():
                r = D(self._seen(real, batch), repeated_labels(batch, len(real)))
        return D(self._seen(fake, batch), repeated_labels(batch, len(fake))).float(), r


def _end(start: float, end: float | None) -> float:
    return start if end is None else end


def _critic(nets: Nets) -> Any:
    if "D_frame" not in nets:
        raise UsageError("game.frame above 0 needs a critic of frames: networks.frames=on.")
    return nets["D_frame"]


def picked(x: Tensor, which: Tensor) -> Tensor:
    """Frames `which` [B, k] of clips x [B, T, C, H, W] -> clips of one frame [k * B, 1, C, H, W], ordered by k."""
    rows = torch.arange(len(x), device=x.device)[:, None]
    return x[rows, which].transpose(0, 1).flatten(0, 1)[:, None]


def repeated_labels(batch: Batch, count: int) -> Tensor | None:
    """The labels of the batch, repeated to [count], or None without classes."""
    return None if batch.y is None else batch.y.repeat(count // len(batch.y))


def mean_over_frames(values: Tensor, looks: int) -> Tensor:
    """Values [k * B] of `picked` frames -> their mean for each clip [B]."""
    return values.unflatten(0, (looks, -1)).mean(0)
