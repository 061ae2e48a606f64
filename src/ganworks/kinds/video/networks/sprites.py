"""Sprites that a clip's content code draws once for all frames, and places where its motion code puts them.

Appearance that is not drawn again in each frame cannot flicker or change its size. Sprites are layers (Wang and Adelson
1994; MarioNette, Smirnov et al. 2021, 2104.14553), each with a mean image and a few modes of deformation (active
appearance models, Cootes et al. 1998).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ganworks.layers.strided import center_crop, conv_up, size_plan
from ganworks.networks.compact import GAIN, act, filled

SLOW = 0.03  # relative step of separate movements of the places and of deformations, which are rare
_GROWS = 4  # limit of the channels of small maps, relative to the largest map


def widths(width: int, maps: int) -> list[int]:
    """Channels of `maps` maps from the smallest up: `width` for the largest, doubled downwards up to 4 times."""
    return [width * min(_GROWS, 2**n) for n in reversed(range(maps))]


class Anchors(nn.Module):
    """Motion codes [N, m] -> `count` places in the frame, and position maps of them [N, 4 * count, h, w].

    The maps of a place are a narrow and a wide Gaussian around it, and the wide one times the offset along each axis.
    They help convolutions, which cannot easily turn a vector into a position (1807.03247). Places move together, and
    their separate movements are learned slowly, so that the parts of an object stay in place on it.
    """

    NARROW, WIDE, REACH = 0.12, 0.4, 1.25  # in half frames; REACH: largest distance of a place from the centre
    SPREAD = 0.2  # standard deviation of the initial places

    def __init__(self, motion: int, count: int):
        super().__init__()
        self.count = count
        self.middle, self.alone = nn.Linear(motion, 2), nn.Linear(motion, 2 * count)
        self.offset = nn.Parameter(torch.randn(count, 2) * self.SPREAD)

    def forward(self, codes: Tensor) -> Tensor:
        """Motion codes [N, m] -> places [N, count, 2] as (y, x) from -1 to 1; 0 is the centre."""
        together, alone = self.middle(codes)[:, None], SLOW * self.alone(codes).unflatten(1, (self.count, 2))
        return self.offset + self._within(together) + self._within(alone)

    def _within(self, way: Tensor) -> Tensor:
        return self.REACH * (way / self.REACH).tanh()

    def maps(self, places: Tensor, height: int, width: int) -> Tensor:
        """The position maps [N, 4 * count, height, width], as outer products of vectors along the axes."""
        axes = []
        for axis, size in enumerate((height, width)):
            grid = (torch.arange(size, device=places.device) * 2 + 1) / size - 1
            way = grid - places[:, :, axis, None]
            wide = (-0.5 * (way / self.WIDE) ** 2).exp()
            axes.append((torch.cat([(-0.5 * (way / self.NARROW) ** 2).exp(), wide], 1), wide * way / self.WIDE, wide))
        (tall, climb, rise), (broad, cross, run) = axes
        rows = torch.cat([tall, climb, rise], 1)[:, :, :, None]
        return rows * torch.cat([broad, run, cross], 1)[:, :, None]


class PictureDecoder(nn.Module):
    """Content codes [B, m] -> maps [B, outputs, h, w], all zero at first."""

    def __init__(self, code: int, size: tuple[int, ...], width: int, outputs: int):
        super().__init__()
        plan = size_plan(size[0], size[1])
        strides = plan.strides or ((1, 1),)
        sizes = widths(width, len(strides))
        self.size, self.lowest = size, (sizes[0], *plan.base)
        self.begin = filled(nn.Linear(code, math.prod(self.lowest)), GAIN)
        steps = zip(sizes, [*sizes[1:], outputs], strides, strict=True)
        self.ups = nn.ModuleList(filled(conv_up(a, b, s), GAIN) for a, b, s in steps)
        filled(self.ups[-1], 0.0)  # pyrefly: ignore

    def forward(self, content: Tensor) -> Tensor:
        x = self.begin(content).unflatten(1, self.lowest)
        for up in self.ups:
            x = up(act(x))
        return center_crop(x, self.size[0], self.size[1])


class Sprites(nn.Module):
    """Content codes [B, m], motion codes [B, T, q], places [B * T, k, 2] -> shares [B * T, outputs, H, W] with sum 1.

    There is a background of the size of the frame, and a sprite for each place, half as tall and wide. Each has `modes`
    more images, which are added with weights from the motion code. The sprites are added up at their places; their last
    channel is a mask that hides the background. Sprites are resampled with the bilinear kernel of spatial transformers
    (1506.02025, equation 5).
    """

    EXTENT = 0.5  # side of a sprite, relative to the frame
    BARE = 5.0  # subtracted from the mask's logit: without a sprite, the background is visible

    def __init__(self, code: int, motion: int, size: tuple[int, ...], *, count: int, cells: int, modes: int,
                 outputs: int, width: int):  # fmt: skip
        super().__init__()
        self.size, self.count, self.modes, self.outputs = size, count, modes, outputs
        self.ground = PictureDecoder(code, size, width, (1 + modes) * outputs)
        self.draw = PictureDecoder(code, (cells, cells), width, (1 + modes) * count * (outputs + 1))
        nn.init.ones_(self.draw.ups[-1].bias[outputs : count * (outputs + 1) : outputs + 1])  # pyrefly: ignore
        self.mix = nn.Linear(motion, modes) if modes else None

    def forward(self, content: Tensor, codes: Tensor, places: Tensor, more: Tensor | None = None) -> Tensor:
        """The shares. more: [B * T, outputs + 1, H, W], added to the placed sprites, the mask last."""
        mix = None if self.mix is None else (SLOW * self.mix(codes)).tanh()
        drawn = self.mixed(self.draw(content), mix, codes.shape[1]).unflatten(1, (self.count, self.outputs + 1))
        laid = self.laid(drawn, places).float()
        laid = laid if more is None else laid + more
        ground = self.mixed(self.ground(content), mix, codes.shape[1]).float()
        cover = (laid[:, -1:] - self.BARE).sigmoid()
        return torch.lerp(ground.softmax(1), laid[:, :-1].softmax(1), cover)

    def laid(self, drawn: Tensor, places: Tensor) -> Tensor:
        """Sprites [N, k, n, S, S] at their places [N, k, 2], added up: [N, n, H, W]."""
        outputs, cells = drawn.shape[2], drawn.shape[-1]
        rows, columns = (self.hats(places[:, :, axis], cells, n) for axis, n in enumerate(self.size))
        wide = torch.matmul(drawn.flatten(2, 3), columns.transpose(2, 3)).unflatten(2, (outputs, cells))
        laid = torch.matmul(rows.transpose(1, 2).flatten(2), wide.transpose(2, 3).flatten(1, 2).flatten(2))
        return laid.unflatten(2, (outputs, self.size[1])).transpose(1, 2)

    def mixed(self, maps: Tensor, mix: Tensor | None, frames: int) -> Tensor:
        """Maps [B, (1 + modes) * n, h, w], weights [B, T, modes] -> mean map plus weighted modes [B * T, n, h, w]."""
        maps = maps.unflatten(1, (1 + self.modes, -1))
        first = maps[:, :1].expand(-1, frames, -1, -1, -1)
        if mix is not None:
            first = first + torch.matmul(mix, maps[:, 1:].flatten(2)).unflatten(2, maps.shape[2:])
        return first.flatten(0, 1)

    def hats(self, at: Tensor, cells: int, pixels: int) -> Tensor:
        """Places [N, k] along an axis -> weights of each cell in each pixel, [N, k, pixels, cells]; pixels larger than
        cells average several."""
        grid, cell = ((torch.arange(n, device=at.device) * 2 + 1) / n - 1 for n in (pixels, cells))
        way = grid[:, None] - at[:, :, None, None] - self.EXTENT * cell
        larger = max(1.0, cells / pixels / self.EXTENT)
        return (1 - way.abs() / (2 * self.EXTENT / cells * larger)).relu() / larger
