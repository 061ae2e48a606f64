"""Generators and discriminators of time series: attributes, then the range of each column, then the steps.

The order of generation and the two discriminators are those of DoppelGANger (Lin et al. 2020, 1909.13403, figure 5);
`generator="recurrent"` and `discriminator="dense"` are its networks, an LSTM that makes several steps per cell and an
MLP. The default generator makes all steps by convolutions at several time scales, each with noise of its own, and the
discriminator sees differences beside values. Different from the paper, the shape of a series is stretched exactly to
the generated range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Chance, Count, Size, Width, check, within
from ganworks.core.spec import Spec
from ganworks.kinds.series.data.layout import Parts, SeriesLayout, active_steps, from_uniform, to_uniform
from ganworks.kinds.series.networks.basis import BasisDiscriminator, BasisGenerator
from ganworks.kinds.series.networks.chain import ChainGenerator
from ganworks.kinds.series.networks.parts import Attributes, Auxiliary, in_range, mapped, mlp

LOWEST = 8  # most steps at the coarsest time scale
FAR = 6.0  # standard deviations at which inputs of D are clipped


class TemporalResidualBlock(nn.Module):
    """x + two convolutions over time, the second one initially zero: [B, C, T] -> [B, C, T]."""

    def __init__(self, channels: int, kernel: int):
        super().__init__()
        self.first = nn.Conv1d(channels, channels, kernel, padding=kernel // 2)
        self.second = nn.Conv1d(channels, channels, kernel, padding=kernel // 2)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.leaky_relu(self.first(F.leaky_relu(x, 0.2)), 0.2))


def scales_of(steps: int) -> list[int]:
    """Numbers of steps of the time scales, coarsest first: 24 -> [6, 12, 24]."""
    sizes = [steps]
    while sizes[0] > LOWEST:
        sizes.insert(0, -(-sizes[0] // 2))
    return sizes


class ConvSteps(nn.Module):
    """Steps from coarse to fine: (static [B, S], noise [B, z]) -> [B, T, outputs]."""

    def __init__(self, net: SeriesNetworks, steps: int, static: int, outputs: int):
        super().__init__()
        self.sizes, self.noise, width = scales_of(steps), net.noise, net.width
        self.noise_dim = net.noise * sum(self.sizes)
        self.start = mlp(static, (4 * width,), width * self.sizes[0])
        self.given = nn.ModuleList(nn.Linear(static, width) for _ in self.sizes[1:])
        self.enter = nn.ModuleList(nn.Conv1d(net.noise, width, 1) for _ in self.sizes) if net.noise else None
        self.blocks = nn.ModuleList(TemporalResidualBlock(width, net.kernel) for _ in [*self.sizes, 0])
        self.out = nn.Conv1d(width, outputs, 3, padding=1)

    def forward(self, static: Tensor, noise: Tensor) -> Tensor:
        x = self.start(static).unflatten(1, (-1, self.sizes[0]))
        parts = noise.split([self.noise * n for n in self.sizes], 1)
        for k, size in enumerate(self.sizes):
            if k:
                x = F.interpolate(x, size=size, mode="linear") + self.given[k - 1](static)[:, :, None]
            if self.enter is not None:
                x = x + self.enter[k](parts[k].unflatten(1, (self.noise, size)))
            x = self.blocks[k](x)
        return self.out(F.leaky_relu(self.blocks[-1](x), 0.2)).transpose(1, 2)


class RecurrentSteps(nn.Module):
    """An LSTM, `per_cell` steps per cell (1909.13403, section 4.1.1): (static [B, S], noise) -> [B, T, outputs]."""

    def __init__(self, net: SeriesNetworks, steps: int, static: int, outputs: int):
        super().__init__()
        self.steps, self.cells, self.noise = steps, -(-steps // net.per_cell), max(1, net.noise)
        self.outputs, self.noise_dim = outputs, self.noise * self.cells
        self.cell = nn.LSTM(static + self.noise, net.hidden[0], batch_first=True)
        self.out = nn.Linear(net.hidden[0], net.per_cell * outputs)

    def forward(self, static: Tensor, noise: Tensor) -> Tensor:
        given = static[:, None].expand(-1, self.cells, -1)
        hidden = self.cell(torch.cat([given, noise.unflatten(1, (self.cells, self.noise))], 2))[0]
        return self.out(hidden).unflatten(2, (-1, self.outputs)).flatten(1, 2)[:, : self.steps]


class DenseSteps(nn.Module):
    """All steps at once: (static [B, S], noise [B, z]) -> [B, T, outputs]."""

    def __init__(self, net: SeriesNetworks, steps: int, static: int, outputs: int):
        super().__init__()
        self.steps, self.noise_dim = steps, net.noise * steps
        self.net = mlp(static + self.noise_dim, net.hidden, steps * outputs)

    def forward(self, static: Tensor, noise: Tensor) -> Tensor:
        return self.net(torch.cat([static, noise], 1)).unflatten(1, (self.steps, -1))


STEPS: dict[str, type[nn.Module]] = {"conv": ConvSteps, "recurrent": RecurrentSteps, "dense": DenseSteps}


class SeriesGenerator(nn.Module):
    """([B, z_dim], [B]) -> vectors [B, size] of `SeriesLayout`.

    The latent vector holds those of the attributes, net.z_dim for the whole series, and the noise of the steps.
    """

    def __init__(self, net: SeriesNetworks, spec: Spec):
        super().__init__()
        self.layout = layout = SeriesLayout.from_facts(spec.facts)
        attributes, length, scales, step = layout.widths
        self.label = nn.Embedding(spec.num_classes, net.embed) if spec.num_classes else None
        extra = net.embed if spec.num_classes else 0
        self.base, self.flags = net.z_dim, layout.variable and net.generator == "recurrent"
        length = 0 if self.flags else length
        self.attributes = Attributes(layout.attributes, net.z_dim, extra, net.hidden) if attributes else None
        self.first = self.attributes.z_dim if self.attributes is not None else 0
        inputs = net.z_dim + extra + attributes
        self.ranges = mlp(inputs, net.hidden[:2], length + scales) if length + scales else None
        static = inputs + length + scales
        self.steps = STEPS[net.generator](net, layout.steps, static, step + int(self.flags))
        self.z_dim = self.first + net.z_dim + int(cast(int, self.steps.noise_dim))
        if layout.variable:
            self.register_buffer("lengths", layout.table("lengths"), persistent=False)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        layout = self.layout
        first, second, noise = z.split([self.first, self.base, self.z_dim - self.first - self.base], 1)
        label = z[:, :0]
        if self.label is not None:
            if y is None:
                raise UsageError(f"This network is conditional on {self.label.num_embeddings} classes: give labels.")
            label = self.label(y).to(z.dtype)
        attributes = self.attributes(first, label) if self.attributes is not None else z[:, :0]
        given = torch.cat([second, label, attributes.detach()], 1)  # steps send no gradient to attributes (section 4.2)
        ranges = self.ranges(given).tanh() if self.ranges is not None else z[:, :0]
        raw = self.steps(torch.cat([given, ranges], 1), noise)
        n = layout.widths[2]
        length, scales = ranges.split([ranges.shape[1] - n, n], 1)
        length, active = self._lasting(length, raw)
        count = len(layout.numbers)
        numbers = raw[:, :, :count]
        numbers = in_range(numbers, active) if layout.scale == "series" else numbers.tanh()
        texts = mapped(layout.categories, raw[:, :, count : layout.widths[3]])
        lasting = (active >= 0)[:, :, None]  # flags may be fractional, but a step exists or not, as in real series
        return layout.join(Parts(attributes, length, scales, torch.cat([numbers, texts], 2) * lasting, active))

    def _lasting(self, length: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """(length as a uniform value [B, 0 or 1], flags [B, T]), from the generated length or from the cells' flags."""
        layout = self.layout
        if not layout.variable:
            return length, torch.ones_like(raw[:, :, 0])
        if not self.flags:
            steps = from_uniform(cast(Tensor, self.lengths), length)[:, 0]
            return length, active_steps(steps.float(), layout.steps)
        lasts = raw[:, :, -1].add(math.log(layout.steps)).sigmoid()  # initially, most series have full length
        lasts = torch.cat([torch.ones_like(lasts[:, :1]), lasts[:, 1:]], 1).cumprod(1)
        steps = lasts.sum(1).clamp_min(0.51)
        return to_uniform(cast(Tensor, self.lengths), steps[:, None].double()), 2 * lasts - 1


