"""The augmentations of ADA: pixel blitting, geometric and colour changes, each with probability p.

Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data" (2006.06676), appendix B: the pipeline
"bgc" that the paper recommends. Changes of place are composed into one matrix and carried out once, on pictures that a
12-tap wavelet filter enlarges by two before and shrinks after, as the paper does against aliasing (sym6: both together
are exactly the identity); mirror images and quarter turns move pixels as they are. Beyond the border, pictures are
mirrored. Written in operations whose gradients can be differentiated again, which `grid_sample` cannot, for penalties
on gradients.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

POLICIES = ("blit", "geometry", "recolour")
NUMBERS = 28  # per example: 7 of blit, 11 of geometry, 10 of recolour
SHIFT, SCALE, BRIGHT, CONTRAST, SATURATION = 0.125, 0.2 * math.log(2), 0.2, 0.5 * math.log(2), math.log(2)
SYM6 = (
    *(0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466),
    *(0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578),
    *(0.0017677118642428036, -0.007800708325034148),
)
_MARGIN = 6  # pixels of mirrored border before the filter


def normal(u: Tensor) -> Tensor:
    """Uniform numbers in [0, 1) -> standard normal ones."""
    return math.sqrt(2) * torch.erfinv((2 * u - 1).clamp(-1 + 1e-6, 1 - 1e-6))


def _matrix(*rows: tuple[Tensor | float, ...]) -> Tensor:
    """[B, n, m] of rows of numbers and of values [B]."""
    like = next(x for row in rows for x in row if isinstance(x, Tensor))
    parts = [x if isinstance(x, Tensor) else torch.full_like(like, x) for row in rows for x in row]
    return torch.stack(parts, -1).view(-1, len(rows), len(rows[0]))


def _shift(x: Tensor, y: Tensor) -> Tensor:
    return _matrix((1.0, 0.0, x), (0.0, 1.0, y), (torch.zeros_like(x), 0.0, 1.0))


def _scale(x: Tensor, y: Tensor) -> Tensor:
    return _matrix((x, 0.0, 0.0), (0.0, y, 0.0), (torch.zeros_like(x), 0.0, 1.0))


def _turn(angle: Tensor) -> Tensor:
    c, s = angle.cos(), angle.sin()
    return _matrix((c, -s, 0.0), (s, c, 0.0), (torch.zeros_like(c), 0.0, 1.0))


def placement(u: Tensor, p: Tensor | float, size: tuple[int, int], names: tuple[str, ...]) -> Tensor:
    """The inverse maps [B, 3, 3] from places in the result to places in the picture, in pixels from the centre.

    Mirror images and quarter turns are not among them, see `turned`. u: the first 18 numbers of an example, [B, 18].
    p: the probability of each change. size: (H, W).
    """
    height, width = size
    inverse = torch.eye(3, device=u.device).expand(len(u), 3, 3)

    def gated(column: int, value: Tensor, neutral: float, chance: Tensor | float = p) -> Tensor:
        return torch.where(u[:, column] < chance, value, torch.full_like(value, neutral))

    if "blit" in names:
        across, down = (
            gated(6, ((2 * u[:, k] - 1) * SHIFT * side).round(), 0.0) for k, side in ((4, width), (5, height))
        )
        inverse = inverse @ _shift(-across, -down)
    if "geometry" in names:
        often = 1 - (1 - torch.as_tensor(p, device=u.device)).clamp_min(0).sqrt()
        size_by = gated(8, (SCALE * normal(u[:, 7])).exp(), 1.0)
        before = gated(10, (2 * u[:, 9] - 1) * math.pi, 0.0, often)
        wide_by = gated(12, (SCALE * normal(u[:, 11])).exp(), 1.0)
        after = gated(14, (2 * u[:, 13] - 1) * math.pi, 0.0, often)
        across, down = (gated(17, normal(u[:, k]) * SHIFT * side, 0.0) for k, side in ((15, width), (16, height)))
        inverse = inverse @ _scale(1 / size_by, 1 / size_by) @ _turn(-before)
        inverse = inverse @ _scale(1 / wide_by, wide_by) @ _turn(-after) @ _shift(-across, -down)
    return inverse


def turned(x: Tensor, u: Tensor, p: Tensor | float) -> Tensor:
    """Mirror images and quarter turns, pixel by pixel; of pictures that are not square half turns alone.

    u: the first 4 numbers of an example, [B, 4].
    """
    flip = ((u[:, 1] < p) & (u[:, 0] >= 0.5))[:, None, None, None]
    x = torch.where(flip, x.flip(3), x)
    square = x.shape[2] == x.shape[3]
    quarters = (4 * u[:, 2]).floor() if square else 2 * (2 * u[:, 2]).floor()
    quarters = torch.where(u[:, 3] < p, quarters, torch.zeros_like(quarters))[:, None, None, None]
    for count in (1, 2, 3) if square else (2,):
        x = torch.where(quarters == count, x.rot90(count, (2, 3)), x)
    return x


def colours(u: Tensor, p: Tensor | float, channels: int) -> Tensor:
    """Affine maps of colours [B, 4, 4]; u: the last 10 numbers of an example. Other channels than 3: light alone."""
    eye = torch.eye(4, device=u.device).expand(len(u), 4, 4)

    def gated(column: int, value: Tensor, neutral: float) -> Tensor:
        return torch.where(u[:, column] < p, value, torch.full_like(value, neutral))

    light = gated(1, BRIGHT * normal(u[:, 0]), 0.0)
    contrast = gated(3, (CONTRAST * normal(u[:, 2])).exp(), 1.0)
    zero = torch.zeros_like(light)
    made = _matrix((1.0, 0.0, 0.0, light), (0.0, 1.0, 0.0, light), (0.0, 0.0, 1.0, light), (zero, 0.0, 0.0, 1.0)) @ eye
    made = torch.diag_embed(torch.stack([contrast, contrast, contrast, torch.ones_like(contrast)], -1)) @ made
    if channels != 3:
        return made
    axis = torch.tensor([1.0, 1.0, 1.0, 0.0], device=u.device) / math.sqrt(3)
    luma = torch.outer(axis, axis)
    flip = gated(5, (2 * u[:, 4]).floor(), 0.0)[:, None, None]
    made = (torch.eye(4, device=u.device) - 2 * luma * flip) @ made
    angle = gated(7, (2 * u[:, 6] - 1) * math.pi, 0.0)[:, None, None]
    made = _about(axis, angle) @ made
    saturation = gated(9, (SATURATION * normal(u[:, 8])).exp(), 1.0)[:, None, None]
    return (luma + (torch.eye(4, device=u.device) - luma) * saturation) @ made


def _about(axis: Tensor, angle: Tensor) -> Tensor:
    """Rotations [B, 4, 4] about an axis [4] by angles [B, 1, 1] (Rodrigues' formula); the last coordinate is kept."""
    x, y, z, _ = axis.tolist()
    cross = torch.tensor([[0, -z, y, 0], [z, 0, -x, 0], [-y, x, 0, 0], [0, 0, 0, 0]], device=axis.device)
    space = torch.diag(torch.tensor([1.0, 1.0, 1.0, 0.0], device=axis.device))
    turned = angle.cos() * space + angle.sin() * cross + (1 - angle.cos()) * torch.outer(axis, axis)
    return turned + torch.diag(torch.tensor([0.0, 0.0, 0.0, 1.0], device=axis.device))


def _filter(x: Tensor) -> Tensor:
    taps = torch.tensor(SYM6, device=x.device, dtype=torch.float32)
    return taps.to(x.dtype)


def doubled(x: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, C, 2H + 10, 2W + 10]: zeros between the pixels, then sym6 along both axes."""
    f, c = _filter(x), x.shape[1]
    x = F.conv_transpose2d(x, f.view(1, 1, -1, 1).expand(c, 1, -1, 1), stride=(2, 1), groups=c)
    return F.conv_transpose2d(x, f.view(1, 1, 1, -1).expand(c, 1, 1, -1), stride=(1, 2), groups=c)


def halved(x: Tensor) -> Tensor:
    """[B, C, 2H + 10, 2W + 10] -> [B, C, H, W]: the transpose of `doubled`, and its inverse for what it made."""
    f, c = _filter(x), x.shape[1]
    x = F.conv2d(x, f.view(1, 1, -1, 1).expand(c, 1, -1, 1), stride=(2, 1), groups=c)
    return F.conv2d(x, f.view(1, 1, 1, -1).expand(c, 1, 1, -1), stride=(1, 2), groups=c)


def warped(x: Tensor, inverse: Tensor) -> Tensor:
    """Pictures [B, C, H, W] moved so that the place v of the result shows the place inverse @ v of the picture.

    inverse: [B, 3, 3], in pixels from the centre, float32.
    """
    height, width = x.shape[2:]
    pad = [min(_MARGIN, side - 1) for side in (width, width, height, height)]
    large = doubled(F.pad(x, pad, mode="reflect"))
    phase = sum(t * f for t, f in enumerate(SYM6)) / sum(SYM6)
    rows, columns = 2 * height + 10, 2 * width + 10
    v = (torch.arange(rows, device=x.device) - phase) / 2 - (height - 1) / 2
    h = (torch.arange(columns, device=x.device) - phase) / 2 - (width - 1) / 2
    out = torch.stack(
        [h[None].expand(rows, -1), v[:, None].expand(-1, columns), torch.ones(rows, columns, device=x.device)]
    )
    at = inverse[:, :2].float() @ out.view(3, -1)  # [B, 2, rows * columns]: places in the picture, from its centre
    across = _mirrored(at[:, 0] + (width - 1) / 2, width, pad[0])
    down = _mirrored(at[:, 1] + (height - 1) / 2, height, pad[2])
    across, down = 2 * (across + pad[0]) + phase, 2 * (down + pad[2]) + phase
    return halved(_bilinear(large, across, down, rows, columns))


def _mirrored(at: Tensor, side: int, margin: int) -> Tensor:
    """Places beyond a margin around 0 .. side - 1 mirrored at the centres of the border pixels into that range."""
    if side == 1:
        return torch.zeros_like(at)
    period = 2 * (side - 1)
    inside = torch.remainder(at, period)
    beyond = (at < -margin) | (at > side - 1 + margin)
    return torch.where(beyond, torch.minimum(inside, period - inside), at)


def _bilinear(x: Tensor, across: Tensor, down: Tensor, rows: int, columns: int) -> Tensor:
    """x at places [B, n] in pixels, as [B, C, rows, columns]; gathered, which can be differentiated twice."""
    b, c, height, width = x.shape
    left, top = across.floor(), down.floor()
    right_share, low_share = (across - left).to(x.dtype)[:, None], (down - top).to(x.dtype)[:, None]
    flat, total = x.reshape(b, c, -1), 0
    for i, row_share in ((0, 1 - low_share), (1, low_share)):
        for j, column_share in ((0, 1 - right_share), (1, right_share)):
            index = (top + i).clamp(0, height - 1) * width + (left + j).clamp(0, width - 1)
            seen = flat.gather(2, index.long()[:, None].expand(-1, c, -1))
            total = total + seen * (row_share * column_share)
    assert isinstance(total, Tensor)
    return total.view(b, c, rows, columns)


def augmented(x: Tensor, u: Tensor, p: Tensor | float, names: tuple[str, ...]) -> Tensor:
    """Pictures [B, C, H, W] in [-1, 1] after the named changes, each with probability p. u: [B, 28] in [0, 1).

    Autocast is off inside: places in bfloat16 would be pixels away.
    """
    with torch.autocast(x.device.type, enabled=False):
        if "blit" in names:
            x = turned(x, u[:, :4], p)
        if "blit" in names or "geometry" in names:
            x = warped(x, placement(u[:, :18].float(), p, (x.shape[2], x.shape[3]), names))
        return recoloured(x, u[:, 18:].float(), p) if "recolour" in names else x


def recoloured(x: Tensor, u: Tensor, p: Tensor | float) -> Tensor:
    """Pictures [B, C, H, W] under the affine maps of their colours; u: the last 10 numbers of an example."""
    made = colours(u, p, x.shape[1]).to(x.dtype)
    if x.shape[1] == 3:
        return (made[:, :3, :3] @ x.flatten(2) + made[:, :3, 3:]).view_as(x)
    return x * made[:, :1, :1, None] + made[:, :1, 3:, None]
