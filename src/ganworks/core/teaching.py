"""Optional hooks for published networks: teachers of a game, and lenses on data. Others are in `core.contracts`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import nn

    from ganworks.core.contracts import Progress
    from ganworks.core.spec import Spec


@runtime_checkable
class LearnsFromNetworks(Protocol):
    """A game that learns from published networks, whose files stay the user's: a run holds their hashes alone."""

    def taught_by(self, spec: Spec) -> dict[str, str]:
        """Key ("mobilenet_v2:b0353104") -> SHA-256 of the file of each network.

        Raises UsageError when one is missing, or does not look at such data.
        """


@runtime_checkable
class BringsPlayers(Protocol):
    """A game with players of its own, beside those of the networks, or in the place of one of the same name."""

    def players(self, spec: Spec) -> dict[str, nn.Module]:
        """New players by name, initialised as those of `Networks.build`; a run does not publish them."""


@runtime_checkable
class LooksThroughNetworks(Protocol):
    """A domain that can look at its data through a published network: `ganworks data PATH features=NAME`."""

    def look_through(self, path: Any, features: str, on_progress: Progress | None = None) -> Any:
        """The `use.findings.Findings` of a source, with what is odd in it. features: a network's name or file."""


def taught_by(game: Any, spec: Spec) -> dict[str, str]:
    """Key -> SHA-256 of the published networks that a game learns from; by default there are none."""
    return game.taught_by(spec) if isinstance(game, LearnsFromNetworks) else {}


def keeps_teachers(game: Any) -> bool:
    """Whether what a game publishes holds the networks that it learns from."""
    return bool(getattr(game, "keeps_teachers", False))


def players_of(game: Any, spec: Spec) -> dict[str, nn.Module]:
    """New players that a game brings itself; by default there are none."""
    return game.players(spec) if isinstance(game, BringsPlayers) else {}
