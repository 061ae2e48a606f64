"""Generators of texts: a recurrent language model whose latents become the uniform numbers that it samples with.

Texts are token numbers [B, L] (see `data.vocabulary`): END = 0 ends a text and fills the rest, 1 is an unknown token.
The same latents give the same text, which changes gradually with the temperature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Chance, Count, check, within
from ganworks.core.spec import Spec
from ganworks.kinds.text.data.vocabulary import END, FIRST, UNKNOWN
from ganworks.kinds.text.networks.critic import MultiViewCritic, TextCritic
from ganworks.kinds.text.networks.memory import RelationalMemory
from ganworks.layers.copies import frozen

State = Any


def vocabulary_size(spec: Spec) -> int:
    """The number of tokens, END and UNKNOWN included. Raises UsageError for data that are not texts."""
    tokens = spec.facts.get("vocabulary", {}).get("tokens") if isinstance(spec.facts.get("vocabulary"), dict) else None
    if not tokens or len(spec.shape) != 1:
        raise UsageError(f"These networks make texts; the data are {spec.kind} of shape {list(spec.shape)}.")
    return len(tokens) + FIRST


def mask(x: Tensor) -> Tensor:
    """Which places of token numbers [B, L] belong to the text, its END included: bool [B, L]."""
    return torch.arange(x.shape[1], device=x.device) <= (x != END).sum(1, keepdim=True)


class RecurrentCore(nn.Module):
    """LSTM or GRU with the interface of `Memory`: embeddings [B, T, E], state -> features [B, T, H], state."""

    def __init__(self, kind: str, embed: int, hidden: int, layers: int):
        super().__init__()
        made = nn.LSTM if kind == "lstm" else nn.GRU
        self.cell = made(embed, hidden, layers, batch_first=True)
        self.width = hidden

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        return self.cell(x, state)

    @staticmethod
    def chosen(state: State, rows: Tensor) -> State:
        """The state of the rows with these indices."""
        if isinstance(state, tuple):
            return tuple(part.index_select(1, rows) for part in state)
        return state.index_select(1, rows)

    @staticmethod
    def joined(states: list[State]) -> State:
        """The states of several batches, concatenated."""
        if isinstance(states[0], tuple):
            return tuple(torch.cat(parts, 1) for parts in zip(*states, strict=True))
        return torch.cat(states, 1)


class TextGenerator(nn.Module):
    """Latents [B, z_dim], labels [B] or None -> token numbers [B, L] as float32.

    Output weights are the input embeddings (Press and Wolf 2017, 1608.05859). Dropout in training acts on embeddings,
    features and words (a word of the input becomes UNKNOWN; Bowman et al. 2016, 1511.06349). With a critic, it draws
    `candidates` texts and chooses one with probabilities in proportion to exp(critic), the residual energy-based model
    of Deng et al. 2020 (2004.11714).
    """

    def __init__(self, net: TextNets, spec: Spec):
        super().__init__()
        self.size, self.length = vocabulary_size(spec), spec.shape[0]
        self.embed = nn.Embedding(self.size + 1, net.embed)  # the last embedding begins a text
        nn.init.normal_(self.embed.weight, std=0.05)
        self.label = nn.Embedding(spec.num_classes, net.embed) if spec.num_classes else None
        self.core = (
            RelationalMemory(net.embed, net.heads, net.head_size, net.slots)
            if net.core == "memory"
            else RecurrentCore(net.core, net.embed, net.hidden, net.layers)
        )
        self.project = nn.Linear(self.core.width, net.embed)
        self.bias = nn.Parameter(torch.zeros(self.size))
        self.drop_in, self.drop_out, self.drop_word = (
            nn.Dropout(net.dropout_in),
            nn.Dropout(net.dropout),
            net.word_dropout,
        )
        self.critic: Any = frozen(net.discriminator(spec)) if net.candidates > 1 else None
        self.temperature, self.candidates = net.temperature, net.candidates

    @property
    def z_dim(self) -> int:
        """Size of the latent: for each candidate, a number for each token and one for the choice."""
        return self.candidates * (self.length + 1)

    def inputs(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Embeddings [B, T, E] of token numbers [B, T], plus those of the labels; UsageError for missing labels."""
        if self.training and self.drop_word:
            gone = (torch.rand(x.shape, device=x.device) < self.drop_word) & (x < self.size)
            x = torch.where(gone, UNKNOWN, x)
        e = functional.embedding(x, self.embed.weight)
        if self.label is not None:
            if y is None:
                raise UsageError(
                    f"This generator writes texts of {self.label.num_embeddings} classes: labels are needed."
                )
            e = e + self.label(y)[:, None]
        return self.drop_in(e)

    def logits(self, h: Tensor) -> Tensor:
        """Features [..., H] -> float32 logits [..., V]."""
        h = self.drop_out(self.project(self.drop_out(h)))
        return functional.linear(h, self.embed.weight[: self.size], self.bias).float()

    def begins(self, rows: int) -> Tensor:
        """The number of the start token, int64 [rows]."""
        return torch.full((rows,), self.size, device=self.bias.device)

    def log_likelihood(self, x: Tensor, y: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
        """log p of the tokens of texts [B, L], END included, float32 [B, L]; 0 after the end.

        smoothing: label smoothing, the share of each target that is spread over all tokens.
        """
        inside = mask(x)
        longest = int(inside.sum(1).max())  # nothing is computed after the end of the longest text
        kept, target = inside[:, :longest], x[:, :longest]
        shifted = torch.cat([self.begins(len(x))[:, None], target[:, :-1]], 1)
        h, _ = self.core(self.inputs(shifted, y))
        losses = functional.cross_entropy(
            self.logits(h[kept]), target[kept], reduction="none", label_smoothing=smoothing
        )
        out = torch.zeros(x.shape, device=x.device)
        out[:, :longest] = torch.zeros(kept.shape, device=x.device).masked_scatter(kept, -losses)
        return out

    def advance(self, tokens: Tensor, y: Tensor | None, state: State) -> tuple[Tensor, State]:
        """One step: tokens [B], labels, state -> logits [B, V] of the next token, and the new state."""
        h, state = self.core(self.inputs(tokens[:, None], y), state)
        return self.logits(h[:, 0]), state

    def chances(self, logits: Tensor, place: int) -> Tensor:
        """Probabilities [B, V] of logits [B, V] at this temperature: 0 for UNKNOWN, and for END at place 0."""
        logits = logits / self.temperature
        logits[:, UNKNOWN] = -math.inf
        if place == 0:
            logits[:, END] = -math.inf
        return logits.softmax(1)

    @staticmethod
    def pick(chances: Tensor, u: Tensor) -> Tensor:
        """The function `pick`, as a method for games."""
        return pick(chances, u)

    @torch.no_grad()
    def sample(self, u: Tensor, y: Tensor | None = None) -> Tensor:
        """Texts int64 [B, L], by inverse transform sampling with uniform numbers u [B, L]."""
        rows, state, tokens = len(u), None, self.begins(len(u))
        out = torch.zeros(rows, self.length, dtype=torch.int64, device=u.device)
        ended = torch.zeros(rows, dtype=torch.bool, device=u.device)
        for place in range(self.length):
            logits, state = self.advance(tokens, y, state)
            tokens = pick(self.chances(logits, place), u[:, place]).masked_fill(ended, END)
            out[:, place] = tokens
            ended |= tokens == END
            if ended.all():
                break
        return out

    def soft_sample(self, u: Tensor, sharpness: float, y: Tensor | None = None) -> Tensor:
        """Soft tokens [B, L, V]: softmax(sharpness (logits + Gumbel noise)), with a gradient; u [B, L, V] is uniform.

        RelGAN (ICLR 2019), equations 4 and 5. The next token depends on the hard token, the largest one; after the
        first END all tokens are END.
        """
        state, tokens, out = None, self.begins(len(u)), []
        ended = torch.zeros(len(u), 1, dtype=torch.bool, device=u.device)
        end = functional.one_hot(torch.zeros(1, dtype=torch.int64, device=u.device), self.size).float()
        for place in range(self.length):
            logits, state = self.advance(tokens, y, state)
            noise = -(-u[:, place].clamp(1e-9, 1 - 1e-7).log()).log()
            drawn = logits + noise
            out.append(torch.where(ended, end, (sharpness * drawn).softmax(1)))
            tokens = drawn.argmax(1).masked_fill(ended[:, 0], END)
            ended = ended | (tokens == END)[:, None]
        return torch.stack(out, 1)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        u = torch.special.ndtr(z).view(len(z) * self.candidates, self.length + 1)
        if self.candidates == 1 or self.critic is None or not self.critic.out.weight.any():
            return self.sample(u[:: self.candidates, : self.length], y).float()  # no choice, or an untrained critic
        several = None if y is None else y.repeat_interleave(self.candidates)
        x = self.sample(u[:, : self.length], several)
        noise = -(-(u[:, -1].clamp(1e-6, 1 - 1e-6)).log()).log()  # Gumbel-max: the argmax is a draw from the softmax
        best = (self.critic(x, several) + noise).view(len(z), -1).argmax(1)
        return x.view(len(z), self.candidates, -1)[torch.arange(len(z), device=z.device), best].float()


def pick(chances: Tensor, u: Tensor) -> Tensor:
    """Tokens int64 [B]: the first whose cumulative probability exceeds u [B] in [0, 1]; chances [B, V]."""
    sums = chances.cumsum(1)
    found = torch.searchsorted(sums, (u * sums[:, -1])[:, None].contiguous(), right=True)[:, 0]
    return found.clamp_max(chances.shape[1] - 1)  # rounding may lead beyond the end


@dataclass(frozen=True)
class TextNets:
    """A recurrent generator of texts G, its copy after the warm start (G_warm), and a critic D.

    core: "lstm", "gru", or "memory" (relational memory of `heads` x `head_size` in `slots`).
    embed: size of a token's embedding in the generator.
    hidden: width of the generator's cells.
    layers: layers of the generator's cells.
    heads: attention heads of the relational memory.
    head_size: size of an attention head of the relational memory.
    slots: slots of the relational memory.
    dropout: dropout on features.
    dropout_in: dropout on embeddings.
    word_dropout: share of input words that are hidden in training.
    candidates: texts drawn for each sample, of which the critic chooses one; 1: no choice.
    temperature: temperature at which texts are drawn, in training for the critic and by default in sampling.
    critic: "windows" (convolutions of widths `d_widths` over embedded tokens, `d_maps` maps each), or "views"
        (RelGAN's: the same over `d_views` scalar embeddings, with one logit for each).
    d_embed: size of a token's embedding in the critic.
    d_widths: widths of the critic's convolutions.
    d_maps: maps of each of the critic's convolutions.
    d_views: scalar embeddings of the critic "views".
    d_dropout: dropout of the critic.
    """

    core: Literal["lstm", "gru", "memory"] = "lstm"
    embed: Count = 256
    hidden: Count = 512
    layers: Count = 1
    heads: Count = 2
    head_size: Count = 256
    slots: Count = 1
    dropout: Chance = 0.5
    dropout_in: Chance = 0.2
    word_dropout: Chance = 0.0
    candidates: Annotated[int, within(1, 64, unit="texts")] = 1
    temperature: Annotated[float, within(0.05, 10)] = 1.0
    critic: Literal["windows", "views"] = "windows"
    d_embed: Count = 64
    d_widths: tuple[Annotated[int, within(1, unit="tokens")], ...] = (1, 2, 3, 4, 5)
    d_maps: Count = 64
    d_views: Count = 64
    d_dropout: Chance = 0.5

    makes: ClassVar[dict[str, str]] = {"G": "sample", "G_warm": "sample"}

    def __post_init__(self) -> None:
        check(self)
        if self.critic == "views" and self.candidates > 1:
            raise UsageError(
                "networks.critic=views has no choice of candidates: set networks.candidates=1, or "
                "networks.critic=windows."
            )

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """New networks {"G", "G_warm", "D"} for `spec`, initialised from torch's global generator."""
        return {"G": TextGenerator(self, spec), "G_warm": TextGenerator(self, spec), "D": self.discriminator(spec)}

    def discriminator(self, spec: Spec) -> nn.Module:
        """A new critic for `spec`."""
        sizes = (self.d_widths, self.d_maps, self.d_dropout)
        return (
            TextCritic(spec, self.d_embed, *sizes)
            if self.critic == "windows"
            else MultiViewCritic(spec, self.d_views, *sizes)
        )
