"""One-sided contrastive translation: CUT and FastCUT, Park et al. 2020 (2007.15651).

Each patch of the output must be more similar to the input patch at its own place than to other input patches (PatchNCE,
equation 4). That preserves the content with one generator and without a cycle. Patches are features of the generator's
own encoder at several depths; a small MLP for each depth (the player GF) maps them to the space of comparison.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ganworks.core.contracts import LossFn, Nets, Terms
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Share, Weight, check, within
from ganworks.core.spec import Batch, Draw
from ganworks.games.losses import Loss, unpaired
from ganworks.games.patches import discriminator_terms, distance, generator_terms, per_example
from ganworks.games.penalties import r1
from ganworks.kinds.images.shared.palette import painted


def positions(maps: Sequence[Tensor], count: int, draw: Draw) -> list[Tensor]:
    """For each map [B, c, h, w], places to compare: int64 [B, P] in 0..h*w-1, all different; P = min(count, h*w)."""
    places = [m.shape[2] * m.shape[3] for m in maps]
    return [draw.uniform(n).topk(min(count, n), dim=1).indices for n in places]


def patches(maps: Sequence[Tensor], at: Sequence[Tensor]) -> list[Tensor]:
    """Features [B, P, c] of maps [B, c, h, w] at the places [B, P]."""
    out = []
    for m, places in zip(maps, at, strict=True):
        rows = torch.arange(len(m), device=m.device)[:, None]
        out.append(m.permute(0, 2, 3, 1).flatten(1, 2)[rows, places])
    return out


def encoder_input(G: Any, x: Tensor) -> Tensor:
    """The input of G's encoder [B, C, H, W]: x, or, where x consists of class planes, x painted in their colours."""
    table = getattr(G, "table", None)
    return x if table is None or x.shape[1] == table.shape[1] else painted(x, table)


def nce(queries: Tensor, keys: Tensor, temperature: float, across: bool = False) -> Tensor:
    """InfoNCE [B] of queries and keys [B, P, c] of length 1: equation 3, the mean over the P places.

    The positive key of a query is that of its own place. The negatives are the other keys of the same image, or of the
    whole batch (across). No gradient reaches the keys.
    """
    count, places, _ = queries.shape
    q, k = queries.float(), keys.detach().float()
    if across:
        q, k = (v.reshape(1, count * places, -1) for v in (q, k))
    with torch.autocast(q.device.type, enabled=False):
        logits = q @ k.transpose(1, 2) / temperature
    own = torch.arange(logits.shape[2], device=q.device).expand(logits.shape[:2])
    losses = F.cross_entropy(logits.flatten(0, 1), own.flatten(), reduction="none")
    return losses.view(count, places).mean(1)


