"""The game of tables: maximum likelihood for generators that know it, then a critic of packed rows; or CTGAN's game
throughout.

CTGAN (Xu et al. 2019, arXiv 1907.00503): a value of one column is requested from the generator and enforced by
cross-entropy; the critic sees real rows with that value, `pac` at a time (PacGAN, 1712.04086), under WGAN-GP
(1704.00028) with one gradient norm per pack.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import torch
from torch import Tensor

from ganworks.core.contracts import LossFn, Nets, Terms
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Portion, check, within
from ganworks.core.spec import Batch
from ganworks.games.losses import Loss, loss
from ganworks.games.penalties import LabelledCritic, logits_and_gradient_norms, one_centred


def subsets(batch: Batch, choices: int, order: list[int], usual: float) -> Tensor:
    """Which choices are given to the generator, bool [B, choices]: the first k of an order, k uniform from 0 to choices
    - 1.

    A share `usual` of the batch takes the order in which rows are generated, the rest a random one.
    """
    device = batch["x"].device
    count = batch.draw.integers(choices, 1)
    rank = batch.draw.uniform(choices).argsort(1).argsort(1)
    made = torch.empty(choices, dtype=torch.long, device=device)
    made[torch.tensor(order, device=device)] = torch.arange(choices, device=device)
    return torch.where(batch.draw.uniform(1) < usual, made, rank) < count


_TRIES = 8  # draws of the given choices for a likelihood


@dataclass(frozen=True)
class Tabular:
    """Settings of the game.

    likelihood: weight of the negative log-likelihood of rows, in nats per choice (0: none; only `ColumnNetworks` know
        it).
    adversarial_from: fraction of the budget after which the critic joins (0: at once, 1: never).
    gan: weight of G's adversarial term.
    loss: a name from `losses.LOSSES`.
    gp: weight of the gradient penalty.
    n_critic: D turns per G turn.
    asked: weight of the cross-entropy on the requested value (CTGAN).
    usual: share of rows whose likelihood is learnt in the order in which rows are generated.
    """

    likelihood: Annotated[float, within(0)] = 1.0
    adversarial_from: Portion = 1.0
    gan: Annotated[float, within(0)] = 1.0
    loss: str = "wasserstein"
    gp: Annotated[float, within(0)] = 10.0
    n_critic: Annotated[int, within(1, 1000)] = 1
    asked: Annotated[float, within(0)] = 0.0
    usual: Annotated[float, within(0, 1, unit="share of the rows")] = 0.5

    def __post_init__(self) -> None:
        check(self)
        loss(self.loss)
        if not self.likelihood and self.adversarial_from > 0:
            raise UsageError(
                "Without likelihood nothing is learnt before game.adversarial_from: set game.adversarial_from=0."
            )

    @cached_property
    def _loss(self) -> Loss:
        return loss(self.loss)

    @property
    def phases(self) -> tuple[float, ...]:
        """Fractions of the budget at which the turns change."""
        return (0.0, self.adversarial_from) if 0 < self.adversarial_from < 1 else (0.0,)

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], LossFn]]:
        """G alone until `adversarial_from`, then D and G."""
        if (self.likelihood and progress < self.adversarial_from) or self.adversarial_from == 1:
            yield ("G",), self.likelihood_turn
            return
        for _ in range(self.n_critic):
            yield ("D",), self.critic_turn
        yield ("G",), self.generator_turn

    def likelihood_turn(self, nets: Nets, batch: Batch) -> Terms:
        """G's negative log-likelihood [B] in nats per choice."""
        G, x = nets["G"], batch["x"]
        if not hasattr(G, "surprise"):
            raise UsageError("These networks have no likelihood: set game.likelihood=0, or use `ColumnNetworks`.")
        choices = len(G.layout.sizes)
        return {"nats": self.likelihood / choices * G.surprise(x, subsets(batch, choices, G.order, self.usual))}

    def likelihood_of(self, nets: Nets, batch: Batch) -> Tensor | None:
        """The log-likelihood [B] of rows in nats per choice, each choice given random others; None: G knows none."""
        G, x = nets["G"], batch["x"]
        if not hasattr(G, "surprise"):
            return None
        choices = len(G.layout.sizes)
        tries = [G.surprise(x, subsets(batch, choices, G.order, self.usual)) for _ in range(_TRIES)]
        return -torch.stack(tries).mean(0) / choices

    def critic_turn(self, nets: Nets, batch: Batch) -> Terms:
        """D's terms, one per pack."""
        G, D = nets["G"], nets["D"]
        with torch.no_grad():
            fake = self._fake(G, batch, soft=False)[0]
        packs = [_packed(x, D.pac) for x in (self._real(G, batch), fake)]
        r, f = D(torch.cat(packs)).chunk(2)
        terms = {"d_loss": self._loss.discriminator(r, f)}
        if self.gp:
            between = packs[0] + batch.draw.uniform(1, 1)[: len(r)] * (packs[1] - packs[0])
            norms = logits_and_gradient_norms(LabelledCritic(D), between)[1]
            terms["gp"] = one_centred(norms, self.gp)
        return {**terms, "_real": r.detach(), "_fake": f.detach()}

    def generator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """G's terms: adversarial per pack, cross-entropy on the requested value, likelihood."""
        G, D = nets["G"], nets["D"]
        fake, asked = self._fake(G, batch, soft=True)
        f, r = D(_packed(fake, D.pac)), None
        if self._loss.paired:
            with torch.no_grad():
                r = D(_packed(self._real(G, batch), D.pac))
        terms = {"g_loss": self.gan * self._loss.generator(r, f), "_fake": f.detach()}
        if asked is not None and self.asked:
            terms["asked"] = self.asked * asked
        if self.likelihood:
            terms |= self.likelihood_turn(nets, batch)
        return terms

    def _fake(self, G: Any, batch: Batch, soft: bool) -> tuple[Tensor, Tensor | None]:
        """(generated rows followed by the vector of their condition, cross-entropy [B] on the requested value or
        None).
        """
        z = batch.draw.normal(G.z_dim)
        if hasattr(G, "surprise"):
            return G.rows(z, soft=soft), None
        if not G.asked:
            return G.rows(z), None
        asked = self._drawn(batch)
        if asked is None:  # without training by sampling, codes are as frequent as in the data
            asked = torch.stack(G.draw(len(z), z.device), 1)
        condition = G.condition(*asked.unbind(1))
        x, logits = G.made(z, condition)
        return torch.cat([x, condition], 1), _disagreement(G, logits, asked)

    def _real(self, G: Any, batch: Batch) -> Tensor:
        """Real rows followed by the vector of the condition they were chosen by, or of one of their own values."""
        x = batch["x"]
        if hasattr(G, "surprise") or not G.asked:
            return x
        asked = self._drawn(batch)
        if asked is None:
            blocks = torch.tensor(list(G.asked), device=x.device)[batch.draw.integers(len(G.asked), 1)[:, 0]]
            parts = x[:, : G.layout.codes].split(list(G.layout.sizes), 1)
            codes = torch.stack([part.argmax(1) for part in parts], 1)
            asked = torch.stack([blocks, codes.gather(1, blocks[:, None])[:, 0]], 1)
        return torch.cat([x, G.condition(*asked.unbind(1))], 1)

    @staticmethod
    def _drawn(batch: Batch) -> Tensor | None:
        """(choice, code) [B, 2] by which the domain chose the rows; None if rows were not chosen by value."""
        return batch.get("asked") if batch["x"] is not None else None


def _packed(x: Tensor, pac: int) -> Tensor:
    """[B, D] -> [B / pac, pac, D]; raises UsageError unless pac divides B."""
    if len(x) % pac:
        raise UsageError(f"batch={len(x)} (for each process and slice) is no multiple of networks.pac={pac}.")
    return x.view(len(x) // pac, pac, x.shape[1])


def _disagreement(G: Any, logits: Tensor, asked: Tensor) -> Tensor:
    """Cross-entropy [B] of the logits with the requested code of the requested choice (1907.00503, section 4.3)."""
    starts, sizes = (torch.tensor(v, device=logits.device) for v in (G.layout.starts, G.layout.sizes))
    first, size = starts[asked[:, 0]][:, None], sizes[asked[:, 0]][:, None]
    place = torch.arange(logits.shape[1], device=logits.device)[None]
    inside = logits.masked_fill((place < first) | (place >= first + size), -torch.inf)
    return inside.logsumexp(1) - logits.gather(1, first + asked[:, 1:])[:, 0]
