"""Another view of the same image, for learning from images without labels: moved, turned, stretched, covered.

The label of a photo or a digit survives such a view, so a classifier should give it the same answer
(consistency training: FixMatch, Sohn et al. 2020, 2001.07685; UDA, Xie et al. 2019, 1904.12848). One affine map
in one bilinear pass, then light and contrast, then a covered square (cutout, 1708.04552).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ganworks.core.spec import Draw

TURN, STRETCH, SHEAR, SHIFT = 0.45, 0.25, 0.3, 0.12  # radians, log of the factor, share, share of half a side x 2
LIGHT, CONTRAST, HOLE = 0.2, 0.3, 0.4  # of a range of 2; log of the factor; largest side of the hole
NUMBERS = 11


def view(x: Tensor, draw: Draw, strength: float = 1.0) -> Tensor:
    """Images [B, C, H, W] in [-1, 1] -> as many others of the same content, without gradient.

    strength: 0 changes nothing, 1 is what digits and clothes still bear. Keyed by `draw`. Mirror images are not
    made: a mirrored letter is another letter (the domain's flip=true does that for data that allows it).
    """
    if strength <= 0:
        return x
    u = draw.uniform(NUMBERS).to(x.device)
    with torch.no_grad():
        return covered(lit(moved(x, u[:, :6], strength), u[:, 6:8], strength), u[:, 8:], strength)


def moved(x: Tensor, u: Tensor, strength: float) -> Tensor:
    """Turned, stretched along both axes, sheared and shifted; the border is carried on. u: [B, 6] in [0, 1)."""
    turn, tall, wide, shear, down, right = (2 * u - 1).mul(strength).unbind(1)
    height, width = x.shape[2:]
    cos, sin = (turn * TURN).cos(), (turn * TURN).sin()
    tall, wide, shear = (-tall * STRETCH).exp(), (-wide * STRETCH).exp(), shear * SHEAR
    upper = torch.stack([wide * cos, wide * (shear * cos - sin) * height / width, right * 2 * SHIFT], 1)
    lower = torch.stack([tall * sin * width / height, tall * (shear * sin + cos), down * 2 * SHIFT], 1)
    where = F.affine_grid(torch.stack([upper, lower], 1), list(x.shape), align_corners=False)
    return F.grid_sample(x, where, padding_mode="border", align_corners=False)


def lit(x: Tensor, u: Tensor, strength: float) -> Tensor:
    """Brighter or darker, with more or less contrast. u: [B, 2] in [0, 1)."""
    light, contrast = (2 * u - 1).mul(strength)[:, :, None, None, None].unbind(1)
    return (x * (contrast * CONTRAST).exp() + light * LIGHT).clamp(-1, 1)


def covered(x: Tensor, u: Tensor, strength: float) -> Tensor:
    """A square of up to HOLE of a side replaced by the image's mean, centred anywhere. u: [B, 3] in [0, 1)."""
    half = u[:, 0] * min(1.0, strength) * HOLE / 2
    inside = torch.ones_like(x[:, :1], dtype=torch.bool)
    for axis, side in enumerate(x.shape[2:]):
        at = (torch.arange(side, device=x.device) + 0.5) / side
        near = (at - u[:, 1 + axis, None]).abs() < half[:, None]
        inside = inside & (near[:, None, :, None] if axis == 0 else near[:, None, None, :])
    return torch.where(inside, x.mean((2, 3), keepdim=True), x)
