"""Classifiers with K logits and the features before them, and generators to train them against.

`Semi` is the pair of Salimans et al. 2016 (1606.03498), section 5, and their MNIST code: fully connected, with weight
norm and Gaussian noise on every layer. `SemiConv` is a small convolutional pair for images of any size. The classifiers
have weight norm instead of batch norm, so that labelled, unlabelled and generated examples never share statistics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Chance, Count, Width, check, within
from ganworks.core.spec import Spec
from ganworks.layers.strided import center_pad, size_plan
from ganworks.networks.compact import SLOPE, Compact

EPS = 1e-12


def direction(v: Tensor) -> Tensor:
    """Weights v with each output's part scaled to length 1."""
    return F.normalize(v.flatten(1), dim=1, eps=EPS).view_as(v)


class NormedLinear(nn.Linear):
    """Linear with weights g v / |v| (weight norm: Salimans and Kingma 2016, 1602.07868, equation 2)."""

    def __init__(self, inputs: int, outputs: int, gain: float = math.sqrt(2)):
        super().__init__(inputs, outputs)
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)
        self.g = nn.Parameter(torch.full((outputs, 1), gain))

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.g * direction(self.weight), self.bias)


class NormedConv(nn.Conv2d):
    """Convolution with weights g v / |v|: 1602.07868, equation 2."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: tuple[int, int] = (1, 1)):
        super().__init__(inputs, outputs, kernel, stride, padding=kernel // 2)
        assert self.bias is not None
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)
        self.g = nn.Parameter(torch.full((outputs, 1, 1, 1), math.sqrt(2)))

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.g * direction(self.weight), self.bias)


def noisy(x: Tensor, deviation: float, training: bool) -> Tensor:
    """x plus Gaussian noise of this standard deviation while training, from torch's global generator."""
    return x + deviation * torch.randn_like(x) if training and deviation else x


class SemiClassifier(nn.Module):
    """Examples [B, *shape] in [-1, 1] -> logits [B, K] float32. `both` gives logits and features [B, F]."""

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(logits [B, K], features of the last hidden layer [B, F]), both float32, in one pass."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return self.both(x)[0]

    def features(self, x: Tensor) -> Tensor:
        """Features of the last hidden layer [B, F], float32: what feature matching compares."""
        return self.both(x)[1]


class DenseClassifier(SemiClassifier):
    """The published discriminator: weight-normed layers of `hidden` units, ReLU, noise before each of them."""

    def __init__(self, net: Semi, spec: Spec):
        super().__init__()
        sizes = [math.prod(spec.shape), *net.hidden]
        self.layers = nn.ModuleList(NormedLinear(a, b) for a, b in pairwise(sizes))
        self.head = NormedLinear(sizes[-1], spec.num_classes, 1.0)
        self.noise = (net.noise_input, *[net.noise] * len(net.hidden))

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.flatten(1) / 2 + 0.5  # published for values in [0, 1], where the background is 0
        clean = x
        for layer, deviation in zip(self.layers, self.noise, strict=False):
            clean = F.relu(layer(noisy(x, deviation, self.training)))
            x = clean
        return self.head(noisy(x, self.noise[-1], self.training)).float(), clean.float()


class DenseGenerator(nn.Module):
    """z [B, z_dim] -> examples [B, *shape] in (-1, 1).

    Published: uniform latents, two layers of 500 softplus units with batch norm, a sigmoid. Latents here are normal, as
    everywhere in this package; the normal cumulative distribution function maps them to uniform ones.
    """

    def __init__(self, z_dim: int, hidden: tuple[int, ...], spec: Spec):
        super().__init__()
        self.z_dim, self.shape = z_dim, spec.shape
        sizes = [z_dim, *hidden]
        layers: list[nn.Module] = []
        for a, b in pairwise(sizes):
            layers += [nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.Softplus()]
        self.body = nn.Sequential(*layers)
        self.out = NormedLinear(sizes[-1], math.prod(spec.shape), 1.0)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        uniform = 0.5 * (1 + torch.erf(z * math.sqrt(0.5)))
        x = self.out(self.body(uniform))
        return (x.float() / 2).tanh().unflatten(1, self.shape)  # 2 sigmoid(x) - 1


