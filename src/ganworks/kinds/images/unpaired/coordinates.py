"""Pixel coordinates as further channels, as convolutions cannot tell where they are: Liu et al. 2018 (1807.03247)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

PLACES = 2  # planes that are added


def places(x: Tensor) -> Tensor:
    """Two planes [B, 2, H, W] for images [B, C, H, W]: the row, from -1 at the top to 1, and the distance from the
    middle column, from -1 there to 1 at both sides, so that mirroring an image leaves its planes as they are."""
    height, width = x.shape[2:]
    down = torch.linspace(-1, 1, height, device=x.device)[:, None].expand(height, width)
    aside = 2 * torch.linspace(-1, 1, width, device=x.device).abs().expand(height, width) - 1
    return torch.stack([down, aside]).to(x.dtype).expand(len(x), PLACES, height, width)


class Placed(nn.Module):
    """Gives `net`, which is built for PLACES more channels, images [B, C, H, W] together with their coordinates."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.net(torch.cat([x, places(x)], 1).contiguous(memory_format=torch.channels_last))
