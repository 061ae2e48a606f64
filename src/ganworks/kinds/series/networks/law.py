"""The law of one step: column after column, each a mixture of logistics given what stands before it.

What is likely is the cell of the grid on which a column lies: the mass of the mixture between its edges (PixelCNN++,
Salimans et al. 2017, 1701.05517, equation 2). A draw is the quantile of uniform noise under the mixture, a
coupling by mixtures of logistics as in Flow++ (Ho et al. 2019, 1902.00275, section 3.2), so that samples stay a
function of noise. One part of each mixture stands where nothing changes, as many recordings stand still for hours or
jump between states. Each part has its own dependence on the columns before: a mixture of linear experts.
"""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TURNS, NARROW, WIDE, FAR = 32, -7.0, 4.0, 8.0


class Cells(NamedTuple):
    """Numbers w [..., n] that lie on a grid, and how far the edges of their cells are from them, low below 0."""

    w: Tensor
    low: Tensor
    high: Tensor

    def over(self, unit: Tensor) -> Cells:
        """In other units [n]."""
        return Cells(self.w / unit, self.low / unit, self.high / unit)


class Mixture(NamedTuple):
    """Parts of mixtures of logistics: log of their weights (they sum to 1), middles and log of the scales, [..., K]."""

    weight: Tensor
    middle: Tensor
    scale: Tensor

    def surprise(self, at: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """-log of the mean density between two edges [...], given from the place `at`; exact however far out."""
        slow, gap = (-self.scale).exp(), at[..., None] - self.middle
        a, b = (gap + low[..., None]) * slow, (gap + high[..., None]) * slow
        width = (high - low)[..., None] * slow
        mass = F.logsigmoid(b) + F.logsigmoid(-a) + torch.log(-torch.expm1(-width))
        return (high - low).log() - (self.weight + mass).logsumexp(-1)

    def quantile(self, share: Tensor) -> Tensor:
        """Where the mass below is `share` [...], strictly between 0 and 1: by halving; gradients by the implicit
        function theorem."""
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
        """Mass below x [...]."""
        return (self.weight.exp() * ((x[..., None] - self.middle) * (-self.scale).exp()).sigmoid()).sum(-1)

    def density(self, x: Tensor) -> Tensor:
        """Density at x [...]."""
        s = ((x[..., None] - self.middle) * (-self.scale).exp()).sigmoid()
        return (self.weight.exp() * s * (1 - s) * (-self.scale).exp()).sum(-1)


class Laws(nn.Module):
    """Mixtures of the changes of n columns, in their units: (features [..., F], changes [..., n]) -> `Mixture` [..., n,
    K]; that of a column depends on the changes of the columns before it alone.

    width: hidden units of each column; parts: K; same: [n, n] strictly lower triangular, how much of the changes before
    is in a column that stands still, None where there is nothing that it could stand still from.
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
            experts[:, ::2] = same[:, None].float()  # every other part begins as a change of the column by itself
        self.experts, self.start = nn.Parameter(experts), nn.Parameter(start.flatten(1))
        self.register_buffer("free", free, persistent=False)
        self.register_buffer("same", torch.zeros(n, n) if same is None else same.float(), persistent=False)
        self.register_buffer("earlier", torch.ones(n, n).tril(-1), persistent=False)  # [column, one before it]

    def forward(self, features: Tensor, changes: Tensor, still: Tensor) -> Mixture:
        inner = self.begin(features)
        mask = cast(Tensor, self.earlier).T[:, :, None]  # [from, to, 1]
        weights = (self.among * mask).flatten(2).flatten(0, 1)
        inner = inner + (torch.cat([changes.clamp(-FAR, FAR), still], -1) @ weights).unflatten(-1, inner.shape[-2:])
        moved = self.ahead(features) + torch.einsum("...d,ckd->...ck", changes, self.dependence())
        inner = F.leaky_relu(inner, 0.2)
        return self.mixture(torch.einsum("...cm,cmk->...ck", inner, self.out) + self.start, moved)

    def surprise(self, features: Tensor, w: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """-log density [...] of changes that lie in these `Cells`."""
        still = self.still(w, low, high)
        return self(features, w, still).surprise(w, low, high).sum(-1)

    def still(self, w: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """1.0 for each column that stands still [..., n]: all of its change is what the columns before it bring."""
        return ((w - w @ cast(Tensor, self.same).T).abs() < (high - low) / 4).to(w.dtype)

    def stands(self, column: int, w: Tensor, width: Tensor) -> Tensor:
        """The same of one column, from the changes [B, column + 1] and the width of its cell [B]."""
        same = cast(Tensor, self.same)[column, :column]
        return ((w[:, -1] - w[:, :-1] @ same).abs() < width / 4).to(w.dtype)

    def begin(self, features: Tensor) -> Tensor:
        """What the features give to all columns [..., n, width]."""
        return self.enter(features).unflatten(-1, (-1, self.width))

    def ahead(self, features: Tensor) -> Tensor:
        """How far all parts of a column but the one that stands still are moved together, linear in the features: [...,
        n, K]."""
        return self.lead(features)[..., None] * cast(Tensor, self.free)

    def dependence(self) -> Tensor:
        """How much of each change [n, K, n] is in the middles of the parts of each column."""
        free = cast(Tensor, self.free)[None, :, None]
        whole = self.experts * free + cast(Tensor, self.same)[:, None] * (1 - free)
        return whole * cast(Tensor, self.earlier)[:, None]

    def mixture(self, raw: Tensor, moved: Tensor) -> Mixture:
        """Outputs [..., 3K] and what the columns before say of the middles [..., K]."""
        weight, middle, scale = raw.chunk(3, -1)
        return Mixture(weight.log_softmax(-1), middle * cast(Tensor, self.free) + moved, scale.clamp(NARROW, WIDE))

    def one(self, column: int, inner: Tensor, ahead: Tensor, changes: Tensor, still: Tensor, depend: Tensor) -> Mixture:
        """That of one column [B, K], from `begin` [B, n, width], `ahead` [B, n, K], what is known of the columns before
        it [B, column] and `dependence`."""
        weights = self.among[:, :column, column].flatten(0, 1)
        inner = inner[:, column] + torch.cat([changes.clamp(-FAR, FAR), still], 1) @ weights
        raw = F.leaky_relu(inner, 0.2) @ self.out[column] + self.start[column]
        return self.mixture(raw, ahead[:, column] + changes @ depend[column, :, :column].T)
