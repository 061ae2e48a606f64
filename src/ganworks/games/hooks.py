"""The contracts of games that remember, or whose D is given several examples at a time; see `core.contracts`.

As there, no class inherits from these protocols. Nothing here imports torch.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from ganworks.core.contracts import Nets


@runtime_checkable
class KeepsInNetworks(Protocol):
    """A game that remembers something, such as a running mean, from turn to turn."""

    def equip(self, nets: Nets) -> None:
        """Add buffers to the networks of a new training, before its state is read; they are saved with it."""


@runtime_checkable
class JudgesPacks(Protocol):
    """A game whose D is given `pack` examples at a time, joined along their first axis; 1: one by one."""

    pack: int


def packs_of(game: Any) -> int:
    """How many examples D is given at a time; 1 by default."""
    return game.pack if isinstance(game, JudgesPacks) else 1
