"""Networks in the whitened basis of short series: the generator corrects a Gaussian, D sees inputs of unit variance.

A Gaussian in this basis has the true means and linear dependences of ranges and shapes from the first step on; only the
rest is learnt. By whitening, small differences between columns and steps count as much as the large common movements,
for D and for its penalty; in the original values they are a thousandth of the variance.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.kinds.series.data.layout import Basis, Parts, SeriesLayout, measured, uniform_score
from ganworks.kinds.series.networks.parts import Attributes, Auxiliary, in_range, mapped, mlp

SCORE = 2.75  # limit of normal scores, as in the data


class Whitened(nn.Module):
    """The transform between vectors [B, size] and whitened coordinates [B, K]."""

    def __init__(self, layout: SeriesLayout):
        super().__init__()
        if not layout.basis:
            raise UsageError(
                'networks.generator="basis" is for series of one length, with at most 400 numbers in all; '
                'these are longer or of different lengths. Use "conv", "dense" or "recurrent".'
            )
        self.layout = layout
        for name, value in Basis.of(layout)._asdict().items():
            self.register_buffer(name, value, persistent=False)

    @property
    def basis(self) -> Basis:
        """The basis as tensors on the device."""
        return Basis(*(cast(Tensor, getattr(self, name)) for name in Basis._fields))

    def there(self, x: Tensor) -> Tensor:
        """Vectors -> coordinates."""
        return self.basis.there(measured(self.layout, x))

    def back(self, c: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates -> (ranges as uniform values [B, 2n], numbers [B, T, n], stretched to their range)."""
        layout = self.layout
        scores, steps = self.basis.back(c).split([layout.widths[2], layout.steps * len(layout.numbers)], 1)
        steps = steps.unflatten(1, (layout.steps, -1))
        if layout.scale == "series":
            steps = in_range(steps, torch.ones_like(steps[:, :, 0]))
        return uniform_score(scores.clamp(-SCORE, SCORE)), steps


class BasisGenerator(nn.Module):
    """([B, z_dim], [B]) -> vectors [B, size]. Coordinates are m(e) + e exp(g(e)) of noise e; initially m = g = 0."""

    def __init__(self, net: Any, spec: Spec):
        super().__init__()
        self.layout = layout = SeriesLayout.from_facts(spec.facts)
        self.white, self.count = Whitened(layout), layout.directions
        self.label = nn.Embedding(spec.num_classes, net.embed) if spec.num_classes else None
        extra, attributes = net.embed if spec.num_classes else 0, layout.widths[0]
        self.attributes = Attributes(layout.attributes, net.z_dim, extra, net.hidden[:2]) if attributes else None
        self.base = self.attributes.z_dim if self.attributes is not None else 0
        texts = layout.steps * sum(c.width for c in layout.categories)
        self.net = mlp(self.count + attributes + extra, net.hidden, 2 * self.count + texts)
        nn.init.zeros_(cast(nn.Linear, self.net[-1]).weight[: 2 * self.count])
        self.z_dim = self.base + self.count

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        layout = self.layout
        first, e = z.split([self.base, self.count], 1)
        given = [z[:, :0]]
        if self.label is not None:
            if y is None:
                raise UsageError(f"This network is conditional on {self.label.num_embeddings} classes: give labels.")
            given = [self.label(y).to(z.dtype)]
        attributes = self.attributes(first, given[0]) if self.attributes is not None else z[:, :0]
        out = self.net(torch.cat([e, attributes.detach(), *given], 1))
        shift, gain, texts = out.split([self.count, self.count, out.shape[1] - 2 * self.count], 1)
        ranges, numbers = self.white.back(shift + e * gain.clamp(-4, 2).exp())
        words = (
            mapped(layout.categories, texts.unflatten(1, (layout.steps, -1))) if layout.categories else texts[:, None]
        )
        steps = torch.cat([numbers, words], 2) if layout.categories else numbers
        return layout.join(Parts(attributes, z[:, :0], ranges, steps, torch.ones_like(steps[:, :, 0])))


class BasisDiscriminator(nn.Module):
    """([B, size], [B]) -> logits [B]: an MLP on coordinates, attributes and categories.

    `seen` computes these inputs, in which penalties are measured; `logits` takes them.
    """

    def __init__(self, net: Any, spec: Spec):
        super().__init__()
        self.layout = layout = SeriesLayout.from_facts(spec.facts)
        self.white = Whitened(layout)
        self.label = nn.Embedding(spec.num_classes, net.embed) if spec.num_classes else None
        texts = layout.steps * sum(c.width for c in layout.categories)
        inputs = layout.directions + layout.widths[0] + texts + (net.embed if spec.num_classes else 0)
        self.net = mlp(inputs, net.d_hidden, 1)
        self.auxiliary = Auxiliary(net, spec, layout.widths[0]) if layout.widths[0] else None

    def seen(self, x: Tensor) -> Tensor:
        """Vectors -> [coordinates, attributes, categories]."""
        parts = self.layout.split(x)
        words = parts.steps[:, :, len(self.layout.numbers) :].flatten(1)
        return torch.cat([self.white.there(x), parts.attributes, words], 1)

    def logits(self, seen: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits [B] from the result of `seen`."""
        if self.label is not None:
            if y is None:
                raise UsageError("This discriminator is conditional: labels are needed.")
            seen = torch.cat([seen, self.label(y).to(seen.dtype)], 1)
        return self.net(seen)[:, 0].float()

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.logits(self.seen(x), y)
