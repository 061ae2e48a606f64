"""TimeGAN's networks (Yoon et al. 2019, "Time-series Generative Adversarial Networks"): a GAN in a learnt latent space.

An embedder E maps steps to latents and a recovery network maps them back; a generator makes latents from noise, a
supervisor predicts the next latent, and D classifies sequences of latents. All are recurrent. Generator, supervisor and
recovery form the one network that is published. Different from the paper, attributes and ranges are drawn as in the
other networks of series and are inputs of every network, instead of passing through an autoencoder of their own. The
authors' code has noise=0 uniform=on layers=3 d_layers=3 d_both=off d_steps=on apart=on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import check, within
from ganworks.core.spec import Spec
from ganworks.kinds.series.data.layout import Parts, SeriesLayout
from ganworks.kinds.series.networks.parts import Attributes, in_range, mapped, mlp


class Given(NamedTuple):
    """A batch as TimeGAN sees it: steps [B, T, F], active [B, T] in 0..1, static [B, S]."""

    steps: Tensor
    active: Tensor
    static: Tensor


def given(layout: SeriesLayout, x: Tensor, y: Tensor | None, classes: int) -> Given:
    """Vectors [B, size] and labels -> (steps with their flags, everything that is constant over the series)."""
    parts = layout.split(x)
    label = nn.functional.one_hot(y, classes).to(x.dtype) if y is not None and classes else x[:, :0]
    static = torch.cat([parts.attributes, parts.length, parts.scales, label], 1)
    steps = torch.cat([parts.steps, parts.active[:, :, None]], 2) if layout.variable else parts.steps
    return Given(steps, (parts.active + 1) / 2, static)


class GRUStack(nn.Module):
    """GRU layers and a linear layer: (x [B, T, F], static [B, S]) -> [B, T, outputs]."""

    def __init__(self, inputs: int, hidden: int, outputs: int, layers: int = 1, both: bool = False):
        super().__init__()
        self.cells = nn.GRU(inputs, hidden, layers, batch_first=True, bidirectional=both)
        self.out = nn.Linear(hidden * (1 + both), outputs)

    def forward(self, x: Tensor, static: Tensor) -> Tensor:
        together = torch.cat([x, static[:, None].expand(-1, x.shape[1], -1)], 2)
        return self.out(self.cells(together)[0])


class Embedder(nn.Module):
    """(steps [B, T, F], static [B, S]) -> latents [B, T, hidden] in (0, 1)."""

    def __init__(self, net: TimeGAN, layout: SeriesLayout, classes: int, features: int, static: int):
        super().__init__()
        self.layout, self.classes = layout, classes
        self.net = GRUStack(features + static, net.hidden, net.hidden, net.layers)

    def forward(self, steps: Tensor, static: Tensor) -> Tensor:
        return self.net(steps, static).sigmoid()

    def given(self, x: Tensor, y: Tensor | None) -> Given:
        """Vectors and labels as `Given`."""
        return given(self.layout, x, y, self.classes)


class LatentDiscriminator(nn.Module):
    """(latents [B, T, hidden], static [B, S]) -> logits [B], the means over the steps, or one a step, [B, T]: a GRU."""

    def __init__(self, net: TimeGAN, static: int):
        super().__init__()
        self.steps = net.d_steps
        self.net = GRUStack(net.hidden + static, net.hidden, 1, net.d_layers, both=net.d_both)

    def forward(self, latents: Tensor, static: Tensor) -> Tensor:
        logits = self.net(latents, static)[:, :, 0].float()
        return logits if self.steps else logits.mean(1)


class TimeGANGenerator(nn.Module):
    """([B, z_dim], [B]) -> vectors [B, size]. The game uses its parts `latents`, `ahead` and `recover`."""

    def __init__(self, net: TimeGAN, spec: Spec):
        super().__init__()
        self.layout = layout = SeriesLayout.from_facts(spec.facts)
        attributes, length, scales, step = layout.widths
        noise = net.noise or step
        self.classes, self.noise, self.uniform = spec.num_classes, noise, net.uniform
        self.attributes = Attributes(layout.attributes, noise, self.classes, (net.hidden,)) if attributes else None
        self.first = self.attributes.z_dim if self.attributes is not None else 0
        self.base = net.z_dim if length + scales else 0
        self.ranges = (
            mlp(net.z_dim + self.classes + attributes, (2 * net.hidden,), length + scales) if self.base else None
        )
        static, flags = attributes + length + scales + self.classes, int(layout.variable)
        self.generator = GRUStack(noise + static, net.hidden, net.hidden, net.layers)
        self.supervisor = GRUStack(net.hidden + static, net.hidden, net.hidden, max(1, net.layers - 1))
        self.recovery = GRUStack(net.hidden + static, net.hidden, step + flags, net.layers)
        self.z_dim = self.first + self.base + noise * layout.steps

    def latents(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """(latents from noise [B, T, hidden], static [B, S])."""
        if self.classes and y is None:
            raise UsageError(f"This network is conditional on {self.classes} classes: labels are needed.")
        first, base, noise = z.split([self.first, self.base, self.z_dim - self.first - self.base], 1)
        label = nn.functional.one_hot(y, self.classes).to(z.dtype) if y is not None and self.classes else z[:, :0]
        drawn = self.attributes(first, label) if self.attributes is not None else z[:, :0]
        known = torch.cat([base, label, drawn.detach()], 1)
        ranges = self.ranges(known).tanh() if self.ranges is not None else z[:, :0]
        static = torch.cat([drawn, ranges, label], 1)
        noise = torch.special.ndtr(noise) if self.uniform else noise
        return self.generator(noise.unflatten(1, (self.layout.steps, -1)), static).sigmoid(), static

    def ahead(self, latents: Tensor, static: Tensor) -> Tensor:
        """The supervisor: predicted latents of the next step [B, T, hidden]."""
        return self.supervisor(latents, static).sigmoid()

    def recover(self, latents: Tensor, static: Tensor) -> tuple[Tensor, Tensor]:
        """Latents -> (numbers and categories [B, T, F], flags [B, T] in [-1, 1])."""
        layout, raw = self.layout, self.recovery(latents, static)
        step = layout.widths[3]
        flags = raw[:, :, step].tanh() if layout.variable else torch.ones_like(raw[:, :, 0])
        count = len(layout.numbers)
        words = mapped(layout.categories, raw[:, :, count:step])
        return torch.cat([raw[:, :, :count].tanh(), words], 2), flags

    def whole(self, steps: Tensor, flags: Tensor, static: Tensor) -> Tensor:
        """Vectors of recovered steps: numbers are stretched to their range, steps after the end are 0."""
        layout = self.layout
        a, n, s, _ = layout.widths
        if layout.variable:
            flags = torch.cat([torch.ones_like(flags[:, :1]), flags[:, 1:]], 1)
            flags = flags.cummin(1).values
        count = len(layout.numbers)
        numbers = steps[:, :, :count]
        if layout.scale == "series":
            numbers = in_range(numbers, flags)
        steps = torch.cat([numbers, steps[:, :, count:]], 2) * (flags[:, :, None] >= 0)
        return layout.join(Parts(static[:, :a], static[:, a : a + n], static[:, a + n : a + n + s], steps, flags))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        latents, static = self.latents(z, y)
        return self.whole(*self.recover(self.ahead(latents, static), static), static)


@dataclass(frozen=True)
class TimeGAN:
    """TimeGAN's networks: G (generator, supervisor and recovery), E (embedder), D.

    hidden: width of every GRU and of the latent space.
    layers: layers of every GRU of G and E; the supervisor has one less.
    noise: latents of a step; 0: one for each column.
    uniform: whether the latents of a step are uniform in 0..1, not normal.
    z_dim: latents of the ranges.
    d_layers: layers of D's GRU.
    d_both: whether D reads the series in both directions.
    d_steps: whether D has a logit for each step, not one for the series.
    apart: whether the recovery network is a player of its own, GR, as the game with apart=on moves it.
    """

    hidden: Annotated[int, within(1, 4096)] = 24
    layers: Annotated[int, within(1, 4096)] = 2
    noise: Annotated[int, within(0, 4096)] = 8
    uniform: bool = False
    z_dim: Annotated[int, within(1, 4096)] = 16
    d_layers: Annotated[int, within(1, 64)] = 1
    d_both: bool = True
    d_steps: bool = False
    apart: bool = False

    def __post_init__(self) -> None:
        check(self)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """New networks {"G", "E", "D"} for `spec`, and the part "GR" of G with `apart`."""
        G = TimeGANGenerator(self, spec)
        attributes, length, scales, step = G.layout.widths
        static = attributes + length + scales + spec.num_classes
        embedder = Embedder(self, G.layout, spec.num_classes, step + int(G.layout.variable), static)
        own = {"GR": G.recovery} if self.apart else {}
        return {"G": G, "E": embedder, "D": LatentDiscriminator(self, static), **own}
