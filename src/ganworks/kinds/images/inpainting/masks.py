"""Random masks of holes that cover a given share of the area: strokes, scratches, boxes, borders and text.

Every mask is [B, 1, height, width] float32, 1 = hole, and drawn anew for each example from keyed random numbers. Lines
are drawn as by a brush, pixel after pixel in the order in which the brush reaches them, until the wanted share is
covered; the area is exact to a pixel, whatever the shape. Free-form strokes follow Suvorov et al. 2021 (LaMa,
2109.07161), section 2.3, and Yu et al. 2019 (1806.03589), section 4.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ganworks.core.errors import UsageError, nearest
from ganworks.core.spec import Draw

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_TURN, _LIFT, _MOST = 0.6, 0.3, 400


@dataclass(frozen=True)
class Masks:
    """Which masks are drawn, and how much they cover.

    kinds: names from KINDS, separated by commas; each example gets one of them, all equally likely.
    area: smallest and largest share of the image that is hole, uniform between them. `text` comes as near as whole
        letters allow; `centre` ignores it, as it is always the middle quarter.
    width, length: smallest and largest width and length of a piece of a stroke, in pixels.
    Raises UsageError for values outside their range.
    """

    kinds: str = "strokes"
    area: tuple[float, float] = (0.1, 0.4)
    width: tuple[float, float] = (4.0, 16.0)
    length: tuple[float, float] = (8.0, 48.0)

    def __post_init__(self) -> None:
        for name in self.names:
            if name not in KINDS:
                raise UsageError(f"There is no kind of mask {name!r}. {nearest(name, KINDS)}")
        if not self.names:
            raise UsageError(f"masks is empty; name at least one of {', '.join(KINDS)}.")
        for field, most in (("area", 0.95), ("width", 1000.0), ("length", 1000.0)):
            low, high = getattr(self, field)
            if not 0 < low <= high <= most:
                raise UsageError(f"{field} must be two numbers, the smaller first, above 0 and at most {most}, "
                                 f"not {low}, {high}.")  # fmt: skip

    @property
    def names(self) -> tuple[str, ...]:
        """The kinds asked for."""
        return tuple(name.strip() for name in self.kinds.split(",") if name.strip())

    def __call__(self, height: int, width: int, draw: Draw) -> Tensor:
        """One mask for each row of `draw`: [B, 1, height, width] float32 on the CPU, 1 = hole.

        How many numbers are drawn does not depend on the kinds chosen, so a row's mask depends on that row alone.
        """
        names = self.names
        pick = draw.integers(len(names)).cpu()
        low, high = self.area
        share = low + (high - low) * draw.uniform().cpu()
        numbers = draw.uniform(self._pieces(height, width), 7).cpu()
        out = torch.zeros(len(pick), 1, height, width)
        for index, name in enumerate(names):
            rows = torch.nonzero(pick == index)[:, 0]
            if len(rows):
                out[rows, 0] = KINDS[name](self, height, width, share[rows], numbers[rows])
        return out

    def _pieces(self, height: int, width: int) -> int:
        """How many pieces of a stroke are drawn: enough for the largest area despite overlaps, but at most 400."""
        one = sum(self.width) / 2 * sum(self.length) / 2
        return min(_MOST, max(8, math.ceil(3 * self.area[1] * height * width / one)))


def strokes(masks: Masks, height: int, width: int, share: Tensor, numbers: Tensor) -> Tensor:
    """Free-form polylines with round ends; each piece has its own width and length."""
    return _brush(height, width, share, numbers, masks.width, masks.length, _TURN)


def scratches(masks: Masks, height: int, width: int, share: Tensor, numbers: Tensor) -> Tensor:
    """Long, thin, nearly straight lines, 1 to 3 pixels wide; they may cover less than `share`, never more."""
    del masks
    side = min(height, width)
    return _brush(height, width, share, numbers, (1.0, 3.0), (0.4 * side, 1.2 * side), 0.08, grow=False)


def _brush(height: int, width: int, share: Tensor, numbers: Tensor, widths: tuple[float, float],
           lengths: tuple[float, float], turn: float, grow: bool = True) -> Tensor:  # fmt: skip
    """The first `share` of all pixels that a brush reaches on its path; numbers [B, pieces, 7] in [0, 1)."""
    starts, ends = _path(height, width, numbers, lengths, turn)
    radius = ((widths[0] + (widths[1] - widths[0]) * numbers[:, :, 5]) / 2).clamp_min(0.5)
    y, x = torch.arange(height)[:, None] + 0.5, torch.arange(width)[None] + 0.5
    time = torch.full((len(share), height, width), math.inf)
    nearest_ = time.clone()
    for k in range(numbers.shape[1]):
        (ay, ax), (by, bx) = (p[:, k, :, None, None].unbind(1) for p in (starts, ends))
        dy, dx = by - ay, bx - ax
        along = (((y - ay) * dy + (x - ax) * dx) / (dy * dy + dx * dx).clamp_min(1e-6)).clamp(0, 1)
        far = torch.hypot(y - ay - along * dy, x - ax - along * dx) / radius[:, k, None, None]
        time = torch.where((far <= 1) & (time > k + 1), k + along + 1e-3 * far, time)
        nearest_ = torch.minimum(nearest_, far)
    if grow:  # lines that do not cover enough become wider
        time = torch.where(time.isinf(), numbers.shape[1] + nearest_, time)
    return _earliest(time, share)


def _path(height: int, width: int, numbers: Tensor, lengths: tuple[float, float], turn: float
          ) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Start and end of each piece, [B, pieces, 2] as (y, x): a walk that turns, and sometimes lifts the brush."""
    size = torch.tensor([height, width])
    fresh = numbers[:, :, :2] * size
    lift, angle = numbers[:, :, 2] < _LIFT, (numbers[:, :, 3] - 0.5) * 2 * math.pi
    length = lengths[0] + (lengths[1] - lengths[0]) * numbers[:, :, 4]
    starts, ends = torch.empty_like(fresh), torch.empty_like(fresh)
    at, heading = fresh[:, 0], angle[:, 0]
    for k in range(numbers.shape[1]):
        if k:
            at = torch.where(lift[:, k, None], fresh[:, k], at)
            heading = torch.where(lift[:, k], angle[:, k], heading + turn * angle[:, k])
        move = torch.stack([heading.sin(), heading.cos()], 1) * length[:, k, None]
        inside = ((at + move >= 0) & (at + move <= size)).all(1, keepdim=True)
        move = torch.where(inside, move, -move)  # turn round at the border
        heading = torch.where(inside[:, 0], heading, heading + math.pi)
        starts[:, k], ends[:, k] = at, at + move
        at = (at + move).clamp_min(0).minimum(size)
    return starts, ends