class View(nn.Module):
    """The input of D: vectors [B, size] -> (steps [B, F, T], static [B, S]).

    Steps: the numbers within the range of their series and their differences; the same in units of all data; categories
    and the flag. differences=False: only the numbers within their range, as in the published discriminator.
    """

    def __init__(self, layout: SeriesLayout, differences: bool):
        super().__init__()
        self.layout, self.differences = layout, differences
        n, (attributes, length, scales, step) = len(layout.numbers), layout.widths
        self.own = layout.scale == "series"
        self.features = step + int(layout.variable) + (n * (3 if self.own else 1) if differences else 0)
        self.static = attributes + length + scales
        for name in ("mean", "std", "move", "low", "high"):
            values = torch.tensor([getattr(c, name) for c in layout.numbers], dtype=torch.float32)
            self.register_buffer(f"_{name}", values, persistent=False)
        if self.own:
            self.register_buffer("_ranges", layout.table("scales"), persistent=False)

    def buffer(self, name: str) -> Tensor:
        """A buffer, typed."""
        return cast(Tensor, getattr(self, f"_{name}"))

    def absolute(self, parts: Parts) -> Tensor:
        """Numbers [B, T, n] in their own units."""
        n = len(self.layout.numbers)
        x = parts.steps[:, :, :n]
        if self.own:
            middle, half = from_uniform(self.buffer("ranges"), parts.scales).float().split(n, 1)
        else:
            low, high = self.buffer("low")[None], self.buffer("high")[None]
            middle, half = (high + low) / 2, (high - low) / 2
        return middle[:, None] + half[:, None] * x

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        parts, n = self.layout.split(x), len(self.layout.numbers)
        seen, static = [parts.steps], torch.cat([parts.attributes, parts.length, parts.scales], 1)
        shown = (parts.active[:, :, None] + 1) / 2
        if self.layout.variable:
            seen.append(parts.active[:, :, None])
        if self.differences and n:
            both = shown[:, 1:] * shown[:, :-1]
            values = self.absolute(parts)
            if self.own:
                seen.append(2 * differences(parts.steps[:, :, :n], both))
                seen.append((values - self.buffer("mean")) / self.buffer("std") * shown)
            seen.append(FAR * (differences(values, both) / (FAR * self.buffer("move"))).tanh())
        return torch.cat(seen, 2).transpose(1, 2), static


