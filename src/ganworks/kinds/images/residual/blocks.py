"""Blocks of the residual GANs: conditional batch norm, self-attention, plain and deep residual blocks.

Two orders of operations that give the same numbers are taken in the cheaper one: a 1x1 convolution in a shortcut stands
before nearest upsampling and after average pooling, wherever the papers put it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.layers.weights.spectral import Layers

Stride = tuple[int, int]  # (rows, columns), each 1 or 2
STILL: Stride = (1, 1)
_RATIO = 4  # of a deep block's width to that of its bottleneck (1809.11096, appendix B)


def enlarged(x: Tensor, stride: Stride) -> Tensor:
    """[B, C, H, W] -> [B, C, H * rows, W * columns], each pixel repeated."""
    return x if stride == STILL else F.interpolate(x, scale_factor=(float(stride[0]), float(stride[1])))


def pooled(x: Tensor, stride: Stride) -> Tensor:
    """[B, C, H, W] -> [B, C, H / rows, W / columns], means of the pixels."""
    return x if stride == STILL else F.avg_pool2d(x, stride)


class ConditionalNorm(nn.Module):
    """Batch norm whose scale and shift depend on the example: (1 + gain) * norm(x) + bias.

    classes: rows of the tables that hold a gain and a bias for each class (Dumoulin et al. 2017, 1610.07629; SNGAN and
    SAGAN have them); 0: no tables. inputs: size of a condition that linear layers without bias map to gain and bias
    (BigGAN, 1809.11096, appendix B); 0: none. With neither it is plain batch norm.
    """

    def __init__(self, channels: int, layers: Layers, classes: int, inputs: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=not (classes or inputs))
        self.tables = nn.ModuleList(nn.Embedding(classes, channels) for _ in range(2 if classes else 0))
        self.maps = nn.ModuleList(layers.linear(inputs, channels, bias=False) for _ in range(2 if inputs else 0))

    def forward(self, x: Tensor, y: Tensor | None, condition: Tensor | None) -> Tensor:
        """x [B, C, H, W], y [B] int64 or None, condition [B, inputs] or None -> [B, C, H, W]."""
        x = self.norm(x)
        if not self.tables and not self.maps:
            return x
        parts = [*([table(y) for table in self.tables]), *([linear(condition) for linear in self.maps])]
        gain = 1 + torch.stack(parts[0::2]).sum(0)
        bias = torch.stack(parts[1::2]).sum(0)
        return torch.addcmul(bias.to(x.dtype)[:, :, None, None], x, gain.to(x.dtype)[:, :, None, None])


class SelfAttention(nn.Module):
    """x + gamma * attention(x), gamma = 0 at first: Zhang et al. 2019 (1805.08318), as its authors' code has it.

    1x1 convolutions without bias to C / 8 (queries, keys) and C / 2 (values) channels; keys and values are max-pooled
    by two; the softmax runs over the keys.
    """

    def __init__(self, channels: int, layers: Layers):
        super().__init__()
        few, half = max(1, channels // 8), max(1, channels // 2)
        self.query, self.key = (layers.conv(channels, few, 1, bias=False) for _ in range(2))
        self.value, self.leave = layers.conv(channels, half, 1, bias=False), layers.conv(half, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] with H and W of 2 and more -> the same shape."""
        queries = self.query(x).flatten(2)
        keys, values = (F.max_pool2d(layer(x), 2).flatten(2) for layer in (self.key, self.value))
        weights = (queries.transpose(1, 2) @ keys).softmax(2)
        seen = (values @ weights.transpose(1, 2)).unflatten(2, x.shape[2:])
        return x + self.gamma * self.leave(seen)


