"""A trimmed mean of gradients: what only a few examples of a batch ask for is not learnt.

The examples of a batch are dealt into groups, and of each number of the gradient the largest and the smallest groups
are left out before the mean is taken: the coordinate-wise trimmed mean of Yin et al. 2018 (arXiv 1803.01498, definition
2), which bounds what a share of bad groups can do, with groups of examples in the place of workers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganworks.core.errors import GanworksError

GROUPS = 16


def add_trimmed(terms: list[Tensor], params: list[torch.nn.Parameter], share: float, slices: int) -> None:
    """Add to `p.grad` the trimmed mean of the gradients of groups of examples, over the number of slices of a batch.

    terms: losses [B] of a turn, whose means are added. share: of the groups, left out at each end of each number.
    Raises GanworksError when a term has not one value for each example.
    """
    count = min(len(term) for term in terms)
    if any(term.shape != (count,) for term in terms):
        raise GanworksError(f"trim needs one loss for each example, not the shapes {[tuple(t.shape) for t in terms]}.")
    total, groups = torch.stack([term.float() for term in terms]).sum(0), min(GROUPS, count)
    place = torch.arange(count, device=total.device) % groups
    weight = torch.nn.functional.one_hot(place, groups).T.to(total.dtype)
    weight /= weight.sum(1, keepdim=True)
    grads = torch.autograd.grad(total, params, weight, is_grads_batched=True, allow_unused=True)
    cut = min(round(share * groups), (groups - 1) // 2)
    for p, g in zip(params, grads, strict=True):
        if g is not None:
            assert p.grad is not None
            p.grad += g.sort(0).values[cut : groups - cut].mean(0) / slices
