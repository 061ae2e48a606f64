"""The two-player game on spectrograms, for the networks of `Spectrogram`.

Real waves are turned into spectrograms once in each turn, and the generator makes spectrograms, not waves: their
inversion takes longer than everything else and is needed only when waves are sampled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from ganworks.augment.diffaugment import DiffAugment
from ganworks.core.spec import Batch
from ganworks.games.adversarial import Adversarial, LossFn, Nets, Terms
from ganworks.kinds.audio.augment import SpectrogramAugment


@dataclass(frozen=True)
class SpectrogramGame(Adversarial):
    """`Adversarial` between the spectrogram networks inside G and D (their attribute `picture`).

    augment: policy out of "shift", "gain", "stretch" and "mask", see `SpectrogramAugment`; "" for none.
    """

    augmentation: ClassVar[type[DiffAugment]] = SpectrogramAugment

    def equip(self, nets: Nets) -> None:
        """As in `Adversarial`, of the discriminator of spectrograms."""
        super().equip(_pictures(nets))

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], LossFn]]:
        """The turns of `Adversarial`, on spectrograms."""
        for players, turn in super().turns(step, progress):
            yield players, lambda nets, batch, turn=turn: _on_pictures(turn, nets, batch)


def _on_pictures(turn: LossFn, nets: Nets, batch: Batch) -> Terms:
    front = nets["D"].front

    def load() -> dict[str, Tensor]:
        found: dict[str, Any] = {"x": front.analyse(batch["x"])}
        return found if batch.y is None else {**found, "y": batch.y}

    seen = Batch(
        load, batch.draw, size=batch.size, seen=batch.seen, progress=batch.progress, num_classes=batch.num_classes
    )
    return turn(_pictures(nets), seen)


def _pictures(nets: Nets) -> Nets:
    """The spectrogram networks inside G and D."""
    players: Any = nets
    return {name: players[name].picture for name in ("G", "D")}
