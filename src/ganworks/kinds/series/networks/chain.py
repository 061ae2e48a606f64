"""An autoregressive generator with a likelihood: attributes one by one, then the length, then the steps, each given the
earlier ones.

The order is DoppelGANger's (Lin et al. 2020, 1909.13403): attributes, length, steps by a recurrent network. Every draw
is a function of noise with a known distribution (networks/law.py), so that the same network can be trained by maximum
likelihood on real series and by a discriminator on its own samples, as in Flow-GAN (Grover, Dhar and Ermon 2018,
1705.08868).
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.kinds.series.data.layout import (
    Parts,
    SeriesLayout,
    active_steps,
    from_uniform,
    normal_score,
    uniform_score,
)
from ganworks.kinds.series.networks.law import FAR, Cells, ChangeMixtures
from ganworks.kinds.series.networks.measure import Measure
from ganworks.kinds.series.networks.parts import chosen, mlp

SCORE, MOST, LEAST, REACH = 2.75, 50.0, 1e-6, 1 / 12


class StaticChain(nn.Module):
    """Attributes one by one, then the length, each given the earlier ones and the label."""

    def __init__(self, layout: SeriesLayout, extra: int, hidden: int):
        super().__init__()
        self.columns, self.variable = layout.attributes, layout.variable
        self.nets, at = (
            nn.ModuleList(),
            extra + 1,
        )  # a constant input is added: without labels, the first network has no other
        for column in self.columns:
            net = mlp(at, (hidden,), column.width if column.kind == "category" else 2)
            start = torch.tensor(column.shares or (1.0,) * column.width).clamp_min(1e-6).log()
            self._begin(net, start if column.kind == "category" else torch.zeros(2))
            self.nets.append(net)
            at += column.width
        if self.variable:
            self.nets.append(mlp(at, (hidden,), 2))
            self._begin(self.nets[-1], torch.zeros(2))
        self.z_dim = sum(c.width for c in self.columns) + int(self.variable)

    @staticmethod
    def _begin(net: nn.Module, bias: Tensor) -> None:
        last = cast(nn.Linear, cast(nn.Sequential, net)[-1])
        nn.init.zeros_(last.weight)
        with torch.no_grad():
            last.bias.copy_(bias)

    def forward(self, z: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Noise [B, z_dim] -> (attributes [B, A], length as a uniform value [B, 0 or 1])."""
        out, at, one = [label[:, :0]], 0, label.new_ones(len(label), 1)
        for column, net in zip([*self.columns, *([None] if self.variable else [])], self.nets, strict=True):
            raw = net(torch.cat([one, label, *out], 1))
            width = column.width if column else 1
            luck = z[:, at : at + width]
            at += width
            if column and column.kind == "category":
                share = torch.special.ndtr(luck).clamp(1e-6, 1 - 1e-6)
                out.append(chosen(raw - (-share.log()).log()))
            else:
                score = raw[:, :1] + luck * raw[:, 1:].clamp(-5, 2).exp()
                out.append(uniform_score(score.clamp(-SCORE, SCORE)))
        whole = torch.cat(out, 1)
        return (whole[:, :-1], whole[:, -1:]) if self.variable else (whole, label[:, :0])

    def surprise(self, attributes: Tensor, length: Tensor, label: Tensor) -> Tensor:
        """Negative log-likelihood [B] of attributes and lengths."""
        total, known = label.new_zeros(len(label)), torch.cat([attributes, length], 1)
        at = 0
        for column, net in zip([*self.columns, *([None] if self.variable else [])], self.nets, strict=True):
            raw = net(torch.cat([torch.ones_like(total)[:, None], label, known[:, :at]], 1))
            width = column.width if column else 1
            here = known[:, at : at + width]
            at += width
            if column and column.kind == "category":
                total = total + F.cross_entropy(raw, here.argmax(1), reduction="none")
            else:
                spread = raw[:, 1].clamp(-5, 2)
                total = total + 0.5 * ((normal_score(here)[:, 0] - raw[:, 0]) * (-spread).exp()).square() + spread
        return total


def around(steps: int, turn: int) -> Tensor:
    """Weights [steps, steps] with which each step attends to earlier steps at about the same phase of a period of
    `turn` steps.

    Row t refers to the phase of step t + 1. Weights are Gaussian in the phase difference (standard deviation REACH
    periods), 0 for steps less than half a period ago; a row sums to at most 1.
    """
    if not turn or steps < 1:
        return torch.zeros(max(0, steps), max(0, steps))
    at = torch.arange(steps)
    lag = at[:, None] + 1 - at[None]
    apart = torch.minimum(lag % turn, -lag % turn)
    weight = (-0.5 * (apart / (REACH * turn)).square()).exp() * (2 * lag >= turn)
    return weight / weight.sum(1, keepdim=True).clamp_min(1)


