"""Watches a training for the usual failures of GANs, and says what was seen and what to try.

Nothing here changes the training: no number is clipped or replaced. A non-finite loss is the engine's business
(it refuses the step); collapse, a discriminator that has won and divergence become `Alarm` events.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from typing import Any

import torch
from torch import Tensor

from ganworks.core.config import override
from ganworks.core.contracts import Watched
from ganworks.core.errors import UsageError
from ganworks.core.events import Alarm
from ganworks.core.settings import Config

_ALIKE = 0.1  # share of the spread of real data below which samples are called alike
_EACH = 4  # rows of a class from which its spread is estimated
_NAMED = 5  # classes that an alarm names

_AROUND = {
    "discriminator-won": "Try {}. With few examples, augmentation is the first thing to try.",
    "divergence": "Try {}.",
    "collapse": "Try {}; check with `ganworks data` that the data itself is varied.",
    "non-finite": "The last good state was restored and the learning rate halved. If it comes back, try {}; "
    "`ganworks data` finds broken values in the data.",
}


def advice(kind: str, config: Config, pictures: bool = False) -> str:
    """What to try against one kind of failure, among what is not so already.

    Remedies are settings with the values to try, as the command line takes them. kind: that of an alarm. pictures:
    whether an example is an array of [channels, height, width].
    """
    slower = [f"g.lr={config.g.lr / 2:.2g} d.lr={config.d.lr / 2:.2g}"]
    remedies = {
        "discriminator-won": [
            *(["game.augment=translation,cutout"] if pictures and getattr(config.game, "augment", None) == "" else []),
            f"d.lr={config.d.lr / 2:.2g}",
            *_penalty(config.game),
        ],
        "divergence": [*slower, *_penalty(config.game), f"batch={2 * config.train.batch}"],
        "collapse": [*_penalty(config.game), *_loss(config.game), *slower],
        "non-finite": [*(["precision=fp32"] if config.train.precision != "fp32" else []), *slower],
    }[kind]
    allowed = ", or ".join(remedy for remedy in remedies if _fits(config, remedy))
    return _AROUND[kind].format(allowed)


def _fits(config: Config, remedy: str) -> bool:
    """Whether the configuration takes these settings."""
    settings = dict(word.split("=") for word in remedy.split())
    try:
        override(config, {f"train.{name}" if "." not in name else name: value for name, value in settings.items()})
    except UsageError:
        return False
    return True


def _penalty(game: Any) -> list[str]:
    """The game's gradient penalty, four times as strong, or switched on."""
    names = [name for name in ("r1", "gp") if isinstance(getattr(game, name, None), int | float)]
    used = [name for name in names if getattr(game, name) > 0]
    return [f"game.{name}={4 * getattr(game, name):g}" for name in used] or [f"game.{name}=1" for name in names[:1]]


def _loss(game: Any) -> list[str]:
    """The paired loss, where the game has another that is not a distance."""
    return (
        [] if getattr(game, "loss", "relativistic") in ("relativistic", "wasserstein") else ["game.loss=relativistic"]
    )


def spread(x: Tensor) -> float:
    """Mean squared distance between two different rows of [n, ...], per element: 0 when all are alike."""
    flat = x.flatten(1).double()
    return float(2 * flat.var(dim=0, unbiased=True).mean()) if len(flat) > 1 else 0.0


def spreads(x: Tensor, y: Tensor) -> dict[int, float]:
    """The spread within each class of which there are `_EACH` rows of x [n, ...] or more. y: classes [n]."""
    return {int(k): spread(x[y == k]) for k in y.unique() if int((y == k).sum()) >= _EACH}


def _apart(outputs: Watched) -> tuple[Tensor, Tensor | None]:
    return outputs if isinstance(outputs, tuple) else (outputs, None)


@dataclass
class Watch:
    """Raises an alarm when checks fail repeatedly; one of each kind until the check passes again.

    real: real examples [n, ...], and their classes. config: what is advised from. names: of the classes. patience:
    consecutive bad checks before an alarm.
    """

    real: InitVar[Watched]
    config: Config
    names: tuple[str, ...] = ()
    patience: int = 8
    counts: dict[str, int] = field(default_factory=dict)
    raised: set[str] = field(default_factory=set)
    lowest: float = float("inf")

    def __post_init__(self, real: Watched) -> None:
        x, y = _apart(real)
        self.real_spread, self.pictures = spread(x), x.dim() == 4
        self.real_spreads = {} if y is None else spreads(x, y)

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

    def convergence(self, seen: int, value: float) -> list[Alarm]:
        """Check a game's own measure of convergence, which falls in a healthy training (BEGAN, 1703.10717)."""
        self.lowest = min(self.lowest, value)
        if self._lasts("divergence", value > 2 * self.lowest, self.patience):
            return [
                self._alarm(
                    "divergence",
                    seen,
                    f"The measure of convergence is {value:.3g}, more than twice its lowest value, {self.lowest:.3g}, "
                    f"in {self.patience} checks in a row; it falls in a healthy training.",
                )
            ]
        return []

    def samples(self, seen: int, made: Watched) -> list[Alarm]:
        """Check that samples differ from each other as real examples do, in all and within each class."""
        x, y = _apart(made)
        ratio = spread(x) / self.real_spread if self.real_spread > 0 else 1.0
        within = {} if y is None else spreads(x, y)
        shares = {k: v / self.real_spreads[k] for k, v in within.items() if self.real_spreads.get(k, 0) > 0}
        alike = [k for k, share in shares.items() if share < _ALIKE]
        if not self._lasts("collapse", ratio < _ALIKE or bool(alike), 2):
            return []
        said = f"Samples are nearly alike: their spread is {100 * ratio:.0f} % of real data's."
        if ratio >= _ALIKE:
            names = ", ".join(self.names[k] if k < len(self.names) else str(k) for k in alike[:_NAMED])
            more = f" and {len(alike) - _NAMED} other classes" if len(alike) > _NAMED else ""
            said = (
                f"Samples of one class are nearly alike: within {names}{more} their spread is "
                f"{100 * max(shares[k] for k in alike):.0f} % of real data's, or less."
            )
        return [self._alarm("collapse", seen, said)]

    def _lasts(self, kind: str, bad: bool, needed: int) -> bool:
        self.counts[kind] = self.counts.get(kind, 0) + 1 if bad else 0
        if not bad:
            self.raised.discard(kind)
        return self.counts[kind] >= needed and kind not in self.raised

    def _alarm(self, kind: str, seen: int, message: str) -> Alarm:
        self.raised.add(kind)
        return Alarm(seen, kind, message, advice(kind, self.config, self.pictures))