class UpBlock(nn.Module):
    """Residual block of the generators: norm, ReLU, upsampling, 3x3, norm, ReLU, 3x3; a 1x1 convolution beside it."""

    def __init__(self, inputs: int, outputs: int, stride: Stride, layers: Layers, classes: int, condition: int):
        super().__init__()
        self.stride = stride
        self.norm1, self.norm2 = (ConditionalNorm(n, layers, classes, condition) for n in (inputs, outputs))
        self.conv1, self.conv2 = layers.conv(inputs, outputs), layers.conv(outputs, outputs)
        changes = inputs != outputs or stride != STILL
        self.shortcut = layers.conv(inputs, outputs, 1) if changes else nn.Identity()

    def forward(self, x: Tensor, y: Tensor | None, condition: Tensor | None) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H * rows, W * columns]."""
        h = enlarged(self.norm1(x, y, condition).relu(), self.stride)
        h = self.conv2(self.norm2(self.conv1(h), y, condition).relu())
        return h + enlarged(self.shortcut(x), self.stride)


class DeepUpBlock(nn.Module):
    """Residual block of BigGAN-deep's generator: 1x1 to a quarter, two 3x3, 1x1, each after norm and ReLU.

    The shortcut has no weights: it drops the last channels and upsamples (1809.11096, appendix B, figure 16).
    """

    def __init__(self, inputs: int, outputs: int, stride: Stride, layers: Layers, classes: int, condition: int):
        super().__init__()
        self.stride, self.outputs, inner = stride, outputs, max(1, inputs // _RATIO)
        self.norms = nn.ModuleList(ConditionalNorm(n, layers, classes, condition) for n in (inputs, *[inner] * 3))
        self.narrow, self.widen = layers.conv(inputs, inner, 1), layers.conv(inner, outputs, 1)
        self.conv1, self.conv2 = layers.conv(inner, inner), layers.conv(inner, inner)

    def forward(self, x: Tensor, y: Tensor | None, condition: Tensor | None) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H * rows, W * columns]."""
        first, second, third, fourth = self.norms
        h = self.narrow(first(x, y, condition).relu())
        h = self.conv1(enlarged(second(h, y, condition).relu(), self.stride))
        h = self.conv2(third(h, y, condition).relu())
        h = self.widen(fourth(h, y, condition).relu())
        return h + enlarged(x[:, : self.outputs], self.stride)


class DownBlock(nn.Module):
    """Residual block of the discriminators: ReLU, 3x3, ReLU, 3x3, average pooling; a 1x1 convolution beside it.

    inner: channels between the two convolutions. first: the block sees the image, and nothing precedes its first
    convolution (Miyato et al. 2018, 1802.05957, appendix B.4).
    """

    def __init__(self, inputs: int, outputs: int, stride: Stride, layers: Layers, inner: int, first: bool):
        super().__init__()
        self.stride, self.first = stride, first
        self.conv1, self.conv2 = layers.conv(inputs, inner), layers.conv(inner, outputs)
        changes = inputs != outputs or stride != STILL
        self.shortcut = layers.conv(inputs, outputs, 1) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H / rows, W / columns]."""
        h = self.conv1(x if self.first else x.relu())
        return pooled(self.conv2(h.relu()), self.stride) + self.shortcut(pooled(x, self.stride))


class DeepDownBlock(nn.Module):
    """Residual block of BigGAN-deep's discriminator: 1x1 to a quarter, two 3x3, pooling, 1x1, each after ReLU.

    The shortcut pools, and a 1x1 convolution makes the channels that are missing (1809.11096, appendix B, figure 16).
    """

    def __init__(self, inputs: int, outputs: int, stride: Stride, layers: Layers):
        super().__init__()
        self.stride, inner = stride, max(1, outputs // _RATIO)
        self.narrow, self.widen = layers.conv(inputs, inner, 1), layers.conv(inner, outputs, 1)
        self.conv1, self.conv2 = layers.conv(inner, inner), layers.conv(inner, inner)
        self.more = layers.conv(inputs, outputs - inputs, 1) if outputs > inputs else None

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H / rows, W / columns]."""
        h = self.conv2(self.conv1(self.narrow(x.relu()).relu()).relu())
        h = self.widen(pooled(h.relu(), self.stride))
        x = pooled(x, self.stride)
        return h + (x if self.more is None else torch.cat([x, self.more(x)], 1))
