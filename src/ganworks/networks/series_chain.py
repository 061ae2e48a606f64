"""A generator whose samples have a likelihood: attribute after attribute, then step after step, each given those
before.

The order is DoppelGANger's (Lin et al. 2020, 1909.13403): attributes, length, steps by a recurrent network. What one
cell draws is an invertible function of noise, so that the same network can be trained by maximum likelihood on real
series and by a discriminator on its own samples, as in Flow-GAN (Grover, Dhar and Ermon 2018, 1705.08868). Noise passes
through the sinh-arcsinh map (Jones and Pewsey 2009), whose tails and skew the cell chooses, and through a triangular
matrix, which makes columns move together.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.data.series_layout import (
    TAIL,
    Even,
    Layout,
    Parts,
    active_steps,
    from_uniform,
    normal_score,
    to_uniform,
    uniform_score,
)  # fmt: skip
from ganworks.data.spec import Spec
from ganworks.errors import UsageError
from ganworks.networks.series_parts import chosen, in_range, mlp

HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)
SCORE = 2.75
LEAST = -4.0  # log of the least scale: a column that follows from others would pull the likelihood to infinity


class Law(NamedTuple):
    """Parameters of a conditional distribution over n numbers: middle, log of the scale, skew, log of the tail weight,
    [B, n] each; mix [B, n, n], strictly lower triangular."""

    middle: Tensor
    scale: Tensor
    skew: Tensor
    tail: Tensor
    mix: Tensor

    def draw(self, noise: Tensor) -> Tensor:
        """Noise [B, n] -> numbers [B, n]."""
        shaped = ((noise.asinh() + self.skew) * self.tail.exp()).sinh() * self.scale.exp()
        out: list[Tensor] = []
        for c in range(noise.shape[1]):
            before = torch.stack(out, 1) if out else noise[:, :0]
            out.append(shaped[:, c] + (self.mix[:, c, :c] * before).sum(1))
        return torch.stack(out, 1) + self.middle if out else noise

    def surprise(self, x: Tensor) -> Tensor:
        """-log density [...] of numbers x [..., n]; parameters as x in front."""
        gap = x - self.middle
        rest = (gap - (self.mix @ gap[..., None])[..., 0]) * (-self.scale).exp()
        inner = rest.asinh() * (-self.tail).exp() - self.skew
        noise = inner.clamp(-20, 20).sinh()
        slope = inner.abs() + F.softplus(-2 * inner.abs()) - math.log(2) - self.tail - 0.5 * (rest.square() + 1).log()
        return (0.5 * noise.square() + HALF_LOG_TAU - slope + self.scale).sum(-1)


class Laws(nn.Module):
    """Makes a `Law` from features: ([..., F], middle [..., n]) with scales in units of `unit` [n]."""

    def __init__(self, features: int, hidden: int, unit: Tensor):
        super().__init__()
        self.count = n = len(unit)
        self.net = mlp(features, (hidden,), 4 * n + n * (n - 1) // 2)
        nn.init.zeros_(cast(nn.Linear, self.net[-1]).weight)
        self.register_buffer("unit", unit, persistent=False)

    def forward(self, features: Tensor, middle: Tensor) -> Law:
        n = self.count
        shift, scale, skew, tail, mix = self.net(features).split([n, n, n, n, n * (n - 1) // 2], -1)
        unit = cast(Tensor, self.unit)
        full = mix.new_zeros(*mix.shape[:-1], n, n)
        rows, columns = torch.tril_indices(n, n, -1)
        full[..., rows, columns] = mix * (unit[rows] / unit[columns])
        tail = (tail / 2).tanh() * 1.5
        return Law(middle + shift * unit, scale.clamp(LEAST, 3) + unit.log(), skew.clamp(-2, 2), tail, full)


class Statics(nn.Module):
    """Attributes one after the other, then the length, each given those before and the label."""

    def __init__(self, layout: Layout, extra: int, hidden: int):
        super().__init__()
        self.columns, self.variable = layout.attributes, layout.variable
        self.nets, at = nn.ModuleList(), extra + 1  # a constant beside them: the first has nothing else to go by
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
        """Noise [B, z_dim] -> (attributes [B, A], length in its uniform measure [B, 0 or 1])."""
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
        """-log probability [B] of real attributes and lengths."""
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


class Measure(nn.Module):
    """Between vectors of `Layout` and `Even`, the measure in which the steps are made."""

    def __init__(self, layout: Layout):
        super().__init__()
        self.layout = layout
        for name, value in Even.of(layout)._asdict().items():
            self.register_buffer(name, value, persistent=False)
        if layout.scale == "series":
            self.register_buffer("ranges", layout.table("scales"), persistent=False)

    def of(self, name: str) -> Tensor:
        """A buffer, typed."""
        return cast(Tensor, getattr(self, name))

    @property
    def even(self) -> Even:
        """As tensors on the device."""
        return Even(*(self.of(name) for name in Even._fields))

    def values(self, parts: Parts) -> Tensor:
        """Values [B, T, n] float64 of real vectors."""
        x, n = parts.steps[:, :, : len(self.layout.numbers)].double(), len(self.layout.numbers)
        if self.layout.scale == "series":
            middle, half = from_uniform(self.of("ranges"), parts.scales.double()).split(n, 1)
        else:
            middle, half = self.of("ends").mean(1)[None], (self.of("ends")[:, 1] - self.of("ends")[:, 0])[None] / 2
        return middle[:, None] + half[:, None] * x

    def scaled(self, values: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
        """Values [B, T, n] -> (ranges [B, 2n or 0], numbers [B, T, n] in their range), float32."""
        if self.layout.scale != "series":
            middle, half = self.of("ends").mean(1), (self.of("ends")[:, 1] - self.of("ends")[:, 0]) / 2
            return values.new_zeros(len(values), 0).float(), ((values - middle) / half).clamp(-3, 3).float()
        on = (active >= 0)[:, :, None]
        low = values.masked_fill(~on, torch.inf).amin(1)
        high = values.masked_fill(~on, -torch.inf).amax(1)
        scales = to_uniform(self.of("ranges"), torch.cat([(low + high) / 2, (high - low) / 2], 1))
        return scales, in_range(values.float(), active)


class ChainGenerator(nn.Module):
    """([B, z_dim], [B]) -> vectors [B, size]; `surprise` is -log likelihood of real ones."""

    def __init__(self, net: Any, spec: Spec):
        super().__init__()
        self.layout = layout = Layout.from_facts(spec.facts)
        self.classes, hidden = spec.num_classes, net.hidden[0]
        self.measure = Measure(layout)
        self.statics = Statics(layout, self.classes, hidden)
        self.count, self.words = len(layout.numbers), sum(c.width for c in layout.categories)
        static = layout.widths[0] + self.classes + 1
        self.start = Laws(static, hidden, torch.ones(self.count)) if self.count else None
        self.start_words = mlp(static + self.count, (hidden,), self.words) if self.words else None
        self.cell = nn.GRU(2 * self.count + self.words + static + 1, hidden, batch_first=True)
        self.next = Laws(hidden, hidden, self.measure.of("move").float()) if self.count else None
        self.next_words = mlp(hidden + self.count, (hidden,), self.words) if self.words else None
        if layout.variable:
            self.register_buffer("lengths", layout.table("lengths"), persistent=False)
        self.z_dim = self.statics.z_dim + layout.steps * (self.count + self.words)

    def known(self, y: Tensor | None, like: Tensor) -> Tensor:
        """Labels as places [B, classes]."""
        if not self.classes:
            return like[:, :0]
        if y is None:
            raise UsageError(f"This network is conditional on {self.classes} classes: labels are needed.")
        return F.one_hot(y, self.classes).to(like.dtype)

    def _context(self, attributes: Tensor, label: Tensor, length: Tensor) -> Tensor:
        return torch.cat([attributes, label, length[:, None] / self.layout.steps], 1)

    def _length(self, place: Tensor, rows: int) -> Tensor:
        if not self.layout.variable:
            return place.new_full((rows,), float(self.layout.steps))
        return from_uniform(cast(Tensor, self.lengths), place)[:, 0].float()

    def _inputs(self, now: Tensor, before: Tensor, words: Tensor, context: Tensor, left: Tensor) -> Tensor:
        """What the cell sees after a step: [..., inputs]."""
        change = ((now - before) / self.measure.of("move").float()).clamp(-8, 8)
        return torch.cat([now, change, words, context, left], -1)

    def surprise(self, x: Tensor, y: Tensor | None) -> Tensor:
        """-log density [B] of vectors [B, size], per step: attributes and length, first step, the others."""
        layout = self.layout
        parts = layout.split(x)
        label = self.known(y, x)
        total = self.statics.surprise(parts.attributes, parts.length, label)
        length = self._length(parts.length, len(x))
        context = self._context(parts.attributes, label, length)
        values = self.measure.values(parts)
        words = parts.steps[:, :, self.count :]
        even, on = self.measure.even.there(values), (parts.active > 0).float()
        if self.start is not None:
            score = normal_score(to_uniform(self.measure.of("knots"), even[:, 0].double()))
            total = total + self.start(context, torch.zeros_like(score)).surprise(score)
        if self.start_words is not None:
            total = total + self._spelling(self.start_words(torch.cat([context, even[:, 0]], 1)), words[:, 0])
        if layout.steps > 1:
            before = torch.cat([even[:, :1], even[:, :-2]], 1)
            at = torch.arange(layout.steps - 1, device=x.device) / layout.steps
            left = (length[:, None] / layout.steps - at)[:, :, None]
            spread = context[:, None].expand(-1, layout.steps - 1, -1)
            hidden = self.cell(self._inputs(even[:, :-1], before, words[:, :-1], spread, left))[0]
            if self.next is not None:
                total = total + (self.next(hidden, even[:, :-1]).surprise(even[:, 1:]) * on[:, 1:]).sum(1)
            if self.next_words is not None:
                raw = self.next_words(torch.cat([hidden, even[:, 1:]], 2))
                total = total + (self._spelling(raw, words[:, 1:]) * on[:, 1:]).sum(1)
        return total / layout.steps

    def _spelling(self, raw: Tensor, words: Tensor) -> Tensor:
        """-log probability [...] of category places, column by column."""
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
        steps, words = self._first(context, noise[:, 0])
        made, spelled, state = [steps], [words], z.new_zeros(1, len(z), self.cell.hidden_size)
        before, now = steps, steps
        for t in range(1, layout.steps):
            left = (length[:, None] - (t - 1)) / layout.steps
            inputs = self._inputs(now, before, words, context, left)
            state = torch.gru_cell(inputs, state.reshape(len(z), -1), *self._cell())
            before = now
            if self.next is not None:
                now = self.next(state, now).draw(noise[:, t, :n]).clamp(-12, 12)
            if self.next_words is not None:
                words = self._spell(self.next_words(torch.cat([state, now], 1)), noise[:, t, n:])
            made.append(now)
            spelled.append(words)
        active = active_steps(length, layout.steps) if layout.variable else torch.ones_like(noise[:, :, 0])
        values = self.measure.even.back(torch.stack(made, 1))
        scales, numbers = self.measure.scaled(values, active)
        whole = torch.cat([numbers, torch.stack(spelled, 1)], 2) * (active >= 0)[:, :, None]
        return layout.join(Parts(attributes, place, scales, whole, active))

    def _cell(self) -> tuple[Tensor, ...]:
        cell = self.cell
        return tuple(getattr(cell, n) for n in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"))

    def _first(self, context: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        n = self.count
        numbers = noise[:, :0]
        if self.start is not None:
            score = self.start(context, noise.new_zeros(len(noise), n)).draw(noise[:, :n])
            u = uniform_score(score).clamp(2 * TAIL / 4 - 1, 1 - 2 * TAIL / 4)
            numbers = from_uniform(self.measure.of("knots"), u).float()
        if self.start_words is None:
            return numbers, noise[:, :0]
        return numbers, self._spell(self.start_words(torch.cat([context, numbers], 1)), noise[:, n:])
