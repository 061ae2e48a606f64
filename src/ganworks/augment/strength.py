"""How strongly a training augments: the probability that ADA adapts while it runs.

Karras et al. 2020 (2006.06676), section 3.1: r_t = E[sign(D(real))] tells how far D knows its examples. Where it is
above a target the probability rises, else it falls, by so much that it can go from 0 to 1 within 500,000 examples.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

BUFFER = "augmentation"  # of D, saved with it: probability, sum of signs, real examples since the last change
EVERY = 256  # real examples from one change to the next; the paper takes four batches of 64


def equip(D: nn.Module) -> None:
    """Give D the buffer, where it has none."""
    if BUFFER not in dict(D.named_buffers(recurse=False)):
        D.register_buffer(BUFFER, torch.zeros(3))


def probability(D: nn.Module) -> Tensor:
    """The present probability, a scalar tensor."""
    kept = dict(D.named_buffers(recurse=False))[BUFFER]
    return kept[0]


def observe(D: nn.Module, real: Tensor, fake: Tensor, target: float, length: float, centred: bool) -> None:
    """Take note of D's logits [B] of real and generated examples, and adapt the probability when it is time.

    length: examples in which the probability can go from 0 to 1. centred: for losses to which a constant added to D
    does not matter, signs count from the middle between the means of both.
    """
    kept = dict(D.named_buffers(recurse=False))[BUFFER]
    with torch.no_grad():
        middle = (real.mean() + fake.mean()) / 2 if centred else torch.zeros((), device=real.device)
        kept[1] += (real - middle).sign().sum()
        kept[2] += len(real)
        due = kept[2] >= EVERY
        step = torch.sign(kept[1] / kept[2] - target) * kept[2] / length
        kept[0] = torch.where(due, (kept[0] + step).clamp(0, 1), kept[0])
        kept[1:] = torch.where(due, torch.zeros_like(kept[1:]), kept[1:])