class ChainGenerator(nn.Module):
    """([B, z_dim], [B]) -> vectors [B, size]; `surprise` is the negative log-likelihood of real ones."""

    def __init__(self, net: Any, spec: Spec):
        super().__init__()
        self.layout = layout = SeriesLayout.from_facts(spec.facts)
        self.classes, hidden = spec.num_classes, net.hidden[0]
        self.measure = Measure(layout)
        self.statics = StaticChain(layout, self.classes, hidden)
        self.count, self.words = len(layout.numbers), sum(c.width for c in layout.categories)
        static, n, width = layout.widths[0] + self.classes + 1, self.count, net.hidden[-1]
        self.round, self.jitter = self._clock(), net.jitter
        again = around(layout.steps - 1, self.round.stop - self.round.start)
        self.goes_round = self.round.stop > 0 and 2 * (layout.steps - 1) >= self.round.stop - self.round.start
        self.register_buffer("again", again, persistent=False)
        seen = static + n * (4 if self.goes_round else 2)
        self.start = ChangeMixtures(static, n, width, net.parts) if n else None
        self.start_words = mlp(static + n, (hidden,), self.words) if self.words else None
        self.cell = nn.GRU(2 * n + self.words + seen + 1, hidden, batch_first=True)
        self.next = ChangeMixtures(hidden + seen + 2 * n, n, width, net.parts, self.measure.same()) if n else None
        self.next_words = mlp(hidden + seen + 3 * n, (hidden,), self.words) if self.words else None
        self.drop = nn.Dropout(net.dropout)
        if layout.variable:
            self.register_buffer("lengths", layout.table("lengths"), persistent=False)
        self.z_dim = self.statics.z_dim + layout.steps * (self.count + self.words)

    def known(self, y: Tensor | None, like: Tensor) -> Tensor:
        """Labels as one-hot vectors [B, classes]."""
        if not self.classes:
            return like[:, :0]
        if y is None:
            raise UsageError(f"This network is conditional on {self.classes} classes: labels are needed.")
        return F.one_hot(y, self.classes).to(like.dtype)

    def _clock(self) -> slice:
        """The places of the attribute that advances with the step: time of the day or day of the week."""
        at, name = 0, self.layout.clock.get("round")
        for column in self.layout.attributes:
            if name and column.name == name:
                return slice(at, at + column.width)
            at += column.width
        return slice(0, 0)

    def _context(self, attributes: Tensor, label: Tensor, length: Tensor) -> Tensor:
        return torch.cat([attributes, label, length[:, None] / self.layout.steps], 1)

    def _later(self, context: Tensor, step: int) -> Tensor:
        """The context `step` steps after the beginning: the calendar attribute has advanced."""
        if self.round.stop == 0:
            return context
        turned = context[:, self.round].roll(step, 1)
        return torch.cat([context[:, : self.round.start], turned, context[:, self.round.stop :]], 1)

    def _length(self, place: Tensor, rows: int) -> Tensor:
        if not self.layout.variable:
            return place.new_full((rows,), float(self.layout.steps))
        return from_uniform(cast(Tensor, self.lengths), place)[:, 0].float()

    def _levels(self, now: Tensor) -> Tensor:
        """Transformed numbers of a step [..., n] -> input of the cell [..., 2n]: the columns decorrelated, and as they
        are up to scale.
        """
        lower = self.measure.of("lower").float()
        return torch.cat([now, now @ (lower / lower.norm(dim=1, keepdim=True)).T], -1)

    @property
    def unit(self) -> Tensor:
        """Standard deviation of the changes [n]."""
        return self.measure.of("move").float()

    def surprise(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Negative log-density per step [B] of vectors [B, size]: attributes and length, first step, further steps."""
        layout = self.layout
        parts = layout.split(x)
        label = self.known(y, x)
        total = self.statics.surprise(parts.attributes, parts.length, label)
        length = self._length(parts.length, len(x))
        context = self._context(parts.attributes, label, length)
        cells, words = self.measure.cells(self.measure.values(parts)), parts.steps[:, :, self.count :]
        on = (parts.active > 0).float()
        if self.start is not None:
            total = total + self.start.surprise(context, *(part[:, 0] for part in cells))
        if self.start_words is not None:
            total = total + self._spelling(self.start_words(torch.cat([context, cells.w[:, 0]], 1)), words[:, 0])
        if layout.steps > 1:
            now, w = cells.w[:, :-1], cells.w[:, 1:]
            spread = torch.stack([self._later(context, t) for t in range(1, layout.steps)], 1)
            changes = Cells(w - now, cells.low[:, 1:], cells.high[:, 1:]).over(self.unit)
            seen = torch.cat([changes.w.clamp(-FAR, FAR), self.next.still(*changes)], 2) if self.next else now
            seen = F.pad(seen[:, :-1], (0, 0, 1, 0))
            at = torch.arange(layout.steps - 1, device=x.device) / layout.steps
            left = (length[:, None] / layout.steps - at)[:, :, None]
            noise = self.jitter * self.unit * torch.randn_like(now) if self.training and self.jitter else 0.0
            levels = self._levels(now + noise)
            if self.goes_round:
                again = cast(Tensor, self.again)
                seen = torch.cat([seen, again @ levels - again.sum(1, keepdim=True) * levels], 2)
            hidden = self.cell(torch.cat([levels, seen, words[:, :-1], spread, left], 2))[0]
            features = torch.cat([self.drop(hidden), spread, seen, levels], 2)
            if self.next is not None:
                found = self.next.surprise(features, *changes) + self.unit.log().sum()
                total = total + (found * on[:, 1:]).sum(1)
            if self.next_words is not None:
                raw = self.next_words(torch.cat([features, w], 2))
                total = total + (self._spelling(raw, words[:, 1:]) * on[:, 1:]).sum(1)
        return total / layout.steps

    def _spelling(self, raw: Tensor, words: Tensor) -> Tensor:
        """Negative log-probability [...] of one-hot categories, summed over columns."""
        total, at = raw.new_zeros(raw.shape[:-1]), 0
        for column in self.layout.categories:
            logs = raw[..., at : at + column.width].log_softmax(-1)
            total = total - (logs * words[..., at : at + column.width]).sum(-1)
            at += column.width
        return total

    def _spell(self, raw: Tensor, luck: Tensor) -> Tensor:
        share = torch.special.ndtr(luck).clamp(1e-6, 1 - 1e-6)
        raw, at, out = raw - (-share.log()).log(), 0, []
        for column in self.layout.categories:
            out.append(chosen(raw[:, at : at + column.width]))
            at += column.width
        return torch.cat(out, 1)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        layout, n = self.layout, self.count
        own, rest = z.split([self.statics.z_dim, self.z_dim - self.statics.z_dim], 1)
        label = self.known(y, z)
        attributes, place = self.statics(own, label)
        length = self._length(place, len(z))
        context = self._context(attributes, label, length.clamp(1, layout.steps))
        noise = rest.unflatten(1, (layout.steps, n + self.words))
        values, now, words = self._first(context, noise[:, 0])
        made, spelled, state = [values], [words], z.new_zeros(len(z), self.cell.hidden_size)
        seen, past = z.new_zeros(len(z), 2 * n), []
        for t in range(1, layout.steps):
            left = (length[:, None] - (t - 1)) / layout.steps
            later = self._later(context, t)
            levels = self._levels(now)
            past.append(levels)
            if self.goes_round:
                back = cast(Tensor, self.again)[t - 1, :t]
                seen = torch.cat([seen, torch.einsum("t,tbn->bn", back, torch.stack(past)) - back.sum() * levels], 1)
            state = torch.gru_cell(torch.cat([levels, seen, words, later, left], 1), state, *self._cell())
            features = torch.cat([state, later, seen, levels], 1)
            if self.next is not None:
                values, now, seen = self._draw(self.next, features, now, noise[:, t, :n])
            if self.next_words is not None:
                words = self._spell(self.next_words(torch.cat([features, now], 1)), noise[:, t, n:])
            made.append(values)
            spelled.append(words)
        active = active_steps(length, layout.steps) if layout.variable else torch.ones_like(noise[:, :, 0])
        scales, numbers = self.measure.scaled(torch.stack(made, 1), active)
        whole = torch.cat([numbers, torch.stack(spelled, 1)], 2) * (active >= 0)[:, :, None]
        return layout.join(Parts(attributes, place, scales, whole, active))

    def _cell(self) -> tuple[Tensor, ...]:
        cell = self.cell
        return tuple(getattr(cell, n) for n in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"))

    def _first(self, context: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        n = self.count
        values, now = noise[:, :0].double(), noise[:, :0]
        if self.start is not None:
            values, now, _ = self._draw(self.start, context, None, noise[:, :n])
        if self.start_words is None:
            return values, now, noise[:, :0]
        return values, now, self._spell(self.start_words(torch.cat([context, now], 1)), noise[:, n:])

    def _draw(self, laws: ChangeMixtures, features: Tensor, before: Tensor | None, noise: Tensor) -> tuple[Tensor, ...]:
        """Noise [B, n] -> (values [B, n] float64, the rounded values transformed [B, n], features of their changes [B,
        2n]).

        before: the transformed values of the previous step; None at the first.
        """
        inner, ahead, depend = laws.begin(features), laws.ahead(features), laws.dependence()
        share = torch.special.ndtr(noise).clamp(LEAST, 1 - LEAST)
        unit = torch.ones_like(self.unit) if before is None else self.unit
        base = torch.zeros_like(noise) if before is None else before
        changes, still, w, values = noise[:, :0], noise[:, :0], noise[:, :0], []
        for c in range(self.count):
            drawn = laws.one(c, inner, ahead, changes, still, depend).quantile(share[:, c])
            drawn = (base[:, c] + drawn * unit[c]).clamp(-MOST, MOST)
            value, settled, width = self.measure.place(torch.cat([w, drawn[:, None]], 1), c)
            w, values = torch.cat([w, settled[:, None]], 1), [*values, value]
            changes = torch.cat([changes, ((settled - base[:, c]) / unit[c])[:, None]], 1)
            still = torch.cat([still, laws.stands(c, changes, width / unit[c])[:, None]], 1)
        return torch.stack(values, 1), w, torch.cat([changes.clamp(-FAR, FAR), still], 1)
