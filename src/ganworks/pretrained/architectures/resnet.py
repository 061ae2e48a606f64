"""ResNet-18 and ResNet-50 (He et al. 2015, 1512.03385) with torchvision's names; 3x3 convolutions have the stride."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from ganworks.pretrained.architectures.backbone import Backbone, conv_norm, convolution

EPS = 1e-5


class _Block(nn.Module):
    """Convolutions of (width, kernel, stride) with batch norms, added to the input or to its 1x1 convolution."""

    def __init__(self, inputs: int, steps: tuple[tuple[int, int, int], ...]):
        super().__init__()
        self.count, width = len(steps), inputs
        for number, (outputs, kernel, stride) in enumerate(steps, 1):
            setattr(self, f"conv{number}", convolution(width, outputs, kernel, stride))
            setattr(self, f"bn{number}", nn.BatchNorm2d(outputs, EPS))
            width = outputs
        stride = max(stride for _, _, stride in steps)
        changed = stride > 1 or inputs != width
        self.downsample = conv_norm(convolution(inputs, width, 1, stride), EPS, None) if changed else None

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for number in range(1, self.count + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            y = y.relu() if number < self.count else y
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class _ResNet(Backbone):
    """Stages of the stem (64 channels, 1/2 of the side) and of the four layers (1/4 to 1/32)."""

    heads = ("fc.",)
    names = ("conv1", "layer1", "layer2", "layer3", "layer4")
    blocks: ClassVar[tuple[int, ...]] = ()
    deep: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = convolution(3, 64, 7, 2), nn.BatchNorm2d(64, EPS)
        inputs, layers = 64, []
        for number, count in enumerate(self.blocks):
            width, built = 64 * 2**number, []
            for block in range(count):
                stride = 2 if number and not block else 1
                wide = ((width, 1, 1), (width, 3, stride), (4 * width, 1, 1))
                built.append(_Block(inputs, wide if self.deep else ((width, 3, stride), (width, 3, 1))))
                inputs = 4 * width if self.deep else width
            layers.append(nn.Sequential(*built))
        self.layer1, self.layer2, self.layer3, self.layer4 = layers

    def stages(self, x: Tensor) -> list[Tensor]:
        found = [self.bn1(self.conv1(x)).relu()]
        x = nn.functional.max_pool2d(found[0], 3, 2, 1)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            found.append(x)
        return found


class ResNet18(_ResNet):
    """Layers of 64, 128, 256 and 512 channels."""

    architecture, dim, blocks = "resnet18", 512, (2, 2, 2, 2)
    channels = (64, 64, 128, 256, 512)
    probe = (("layer4.1.conv2.weight", (512, 512, 3, 3)), ("conv1.weight", (64, 3, 7, 7)))


class ResNet50(_ResNet):
    """Layers of 256, 512, 1024 and 2048 channels."""

    architecture, dim, blocks, deep = "resnet50", 2048, (3, 4, 6, 3), True
    channels = (64, 256, 512, 1024, 2048)
    probe = (("layer4.2.conv3.weight", (2048, 512, 1, 1)), ("layer3.5.conv3.weight", (1024, 256, 1, 1)))
