"""DP-SGD: the gradient of each example is clipped to a norm, and Gaussian noise is added to their sum.

Abadi et al. 2016 (arXiv 1607.00133), algorithm 1. `promise.py` says what may be trained so, and the epsilon.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganworks.core.errors import GanworksError

CHUNK = 64  # examples whose gradients are held at once


def add_clipped(
    terms: list[Tensor], params: list[torch.nn.Parameter], limit: float, count: int, expected: float
) -> None:
    """Add to `p.grad` the sum of the examples' gradients, each clipped to the norm `limit`, over `expected`.

    terms: losses [count], of which entry i depends on example i alone. expected: examples drawn on average, a number
    that does not depend on the data. Raises GanworksError when terms are not of this length.
    """
    sizes = {tuple(term.shape) for term in terms}
    if sizes != {(count,)}:
        raise GanworksError(f"clip_each needs one loss for each of {count} examples, not the shapes {sorted(sizes)}.")
    total = torch.stack([term.float() for term in terms]).sum(0)
    for start in range(0, count, CHUNK):
        rows = range(start, min(start + CHUNK, count))
        one = torch.zeros(len(rows), count, device=total.device)
        one[torch.arange(len(rows)), torch.tensor(rows)] = 1.0
        grads = torch.autograd.grad(
            total, params, one, retain_graph=rows[-1] + 1 < count, is_grads_batched=True, allow_unused=True
        )
        there = [(p, g) for p, g in zip(params, grads, strict=True) if g is not None]
        length = torch.stack([g.flatten(1).square().sum(1) for _, g in there]).sum(0).sqrt()
        scale = 1 / expected * (limit / length.clamp_min(1e-12)).clamp_max(1.0)
        for p, g in there:
            assert p.grad is not None
            p.grad += torch.tensordot(scale.to(g.dtype), g, 1)


def add_noise(grad: Tensor, limit: float, noise: float, count: int, seed: int) -> None:
    """Add N(0, (noise * limit / count)^2) in place to a flat gradient, a sum of clipped ones over `count`."""
    draw = torch.Generator().manual_seed(seed)
    grad += (noise * limit / count * torch.randn(grad.shape, generator=draw)).to(grad.device)