class ConvClassifier(SemiClassifier):
    """Convolutions that halve the image to about 4 x 4, then one hidden layer.

    The first convolution is 5x5, those of the other halvings are 3x3, all with stride 2; a last 3x3 halves the lowest
    map.
    """

    def __init__(self, width: int, dropout: float, spec: Spec):
        super().__init__()
        plan = size_plan(*spec.shape[1:])
        strides = plan.strides[::-1] or ((1, 1),)
        widths = [spec.shape[0], *(width * min(4, 2**n) for n in range(len(strides)))]
        self.built = plan.built
        steps = enumerate(zip(pairwise(widths), strides, strict=True))
        layers = [NormedConv(a, b, 3 if n else 5, s) for n, ((a, b), s) in steps]
        self.layers = nn.ModuleList([*layers, NormedConv(widths[-1], 2 * widths[-1], 3, (2, 2))])
        low = math.prod(-(-n // 2) for n in plan.base)
        self.hidden = NormedLinear(2 * widths[-1] * low, 4 * width)
        self.head = NormedLinear(4 * width, spec.num_classes, 1.0)
        self.dropout = dropout

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = center_pad(x, *self.built)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
        x = F.dropout(x, self.dropout, self.training)
        features = F.leaky_relu(self.hidden(x.flatten(1)), SLOPE)
        return self.head(features).float(), features.float()


def need_classes(spec: Spec, what: str) -> None:
    """Raise UsageError unless there are two classes or more."""
    if spec.num_classes < 2:
        raise UsageError(f"{what} needs at least two classes; this data has {spec.num_classes}.")


@dataclass(frozen=True)
class Semi:
    """Fully connected classifier and generator, by default those of 1606.03498 for MNIST.

    hidden: widths of the hidden layers of C.
    g_hidden: widths of the hidden layers of G.
    noise_input: standard deviation of the Gaussian noise on C's input.
    noise: standard deviation of the Gaussian noise on C's hidden layers.
    z_dim: size of the latent.
    """

    hidden: tuple[Width, ...] = (1000, 500, 250, 250, 250)
    g_hidden: tuple[Width, ...] = (500, 500)
    noise_input: Annotated[float, within(0)] = 0.3
    noise: Annotated[float, within(0)] = 0.5
    z_dim: Count = 100
    makes: ClassVar[dict[str, str]] = {"C": "predict", "G": "sample"}

    def __post_init__(self) -> None:
        check(self)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"C": DenseClassifier, "G": DenseGenerator} with fresh weights; examples of any shape."""
        need_classes(spec, "A classifier")
        return {"C": DenseClassifier(self, spec), "G": DenseGenerator(self.z_dim, self.g_hidden, spec)}


@dataclass(frozen=True)
class SemiConv:
    """Convolutional classifier, and a compact generator beside it, for images [C, H, W] of any size.

    width: channels of C's largest map, twice as many on each smaller one.
    generator: "dense" is cheap and enough to train C, "compact" makes better pictures, "none" is for variants without a
        generator.
    g_width: channels of G's largest map, as in `Compact` (times 16 in the dense one's layers).
    z_dim: size of the latent.
    dropout: dropout before C's hidden layer.
    """

    width: Width = 32
    generator: Literal["dense", "compact", "none"] = "dense"
    g_width: Width = 32
    z_dim: Count = 64
    dropout: Chance = 0.0

    def __post_init__(self) -> None:
        if min(self.width, self.g_width) < 1:
            raise UsageError(f"SemiConv needs widths of at least 1 channel, not {self.width} and {self.g_width}.")
        check(self)

    @property
    def makes(self) -> dict[str, str]:
        """The networks that are published, and the verb that uses each."""
        return {"C": "predict", "G": "sample"} if self.generator != "none" else {"C": "predict"}

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"C": ConvClassifier} and, unless generator is "none", {"G": an unconditional generator}; fresh weights."""
        need_classes(spec, "A classifier")
        if len(spec.shape) != 3:
            raise UsageError(f"SemiConv reads images [C, H, W], not shape {list(spec.shape)}; use networks=semi.")
        nets: dict[str, nn.Module] = {"C": ConvClassifier(self.width, self.dropout, spec)}
        if self.generator == "dense":
            nets["G"] = DenseGenerator(self.z_dim, (16 * self.g_width,) * 2, spec)
        if self.generator == "compact":
            made = Compact(width=self.g_width, z_dim=self.z_dim).build(replace(spec, classes=()))
            nets["G"] = made["G"]
        return nets
