"""What games about codes share: one adversarial loss, which compares no pairs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ganworks.core.schema.declare import check
from ganworks.games.losses import Loss, unpaired


@dataclass(frozen=True)
class WithUnpairedLoss:
    """Settings with an adversarial loss.

    loss: adversarial loss, a name from `games.losses.LOSSES` that does not compare pairs.
    """

    loss: str = "non-saturating"

    def __post_init__(self) -> None:
        check(self)
        unpaired(self.loss)

    @cached_property
    def _loss(self) -> Loss:
        return unpaired(self.loss)
