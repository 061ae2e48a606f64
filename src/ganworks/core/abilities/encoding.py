"""The contracts of parts with an encoder or with codes; beside those of every training in `core.contracts`.

As there, no class inherits from these protocols. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ganworks.core.contracts import Nets, sampling_options

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ganworks.core.spec import Batch


@runtime_checkable
class SharesFeatures(Protocol):
    """A discriminator in two parts, whose first one can be an encoder or measure a distance.

    Calling it with (x, y) gives `judge(features(x, y), y)`.
    """

    HEAD: tuple[str, ...]
    """Names of the members that only `judge` uses."""

    feature_shape: tuple[int, ...]
    """The shape of one example's features."""

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Examples [B, *shape], labels [B] or None -> features [B, *feature_shape]."""

    def judge(self, features: Tensor, y: Tensor | None = None) -> Tensor:
        """Features [B, *feature_shape], labels [B] or None -> logits [B] float32."""


@runtime_checkable
class JoinsPlayers(Protocol):
    """Networks of which several published players are applied together, such as an encoder and a decoder."""

    def joined(self, players: Nets) -> nn.Module:
        """The network (x [B, *spec.shape], y [B] or None) -> reconstructions [B, *spec.shape].

        players: those that are published, by name. Where y is None and there are classes, it finds the class.
        """


@runtime_checkable
class MeasuresExamples(Protocol):
    """A game that says how well its players describe given examples, such as a VAE's bound on their likelihood."""

    @property
    def meanings(self) -> Mapping[str, tuple[str, str]]:
        """Name of a measure -> ("lower", "higher" or "floor" for what is better, its meaning as a sentence)."""

    def measures(self, nets: Nets, batch: Batch) -> dict[str, Tensor]:
        """Measures [B] by name, without gradients. nets: the published players. Draws come from `batch.draw`."""


@runtime_checkable
class PreparesItself(Protocol):
    """A generator that samples under options of its own, such as the codes of InfoGAN."""

    @property
    def options(self) -> Mapping[str, str]:
        """Name -> meaning, shown to users."""

    def prepared(self, options: dict[str, Any]) -> nn.Module:
        """A generator under these options; this one is not changed. Raises UsageError for values out of range."""


@runtime_checkable
class Truncates(Protocol):
    """A generator with a truncation of its own, in place of narrower latents."""

    def truncated(self, z: Tensor, y: Tensor | None, truncation: float) -> Tensor:
        """z [B, z_dim] as drawn, y [B] int64 or None -> [B, *spec.shape]; 1: as trained, less: more typical."""


@runtime_checkable
class HasStyles(Protocol):
    """A generator that maps latents to styles first, and makes examples of these, as StyleGAN does."""

    count: int
    """How many layers take a style."""

    def styles(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """z [B, z_dim], y [B] int64 or None -> styles [B, count, w_dim]."""

    def synthesis(self, w: Tensor) -> Tensor:
        """Styles [B, count, w_dim] -> examples [B, *spec.shape]."""


def options_of(domain: Any, generator: Any) -> dict[str, str]:
    """Name -> meaning of the options for sampling that a domain or its generator takes."""
    return {**sampling_options(domain), **own_options(generator)}


def own_options(generator: Any) -> dict[str, str]:
    """Name -> meaning of the options that a generator itself takes; empty by default."""
    return dict(generator.options) if isinstance(generator, PreparesItself) else {}


def joined_of(networks: Any, players: Nets) -> nn.Module | None:
    """The network that encodes and decodes examples, from published players; None where these do not."""
    return networks.joined(players) if isinstance(networks, JoinsPlayers) else None
