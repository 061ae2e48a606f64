"""Paths through a space: closed walks, rows along directions, from class to class, and sums of points."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ganworks.core.errors import UsageError
from ganworks.core.limits import check_seed
from ganworks.use.exploring.directions import Directions
from ganworks.use.exploring.space import Space, mixed
from ganworks.use.model import Model, slerp
from ganworks.use.samples import Samples

_TERM = re.compile(r"\s*([+-]?)\s*(?:(\d+(?:\.\d*)?)\s*\*\s*)?(\d+|mean\(\s*\d+(?:\s*,\s*\d+)*\s*\))")


def loop(space: Space, seeds: Sequence[int], steps: int) -> Samples:
    """A walk through the seeds and back to the first, `steps` samples from one to the next: a film that can repeat.

    Latents follow great circles, styles straight lines.
    """
    if len(seeds) < 2:
        raise UsageError(f"A walk needs two seeds or more, not {list(seeds)}.")
    stops = space.of_seeds(seeds).double()
    legs = zip(stops, stops.roll(-1, 0), strict=True)
    places = [_between(space, a, b, t) for a, b in legs for t in np.arange(steps) / steps]
    return space.samples(torch.stack(places), walk=list(seeds))


def _between(space: Space, a: Tensor, b: Tensor, t: float) -> Tensor:
    return torch.lerp(a, b, float(t)) if space.styles else slerp(a, b, float(t))


def along(space: Space, found: Directions, seed: int, reach: float = 3.0, steps: int = 7) -> Samples:
    """For each direction `steps` samples from -reach to reach, in standard deviations, through sample 0 of the seed."""
    point, spread = space.of_seeds([seed])[0], space.along(found.vectors)
    moves = found.vectors * spread[:, None]
    places = [point + float(t) * move for move in moves for t in np.linspace(-reach, reach, steps)]
    return space.samples(torch.stack(places), directions=len(found.vectors), through=seed)


def between_classes(model: Model, labels: Sequence[str | int], seed: int, steps: int) -> Samples:
    """Sample 0 of a seed from class to class and back to the first, `steps` samples from one to the next."""
    table = model.label_table(list(labels))
    if table is None or len(table) < 2:
        raise UsageError("Going between classes needs a model with classes, and two of them or more.")
    hot = torch.eye(model.spec.num_classes)[torch.from_numpy(table)]
    weights = [
        torch.lerp(a, b, float(t)) for a, b in zip(hot, hot.roll(-1, 0), strict=True) for t in np.arange(steps) / steps
    ]
    z = model.latents(1, check_seed(seed))
    return mixed(model, z.expand(len(weights), -1), torch.stack(weights))


def terms(text: str) -> list[tuple[float, list[int]]]:
    """ "3 - mean(5, 7) + 0.5*8" -> [(1, [3]), (-1, [5, 7]), (0.5, [8])]: (factor, seeds). Raises UsageError."""
    found, at = [], 0
    while at < len(text.rstrip()):
        match = _TERM.match(text, at)
        if match is None or (found and not match[1]):
            raise UsageError(f"{text[:80]!r} is no sum of seeds. Write for example: 3 - mean(5, 7) + 0.5*8")
        sign, factor, seeds = match.groups()
        found.append(((-1.0 if sign == "-" else 1.0) * float(factor or 1), [int(n) for n in re.findall(r"\d+", seeds)]))
        at = match.end()
    if not found:
        raise UsageError("Write a sum of seeds, for example: 3 - 5 + 8")
    return found


def summed(space: Space, text: str) -> Samples:
    """The samples of each term of a sum of seeds, then that of the sum (Radford et al. 2015, 1511.06434, section 6.3).

    Sums are taken of differences from the mean of the space; the sum of latents gets the length of the first term, and
    a mean of latents that of typical ones.
    """
    parts = terms(text)
    points = [_mean(space, seeds) for _, seeds in parts]
    centre = space.mean if space.styles else torch.zeros(space.dim)
    total = sum((factor * (p - centre) for (factor, _), p in zip(parts, points, strict=True)), torch.zeros(space.dim))
    if not space.styles:
        total = total * (points[0].norm() / total.norm().clamp_min(1e-6))
    return space.samples(torch.stack([*points, centre + total]), sum=text[:200])


def _mean(space: Space, seeds: list[int]) -> Tensor:
    points = space.of_seeds(seeds)
    middle = points.mean(0)
    if space.styles or len(points) == 1:
        return middle
    return middle * (space.dim**0.5 / middle.norm().clamp_min(1e-6))