def differences(x: Tensor, both: Tensor) -> Tensor:
    """Change from the previous step [B, T, n], 0 at the first. both [B, T - 1, 1]: whether both steps exist."""
    return F.pad((x[:, 1:] - x[:, :-1]) * both, (0, 0, 1, 0))


class ConvDiscriminator(nn.Module):
    """Convolutions at decreasing time resolution: (steps [B, F, T], static [B, S]) -> [B]."""

    def __init__(self, net: SeriesNetworks, steps: int, features: int, static: int):
        super().__init__()
        sizes, width = scales_of(steps)[::-1], net.d_width
        self.enter = nn.Conv1d(features + static, width, 3, padding=1)
        self.blocks = nn.ModuleList(TemporalResidualBlock(width, net.kernel) for _ in sizes)
        self.out = mlp(width * sizes[-1] + static, (4 * width,), 1)

    def forward(self, x: Tensor, static: Tensor) -> Tensor:
        x = self.enter(torch.cat([x, static[:, :, None].expand(-1, -1, x.shape[2])], 1))
        for k, block in enumerate(self.blocks):
            x = block(F.avg_pool1d(x, 2, ceil_mode=True) if k else x)
        return self.out(torch.cat([x.flatten(1), static], 1))[:, 0].float()


class DenseDiscriminator(nn.Module):
    """An MLP on everything: (steps [B, F, T], static [B, S]) -> [B]."""

    def __init__(self, net: SeriesNetworks, steps: int, features: int, static: int):
        super().__init__()
        self.net = mlp(features * steps + static, net.d_hidden, 1)

    def forward(self, x: Tensor, static: Tensor) -> Tensor:
        return self.net(torch.cat([x.flatten(1), static], 1))[:, 0].float()