def _earliest(time: Tensor, share: Tensor) -> Tensor:
    """[B, H, W]: 1 for the `share` [B] of pixels with the smallest time [B, H, W], never for infinite times."""
    flat = time.flatten(1)
    count = (share * flat.shape[1]).round().long()
    rank = flat.argsort(dim=1, stable=True).argsort(dim=1)
    return ((rank < count[:, None]) & flat.isfinite()).float().view_as(time)


def box(masks: Masks, height: int, width: int, share: Tensor, numbers: Tensor) -> Tensor:
    """One rectangle anywhere; its aspect ratio is the image's times 1/2 to 2."""
    del masks
    low, high = share.clamp_min(0.5), (1 / share).clamp_max(2.0)  # no side longer than the image's
    stretch = torch.exp(low.log() + (high.log() - low.log()) * numbers[:, 0, 0]).clamp(share, 1 / share)
    tall = (height * (share * stretch).sqrt()).round().clamp(1, height)
    wide = (share * height * width / tall).round().clamp(1, width)
    return _rectangle(height, width, tall, wide, numbers)


def border(masks: Masks, height: int, width: int, share: Tensor, numbers: Tensor) -> Tensor:
    """All but one rectangle of the image's own proportions, anywhere, so that the picture must be continued."""
    del masks
    kept = (1 - share).sqrt()
    tall = (height * kept).round().clamp(1, height)
    wide = ((1 - share) * height * width / tall).round().clamp(1, width)
    return 1 - _rectangle(height, width, tall, wide, numbers)


def centre(masks: Masks, height: int, width: int, share: Tensor, numbers: Tensor) -> Tensor:
    """The middle rectangle of half the height and half the width."""
    del masks, numbers
    out = torch.zeros(len(share), height, width)
    top, left = (height - height // 2) // 2, (width - width // 2) // 2
    out[:, top : top + height // 2, left : left + width // 2] = 1
    return out


def _rectangle(height: int, width: int, tall: Tensor, wide: Tensor, numbers: Tensor) -> Tensor:
    top = (numbers[:, 0, 1] * (height - tall + 1)).floor()
    left = (numbers[:, 0, 2] * (width - wide + 1)).floor()
    y, x = torch.arange(height)[None, :, None], torch.arange(width)[None, None]
    top, left, tall, wide = (n[:, None, None] for n in (top, left, tall, wide))
    return ((y >= top) & (y < top + tall) & (x >= left) & (x < left + wide)).float()


def text(masks: Masks, height: int, width: int, share: Tensor, numbers: Tensor) -> Tensor:
    """Lines of random letters and digits, a seventh to a fifth of the short side high, until the share is covered."""
    del masks
    return torch.stack([_letters(height, width, float(s), n) for s, n in zip(share, numbers, strict=True)])


def _letters(height: int, width: int, share: float, numbers: Tensor) -> Tensor:
    side = min(height, width)
    rng = np.random.default_rng([int(n * 2**24) for n in numbers[:4, 6]])
    sheet = Image.new("1", (width, height))
    pen, wanted = ImageDraw.Draw(sheet), share * height * width
    for _ in range(20):  # write over the page again where one pass is not enough
        tall = side * (0.14 + 0.06 * rng.random())
        font, y = ImageFont.load_default(tall), -rng.random() * tall
        while y < height:
            x = -rng.random() * tall
            while x < width:
                letter = LETTERS[rng.integers(len(LETTERS))]
                pen.text((x, y), letter, 1, font)
                x += pen.textlength(letter, font) + 1
                if np.asarray(sheet).sum() >= wanted:
                    return torch.from_numpy(np.asarray(sheet, np.float32).copy())
            y += tall * 1.3
    return torch.from_numpy(np.asarray(sheet, np.float32).copy())


KINDS = {"strokes": strokes, "scratches": scratches, "box": box, "border": border, "centre": centre, "text": text}
