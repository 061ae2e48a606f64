"""The two-player game for generators that turn latents into styles: style mixing and path length regularisation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from ganworks.core.abilities.encoding import HasStyles
from ganworks.core.contracts import LossFn, Nets, Terms
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Share, Weight, within
from ganworks.core.spec import Batch
from ganworks.games.adversarial import Adversarial
from ganworks.games.penalties import path_lengths


@runtime_checkable
class KeepsPathLength(HasStyles, Protocol):
    """A generator with styles and a buffer for the mean path length.

    z_dim: size of a latent. path_length: a tensor of no dimensions that is saved with G.
    """

    z_dim: int
    path_length: Tensor


@dataclass(frozen=True)
class StyleAdversarial(Adversarial):
    """`Adversarial` for generators with styles (`KeepsPathLength`), as StyleGAN2 plays it.

    mixing: probability that an example takes the styles of a second latent from a random layer on, so that neighbouring
        layers do not learn to rely on each other: StyleGAN (1812.04948), section 3.1. 0: off.
    path: weight of path length regularisation, which makes equal steps of a style change images equally: 1912.04958,
        section 3.2. 0: off.
    path_every: steps from one turn of path lengths to the next; the turn has so many times the weight, and is G's own.
    path_decay: share of a batch in the running mean that lengths are held to.
    path_shrink: a turn of path lengths uses one example of so many, to save memory.
    """

    mixing: Share = 0.9
    path: Weight = 2.0
    path_every: Annotated[int, within(1, 1000, unit="steps")] = 4
    path_decay: Annotated[float, within(above=0, most=1)] = 0.01
    path_shrink: Annotated[int, within(1, 64)] = 2

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], LossFn]]:
        """The turns of `Adversarial`, and on every `path_every`-th step one of path lengths."""
        yield from super().turns(step, progress)
        if self.path and self.train != "D" and step % self.path_every == 0:
            yield ("G",), self.path_turn

    def generated(self, G: Any, batch: Batch) -> Tensor:
        """Generated examples [B, ...] of mixed styles."""
        w = self.mixed(G, batch)
        return G.synthesis(w)

    def mixed(self, G: Any, batch: Batch) -> Tensor:
        """Styles [B, layers, w_dim] of new latents, some with those of a second latent from a random layer on.

        The first layer keeps the first latent. Raises UsageError for a generator without styles.
        """
        if not isinstance(G, KeepsPathLength):
            raise UsageError(
                f"This game needs a generator with styles, such as networks=stylegan2; {type(G).__name__} has none. "
                "game=adversarial goes with all generators."
            )
        w = G.styles(batch.draw.normal(G.z_dim), batch.y)
        layers = w.shape[1]
        if not self.mixing or layers < 2:
            return w
        first = 1 + batch.draw.integers(layers - 1)
        first = torch.where(batch.draw.uniform() < self.mixing, first, layers)
        other = G.styles(batch.draw.normal(G.z_dim), batch.y)
        return torch.where((torch.arange(layers, device=w.device) < first[:, None])[:, :, None], w, other)

    def path_turn(self, nets: Nets, batch: Batch) -> Terms:
        """G's term path [B / path_shrink]: path * path_every * (length - mean length)^2 (1912.04958, equation 4).

        The running mean, G.path_length, moves towards the mean of these lengths first. _length is shown.
        """
        G = nets["G"]
        some = -(-batch.size // self.path_shrink)
        w = self.mixed(G, batch)[:some]
        w = w if w.requires_grad else w.requires_grad_()  # latents themselves may be the styles
        images = G.synthesis(w)
        lengths = path_lengths(images, w, batch.draw.normal(*images.shape[1:])[:some])
        mean = G.path_length + self.path_decay * (lengths.mean() - G.path_length)
        G.path_length.copy_(mean.detach())
        return {"path": self.path * self.path_every * (lengths - mean).square(), "_length": lengths.detach()}