class SeriesDiscriminator(nn.Module):
    """([B, size], [B]) -> logits [B] float32. `auxiliary` sees only the static part; None if there is none."""

    def __init__(self, net: SeriesNetworks, spec: Spec):
        super().__init__()
        layout = SeriesLayout.from_facts(spec.facts)
        self.view = View(layout, net.differences)
        self.label = nn.Embedding(spec.num_classes, net.embed) if spec.num_classes else None
        static = self.view.static + (net.embed if spec.num_classes else 0)
        kind = ConvDiscriminator if net.discriminator == "conv" else DenseDiscriminator
        self.net = kind(net, layout.steps, self.view.features, static)
        self.auxiliary = Auxiliary(net, spec, self.view.static) if self.view.static else None

    def seen(self, x: Tensor) -> Tensor:
        """The input in which penalties are measured: the vector itself."""
        return x

    def logits(self, seen: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits [B]."""
        steps, static = self.view(seen)
        if self.label is not None:
            if y is None:
                raise UsageError("This discriminator is conditional: labels are needed.")
            static = torch.cat([static, self.label(y).to(seen.dtype)], 1)
        return self.net(steps, static)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.logits(self.seen(x), y)


@dataclass(frozen=True)
class SeriesNetworks:
    """Networks of series.

    generator: "chain" (see networks/chain.py), "basis" (for short series of one length, see networks/basis.py), "conv",
        "recurrent" (DoppelGANger's LSTM) or "dense".
    discriminator: "basis", "conv" or "dense" (DoppelGANger's).
    width: channels of the generator's convolutions.
    d_width: channels of the discriminator's convolutions.
    kernel: length of the convolutions, odd.
    hidden: widths of the generator's dense layers; for "chain" the first is the width of the recurrent cell, the last
        that of the hidden layer of each column's mixture.
    d_hidden: widths of the discriminator's dense layers.
    per_cell: steps that one recurrent cell makes.
    z_dim: size of the latent vector of a whole series.
    noise: latents of each step.
    differences: whether D sees changes and absolute values beside the values.
    embed: size of the embedding of a class.
    parts: components of each column's mixture, for "chain".
    dropout: dropout of the cell's states in training, against overfitting.
    jitter: noise on the levels that the cell sees, in standard deviations of a change, in training alone, against
        overfitting.
    """

    generator: Literal["chain", "basis", "conv", "recurrent", "dense"] = "conv"
    discriminator: Literal["basis", "conv", "dense"] = "conv"
    width: Width = 48
    d_width: Width = 48
    kernel: Annotated[int, within(1, unit="steps")] = 5
    hidden: tuple[Width, ...] = (128, 128)
    d_hidden: tuple[Width, ...] = (128, 128)
    per_cell: Annotated[int, within(1, unit="steps")] = 4
    z_dim: Count = 16
    noise: Size = 4
    differences: bool = True
    embed: Count = 8
    parts: Count = 10
    dropout: Chance = 0.0
    jitter: Annotated[float, within(0)] = 0.0

    def __post_init__(self) -> None:
        check(self)
        if not self.hidden or not self.d_hidden or self.kernel % 2 == 0:
            raise UsageError("hidden and d_hidden need at least one width, and kernel must be odd.")

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """New networks {"G", "D"} for `spec`."""
        basis = BasisGenerator, BasisDiscriminator
        G = {"basis": basis[0], "chain": ChainGenerator}.get(self.generator, SeriesGenerator)
        D = basis[1] if self.discriminator == "basis" else SeriesDiscriminator
        return {"G": G(self, spec), "D": D(self, spec)}
