"""Watches a training for the usual failures of GANs, and says what was seen and what to try.

Nothing here changes the training: no number is clipped or replaced. A non-finite loss is the engine's business
(it refuses the step); collapse, a discriminator that has won and divergence become `Alarm` events.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ganworks.core.events import Alarm

_ADVICE = {
    "discriminator-won": "Lower d.lr; where the game has them, raise its penalty (game.r1, game.r2) or add "
    "augmentation (game.augment). With few examples, augmentation is the first thing to try.",
    "divergence": "Lower both learning rates (x0.5), raise the penalty, or use a larger batch.",
    "collapse": "Raise the penalty x4 or use the default paired loss (game.loss=relativistic); check that the data "
    "itself is varied with `ganworks data`.",
    "non-finite": "The last good state was restored and the learning rate halved. If it comes back: precision=fp32, "
    "lower lr, or a larger penalty; `ganworks data` finds broken values in the data.",
}


def advice(kind: str) -> str:
    """What to try against one kind of failure."""
    return _ADVICE[kind]


def spread(x: Tensor) -> float:
    """Mean squared distance between two different rows of [n, ...], per element: 0 when all are alike."""
    flat = x.flatten(1).double()
    return float(2 * flat.var(dim=0, unbiased=True).mean()) if len(flat) > 1 else 0.0


@dataclass
class Watch:
    """Raises an alarm when checks fail repeatedly; one of each kind until the check passes again.

    real_spread: `spread` of real examples. patience: consecutive bad checks before an alarm.
    """

    real_spread: float
    patience: int = 8
    counts: dict[str, int] = field(default_factory=dict)
    raised: set[str] = field(default_factory=set)

    def logits(self, seen: int, progress: float, real: Tensor, fake: Tensor) -> list[Alarm]:
        """Check D's logits [B] on real and fake examples."""
        real, fake = real.float(), fake.float()
        size = float(torch.maximum(real.abs().max(), fake.abs().max()))
        apart = float((real[:, None] > fake[None, :]).float().mean())
        found = []
        if self._lasts("divergence", size > 1e4, 3):
            found.append(
                self._alarm(
                    "divergence",
                    seen,
                    f"D's logits have grown to {size:.3g}; they are of order 1 to 100 in a healthy training.",
                )
            )
        if self._lasts("discriminator-won", progress > 0.05 and apart > 0.9995, self.patience):
            found.append(
                self._alarm(
                    "discriminator-won",
                    seen,
                    "D ranks every real example above every sample, in "
                    f"{self.patience} checks in a row: G no longer learns where to go.",
                )
            )
        return found

    def samples(self, seen: int, x: Tensor) -> list[Alarm]:
        """Check that samples [n, ...] differ from each other as real examples do."""
        ratio = spread(x) / self.real_spread if self.real_spread > 0 else 1.0
        if self._lasts("collapse", ratio < 0.1, 2):
            return [
                self._alarm(
                    "collapse",
                    seen,
                    f"Samples are nearly alike: their spread is {100 * ratio:.0f} % of real data's.",
                )
            ]
        return []

    def _lasts(self, kind: str, bad: bool, needed: int) -> bool:
        self.counts[kind] = self.counts.get(kind, 0) + 1 if bad else 0
        if not bad:
            self.raised.discard(kind)
        return self.counts[kind] >= needed and kind not in self.raised

    def _alarm(self, kind: str, seen: int, message: str) -> Alarm:
        self.raised.add(kind)
        return Alarm(seen, kind, message, advice(kind))
