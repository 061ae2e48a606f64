"""Generators of tables and their critic, on rows encoded by `TableLayout`.

`ColumnNetworks` generates a row choice by choice: each choice is drawn given the earlier ones, by one network that
accepts any subset of the columns as given (an order-agnostic autoregressive model, Uria, Murray, Larochelle 2014,
1310.1757; Hoogeboom et al. 2022, 2110.02037). So any column can be a condition, and the likelihood of a row is known.
`CTGAN` holds the networks of Xu et al. 2019 (1907.00503, section 4.4): all columns at once from noise and a condition.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganworks.core.schema.declare import Chance, Count, Width, check, within
from ganworks.core.spec import Spec
from ganworks.kinds.tables.data.layout import TableLayout

Allowed = dict[int, Tensor]  # column -> which of its combined codes are allowed, bool [codes]
WAVES = 8  # smooth functions by which neighbouring codes of a number share weights
CANDIDATES = 16  # candidates per row if several columns are restricted together


class RowGenerator(nn.Module):
    """The base of both generators: the layout, and which columns can be conditions."""

    def __init__(self, spec: Spec):
        super().__init__()
        self.layout = TableLayout.of(spec)
        self.spec = spec

    def rows(self, z: Tensor, allowed: Allowed | None = None) -> Tensor:
        """Rows [B, D] from noise z, restricted to allowed codes as far as this generator can."""
        raise NotImplementedError

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """[B, z_dim] -> rows [B, D]."""
        return self.rows(z)


class ColumnGenerator(RowGenerator):
    """An autoregressive generator, choice by choice. z holds one normal number for each code and each position."""

    waves: Tensor
    inside: Tensor
    waved: Tensor
    free: Tensor
    whose: Tensor

    def __init__(self, net: ColumnNetworks, spec: Spec):
        super().__init__(spec)
        layout, width = self.layout, net.width
        self.z_dim, self.tau = layout.width, net.tau
        self._set_waves()
        free = np.ones(layout.codes, np.float32)
        for start, (first, last) in zip(layout.starts, layout.ordered, strict=True):
            free[start + first : start + last] = float(not net.smooth)
        self.register_buffer("free", torch.tensor(free), persistent=False)
        whose = np.repeat(np.arange(len(layout.sizes)), layout.sizes)
        self.register_buffer("whose", torch.tensor(whose), persistent=False)
        self.known = nn.Linear(layout.codes, width)
        self.known_waves = nn.Parameter(torch.zeros(len(self.waves), WAVES, width))
        self.out_waves = nn.Parameter(torch.zeros(len(self.waves), WAVES, width))
        self.seen = nn.Parameter(torch.zeros(width, len(layout.sizes)))
        self.place = nn.Parameter(torch.zeros(width, len(layout.positions)))
        for weight in (self.known_waves, self.seen, self.place):
            nn.init.normal_(weight, std=0.1)
        nn.init.normal_(self.known.weight, std=1 / math.sqrt(len(layout.sizes)))
        self.body = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, width),
                nn.GELU(),
                nn.Dropout(net.g_dropout),
                nn.Linear(width, width),
            )
            for _ in range(net.depth)
        )
        self.norm, self.drop = nn.LayerNorm(width), nn.Dropout(net.g_dropout)
        self.out = nn.Linear(width, layout.codes)
        self.order = usual_order(layout)

    def _set_waves(self) -> None:
        """Set the smooth functions of ordered choices, padded to one size, and the places of their codes."""
        starts, spans = self.layout.starts, self.layout.ordered
        chosen = [k for k, (first, last) in enumerate(spans) if last - first > 2]
        widest = max((spans[k][1] - spans[k][0] for k in chosen), default=1)
        waves, inside = np.zeros((len(chosen), widest, WAVES), np.float32), np.zeros((len(chosen), widest), bool)
        for row, k in enumerate(chosen):
            size = spans[k][1] - spans[k][0]
            waves[row, :size], inside[row, :size] = _waves(size), True
        codes = [starts[k] + code for k in chosen for code in range(*spans[k])]
        self.register_buffer("waves", torch.tensor(waves), persistent=False)
        self.register_buffer("inside", torch.tensor(np.flatnonzero(inside)), persistent=False)
        self.register_buffer("waved", torch.tensor(codes, dtype=torch.long), persistent=False)

    def _known(self) -> Tensor:
        """Weights [width, codes] of each given code in the first layer; neighbours in an ordered choice share waves."""
        return self.known.weight * self.free + self._shared(self.known_waves).T

    def _out(self) -> Tensor:
        """Weights [codes, width] of the logits; neighbours in an ordered choice share waves."""
        return self.out.weight * self.free[:, None] + self._shared(self.out_waves)

    def _shared(self, weights: Tensor) -> Tensor:
        found = torch.bmm(self.waves, weights).flatten(0, 1)[self.inside]
        return found.new_zeros(self.layout.codes, found.shape[1]).index_copy(0, self.waved, found)

    def _trunk(self, h: Tensor) -> Tensor:
        for block in self.body:
            h = h + block(h)
        return F.gelu(self.norm(h))

    def logits(self, x: Tensor, seen: Tensor) -> Tensor:
        """Logits [B, codes] of all choices, given those of x [B, D] for which seen [B, choices] is true."""
        layout = self.layout
        mask = seen.to(x.dtype)
        h = F.linear(x[:, : layout.codes] * mask[:, self.whose], self._known(), self.known.bias)
        h = h + F.linear(mask, self.seen)
        if layout.positions:
            h = h + F.linear(x[:, layout.codes :] * mask[:, list(layout.positions)], self.place)
        return F.linear(self.drop(self._trunk(h)), self._out(), self.out.bias)

    def surprise(self, x: Tensor, seen: Tensor) -> Tensor:
        """Negative log-likelihood [B] in nats of rows x, estimated from the choices that are not given.

        It is the mean over the unseen choices times the number of all choices; its mean over random subsets of random
        size is the order-agnostic bound (2110.02037, equation 3).
        """
        logits, sizes = self.logits(x, seen).float(), list(self.layout.sizes)
        each = torch.stack([part.logsumexp(1) for part in logits.split(sizes, 1)], 1)
        hidden = (~seen).float()
        chosen = (
            (logits * x[:, : self.layout.codes])
            .new_zeros(x.shape[0], len(sizes))
            .index_add(1, self.whose, logits * x[:, : self.layout.codes])
        )
        return ((each - chosen) * hidden).sum(1) * len(sizes) / hidden.sum(1).clamp_min(1)

    def rows(self, z: Tensor, allowed: Allowed | None = None, soft: bool = False) -> Tensor:
        """Rows [B, D]. soft: each choice passes gradients to its logits (straight-through Gumbel-softmax)."""
        layout, allowed = self.layout, allowed or {}
        noise = -(-torch.special.log_ndtr(z[:, : layout.codes])).clamp_min(1e-30).log()
        places = 2 * torch.special.ndtr(z[:, layout.codes :]) - 1
        blocks = [b for k in allowed for b in layout.blocks(k)]
        state = _State(self, len(z), z)
        if sum(int(may.sum()) > 1 for may in allowed.values()) > 1 or any(len(layout.blocks(k)) > 1 for k in allowed):
            self._ask(state, blocks, allowed)
        else:
            for block in blocks:
                state.draw(block, noise, soft, allowed.get(layout.owner[block]))
        for block in self.order:
            if block not in blocks:
                state.draw(block, noise, soft)
        parts = [state.made[k] for k in range(len(layout.sizes))]
        return torch.cat([*parts, places], 1) if layout.positions else torch.cat(parts, 1)

    def _ask(self, state: _State, blocks: list[int], allowed: Allowed) -> None:
        """Draw several restricted columns together: of CANDIDATES, take one in proportion to the probability of the
        allowed codes.
        """
        count, device = len(state.h), state.h.device
        tries = _State(self, count * CANDIDATES, state.h)
        for block in blocks:
            noise = -(-torch.rand(count * CANDIDATES, self.layout.codes, device=device).clamp(1e-9).log()).log()
            tries.draw(block, noise, False, allowed[self.layout.owner[block]])
        weight = tries.weight.view(count, CANDIDATES)
        noise = -(-torch.rand(count, CANDIDATES, device=device).clamp(1e-9).log()).log()
        chosen = (weight + noise).argmax(1) + torch.arange(count, device=device) * CANDIDATES
        state.h = tries.h[chosen]
        state.made = {k: made[chosen] for k, made in tries.made.items()}


def usual_order(layout: TableLayout) -> list[int]:
    """The order in which choices are generated: from few codes to many, the digits of a column together."""
    columns = sorted(set(layout.owner), key=lambda k: (max(layout.sizes[b] for b in layout.blocks(k)), k))
    return [b for k in columns for b in layout.blocks(k)]


def _waves(size: int) -> np.ndarray:
    """Cosines of 1 to WAVES half periods over `size` codes: [size, WAVES]."""
    at = (np.arange(size) + 0.5) / size
    return np.cos(np.pi * at[:, None] * np.arange(1, WAVES + 1))


class _State:
    """Rows in generation: the sum so far in the first layer [B, width], and the choices made."""

    def __init__(self, net: ColumnGenerator, count: int, like: Tensor):
        self.net, self.codes, self.out = net, net._known(), net._out()
        self.h = net.known.bias.expand(count, -1)
        self.made: dict[int, Tensor] = {}
        self.weight = torch.zeros(count, device=like.device)
        self.starts = net.layout.starts

    def draw(self, block: int, noise: Tensor, soft: bool, may: Tensor | None = None) -> None:
        """Draw one choice for every row, among the allowed codes of its column."""
        net, layout = self.net, self.net.layout
        part = slice(self.starts[block], self.starts[block] + layout.sizes[block])
        logits = F.linear(net._trunk(self.h), self.out[part], net.out.bias[part]).float()
        if may is not None:
            free = logits.logsumexp(1)
            logits = logits.masked_fill(~self._open(block, may), -torch.inf)
            self.weight = self.weight + logits.logsumexp(1) - free
        scores = logits + noise[:, part]
        hard = F.one_hot(scores.argmax(1), layout.sizes[block]).to(scores.dtype)
        if soft:
            near = (scores / net.tau).softmax(1)
            hard = hard + near - near.detach()
        self.made[block] = hard
        self.h = self.h + F.linear(hard, self.codes[:, part]) + net.seen[:, block]

    def _open(self, block: int, may: Tensor) -> Tensor:
        """Which codes of a choice lead to an allowed combined code: bool [1 or B, codes]."""
        layout = self.net.layout
        blocks = layout.blocks(layout.owner[block])
        may = may.to(self.h.device)
        if len(blocks) == 1:
            return may[None]
        table = may.view(layout.sizes[blocks[0]], layout.sizes[blocks[1]])
        return table.any(1)[None] if block == blocks[0] else table[self.made[blocks[0]].argmax(1)]


class ResidualGenerator(RowGenerator):
    """CTGAN's generator: two residual (concatenating) layers on noise and condition; outputs by tanh and
    Gumbel-softmax.
    """

    def __init__(self, net: CTGAN, spec: Spec):
        super().__init__(spec)
        self.z_dim, self.tau = net.z_dim, net.tau
        self.asked = conditions_of(spec, self.layout)
        self.extra = sum(len(shares) for shares in self.asked.values())
        sizes = [net.z_dim + self.extra + k * net.width for k in range(net.depth + 1)]
        self.body = nn.ModuleList(
            nn.Sequential(nn.Linear(n, net.width), nn.BatchNorm1d(net.width), nn.ReLU()) for n in sizes[:-1]
        )
        self.out = nn.Linear(sizes[-1], self.layout.width)

    def condition(self, block: Tensor, code: Tensor) -> Tensor:
        """The vector [B, extra] of a condition: one-hot in this code of this choice."""
        start, starts = 0, torch.zeros(len(self.layout.sizes), dtype=torch.long, device=block.device)
        for k, shares in self.asked.items():
            starts[k] = start
            start += len(shares)
        return F.one_hot(starts[block] + code, max(1, self.extra)).float()[:, : self.extra]

    def draw(self, count: int, device: torch.device, allowed: Allowed | None = None) -> tuple[Tensor, Tensor]:
        """(choice, code) [B] to request: a choice at random, its code by frequency in the data, among the allowed
        ones.
        """
        open_ = {b: may for k, may in (allowed or {}).items() for b in self.layout.blocks(k) if b in self.asked}
        blocks = list(open_)[:1] or list(self.asked)
        which = torch.randint(len(blocks), (count,), device=device)
        code = torch.zeros(count, dtype=torch.long, device=device)
        for k, block in enumerate(blocks):
            shares = torch.tensor(self.asked[block], device=device)
            if block in open_:
                shares = (shares + 1e-9) * open_[block].to(device)[: len(shares)]
            drawn = torch.multinomial(shares, count, replacement=True)
            code = torch.where(which == k, drawn, code)
        return torch.tensor(blocks, device=device)[which], code

    def rows(self, z: Tensor, allowed: Allowed | None = None) -> Tensor:
        """Rows [B, D] whose conditions are as frequent as in the data."""
        condition = self.condition(*self.draw(len(z), z.device, allowed)) if self.asked else None
        return self.made(z, condition)[0]

    def made(self, z: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """(rows [B, D], logits [B, codes]); choices are one-hot in evaluation mode and soft in training."""
        h = z if condition is None else torch.cat([z, condition], 1)
        for layer in self.body:
            h = torch.cat([layer(h), h], 1)
        logits, places = self.out(h).split([self.layout.codes, len(self.layout.positions)], 1)
        parts = [self._choice(part) for part in logits.split(list(self.layout.sizes), 1)]
        return torch.cat([*parts, places.tanh()], 1), logits

    def _choice(self, logits: Tensor) -> Tensor:
        noise = -(-torch.rand_like(logits).clamp(1e-9, 1 - 1e-7).log()).log()
        if self.training:
            return ((logits + noise) / self.tau).softmax(1)
        return F.one_hot((logits + noise).argmax(1), logits.shape[1]).to(logits.dtype)


def conditions_of(spec: Spec, layout: TableLayout) -> dict[int, list[float]]:
    """Choice -> frequency of its codes in the data, for categories of one choice: the conditions of CTGAN."""
    return {
        layout.blocks(k)[0]: column["shares"] for k, column in enumerate(spec.facts["columns"]) if "shares" in column
    }


class TableCritic(nn.Module):
    """One logit per pack of `pac` rows (PacGAN, Lin et al. 2018, 1712.04086): [B, D] -> [B / pac] float32."""

    def __init__(self, width: int, pac: int, hidden: int, extra: int = 0, dropout: float = 0.0, depth: int = 2):
        super().__init__()
        self.pac, layers = pac, []
        self.mixes_examples = "networks.pac=1" if pac > 1 else ""
        sizes = [pac * (width + extra), *[hidden] * depth]
        for a, b in itertools.pairwise(sizes):
            layers += [nn.Linear(a, b), nn.LeakyReLU(0.2), *([nn.Dropout(dropout)] if dropout else [])]
        self.body = nn.Sequential(*layers, nn.Linear(hidden, 1))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.body(x.reshape(-1, self.pac * x.shape[-1]) if x.dim() == 2 else x.flatten(1)).squeeze(1).float()


@dataclass(frozen=True)
class ColumnNetworks:
    """A generator of rows choice by choice, and a critic of `pac` rows.

    width: units of each hidden layer of the generator.
    depth: hidden layers of the generator.
    g_dropout: dropout of the generator, against overfitting on few rows.
    smooth: whether weights of a number vary smoothly with it, for few rows.
    tau: temperature of G's gradients in the adversarial stage.
    d_width: units of each hidden layer of the critic.
    d_depth: hidden layers of the critic.
    pac: rows that the critic sees together.
    dropout: dropout of the critic.
    """

    width: Width = 256
    depth: Count = 2
    g_dropout: Chance = 0.0
    smooth: bool = False
    tau: Annotated[float, within(above=0)] = 1.0
    d_width: Width = 256
    d_depth: Count = 2
    pac: Annotated[int, within(1, unit="rows")] = 10
    dropout: Chance = 0.0

    def __post_init__(self) -> None:
        check(self)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """New networks {"G", "D"} for `spec`."""
        D = TableCritic(spec.shape[0], self.pac, self.d_width, 0, self.dropout, self.d_depth)
        return {"G": ColumnGenerator(self, spec), "D": D}


@dataclass(frozen=True)
class CTGAN:
    """CTGAN's networks with the published sizes: z 128, 2 layers of 256, packs of 10, dropout 0.5.

    width: units of each hidden layer of the generator.
    depth: hidden layers of the generator.
    z_dim: size of the latent vector.
    tau: temperature of the softmax that draws a category.
    d_width: units of each hidden layer of the critic.
    d_depth: hidden layers of the critic.
    pac: rows that the critic sees together.
    dropout: dropout of the critic.
    """

    width: Width = 256
    depth: Count = 2
    z_dim: int = 128
    tau: Annotated[float, within(above=0)] = 0.2
    d_width: Width = 256
    d_depth: Count = 2
    pac: Annotated[int, within(1, unit="rows")] = 10
    dropout: Chance = 0.5

    def __post_init__(self) -> None:
        check(self)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """New networks {"G", "D"} for `spec`."""
        G = ResidualGenerator(self, spec)
        return {"G": G, "D": TableCritic(spec.shape[0], self.pac, self.d_width, G.extra, self.dropout, self.d_depth)}
