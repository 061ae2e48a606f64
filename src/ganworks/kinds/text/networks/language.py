"""Generators of texts: a recurrent language model whose latents are the uniform numbers that it samples by.

Texts are numbers [B, L] (`data.text_vocabulary`): END = 0 closes one and fills the rest, 1 stands for an unknown token.
The same latents always give the same text, and a change of temperature changes it smoothly.
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
from ganworks.kinds.text.networks.critic import TextCritic, Views
from ganworks.kinds.text.networks.memory import Memory
from ganworks.layers.copies import frozen

State = Any


def vocabulary_size(spec: Spec) -> int:
    """How many numbers tokens have, END and UNKNOWN included. Raises UsageError for data that are no texts."""
    tokens = spec.facts.get("vocabulary", {}).get("tokens") if isinstance(spec.facts.get("vocabulary"), dict) else None
    if not tokens or len(spec.shape) != 1:
        raise UsageError(f"These networks make texts; the data are {spec.kind} of shape {list(spec.shape)}.")
    return len(tokens) + FIRST


def mask(x: Tensor) -> Tensor:
    """Which places of numbers [B, L] belong to the text, its END included, bool [B, L]."""
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
        """The state of some rows."""
        if isinstance(state, tuple):
            return tuple(part.index_select(1, rows) for part in state)
        return state.index_select(1, rows)

    @staticmethod
    def joined(states: list[State]) -> State:
        """States of several batches one after the other."""
        if isinstance(states[0], tuple):
            return tuple(torch.cat(parts, 1) for parts in zip(*states, strict=True))
        return torch.cat(states, 1)


class TextGenerator(nn.Module):
    """([B, z_dim], [B]) -> numbers [B, L] as float32; in training also log-likelihoods and samples by parts.

    Output weights are the input embeddings (Press and Wolf 2017, 1608.05859). Dropout on embeddings, features and words
    (a word of the input becomes UNKNOWN; Bowman et al. 2016, 1511.06349) in training alone. With a critic, it draws
    `candidates` texts and takes one with chances exp(critic): the residual energy of Deng et al. 2020 (2004.11714).
    """

    def __init__(self, net: TextNets, spec: Spec):
        super().__init__()
        self.size, self.length = vocabulary_size(spec), spec.shape[0]
        self.embed = nn.Embedding(self.size + 1, net.embed)  # the last one begins a text
        nn.init.normal_(self.embed.weight, std=0.05)
        self.label = nn.Embedding(spec.num_classes, net.embed) if spec.num_classes else None
        self.core = (
            Memory(net.embed, net.heads, net.head_size, net.slots)
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
        """A number for each token, and one for the choice, of each candidate."""
        return self.candidates * (self.length + 1)

    def inputs(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Embeddings [B, T, E] of numbers [B, T], with the label's added to each."""
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
        """What stands before the first token, int64 [rows]."""
        return torch.full((rows,), self.size, device=self.bias.device)

    def log_likelihood(self, x: Tensor, y: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
        """log p of every token of numbers [B, L], END included, float32 [B, L]; 0 behind the end.

        smoothing: that share of each target goes to all tokens alike.
        """
        inside = mask(x)
        longest = int(inside.sum(1).max())  # nothing is computed behind the longest text of the batch
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
        """One step: numbers [B] and state -> logits [B, V] of what follows, and the new state."""
        h, state = self.core(self.inputs(tokens[:, None], y), state)
        return self.logits(h[:, 0]), state

    def chances(self, logits: Tensor, place: int) -> Tensor:
        """Chances [B, V] at this temperature; none for UNKNOWN, nor for END where a text begins."""
        logits = logits / self.temperature
        logits[:, UNKNOWN] = -math.inf
        if place == 0:
            logits[:, END] = -math.inf
        return logits.softmax(1)

    @staticmethod
    def pick(chances: Tensor, u: Tensor) -> Tensor:
        """As `pick`, for games."""
        return pick(chances, u)

    @torch.no_grad()
    def sample(self, u: Tensor, y: Tensor | None = None) -> Tensor:
        """Numbers int64 [B, L] by the inverse of the distribution function at uniform u [B, L]."""
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
        """Soft tokens [B, L, V] of uniform u [B, L, V]: softmax(sharpness (logits + Gumbel)), with a gradient.

        RelGAN (ICLR 2019), equations 4 and 5. What follows is conditioned on the hard token, the largest; behind the
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
            return self.sample(u[:: self.candidates, : self.length], y).float()  # no choice, or no opinion yet
        several = None if y is None else y.repeat_interleave(self.candidates)
        x = self.sample(u[:, : self.length], several)
        noise = -(-(u[:, -1].clamp(1e-6, 1 - 1e-6)).log()).log()  # Gumbel: the largest sum is a draw by the weights
        best = (self.critic(x, several) + noise).view(len(z), -1).argmax(1)
        return x.view(len(z), self.candidates, -1)[torch.arange(len(z), device=z.device), best].float()


def pick(chances: Tensor, u: Tensor) -> Tensor:
    """Numbers int64 [B]: the first whose summed chances [B, V] exceed u [B] in [0, 1]."""
    sums = chances.cumsum(1)
    found = torch.searchsorted(sums, (u * sums[:, -1])[:, None].contiguous(), right=True)[:, 0]
    return found.clamp_max(chances.shape[1] - 1)  # where rounding leads beyond the end


@dataclass(frozen=True)
class TextNets:
    """A recurrent generator of texts, the same after its warm start alone (G_warm), and a critic.

    core: "lstm", "gru", or "memory" (relational memory of `heads` x `head_size` in `slots`).
    embed: numbers per embedded token of the generator.
    hidden: width of the generator's cells.
    layers: layers of the generator's cells.
    heads: attention heads of the relational memory.
    head_size: numbers per head of the relational memory.
    slots: slots of the relational memory.
    dropout: dropout on features.
    dropout_in: dropout on embeddings.
    word_dropout: share of input words hidden in training.
    candidates: texts drawn for each one that is given out, by the critic's choice; 1: no choice.
    temperature: temperature at which candidates are drawn, for the critic to learn from and by default afterwards.
    critic: "windows" (convolutions over embedded tokens of widths `d_widths`, `d_maps` maps each), or "views"
        (RelGAN's: the same over `d_views` embeddings of one number each, with one logit for each).
    d_embed: numbers per embedded token of the critic.
    d_widths: widths of the critic's convolutions.
    d_maps: maps of each of the critic's convolutions.
    d_views: embeddings of the critic with "views".
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
            raise UsageError('candidates are chosen between by critic="windows"; with "views" candidates must be 1.')

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """Fresh players {"G", "G_warm", "D"} for `spec`, initialised from torch's global random state."""
        return {"G": TextGenerator(self, spec), "G_warm": TextGenerator(self, spec), "D": self.discriminator(spec)}

    def discriminator(self, spec: Spec) -> nn.Module:
        """A fresh critic of these sizes."""
        sizes = (self.d_widths, self.d_maps, self.d_dropout)
        return TextCritic(spec, self.d_embed, *sizes) if self.critic == "windows" else Views(spec, self.d_views, *sizes)
