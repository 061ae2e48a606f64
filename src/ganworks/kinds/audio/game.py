"""The two-player game on spectrograms: the players of `Spectrogram` see waves as pictures.

Real waves are turned into pictures once a turn, and the generator is asked for pictures, not for waves: the way back
to a wave costs more than all the rest and is needed only when one is heard.
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
    """`Adversarial` on the pictures of the players "G" and "D", which have `picture` and `front`.

    augment: a policy of "shift", "gain", "stretch", "mask"; see `SpectrogramAugment`.
    """

    augmentation: ClassVar[type[DiffAugment]] = SpectrogramAugment

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], LossFn]]:
        """As those of `Adversarial`, on pictures."""
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
    return turn({name: nets[name].picture for name in ("G", "D")}, seen)
