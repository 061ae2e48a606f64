"""Gaussian likelihoods and the terms of a VAE's bound: plain functions that return one value for each example."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ganworks.core.spec import Batch
from ganworks.layers.posterior import Posterior


def squared_error(x: Tensor, made: Tensor) -> Tensor:
    """Sum of squared differences [B] float32 over all values of examples [B, ...]."""
    return (x.float() - made.float()).square().flatten(1).sum(1)


def negative_log_likelihood(x: Tensor, made: Tensor, variance: Tensor) -> Tensor:
    """-log N(x; made, variance I) in nats [B], of densities over network values; variance: one number."""
    size = x[0].numel()
    return 0.5 * (squared_error(x, made) / variance + size * (2 * math.pi * variance).log())


def with_free_bits(kl: Tensor, free: float) -> Tensor:
    """KL of each dimension [B, z_dim] -> what is minimised [B]: the sum over dimensions of max(free, batch mean).

    Kingma et al. 2016 (1606.04934), equation 15, with each dimension as a group. free: nats; 0: the plain sum.
    """
    if not free:
        return kl.sum(1)
    return kl.mean(0).clamp_min(free).sum().expand(len(kl))


@torch.no_grad()
def learn_variance(encoder: torch.nn.Module, error: Tensor, size: int) -> None:
    """Move an encoder's `variance` towards the most likely one for squared errors [B] of `size` values, in place.

    The maximum-likelihood variance is the mean squared error (Rybkin et al. 2020, 2006.13202, section 3.2). Kept as a
    moving average over about the last 100 steps; an average over all at first.
    """
    steps: Tensor = encoder.steps  # type: ignore[assignment]
    steps.add_(1)
    weight = 1.0 / steps.clamp(1, 100).float()
    encoder.variance.lerp_((error.mean() / size).clamp_min(1e-6), weight)  # type: ignore[operator]


def drawn(code: Tensor | Posterior, batch: Batch) -> Tensor:
    """A point as it is, and a draw from a Gaussian posterior: codes [B, z_dim]."""
    return code if isinstance(code, Tensor) else code.sample(batch.draw.normal(code.mean.shape[1]))
