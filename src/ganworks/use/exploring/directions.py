"""Directions of a space along which samples change most, found without labels.

`ganspace`: principal components of what the generator's first layers make of many points, as directions of the points
(Härkönen et al. 2020, 2004.02546). `sefa`: eigenvectors of A^T A for the first map A that points pass, in closed form
(Shen and Zhou 2021, 2007.06600). `pull`: eigenvectors of the mean of J^T J for the Jacobian J of the whole generator,
which no layer has to be named for (Ramesh et al. 2018, 1812.01161, averaged over points).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ganworks.core.errors import GanworksError, UsageError, nearest
from ganworks.core.spec import key
from ganworks.use.exploring.space import Space

_POINTS = 2048  # of which activations are taken
_PROBES, _PROBED = 24, 16  # random projections of the output, at so many points each
_LARGEST = 4096  # activations of which principal components are taken; more are projected at random to so many


@dataclass(frozen=True)
class Directions:
    """Unit vectors [k, dim] of a space, strongest first, and how much each matters, as shares [k] of the total."""

    vectors: Tensor
    shares: Tensor


def find(space: Space, method: str = "", count: int = 8) -> Directions:
    """The `count` strongest directions by a method, "ganspace", "sefa" or "pull"; "": ganspace for styles, else pull.

    Raises UsageError for an unknown method, GanworksError for a generator to which it does not apply.
    """
    method = method or ("ganspace" if space.styles else "pull")
    if method not in METHODS:
        raise UsageError(f'There is no method "{method}". {nearest(method, METHODS)}')
    if not 1 <= count <= space.dim:
        raise UsageError(f"count must be from 1 to {space.dim}, the size of the space, not {count}.")
    vectors, strengths = METHODS[method](space)
    strengths = strengths.clamp_min(0)
    total = strengths.sum().clamp_min(1e-30)
    return Directions(_signed(vectors[:count]), (strengths / total)[:count])


def _signed(vectors: Tensor) -> Tensor:
    """Of the two signs of a direction the one in which its largest entry is positive; lengths become 1."""
    vectors = vectors / vectors.norm(dim=1, keepdim=True).clamp_min(1e-12)
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    return vectors * largest.sign()


def _of_gram(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvectors [dim, dim] in rows, largest eigenvalue first, and the eigenvalues."""
    values, vectors = torch.linalg.eigh(gram.double())
    return vectors.T.flip(0).float(), values.flip(0).float()


def sefa(space: Space) -> tuple[Tensor, Tensor]:
    """Eigenvectors of A^T A: A stacks the affine maps of all layers that take a style, or is the first linear map."""
    net: Any = space.model.generator
    if space.styles:
        maps = [
            _weight(m) for _, m in net.named_modules() if _inputs(m) == space.dim and "mapping" not in _name(net, m)
        ]
    else:
        maps = [_first_map(net, space)]
    if not maps:
        raise GanworksError("No layer of this generator takes its points as they are; use method=pull.")
    rows = torch.cat([a / a.norm(dim=1, keepdim=True).clamp_min(1e-12) if space.styles else a for a in maps])
    return _of_gram(rows.double().T @ rows.double())


def _name(net: nn.Module, wanted: nn.Module) -> str:
    return next(name for name, module in net.named_modules() if module is wanted)


def _inputs(module: nn.Module) -> int:
    weight = getattr(module, "weight", None)
    return weight.shape[1] if isinstance(weight, Tensor) and weight.ndim == 2 else 0


def _weight(module: nn.Module) -> Tensor:
    weight: Any = module.weight
    return weight.detach().cpu().float()


def _first_map(net: nn.Module, space: Space) -> Tensor:
    """[outputs, dim]: the first map of latents, whose first inputs they are; a class may follow them."""
    order: list[nn.Module] = []
    handles = [m.register_forward_hook(lambda module, *_: order.append(module)) for m in net.modules()]
    try:
        with torch.inference_mode():
            space.run(space.of_seeds([0]).to(space.model.device))
    finally:
        for handle in handles:
            handle.remove()
    for module in order:
        weight = getattr(module, "weight", None)
        if isinstance(module, nn.Linear) and module.in_features >= space.dim:
            return _weight(module)[:, : space.dim]
        if isinstance(module, nn.ConvTranspose2d) and module.in_channels >= space.dim:
            return _weight(module)[: space.dim].flatten(1).T
        if isinstance(weight, Tensor) and weight.ndim >= 2 and not isinstance(module, nn.Embedding):
            break
    raise GanworksError("The first layer of this generator does not take its latents as they are; use method=pull.")


def pull(space: Space) -> tuple[Tensor, Tensor]:
    """Eigenvectors of the mean over points of J^T J, by random projections v of the output: E[(J^T v)(J^T v)^T]."""
    draw = torch.Generator().manual_seed(key(0, "explore directions", 0) >> 1)
    gram = torch.zeros(space.dim, space.dim, dtype=torch.float64)
    scale = space.spread / math.sqrt(space.dim) if space.styles else 1.0
    for probe in range(_PROBES):
        points = space.of_seeds(range(probe * _PROBED, (probe + 1) * _PROBED)).to(space.model.device).clone()
        points.requires_grad_(True)
        made = space.run(points).float()
        towards = torch.randn(made.shape, generator=draw).to(made.device)
        (pulled,) = torch.autograd.grad((made * towards).sum(), points)
        rows = pulled.cpu().double() * scale
        gram += rows.T @ rows
    return _of_gram(gram)


def ganspace(space: Space) -> tuple[Tensor, Tensor]:
    """Principal components: of styles themselves; for latents, of the first activations, regressed on the latents."""
    points = space.of_latents(space.model.latents(_POINTS, key(0, "explore", 1) >> 1))
    centred = (points - points.mean(0)).double()
    if space.styles:
        return _of_gram(centred.T @ centred / len(centred))
    seen = _activations(space, points)
    seen = seen - seen.mean(0)
    values, vectors = torch.linalg.eigh(seen.T @ seen / len(seen))
    keep = min(space.dim, seen.shape[1])
    values, vectors = values.flip(0)[:keep], vectors.T.flip(0)[:keep]
    coordinates = seen @ vectors.T
    moves = torch.linalg.lstsq(coordinates, centred).solution  # latents that bring about one unit of a component
    return moves.float(), values.float()


def _activations(space: Space, points: Tensor) -> Tensor:
    """What the first layer with weights makes of points [n, dim]: [n, at most _LARGEST] float64."""
    found: list[Tensor] = []
    net: Any = space.model.generator
    layers = [m for m in net.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]
    if not layers:
        raise GanworksError("This generator has no linear or convolution layer; use method=pull.")
    handle = layers[0].register_forward_hook(lambda _, __, out: found.append(out.detach().flatten(1).cpu()))
    try:
        with torch.inference_mode():
            for part in points.split(256):
                space.run(part.to(space.model.device))
    finally:
        handle.remove()
    seen = torch.cat(found).double()
    if seen.shape[1] > _LARGEST:
        draw = torch.Generator().manual_seed(0)
        seen = seen @ torch.randn(seen.shape[1], _LARGEST, generator=draw, dtype=torch.float64) / math.sqrt(_LARGEST)
    return seen


METHODS: dict[str, Callable[[Space], tuple[Tensor, Tensor]]] = {"ganspace": ganspace, "sefa": sefa, "pull": pull}
