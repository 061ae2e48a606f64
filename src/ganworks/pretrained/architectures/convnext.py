"""ConvNeXt-T (Liu et al. 2022, 2201.03545) with torchvision's names."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganworks.pretrained.architectures.backbone import Backbone, in_stages

WIDTHS, DEPTHS, EPS = (96, 192, 384, 768), (3, 3, 9, 3), 1e-6


class _Last(nn.LayerNorm):
    """Layer norm over the channels of [B, C, H, W]."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _Turn(nn.Module):
    """Permute the axes."""

    def __init__(self, *order: int):
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(*self.order)


class _Block(nn.Module):
    """7x7 within each channel, then a dense layer of four times the width at every position; added to the input."""

    def __init__(self, width: int):
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(width, width, 7, padding=3, groups=width),
            _Turn(0, 2, 3, 1),
            nn.LayerNorm(width, EPS),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            _Turn(0, 3, 1, 2),
        )
        self.layer_scale = nn.Parameter(torch.full((width, 1, 1), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layer_scale * self.block(x)


class ConvNeXtTiny(Backbone):
    """Stages of 96, 192, 384 and 768 channels at 1/4, 1/8, 1/16 and 1/32 of the side; pooled features are normed."""

    architecture, dim, heads, channels = "convnext_tiny", 768, ("classifier.2.",), WIDTHS
    names = ("features.1", "features.3", "features.5", "features.7")
    probe = (("features.0.0.weight", (96, 3, 4, 4)), ("features.5.8.block.0.weight", (384, 1, 7, 7)))

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Sequential(nn.Conv2d(3, WIDTHS[0], 4, 4), _Last(WIDTHS[0], EPS))]
        for number, (width, depth) in enumerate(zip(WIDTHS, DEPTHS, strict=True)):
            if number:
                before = WIDTHS[number - 1]
                layers.append(nn.Sequential(_Last(before, EPS), nn.Conv2d(before, width, 2, 2)))
            layers.append(nn.Sequential(*(_Block(width) for _ in range(depth))))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(_Last(WIDTHS[-1], EPS))

    def stages(self, x: Tensor) -> list[Tensor]:
        return in_stages(self.features, x, (1, 3, 5, 7))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.stages(x)[-1].mean((2, 3), keepdim=True)).flatten(1)
