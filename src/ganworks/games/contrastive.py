"""One-sided translation by contrast: CUT and FastCUT, Park et al. 2020 (2007.15651).

A patch of the output must be recognised among the patches of the input as the one from its own place (PatchNCE,
equation 4): that keeps the content with one generator and no way back. Patches are features of the generator's own
encoder at several depths, compared after a small perceptron for each depth (the player GF).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ganworks.data.spec import Batch, Draw
from ganworks.errors import UsageError
from ganworks.games.losses import Loss, loss
from ganworks.games.patches import discriminator_terms, generator_terms, per_example
from ganworks.games.penalties import r1

Nets = dict[str, Any]
Terms = dict[str, Tensor]
LossFn = Callable[[Nets, Batch], Terms]

RANGES = {
    "nce": (0, 1e4),
    "identity": (0, 1),
    "l1": (0, 1e4),
    "flip": (0, 1),
    "patches": (2, 4096),
    "temperature": (1e-3, 100),
    "r1": (0, 1e6),
}


def positions(maps: Sequence[Tensor], count: int, draw: Draw) -> list[Tensor]:
    """For each map [B, c, h, w] the places to compare, int64 [B, P] in 0..h*w-1, all different; P = min(count, h*w)."""
    places = [m.shape[2] * m.shape[3] for m in maps]
    return [draw.uniform(n).topk(min(count, n), dim=1).indices for n in places]


def patches(maps: Sequence[Tensor], at: Sequence[Tensor]) -> list[Tensor]:
    """Features [B, P, c] of maps [B, c, h, w] at the places [B, P]."""
    out = []
    for m, places in zip(maps, at, strict=True):
        rows = torch.arange(len(m), device=m.device)[:, None]
        out.append(m.permute(0, 2, 3, 1).flatten(1, 2)[rows, places])
    return out


def nce(queries: Tensor, keys: Tensor, temperature: float, across: bool = False) -> Tensor:
    """InfoNCE [B] of queries and keys [B, P, c] of length 1: equation 3, the mean over the P places.

    The key of a query is the one from its own place; the others are those of the same image, or of the whole batch
    (across). No gradient reaches the keys.
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
class Contrastive:
    """Settings of the game.

    loss: a name from `losses.LOSSES`. nce: weight of PatchNCE. identity: its share that compares real targets with
    what G makes of them (CUT 0.5, FastCUT 0). l1: weight of the L1 distance between these (SinCUT).
    patches: places compared for each layer, at most. temperature: of equation 3.
    negatives: other places of the same "image", or of all images in the "batch" (SinCUT).
    flip: share of the sources that G sees mirrored, its features being mirrored back (FastCUT 0.5).
    r1: gamma of the zero-centred penalty on real images, of the mean over the patches; 0: off.

    Weights are relative to losses.py, whose least squares for G is half the published one: CUT's 1 is 0.5 here,
    FastCUT's 10 is 5.
    """

    loss: str = "least-squares"
    nce: float = 0.5
    identity: float = 0.5
    l1: float = 0.0
    patches: int = 256
    temperature: float = 0.07
    negatives: Literal["image", "batch"] = "image"
    flip: float = 0.0
    r1: float = 0.0

    def __post_init__(self) -> None:
        if loss(self.loss).paired:
            raise UsageError(f"game.loss={self.loss} compares pairs; unpaired images have none. Try hinge.")
        if self.negatives not in ("image", "batch"):
            raise UsageError(f"game.negatives must be image or batch, not {self.negatives!r}.")
        for name, (least, most) in RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise UsageError(f"game.{name} must lie between {least} and {most}, not {getattr(self, name)}.")

    @cached_property
    def _loss(self) -> Loss:
        return loss(self.loss)

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], LossFn]]:
        """D, then G and the heads together."""
        yield ("D",), self.discriminator_turn
        yield ("G", "GF"), self.generator_turn

    def discriminator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """D's terms [B]: d_loss, and r1 where asked for; _real and _fake are the mean logits."""
        G, D = nets["G"], nets["D"]
        real = batch["x"]
        with torch.no_grad():
            fake = G(batch["src"]).to(real.dtype)
        r, f = D(torch.cat([real, fake])).split(len(real))
        terms = {"d_loss": discriminator_terms(self._loss, r, f)}
        if self.r1:
            terms["r1"] = r1(lambda x: per_example(D(x)), real, self.r1)
        return {**terms, "_real": per_example(r).detach(), "_fake": per_example(f).detach()}

    def generator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """Terms [B] of G and GF: g_loss, nce, and identity and l1 where asked for."""
        G, D = nets["G"], nets["D"]
        src, count = batch["src"], len(batch["src"])
        mirrored = (batch.draw.uniform() < self.flip)[:, None, None, None] if self.flip else None
        given = src if mirrored is None else torch.where(mirrored, src.flip(3), src)
        again = bool(self.identity or self.l1)
        made = G(torch.cat([given, batch["x"]])) if again else G(given)
        fake = made[:count]
        logits = D(fake)
        terms = {
            "g_loss": generator_terms(self._loss, None, logits),
            "nce": self.nce * (1 - self.identity) * self.contrast(nets, src, fake, batch.draw, mirrored),
        }
        if self.identity:
            same = self.contrast(nets, batch["x"], made[count:], batch.draw)
            terms["identity"] = self.nce * self.identity * same
        if self.l1:
            terms["l1"] = self.l1 * (made[count:].float() - batch["x"].float()).abs().flatten(1).mean(1)
        return {**terms, "_fake": per_example(logits).detach()}

    def contrast(self, nets: Nets, src: Tensor, made: Tensor, draw: Draw, mirrored: Tensor | None = None) -> Tensor:
        """PatchNCE [B] between images and what G made of them, the mean over the layers of `G.encode`.

        mirrored [B, 1, 1, 1]: where `made` stems from the mirrored image.
        """
        G, GF = nets["G"], nets["GF"]
        with torch.no_grad():
            maps = G.encode(src)
            at = positions(maps, self.patches, draw)
            keys = GF(patches(maps, at))
        maps = G.encode(made)
        if mirrored is not None:
            maps = [torch.where(mirrored, m.flip(3), m) for m in maps]
        queries = GF(patches(maps, at))
        pairs = zip(queries, keys, strict=True)
        return torch.stack([nce(q, k, self.temperature, self.negatives == "batch") for q, k in pairs]).mean(0)
