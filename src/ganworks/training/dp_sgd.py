"""DP-SGD: the gradient of each example is clipped to a norm, and Gaussian noise is added to their mean.

Abadi et al. 2016 (arXiv 1607.00133), algorithm 1. An "example" is one entry of the loss terms: a row, or a pack of
rows where the discriminator scores packs. `metrics/dp_accountant.py` computes the epsilon that this gives.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganworks.core.errors import GanworksError

CHUNK = 64  # examples whose gradients are held at once


def add_clipped(terms: list[Tensor], params: list[torch.nn.Parameter], limit: float, share: float) -> int:
    """Add to `p.grad` the mean of the examples' gradients, each clipped to the norm `limit`; returns their number.

    terms: losses [B], of which entry i depends on example i alone. share: the factor of the mean.
    Raises GanworksError when terms are not of one length.
    """
    sizes = {len(term) for term in terms if term.dim()}
    if len(sizes) != 1 or any(not term.dim() for term in terms):
        raise GanworksError(f"clip_each needs one loss per example; these terms have the sizes {sorted(sizes)}.")
    total = torch.stack([term.float() for term in terms]).sum(0)
    count = len(total)
    for start in range(0, count, CHUNK):
        rows = range(start, min(start + CHUNK, count))
        one = torch.zeros(len(rows), count, device=total.device)
        one[torch.arange(len(rows)), torch.tensor(rows)] = 1.0
        grads = torch.autograd.grad(
            total, params, one, retain_graph=rows[-1] + 1 < count, is_grads_batched=True, allow_unused=True
        )
        there = [(p, g) for p, g in zip(params, grads, strict=True) if g is not None]
        length = torch.stack([g.flatten(1).square().sum(1) for _, g in there]).sum(0).sqrt()
        scale = share / count * (limit / length.clamp_min(1e-12)).clamp_max(1.0)
        for p, g in there:
            assert p.grad is not None
            p.grad += torch.tensordot(scale.to(g.dtype), g, 1)
    return count


def add_noise(grad: Tensor, limit: float, noise: float, count: int, seed: int) -> None:
    """Add N(0, (noise * limit / count)^2) in place to a flat gradient, the mean of `count` clipped ones."""
    draw = torch.Generator().manual_seed(seed)
    grad += (noise * limit / count * torch.randn(grad.shape, generator=draw)).to(grad.device)
