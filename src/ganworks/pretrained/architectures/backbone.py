"""What all published networks share: stages, pooled features, the form of their input, and folding for speed."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and deviation of RGB in 0..1
CENTRED = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)  # RGB in -1..1
Activation = Callable[[], nn.Module]


class Backbone(nn.Module):
    """A published network without its last layer, which names classes.

    architecture: its name in scores. dim: numbers of the pooled features. size: side in pixels of the pictures that it
    was trained on. colours: (mean, deviation) by which RGB in 0..1 is normalised. heads: beginnings of names in its
    files that are not read. probe: names and shapes that tell a file of it from others. names, channels: of its stages,
    from the finest to the coarsest. smallest, multiple: the least side that `stages` takes, and what divides sides.
    """

    architecture: ClassVar[str] = ""
    dim: ClassVar[int] = 0
    size: ClassVar[int] = 224
    colours: ClassVar[tuple[tuple[float, ...], tuple[float, ...]]] = IMAGENET
    heads: ClassVar[tuple[str, ...]] = ("classifier.",)
    probe: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = ()
    names: ClassVar[tuple[str, ...]] = ()
    channels: ClassVar[tuple[int, ...]] = ()
    smallest: ClassVar[int] = 32
    multiple: ClassVar[int] = 1

    def stages(self, x: Tensor) -> list[Tensor]:
        """Feature maps [B, C, H, W] of normalised pictures [B, 3, H, W], from the finest to the coarsest."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Pooled features [B, dim] of normalised pictures [B, 3, H, W]."""
        return self.stages(x)[-1].mean((2, 3))

    def prepare(self, x: Tensor) -> Tensor:
        """Pictures [B, 1, 3 or 4, H, W] in 0..1, of any size -> [B, 3, size, size] as the network expects them.

        Grey is repeated, of four channels the first three are taken; both sides are scaled (bilinear, antialiased).
        """
        return self._normalised(x, (self.size, self.size))

    def at_least(self, x: Tensor, side: int = 0) -> Tensor:
        """As `prepare`, at the pictures' own size: they are scaled only where the network takes no such sides, or where
        the shorter one is below `side` pixels, and keep their proportions.
        """
        height, width = x.shape[2:]
        factor = max(1.0, max(self.smallest, side) / min(height, width))
        tall, wide = (-(-round(factor * n) // self.multiple) * self.multiple for n in (height, width))
        return self._normalised(x, (tall, wide))

    def _normalised(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        x = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x[:, :3]
        if x.shape[2:] != size:
            x = F.interpolate(x, size=size, mode="bilinear", antialias=True, align_corners=False)
        mean, deviation = (x.new_tensor(part)[:, None, None] for part in self.colours)
        return (x - mean) / deviation


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's padding "same": what is uneven goes to the right and to the bottom."""

    def forward(self, input: Tensor) -> Tensor:
        sides = []
        for at in (3, 2):
            size, kernel, stride = input.shape[at], self.kernel_size[at - 2], self.stride[at - 2]
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            sides += [total // 2, total - total // 2]
        return super().forward(F.pad(input, sides))


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, *, same: bool = False
) -> nn.Conv2d:
    """A convolution without bias that keeps the size, or halves it; same: as TensorFlow pads where it halves."""
    if same and stride > 1:
        return SameConv2d(inputs, outputs, kernel, stride, 0, groups=groups, bias=False)
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


def conv_norm(convolved: nn.Conv2d, eps: float, act: Activation | None) -> nn.Sequential:
    """Convolution, batch norm and activation, numbered 0, 1, 2 as in torchvision's files."""
    return nn.Sequential(
        convolved, nn.BatchNorm2d(convolved.out_channels, eps=eps), *([act()] if act is not None else [])
    )


def in_stages(layers: nn.Sequential, x: Tensor, ends: tuple[int, ...]) -> list[Tensor]:
    """The maps after the layers of these numbers; what stands behind the last is not computed."""
    found = []
    for number, layer in enumerate(list(layers)[: ends[-1] + 1]):
        x = layer(x)
        if number in ends:
            found.append(x)
    return found


@torch.no_grad()
def fold(net: nn.Module) -> nn.Module:
    """Put every batch norm into the convolution before it, in place: the same function in eval, with less work."""
    for parent in list(net.modules()):
        before: nn.Module | None = None
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d) and isinstance(before, nn.Conv2d):
                _fold(before, child)
                setattr(parent, name, nn.Identity())
            before = child
    return net


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    bias = conv.bias if conv.bias is not None else torch.zeros_like(norm.running_mean)
    conv.weight = nn.Parameter(conv.weight * scale[:, None, None, None])
    conv.bias = nn.Parameter((bias - norm.running_mean) * scale + norm.bias)


def ready(net: Backbone) -> Backbone:
    """A network for use: folded, frozen, in eval, laid out for convolutions on a CPU."""
    fold(net.eval())
    return net.requires_grad_(False).to(memory_format=torch.channels_last)  # pyrefly: ignore
