"""Pairs of samples a small step apart, for the path length of a generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ganworks.core.abilities.encoding import HasStyles
from ganworks.core.spec import key
from ganworks.use.model import Model, own_randomness, slerp

_AT_ONCE = 64


def pairs_of(model: Model, seed: int = 0) -> Callable[[int, float], tuple[Tensor, Tensor]]:
    """(n, step) -> samples [n, *shape] in [-1, 1], unrounded, at t and t + step between two latents, t in [0, 1).

    Between styles the way is straight, between latents along the great circle (Karras et al. 2019, 1812.04948).
    """

    def near(n: int, step: float) -> tuple[Tensor, Tensor]:
        ends: list[list[Tensor]] = [[], []]
        with torch.inference_mode(), own_randomness(model.device, None):
            for start in range(0, n, _AT_ONCE):
                for side, made in zip(ends, _some(model, seed, start, min(_AT_ONCE, n - start), step), strict=True):
                    side.append(made.float().cpu())
        return torch.cat(ends[0]), torch.cat(ends[1])

    return near


def _some(model: Model, seed: int, start: int, n: int, step: float) -> tuple[Tensor, Tensor]:
    net: Any = model.generator
    draw = torch.Generator().manual_seed(key(seed, "path length", start) >> 1)
    t = torch.rand(n, 1, generator=draw).double()
    a, b = (torch.randn(n, model.z_dim, generator=draw).to(model.device) for _ in range(2))
    y = None
    if model.spec.num_classes:
        y = torch.randint(model.spec.num_classes, (n,), generator=draw).to(model.device)
    t = t.to(model.device)
    if isinstance(net, HasStyles):
        first, second = net.styles(a, y).double(), net.styles(b, y).double()
        t = t[:, :, None]
        ends = [(first + (second - first) * (t + move)).float() for move in (0.0, step)]
        return net.synthesis(ends[0]), net.synthesis(ends[1])
    noise = key(seed, "path length", start)
    one, other = (_on_circle(a.double(), b.double(), t + move).float() for move in (0.0, step))
    return _with_noise(model, net, one, y, noise), _with_noise(model, net, other, y, noise)


def _with_noise(model: Model, net: Any, z: Tensor, y: Tensor | None, seed: int) -> Tensor:
    """A pass whose own noise is that of a seed."""
    with own_randomness(model.device, seed):
        return net(z, y)


def _on_circle(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Points [n, d] at t [n, 1] of the great circles from a to b [n, d]."""
    return torch.stack([slerp(x, y, float(at)) for x, y, at in zip(a, b, t, strict=True)])
