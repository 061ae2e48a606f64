"""The distribution of one step: column by column, each a mixture of logistics given the earlier columns.

The likelihood of a value is the mass of the mixture within its cell of the grid of values (PixelCNN++, Salimans et al.
2017, 1701.05517, equation 2). A sample is the quantile of uniform noise under the mixture, a coupling by mixtures of
logistics as in Flow++ (Ho et al. 2019, 1902.00275, section 3.2), so that samples are a function of noise. One component
of each mixture stands for no change, since many recordings are constant for hours or jump between states. Each
component has its own dependence on the earlier columns: a mixture of linear experts.
"""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TURNS, NARROW, WIDE, FAR = 32, -7.0, 4.0, 8.0


class Cells(NamedTuple):
    """Numbers w [..., n] on a grid, with the offsets of the lower and upper edges of their cells (low < 0 < high)."""

    w: Tensor
    low: Tensor
    high: Tensor

    def over(self, unit: Tensor) -> Cells:
        """The same in units of `unit` [n]."""
        return Cells(self.w / unit, self.low / unit, self.high / unit)


class Mixture(NamedTuple):
    """Mixtures of K logistics: log weights (normalised), means and log scales, [..., K] each."""

    weight: Tensor
    middle: Tensor
    scale: Tensor

    def surprise(self, at: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Negative log of the mean density [...] between the edges at + low and at + high; stable far into the
        tails.
        """
        slow, gap = (-self.scale).exp(), at[..., None] - self.middle
        a, b = (gap + low[..., None]) * slow, (gap + high[..., None]) * slow
        width = (high - low)[..., None] * slow
        mass = F.logsigmoid(b) + F.logsigmoid(-a) + torch.log(-torch.expm1(-width))
        return (high - low).log() - (self.weight + mass).logsumexp(-1)

    def quantile(self, share: Tensor) -> Tensor:
        """The quantile of `share` [...] in (0, 1), by bisection; gradients by the implicit function theorem."""
        with torch.no_grad():
            ends = self.middle + self.scale.exp() * share.logit()[..., None]
            low, high = ends.amin(-1), ends.amax(-1)
            for _ in range(TURNS):
                half = (low + high) / 2
                below = self.below(half) < share
                low, high = torch.where(below, half, low), torch.where(below, high, half)
            at = (low + high) / 2
        if not torch.is_grad_enabled():
            return at
        slope = self.density(at).detach().clamp_min(1e-6)
        return at - (self.below(at) - share) / slope

    def below(self, x: Tensor) -> Tensor:
        """Distribution function at x [...]."""
        return (self.weight.exp() * ((x[..., None] - self.middle) * (-self.scale).exp()).sigmoid()).sum(-1)

    def density(self, x: Tensor) -> Tensor:
        """Density at x [...]."""
        s = ((x[..., None] - self.middle) * (-self.scale).exp()).sigmoid()
        return (self.weight.exp() * s * (1 - s) * (-self.scale).exp()).sum(-1)


class ChangeMixtures(nn.Module):
    """The mixtures of the changes of n columns: (features [..., F], changes [..., n]) -> `Mixture` [..., n, K].

    The mixture of a column depends on the changes of earlier columns only. Changes are in units of
    `ChainGenerator.unit`; at the first step, the values themselves take their place. width: hidden units of each
    column. parts: K. same: [n, n] strictly lower triangular, the change of a column whose value stays the same, as a
    linear function of the earlier changes; None at the first step.
    """

    def __init__(self, features: int, columns: int, width: int, parts: int, same: Tensor | None = None):
        super().__init__()
        n, self.width, self.parts = columns, width, parts
        self.enter, self.lead = nn.Linear(features, n * width), nn.Linear(features, n)
        nn.init.zeros_(self.lead.weight)
        nn.init.zeros_(self.lead.bias)
        self.among = nn.Parameter(torch.randn(2, n, n, width) / math.sqrt(2 * n))
        self.out = nn.Parameter(torch.zeros(n, width, 3 * parts))
        start = torch.zeros(n, 3, parts)
        start[:, 1] = torch.linspace(-3, 3, parts) if parts > 1 else 0.0
        start[:, 2] = math.log(0.5)
        experts, free = torch.zeros(n, parts, n), torch.ones(parts)
        if same is not None:
            start[:, :, 0], free[0] = torch.tensor([-2.0, 0.0, -4.0]), 0.0
            experts[:, ::2] = same[:, None].float()  # every second component starts as a change of this column alone
        self.experts, self.start = nn.Parameter(experts), nn.Parameter(start.flatten(1))
        self.register_buffer("free", free, persistent=False)
        self.register_buffer("same", torch.zeros(n, n) if same is None else same.float(), persistent=False)
        self.register_buffer("earlier", torch.ones(n, n).tril(-1), persistent=False)  # [column, earlier column]

    def forward(self, features: Tensor, changes: Tensor, still: Tensor) -> Mixture:
        inner = self.begin(features)
        mask = cast(Tensor, self.earlier).T[:, :, None]  # [from, to, 1]
        weights = (self.among * mask).flatten(2).flatten(0, 1)
        inner = inner + (torch.cat([changes.clamp(-FAR, FAR), still], -1) @ weights).unflatten(-1, inner.shape[-2:])
        moved = self.ahead(features) + torch.einsum("...d,ckd->...ck", changes, self.dependence())
        inner = F.leaky_relu(inner, 0.2)
        return self.mixture(torch.einsum("...cm,cmk->...ck", inner, self.out) + self.start, moved)

    def surprise(self, features: Tensor, w: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Negative log-density [...] of changes with the given `Cells`."""
        still = self.still(w, low, high)
        return self(features, w, still).surprise(w, low, high).sum(-1)

    def still(self, w: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """1.0 for each column [..., n] whose value stays the same: its change is what the earlier columns imply."""
        return ((w - w @ cast(Tensor, self.same).T).abs() < (high - low) / 4).to(w.dtype)

    def stands(self, column: int, w: Tensor, width: Tensor) -> Tensor:
        """`still` for one column, from the changes [B, column + 1] and the width of its cell [B]."""
        same = cast(Tensor, self.same)[column, :column]
        return ((w[:, -1] - w[:, :-1] @ same).abs() < width / 4).to(w.dtype)

    def begin(self, features: Tensor) -> Tensor:
        """The contribution of the features to the hidden units [..., n, width]."""
        return self.enter(features).unflatten(-1, (-1, self.width))

    def ahead(self, features: Tensor) -> Tensor:
        """A shift of the means of all components except the unchanged one, linear in the features: [..., n, K]."""
        return self.lead(features)[..., None] * cast(Tensor, self.free)

    def dependence(self) -> Tensor:
        """Coefficients [n, K, n] of the earlier changes in the mean of each component."""
        free = cast(Tensor, self.free)[None, :, None]
        whole = self.experts * free + cast(Tensor, self.same)[:, None] * (1 - free)
        return whole * cast(Tensor, self.earlier)[:, None]

    def mixture(self, raw: Tensor, moved: Tensor) -> Mixture:
        """The mixture from outputs [..., 3K] and the shift of its means [..., K]."""
        weight, middle, scale = raw.chunk(3, -1)
        return Mixture(weight.log_softmax(-1), middle * cast(Tensor, self.free) + moved, scale.clamp(NARROW, WIDE))

    def one(self, column: int, inner: Tensor, ahead: Tensor, changes: Tensor, still: Tensor, depend: Tensor) -> Mixture:
        """The mixture [B, K] of one column, for sampling.

        inner: `begin` [B, n, width]. ahead: `ahead` [B, n, K]. changes, still: of the earlier columns [B, column].
        depend: `dependence`.
        """
        weights = self.among[:, :column, column].flatten(0, 1)
        inner = inner[:, column] + torch.cat([changes.clamp(-FAR, FAR), still], 1) @ weights
        raw = F.leaky_relu(inner, 0.2) @ self.out[column] + self.start[column]
        return self.mixture(raw, ahead[:, column] + changes @ depend[column, :, :column].T)
