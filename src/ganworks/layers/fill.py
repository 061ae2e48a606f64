"""Smooth fills of holes: a fast coarse-to-fine approximation, and the harmonic fill (Laplace's equation) itself."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SWEEPS = 4


def smooth_fill(x: Tensor, hole: Tensor, sweeps: int = _SWEEPS) -> Tensor:
    """Images x [B, C, H, W] whose holes are filled with an approximation of the harmonic fill; no parameters.

    hole: [B, 1, H, W], 1 = missing. Known pixels are returned unchanged. On ever smaller maps, means of the known
    pixels are taken until nothing is missing (pull); then the holes of each larger map are interpolated from the map
    below and averaged with their neighbours `sweeps` times (push). Pull and push: Gortler et al. 1996, The Lumigraph,
    section 3.4.3. The last map is one pixel, so any hole that leaves one known pixel is filled; an image without known
    pixels becomes 0. Differentiable in x; float32 under autocast.
    """
    with torch.autocast(x.device.type, enabled=False):
        known = 1 - hole.float()
        return _fill(x.float() * known, known, sweeps)


def _fill(x: Tensor, known: Tensor, sweeps: int) -> Tensor:
    """One level of the fill; x [B, C, H, W] must be 0 where known [B, 1, H, W] is 0."""
    height, width = x.shape[2:]
    if height == 1 and width == 1:
        return x
    edges = (0, width % 2, 0, height % 2)
    share = F.avg_pool2d(F.pad(known, edges), 2)
    means = F.avg_pool2d(F.pad(x, edges), 2) / share.clamp_min(0.25)
    below = _fill(means, (share > 0).to(x.dtype), sweeps)
    rough = F.interpolate(below, (height, width), mode="bilinear", align_corners=False)
    missing = known == 0
    out = torch.where(missing, rough, x)
    for _ in range(sweeps):
        out = torch.where(missing, neighbours(out) / 4, out)
    return out


def neighbours(x: Tensor) -> Tensor:
    """The sum over the 4 neighbours of each pixel; at the border the pixel itself takes the place of a missing one."""
    p = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return p[..., 1:-1, :-2] + p[..., 1:-1, 2:] + p[..., :-2, 1:-1] + p[..., 2:, 1:-1]


def harmonic_fill(x: Tensor, hole: Tensor, tolerance: float = 1e-6, most: int = 2000) -> Tensor:
    """The fill in which each missing pixel is the mean of its 4 neighbours, in float64: Laplace's equation in the hole.

    Known pixels are the boundary values; at the image border the normal derivative is 0. x [B, C, H, W], hole
    [B, 1, H, W] with 1 = missing; every image needs a known pixel. Solved by conjugate gradients, starting from
    `smooth_fill`, until the residual is `tolerance` times its first value or `most` steps are done.
    """
    inside = (hole > 0.5).double()
    fill = smooth_fill(x, hole).double() * inside
    given = x.double() * (1 - inside)
    degree = neighbours(torch.ones_like(inside))

    def laplacian(u: Tensor) -> Tensor:
        return (degree * u - neighbours(u)) * inside

    residual = -laplacian(given + fill)
    step, size = residual, residual.square().sum((2, 3), keepdim=True)
    goal = size * tolerance**2
    for _ in range(most):
        if not (size > goal).any():
            break
        ahead = laplacian(step)
        rate = size / (step * ahead).sum((2, 3), keepdim=True).clamp_min(1e-300)
        fill, residual = fill + rate * step, residual - rate * ahead
        new = residual.square().sum((2, 3), keepdim=True)
        step, size = residual + new / size.clamp_min(1e-300) * step, new
    return given + fill
