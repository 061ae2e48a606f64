"""Random views of images, for consistency training: shifted, rotated, stretched, partly covered.

A photo or a digit keeps its label in such a view, so a classifier should give it the same class (consistency training:
FixMatch, Sohn et al. 2020, 2001.07685; UDA, Xie et al. 2019, 1904.12848). A view is one affine map in one bilinear
pass, then a change of brightness and contrast, then a covered square (cutout, 1708.04552).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ganworks.core.spec import Draw

TURN, STRETCH, SHEAR, SHIFT = 0.45, 0.25, 0.3, 0.12  # radians; log of the factor; slope; share of a side
LIGHT, CONTRAST, HOLE = 0.2, 0.3, 0.4  # on the scale of [-1, 1]; log of the factor; largest share of a side
NUMBERS = 11


def view(x: Tensor, draw: Draw, strength: float = 1.0) -> Tensor:
    """Images x [B, C, H, W] in [-1, 1] -> random views of them, of the same shape, without gradient.

    strength: 0 changes nothing; at 1 digits and clothes are still recognisable. Random numbers come from `draw`. Views
    are never mirrored, as a mirrored letter is another letter; domain.flip=on mirrors data that allows it.
    """
    if strength <= 0:
        return x
    u = draw.uniform(NUMBERS).to(x.device)
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):  # coordinates of a warp need float32
        return covered(lit(moved(x, u[:, :6], strength), u[:, 6:8], strength), u[:, 8:], strength)


def moved(x: Tensor, u: Tensor, strength: float) -> Tensor:
    """Rotate, stretch along both axes, shear and shift x; borders are repeated. u: random numbers [B, 6] in [0, 1)."""
    turn, tall, wide, shear, down, right = (2 * u - 1).mul(strength).unbind(1)
    height, width = x.shape[2:]
    cos, sin = (turn * TURN).cos(), (turn * TURN).sin()
    tall, wide, shear = (-tall * STRETCH).exp(), (-wide * STRETCH).exp(), shear * SHEAR
    upper = torch.stack([wide * cos, wide * (shear * cos - sin) * height / width, right * 2 * SHIFT], 1)
    lower = torch.stack([tall * sin * width / height, tall * (shear * sin + cos), down * 2 * SHIFT], 1)
    where = F.affine_grid(torch.stack([upper, lower], 1), list(x.shape), align_corners=False)
    return F.grid_sample(x, where, padding_mode="border", align_corners=False)


def lit(x: Tensor, u: Tensor, strength: float) -> Tensor:
    """Change brightness and contrast of x. u: random numbers [B, 2] in [0, 1)."""
    light, contrast = (2 * u - 1).mul(strength)[:, :, None, None, None].unbind(1)
    return (x * (contrast * CONTRAST).exp() + light * LIGHT).clamp(-1, 1)


def covered(x: Tensor, u: Tensor, strength: float) -> Tensor:
    """Replace a box of up to HOLE of each side, anywhere, by the image's mean. u: random numbers [B, 3] in [0, 1)."""
    half = u[:, 0] * min(1.0, strength) * HOLE / 2
    inside = torch.ones_like(x[:, :1], dtype=torch.bool)
    for axis, side in enumerate(x.shape[2:]):
        at = (torch.arange(side, device=x.device) + 0.5) / side
        near = (at - u[:, 1 + axis, None]).abs() < half[:, None]
        inside = inside & (near[:, None, :, None] if axis == 0 else near[:, None, None, :])
    return torch.where(inside, x.mean((2, 3), keepdim=True), x)
