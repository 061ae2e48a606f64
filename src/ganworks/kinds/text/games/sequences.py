"""The game of texts: maximum likelihood first, then a critic, then rewards from it.

SeqGAN (Yu et al. 2017, 1609.05473): the generator is a policy, the critic's output its reward, REINFORCE its gradient.
MaliGAN (Che et al. 2017, 1702.07983): rewards are the density ratio, normalised over the batch. Both may keep maximum
likelihood beside the reward, without which diversity is lost (Caccia et al. 2020, 1811.02549).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from ganworks.core.contracts import Nets, Terms
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Chance, Portion, check
from ganworks.core.schema.declare import within as between
from ganworks.core.spec import Batch
from ganworks.games.losses import Loss, loss
from ganworks.kinds.text.games.rollouts import completions, rewards
from ganworks.kinds.text.networks.language import mask
from ganworks.layers.copies import take_over

Made = list[tuple[Tensor, Tensor | None]]
_EVERY = 10  # steps between copies of the warm generator


@contextmanager
def still(net: nn.Module) -> Iterator[None]:
    """Without dropout inside."""
    was = net.training
    net.eval()
    try:
        yield
    finally:
        net.train(was)


@dataclass(frozen=True)
class Sequences:
    """Settings of the game. batch["x"] are texts as numbers [B, L].

    critic_from: fraction of the budget up to which G learns by maximum likelihood alone; then D learns alone to tell
        its texts from real ones.
    adversarial_from: fraction of the budget from which both learn; 1: never.
    reward: "chance" is D's chance that a text is real (SeqGAN); "ratio" is exp(logit) over its mean in the batch
        (MaliGAN).
    rollouts: completions of every prefix that a token's reward is the mean of; 0: all tokens share that of their text.
    policy: weight of the reward.
    anchor: weight of maximum likelihood beside the reward, in the adversarial stage.
    smoothing: label smoothing of the targets of maximum likelihood.
    loss: D's loss, a name from `losses.LOSSES`.
    d_steps: D turns for one of G.
    """

    critic_from: Portion = 0.6
    adversarial_from: Portion = 0.7
    reward: Literal["chance", "ratio"] = "chance"
    rollouts: Annotated[int, between(0, 64)] = 0
    policy: Annotated[float, between(0)] = 1.0
    anchor: Annotated[float, between(0)] = 1.0
    smoothing: Chance = 0.0
    loss: str = "non-saturating"
    d_steps: Annotated[int, between(1, 100)] = 1

    def __post_init__(self) -> None:
        check(self)
        loss(self.loss)
        if self.critic_from > self.adversarial_from:
            raise UsageError(
                "critic_from and adversarial_from are fractions of the budget, the first at most the second; not "
                f"{self.critic_from} and {self.adversarial_from}."
            )
        if not (self.policy or self.anchor):
            raise UsageError("policy and anchor are both 0: G would have nothing to learn from.")

    @cached_property
    def _loss(self) -> Loss:
        return loss(self.loss)

    @property
    def phases(self) -> tuple[float, ...]:
        """Fractions of the budget where the turns change."""
        return tuple(sorted({0.0, *(p for p in (self.critic_from, self.adversarial_from) if 0 < p < 1)}))

    def turns(self, step: int, progress: float) -> Iterator[tuple[tuple[str, ...], Callable[[Nets, Batch], Terms]]]:
        """G by likelihood; D alone; D, then G on the texts that D has just seen."""
        if progress < self.critic_from or self.critic_from == 1:
            yield ("G",), partial(self.likelihood_turn, keep=step % _EVERY == 0)
            return
        moving = progress >= self.adversarial_from and self.adversarial_from < 1
        for k in range(self.d_steps):
            made: Made = []
            yield ("D",), partial(self.discriminator_turn, made=made, keep=not moving and k == 0)
        if moving:
            yield ("G",), partial(self.generator_turn, made=made)

    def after(self, nets: Nets, players: tuple[str, ...]) -> None:
        """The critic within G takes over D's weights."""
        inner = getattr(nets["G"], "critic", None)
        if inner is not None and "D" in players:
            take_over(inner, nets["D"])

    def likelihood_turn(self, nets: Nets, batch: Batch, keep: bool = False) -> Terms:
        """nll: minus the log-likelihood per token of each text, in nats [B]. keep: G_warm becomes what G is
        now, and D takes over its embeddings."""
        if keep:
            take_over(nets["G_warm"], nets["G"])
            if hasattr(nets["D"], "begin"):
                nets["D"].begin(nets["G"].embed.weight)
        return {"nll": self._nll(nets["G"], batch)}

    def _nll(self, G: Any, batch: Batch) -> Tensor:
        """[B], whose mean is that of all tokens of the batch."""
        x = batch["x"]
        found = G.log_likelihood(x, batch.y, self.smoothing)
        return -found.sum(1) * (len(x) / tokens(x).sum())

    def made(self, nets: Nets, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Texts of G as it is, numbers [B, L], and the labels that they were asked for."""
        G = nets["G"]
        y = batch.y
        with still(G):
            return G.sample(batch.draw.uniform(G.length), y), y

    def discriminator_turn(self, nets: Nets, batch: Batch, made: Made, keep: bool = False) -> Terms:
        """d_loss [B]; _real and _fake are the logits. made: receives the texts that D saw."""
        if keep:
            take_over(nets["G_warm"], nets["G"])
        fake, y = self.made(nets, batch)
        made.append((fake, y))
        logits = nets["D"](torch.cat([batch["x"], fake]), None if y is None else torch.cat([y, y]))
        r, f = logits.chunk(2)
        return {"d_loss": self._loss.discriminator(r, f), "_real": r.detach(), "_fake": f.detach()}

    def generator_turn(self, nets: Nets, batch: Batch, made: Made) -> Terms:
        """policy [B], and nll [B] where anchored; _fake is the logits."""
        G, (x, y) = nets["G"], made.pop(0)
        terms: Terms = {}
        if self.policy:
            gains, logits = self.advantages(nets, x, y, batch)
            found = G.log_likelihood(x, y)
            terms = {"policy": -self.policy * (gains * found).sum(1) * (len(x) / tokens(x).sum()), "_fake": logits}
        if self.anchor:
            terms["nll"] = self.anchor * self._nll(G, batch)
        return terms

    @torch.no_grad()
    def advantages(self, nets: Nets, x: Tensor, y: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        """What each token [B, L] gained above the mean of the batch at its place, and D's logits [B]."""
        G, D, inside = nets["G"], nets["D"], within(x)
        with still(D), still(G):
            logits = D(x, y).float()
            if not self.rollouts:
                return (self.worth(logits) - self.worth(logits).mean())[:, None] * inside, logits
            u = batch.draw.uniform(self.rollouts, G.length, G.length)
            texts, owner, last = completions(G, x, y, u, G.pick)
            found = torch.cat([D(part, None if y is None else y[whose]).float()
                               for part, whose in zip(texts.split(1024), owner.split(1024), strict=True)])  # fmt: skip
        both = self.worth(torch.cat([logits, found]))
        each = rewards(both[: len(x)], both[len(x) :], owner, last, x)
        middle = (each * inside).sum(0) / inside.sum(0).clamp_min(1)
        return (each - middle) * inside, logits

    def worth(self, logits: Tensor) -> Tensor:
        """Rewards [N] of texts by their logits [N]."""
        return logits.sigmoid() if self.reward == "chance" else logits.softmax(0) * len(logits)


def within(x: Tensor) -> Tensor:
    """1 where numbers [B, L] belong to the text, its END included, else 0; float32 [B, L]."""
    return mask(x).float()


def tokens(x: Tensor) -> Tensor:
    """Tokens of each text [B], END included."""
    return within(x).sum(1)
