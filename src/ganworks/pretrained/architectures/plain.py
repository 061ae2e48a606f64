"""Chains of convolutions: VGG (1409.1556), AlexNet (1404.5997) and SqueezeNet 1.1 (1602.07360), torchvision's names.

Stages are the maps that LPIPS and perceptual losses compare: after a ReLU, before the picture is halved.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from ganworks.pretrained.architectures.backbone import Backbone, in_stages


class _VGG(Backbone):
    """3x3 convolutions, as many in each of five blocks as `counts` says. dim, heads, channels: of every VGG."""

    dim, channels, heads, smallest = 512, (64, 128, 256, 512, 512), ("classifier.", "lin"), 16
    counts: ClassVar[tuple[int, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.ends, inputs = [], 3
        for width, count in zip(self.channels, self.counts, strict=True):
            layers += [nn.MaxPool2d(2)] if layers else []
            for _ in range(count):
                layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
                inputs = width
            self.ends.append(len(layers) - 1)
        self.features = nn.Sequential(*layers)

    def stages(self, x: Tensor) -> list[Tensor]:
        return in_stages(self.features, x, tuple(self.ends))


class VGG16(_VGG):
    """Configuration D. Stages at 1, 1/2, 1/4, 1/8 and 1/16 of the side."""

    architecture, counts = "vgg16", (2, 2, 3, 3, 3)
    names = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
    probe = (("features.28.weight", (512, 512, 3, 3)), ("features.0.weight", (64, 3, 3, 3)))


class VGG19(_VGG):
    """Configuration E. Stages at 1, 1/2, 1/4, 1/8 and 1/16 of the side."""

    architecture, counts = "vgg19", (2, 2, 4, 4, 4)
    names = ("relu1_2", "relu2_2", "relu3_4", "relu4_4", "relu5_4")
    probe = (("features.34.weight", (512, 512, 3, 3)), ("features.0.weight", (64, 3, 3, 3)))


class AlexNet(Backbone):
    """Stages of 64, 192, 384, 256 and 256 channels at 1/4, 1/8 and three times 1/16 of the side."""

    architecture, dim, heads = "alexnet", 256, ("classifier.", "lin")
    names, channels = ("relu1", "relu2", "relu3", "relu4", "relu5"), (64, 192, 384, 256, 256)
    probe = (("features.0.weight", (64, 3, 11, 11)), ("features.10.weight", (256, 256, 3, 3)))

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
        )

    def stages(self, x: Tensor) -> list[Tensor]:
        return in_stages(self.features, x, (1, 4, 7, 9, 11))


class _Fire(nn.Module):
    """1x1 convolutions to few channels, then 1x1 and 3x3 convolutions side by side."""

    def __init__(self, inputs: int, few: int, each: int):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, few, 1)
        self.expand1x1 = nn.Conv2d(few, each, 1)
        self.expand3x3 = nn.Conv2d(few, each, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x), self.expand3x3(x)], 1).relu()


class SqueezeNet(Backbone):
    """Version 1.1. Stages of 64, 128, 256 and 512 channels at 1/2, 1/4, 1/8 and 1/16 of the side."""

    architecture, dim, heads = "squeezenet1_1", 512, ("classifier.", "lin")
    names, channels = ("relu1", "fire4", "fire7", "fire12"), (64, 128, 256, 512)
    probe = (("features.0.weight", (64, 3, 3, 3)), ("features.3.squeeze.weight", (16, 64, 1, 1)))

    def __init__(self) -> None:
        super().__init__()
        halve = {2, 5, 8}
        fires = {3: (64, 16, 64), 4: (128, 16, 64), 6: (128, 32, 128), 7: (256, 32, 128)}
        fires |= {9: (256, 48, 192), 10: (384, 48, 192), 11: (384, 64, 256), 12: (512, 64, 256)}
        layers = [nn.MaxPool2d(3, 2, ceil_mode=True) if n in halve else _Fire(*fires[n]) for n in range(2, 13)]
        self.features = nn.Sequential(nn.Conv2d(3, 64, 3, 2), nn.ReLU(), *layers)

    def stages(self, x: Tensor) -> list[Tensor]:
        return in_stages(self.features, x, (1, 4, 7, 12))
