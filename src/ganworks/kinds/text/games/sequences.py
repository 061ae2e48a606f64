"""The game of texts: G learns by maximum likelihood, then a critic D learns, then G learns from rewards by D.

In SeqGAN (Yu et al. 2017, 1609.05473) the generator is a policy that REINFORCE trains with the critic's output as its
reward. In MaliGAN (Che et al. 2017, 1702.07983) the reward is the density ratio, normalised over the batch. Either may
keep a maximum likelihood term, without which diversity is lost (Caccia et al. 2020, 1811.02549).
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
from ganworks.core.schema.declare import Chance, Portion, check, within
from ganworks.core.spec import Batch
from ganworks.games.losses import Loss, loss
from ganworks.kinds.text.games.rollouts import completions, rewards
from ganworks.kinds.text.networks.language import mask
from ganworks.layers.copies import take_over

Made = list[tuple[Tensor, Tensor | None]]
_EVERY = 10  # steps between copies of G into G_warm


@contextmanager
def evaluation_mode(net: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block: no dropout."""
    was = net.training
    net.eval()
    try:
        yield
    finally:
        net.train(was)


@dataclass(frozen=True)
class Sequences:
    """Settings of the game. batch["x"] holds texts as token numbers [B, L].

    critic_from: fraction of the budget in which G learns alone by maximum likelihood; then D learns alone.
    adversarial_from: fraction of the budget from which both learn; 1: never.
    reward: reward of a text: "chance" is D's probability that it is real (SeqGAN); "ratio" is exp(logit) over its mean
        in the batch (MaliGAN).
    rollouts: completions of each prefix, whose mean reward is that of its last token; 0: all tokens have the reward of
        their text.
    policy: weight of the policy gradient.
    anchor: weight of maximum likelihood in the adversarial stage.
    smoothing: label smoothing of the targets of maximum likelihood.
    loss: D's loss, a name from `losses.LOSSES`.
    d_steps: turns of D for each turn of G.
    """

    critic_from: Portion = 0.6
    adversarial_from: Portion = 0.7
    reward: Literal["chance", "ratio"] = "chance"
    rollouts: Annotated[int, within(0, 64)] = 0
    policy: Annotated[float, within(0)] = 1.0
    anchor: Annotated[float, within(0)] = 1.0
    smoothing: Chance = 0.0
    loss: str = "non-saturating"
    d_steps: Annotated[int, within(1, 100)] = 1

    def __post_init__(self) -> None:
        check(self)
        loss(self.loss)
        if self.critic_from > self.adversarial_from:
            raise UsageError(
                "critic_from and adversarial_from are fractions of the budget, the first at most the second; not "
                f"{self.critic_from} and {self.adversarial_from}."
            )
        if not (self.policy or self.anchor):
            raise UsageError("policy and anchor cannot both be 0: G would have nothing to learn from.")

    @cached_property
    def _loss(self) -> Loss:
        return loss(self.loss)

    @property
    def phases(self) -> tuple[float, ...]:
        """The fractions of the budget at which a stage begins."""
        return tuple(sorted({0.0, *(p for p in (self.critic_from, self.adversarial_from) if 0 < p < 1)}))

    def turns(self, step: int, progress: float) -> Iterator[tuple[tuple[str, ...], Callable[[Nets, Batch], Terms]]]:
        """The turns of a step: G by likelihood; later D alone; later D, then G on the texts that D has just seen."""
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
        """Copy D's weights into the critic within G, if there is one."""
        inner = getattr(nets["G"], "critic", None)
        if inner is not None and "D" in players:
            take_over(inner, nets["D"])

    def likelihood_turn(self, nets: Nets, batch: Batch, keep: bool = False) -> Terms:
        """The term nll [B]: minus the log-likelihood of each text in nats, scaled to the mean over all tokens.

        keep: copy G into G_warm, and its embeddings into D.
        """
        if keep:
            take_over(nets["G_warm"], nets["G"])
            if hasattr(nets["D"], "begin"):
                nets["D"].begin(nets["G"].embed.weight)
        return {"nll": self._nll(nets["G"], batch)}

    def _nll(self, G: Any, batch: Batch) -> Tensor:
        """Minus the log-likelihood of the texts [B], scaled so that its mean is that over all tokens of the batch."""
        x = batch["x"]
        found = G.log_likelihood(x, batch.y, self.smoothing)
        return -found.sum(1) * (len(x) / tokens(x).sum())

    def made(self, nets: Nets, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Texts of G without dropout as token numbers [B, L], and the labels [B] they were made for."""
        G = nets["G"]
        y = batch.y
        with evaluation_mode(G):
            return G.sample(batch.draw.uniform(G.length), y), y

    def discriminator_turn(self, nets: Nets, batch: Batch, made: Made, keep: bool = False) -> Terms:
        """The term d_loss [B]; _real and _fake are the logits [B]. made: receives the generated texts."""
        if keep:
            take_over(nets["G_warm"], nets["G"])
        fake, y = self.made(nets, batch)
        made.append((fake, y))
        logits = nets["D"](torch.cat([batch["x"], fake]), None if y is None else torch.cat([y, y]))
        r, f = logits.chunk(2)
        return {"d_loss": self._loss.discriminator(r, f), "_real": r.detach(), "_fake": f.detach()}

    def generator_turn(self, nets: Nets, batch: Batch, made: Made) -> Terms:
        """The terms policy [B] and, with `anchor`, nll [B]; _fake is the logits [B]."""
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
        """Advantages [B, L], rewards minus their mean in the batch (at each place with rollouts); D's logits [B]."""
        G, D, inside = nets["G"], nets["D"], text_mask(x)
        with evaluation_mode(D), evaluation_mode(G):
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


def text_mask(x: Tensor) -> Tensor:
    """1 where token numbers [B, L] belong to the text, its END included, else 0; float32 [B, L]."""
    return mask(x).float()


def tokens(x: Tensor) -> Tensor:
    """The number of tokens of each text [B], END included."""
    return text_mask(x).sum(1)
