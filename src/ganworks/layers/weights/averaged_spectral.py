"""Spectral norm of averaged weights.

Spectral norm (Miyato et al. 2018, 1802.05957) divides a weight by an estimate of its largest singular value, from two
vectors that each training pass moves by one power iteration. The vectors belong to the weights that they were found
for: the average of many of them is shorter than 1, and a weight divided by what it estimates is too large.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.parametrizations import _SpectralNorm

_PASSES = 50  # power iterations from vectors that are nearly right


def vectors(net: nn.Module) -> dict[str, tuple[str, str, int]]:
    """Weights under spectral norm: name of the weight -> (names of the vectors u and v, axis of the outputs)."""
    found = {}
    for name, module in net.named_modules():
        if isinstance(module, _SpectralNorm) and hasattr(module, "_u"):
            original = f"{name.rsplit('.', 1)[0]}.original"
            found[original] = f"{name}._u", f"{name}._v", module.dim
    return found


@torch.no_grad()
def settled(net: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The vectors of spectral norm, by name, that belong to the weights of `state`, a state dict of `net`."""
    out = {}
    for weight, (first, second, axis) in vectors(net).items():
        matrix = state[weight].float().movedim(axis, 0).flatten(1)
        u, v = state[first].float(), state[second].float()
        for _ in range(_PASSES):
            u = normalize(matrix @ v, dim=0, eps=1e-12)
            v = normalize(matrix.T @ u, dim=0, eps=1e-12)
        out |= {first: u.to(state[first]), second: v.to(state[second])}
    return out