@dataclass(frozen=True)
class ContrastiveGame:
    """Settings of the game.

    loss: a name from `games.losses.LOSSES`.
    nce: weight of PatchNCE.
    identity: share of PatchNCE that compares real targets with G's output for them (CUT 0.5, FastCUT 0).
    l1: weight of the L1 distance between real targets and G's output for them (SinCUT).
    patches: places compared in each layer, at most.
    temperature: temperature of PatchNCE (equation 3).
    negatives: other places of the same "image", or of all images in the "batch" (SinCUT).
    flip: share of the sources that G sees mirrored; its features are mirrored back (FastCUT 0.5).
    noise: standard deviation of the Gaussian noise on all of D's inputs (Sonderby et al. 2016, 1610.04490); D then
        scores what is where rather than how sharp an edge or how exact a colour is.
    r1: gamma of the zero-centred gradient penalty on real images, for the mean of the patch logits; 0: off.

    Weights are relative to `games.losses`, whose least squares loss for G is half the published one: CUT's 1 is 0.5
    here, FastCUT's 10 is 5.
    """

    loss: str = "least-squares"
    nce: Annotated[float, within(0, 10_000)] = 0.5
    identity: Share = 0.5
    l1: Annotated[float, within(0, 10_000)] = 0.0
    patches: Annotated[int, within(1, 4096, unit="places")] = 256
    temperature: Annotated[float, within(1e-3, 100)] = 0.07
    negatives: Literal["image", "batch"] = "image"
    flip: Share = 0.0
    noise: float = 0.0
    r1: Weight = 0.0

    def __post_init__(self) -> None:
        check(self, "game.")
        _ = self._loss
        if self.patches == 1 and self.negatives == "image":
            raise UsageError('game.patches=1 leaves nothing to compare within an image; give game.negatives="batch".')

    @cached_property
    def _loss(self) -> Loss:
        return unpaired(self.loss)

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], LossFn]]:
        """G and the heads together, then D, on the images that G just made."""
        yield ("G", "GF"), self.generator_turn
        yield ("D",), self.discriminator_turn

    def generator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """Terms of G and GF, each [B]: g_loss, nce and, where weighted, identity and l1."""
        G, D = nets["G"], nets["D"]
        src, x, count = batch["src"], encoder_input(G, batch["x"]), len(batch["src"])
        given = torch.cat([src, x]) if self.identity or self.l1 else src
        if self.flip:
            mirrored = (batch.draw.uniform() < self.flip)[:, None, None, None]
            mirrored = torch.cat([mirrored, torch.zeros_like(mirrored)])[: len(given)]
            made, maps = G(torch.where(mirrored, given.flip(3), given)), None
        else:
            mirrored = None
            made, maps = G.traced(given)
        D.remember(made[:count].detach())
        logits = D(self._noisy(made[:count], batch.draw))
        terms = {"g_loss": generator_terms(self._loss, None, logits)}
        compared = given if self.identity else src
        costs = self.contrast(nets, compared, made[: len(compared)], batch.draw, mirrored, maps).split(count)
        terms["nce"] = self.nce * (1 - self.identity) * costs[0]
        if self.identity:
            terms["identity"] = self.nce * self.identity * costs[1]
        if self.l1:
            terms["l1"] = self.l1 * distance(made[count:], batch["x"])
        return {**terms, "_fake": per_example(logits).detach()}

    def contrast(
        self,
        nets: Nets,
        given: Tensor,
        made: Tensor,
        draw: Draw,
        mirrored: Tensor | None = None,
        maps: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """PatchNCE [n] between images `given` and G's outputs `made`, the mean over the layers of `G.encode`.

        n: the size of one batch, or of several joined, which are compared at the same places. mirrored [n, 1, 1, 1]:
        whether `made` comes from the mirrored image. maps: the result of `G.encode(given)`, where it is known already.
        """
        G, GF, count = nets["G"], nets["GF"], len(made)
        with torch.no_grad():
            maps = G.encode(given) if maps is None else [m[:count].detach() for m in maps]
            places = positions(maps, self.patches, draw)
            size = len(places[0])
            at = [p.repeat(count // size, 1) for p in places]
            keys = GF(patches(maps, at))
        maps = G.encode(encoder_input(G, made).to(given.dtype).contiguous(memory_format=torch.channels_last))
        if mirrored is not None:
            maps = [torch.where(mirrored[:count], m.flip(3), m) for m in maps]
        queries = GF(patches(maps, at))
        layers = [self._nce(q, k, size) for q, k in zip(queries, keys, strict=True)]
        return torch.stack(layers).mean(0)

    def _nce(self, queries: Tensor, keys: Tensor, size: int) -> Tensor:
        """`nce` with negatives of the same image, or of each batch of `size` images."""
        if self.negatives == "image":
            return nce(queries, keys, self.temperature)
        parts = zip(queries.split(size), keys.split(size), strict=True)
        return torch.cat([nce(q, k, self.temperature, across=True) for q, k in parts])

    def _noisy(self, x: Tensor, draw: Draw) -> Tensor:
        return x + self.noise * draw.normal(*x.shape[1:]).to(x.dtype) if self.noise else x

    def discriminator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """D's terms, each [B]: d_loss and, where weighted, r1; _real and _fake are the mean logits."""
        D, real = nets["D"], batch["x"]
        fake = D.recall(len(real), batch.draw, 0.0).to(real.dtype).contiguous(memory_format=torch.channels_last)
        shown = torch.cat([self._noisy(real, batch.draw), self._noisy(fake, batch.draw)])
        r, f = D(shown).split(len(real))
        terms = {"d_loss": discriminator_terms(self._loss, r, f)}
        if self.r1:
            terms["r1"] = r1(lambda x: per_example(D(x)), real, self.r1)
        return {**terms, "_real": per_example(r).detach(), "_fake": per_example(f).detach()}
