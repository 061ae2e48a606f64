"""EfficientNet-B0 (1905.11946) with torchvision's names, and EfficientNet-Lite0 with timm's names and padding."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from ganworks.pretrained.architectures.backbone import CENTRED, Backbone, SameConv2d, conv_norm, convolution, in_stages

# expand, kernel, stride, outputs, count
BLOCKS = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4),
          (6, 3, 1, 320, 1))  # fmt: skip


class _Excite(nn.Module):
    """Each channel times a number between 0 and 1 that follows from the means of all channels."""

    def __init__(self, width: int, few: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(width, few, 1), nn.Conv2d(few, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3), keepdim=True)
        return x * self.fc2(nn.functional.silu(self.fc1(means))).sigmoid()


class _Block(nn.Module):
    """Widen, convolve each channel alone, excite, narrow; the input is added where the shape is kept."""

    def __init__(self, inputs: int, expand: int, kernel: int, stride: int, outputs: int):
        super().__init__()
        inside, act = inputs * expand, partial(nn.SiLU, inplace=True)
        self.block = nn.Sequential(
            *([conv_norm(convolution(inputs, inside, 1), 1e-5, act)] if expand > 1 else []),
            conv_norm(convolution(inside, inside, kernel, stride, inside), 1e-5, act),
            _Excite(inside, max(1, inputs // 4)),
            conv_norm(convolution(inside, outputs, 1), 1e-5, None),
        )
        self.kept = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if self.kept else self.block(x)


class EfficientNetB0(Backbone):
    """Stages of 16, 24, 40, 112 and 1280 channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the side."""

    architecture, dim, channels = "efficientnet_b0", 1280, (16, 24, 40, 112, 1280)
    names = ("features.1", "features.2", "features.3", "features.5", "features.8")
    probe = (("features.8.0.weight", (1280, 320, 1, 1)), ("features.1.0.block.0.0.weight", (32, 1, 3, 3)))

    def __init__(self) -> None:
        super().__init__()
        act, inputs = partial(nn.SiLU, inplace=True), 32
        layers: list[nn.Module] = [conv_norm(convolution(3, 32, 3, 2), 1e-5, act)]
        for expand, kernel, stride, outputs, count in BLOCKS:
            widths = [inputs] + [outputs] * (count - 1)
            steps = [stride] + [1] * (count - 1)
            layers.append(
                nn.Sequential(*(_Block(w, expand, kernel, s, outputs) for w, s in zip(widths, steps, strict=True)))
            )
            inputs = outputs
        layers.append(conv_norm(convolution(320, 1280, 1), 1e-5, act))
        self.features = nn.Sequential(*layers)

    def stages(self, x: Tensor) -> list[Tensor]:
        return in_stages(self.features, x, (1, 2, 3, 5, 8))


class _Lite(nn.Module):
    """A block of the Lite form; names: (a convolution, its batch norm) one after another, as in timm."""

    def __init__(self, inputs: int, expand: int, kernel: int, stride: int, outputs: int):
        super().__init__()
        inside = inputs * expand
        convolved = {"conv_dw": convolution(inside, inside, kernel, stride, inside, same=True)}
        if expand > 1:
            last = {"conv_pwl": convolution(inside, outputs, 1)}
            convolved = {"conv_pw": convolution(inputs, inside, 1), **convolved, **last}
        else:
            convolved["conv_pw"] = convolution(inside, outputs, 1)
        self.names = [(name, f"bn{number}") for number, name in enumerate(convolved, 1)]
        for name, norm in self.names:
            setattr(self, name, convolved[name])
            setattr(self, norm, nn.BatchNorm2d(convolved[name].out_channels, 1e-3))
        self.kept = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for name, norm in self.names:
            y = getattr(self, norm)(getattr(self, name)(y))
            y = nn.functional.relu6(y) if norm != self.names[-1][1] else y
        return x + y if self.kept else y


class EfficientNetLite0(Backbone):
    """Stages as of EfficientNet-B0; made for small machines: no excitation, ReLU6."""

    architecture, dim, colours, channels = "efficientnet_lite0", 1280, CENTRED, (16, 24, 40, 112, 1280)
    names = ("blocks.0", "blocks.1", "blocks.2", "blocks.4", "conv_head")
    probe = (("conv_head.weight", (1280, 320, 1, 1)), ("blocks.0.0.conv_dw.weight", (32, 1, 3, 3)))

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem, self.bn1 = SameConv2d(3, 32, 3, 2, bias=False), nn.BatchNorm2d(32, 1e-3)
        inputs, blocks = 32, []
        for expand, kernel, stride, outputs, count in BLOCKS:
            first = _Lite(inputs, expand, kernel, stride, outputs)
            others = (_Lite(outputs, expand, kernel, 1, outputs) for _ in range(count - 1))
            blocks.append(nn.Sequential(first, *others))
            inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.conv_head, self.bn2 = convolution(320, 1280, 1), nn.BatchNorm2d(1280, 1e-3)

    def stages(self, x: Tensor) -> list[Tensor]:
        found = in_stages(self.blocks, nn.functional.relu6(self.bn1(self.conv_stem(x))), (0, 1, 2, 4, 6))
        return [*found[:-1], nn.functional.relu6(self.bn2(self.conv_head(found[-1])))]
