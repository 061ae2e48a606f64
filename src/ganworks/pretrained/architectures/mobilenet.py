"""MobileNetV2 1.0 (Sandler et al. 2018, 1801.04381) in the forms of torchvision and of Keras."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from ganworks.pretrained.architectures.backbone import CENTRED, Backbone, conv_norm, convolution, in_stages

BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class _Inverted(nn.Module):
    """Widen by `expand`, convolve each channel alone, narrow again; the input is added where the shape is kept."""

    def __init__(self, inputs: int, outputs: int, expand: int, stride: int, *, same: bool, eps: float):
        super().__init__()
        inside, act = inputs * expand, partial(nn.ReLU6, inplace=True)
        narrow = conv_norm(convolution(inside, outputs, 1), eps, None)
        self.conv = nn.Sequential(
            *([conv_norm(convolution(inputs, inside, 1), eps, act)] if expand > 1 else []),
            conv_norm(convolution(inside, inside, 3, stride, inside, same=same), eps, act),
            *narrow,
        )
        self.kept = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.kept else self.conv(x)


class MobileNetV2(Backbone):
    """torchvision's form. Stages of 16, 24, 32, 96 and 1280 channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the side."""

    architecture, dim, channels = "mobilenet_v2", 1280, (16, 24, 32, 96, 1280)
    names = ("features.1", "features.3", "features.6", "features.13", "features.18")
    probe = (("features.18.0.weight", (1280, 320, 1, 1)), ("features.1.conv.0.0.weight", (32, 1, 3, 3)))
    same, eps = False, 1e-5

    def __init__(self) -> None:
        super().__init__()
        act = partial(nn.ReLU6, inplace=True)
        layers: list[nn.Module] = [conv_norm(convolution(3, 32, 3, 2, same=self.same), self.eps, act)]
        inputs = 32
        for expand, outputs, count, stride in BLOCKS:
            for number in range(count):
                step = stride if number == 0 else 1
                layers.append(_Inverted(inputs, outputs, expand, step, same=self.same, eps=self.eps))
                inputs = outputs
        layers.append(conv_norm(convolution(320, 1280, 1), self.eps, act))
        self.features = nn.Sequential(*layers)

    def stages(self, x: Tensor) -> list[Tensor]:
        return in_stages(self.features, x, (1, 3, 6, 13, 18))


class KerasMobileNetV2(MobileNetV2):
    """Keras's form: other padding where the size is halved, a larger epsilon, RGB in -1..1; used at 160 px here."""

    size, colours = 160, CENTRED
    same, eps = True, 1e-3
