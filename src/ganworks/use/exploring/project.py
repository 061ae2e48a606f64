"""The point of a generator's space whose sample comes nearest to a given picture.

As in StyleGAN2's projector (Karras et al. 2020, 1912.04958, appendix D), Adam moves the point, with noise that fades,
and what is compared are also blurred pictures, so that large shapes are found first. Several starts are tried: the
nearest of many samples. Latents are held near the length that the generator was trained with.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ganworks.core.spec import key
from ganworks.use.exploring.space import Space
from ganworks.use.samples import Samples

_CANDIDATES = 512
_RATE, _NOISE = 0.1, 0.05
_WARM, _COOL = 0.05, 0.25  # shares of the steps in which the rate rises and falls

Perceive = Callable[[Tensor, Tensor], Tensor] | None
Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Projection:
    """Where a picture was found.

    point: [dim]. made: its sample. error, start_error, typical_error: root mean square differences of pixels in units
    of the full range, of this sample, of the nearest of many samples, of samples in the mean. distance: of the point
    from the mean of the space, over that of typical points: about 1, and far more for pictures that are not like the
    data.
    """

    point: Tensor
    made: Samples
    error: float
    start_error: float
    typical_error: float
    distance: float

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio of the sample, in dB."""
        return -20 * math.log10(max(self.error, 1e-6))


def rms(made: Tensor, wanted: Tensor) -> Tensor:
    """Root mean square difference [B] of pictures [B, C, H, W] in [-1, 1], as a share of the range."""
    return (made - wanted).square().flatten(1).mean(1).sqrt() / 2


def _blurred(made: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute difference [B] over the pictures and their halves, quarters ... down to 8 pixels."""
    total, scales = (made - wanted).abs().flatten(1).mean(1), 1
    while min(made.shape[2:]) >= 16:
        made, wanted = F.avg_pool2d(made, 2), F.avg_pool2d(wanted, 2)
        total, scales = total + (made - wanted).abs().flatten(1).mean(1), scales + 1
    return total / scales


def project(
    space: Space,
    picture: Tensor,
    steps: int = 200,
    starts: int = 4,
    perceive: Perceive = None,
    told: Told | None = None,
) -> Projection:
    """The point nearest to a picture [C, H, W] in [-1, 1] of the model's own size.

    steps: of Adam, for each of the `starts` nearest of many samples. perceive: (made, wanted) -> distances [B], added
    to that of pixels. told(done, steps): progress.
    """
    device = space.model.device
    wanted = picture.to(device)[None]
    candidates = space.of_seeds(range(_CANDIDATES))
    with torch.no_grad():
        made = [space.run(part.to(device)).float() for part in candidates.split(64)]
        apart, errors = (torch.cat([measure(part, wanted) for part in made]) for measure in (_blurred, rms))
    nearest = apart.argsort()[:starts].cpu()
    point = candidates[nearest].clone().to(device).requires_grad_(True)
    first = float(errors[nearest].min())
    point = _descend(space, point, wanted, steps, perceive, told)
    with torch.no_grad():
        found = rms(space.run(point).float(), wanted)
    best = point[int(found.argmin())].detach().cpu()
    spread = space.spread if space.styles else math.sqrt(space.dim)
    away = float((best - (space.mean if space.styles else 0)).norm()) / spread
    return Projection(
        best, space.samples(best[None], projected=True), float(found.min()), first, float(errors[:64].mean()), away
    )


def _descend(space: Space, point: Tensor, wanted: Tensor, steps: int, perceive: Perceive, told: Told | None) -> Tensor:
    """The points [n, dim] after `steps` of Adam; each goes back to the best place where it has been."""
    draw = torch.Generator().manual_seed(key(0, "project", 0) >> 1)
    scale = space.spread / math.sqrt(space.dim) if space.styles else 1.0
    adam = torch.optim.Adam([point], betas=(0.9, 0.999))
    best, place = torch.full((len(point),), math.inf, device=point.device), point.detach().clone()
    for step in range(steps):
        t = step / steps
        for group in adam.param_groups:
            group["lr"] = _RATE * scale * min(1.0, (t + 1 / steps) / _WARM) * _fall(t)
        noise = _NOISE * scale * max(0.0, 1 - t / 0.75) ** 2
        moved = point + noise * torch.randn(point.shape, generator=draw).to(point.device)
        made = space.run(moved).float()
        loss = _blurred(made, wanted)
        if perceive is not None:
            loss = loss + perceive(made, wanted.expand_as(made))
        (point.grad,) = torch.autograd.grad(loss.sum(), point)
        adam.step()
        with torch.no_grad():
            if not space.styles:  # latents of a Gaussian lie near a sphere
                length = point.norm(dim=1, keepdim=True)
                point.mul_((1.25 * math.sqrt(space.dim) / length).clamp_max(1.0))
            better = loss.detach() < best
            best, place = torch.where(better, loss.detach(), best), torch.where(better[:, None], moved.detach(), place)
        if told is not None:
            told(step + 1, steps)
    return place


def _fall(t: float) -> float:
    left = min(1.0, (1 - t) / _COOL)
    return 0.5 - 0.5 * math.cos(math.pi * left)
