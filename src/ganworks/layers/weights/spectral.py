"""Spectral norm: weights divided by their largest singular value (Miyato et al. 2018, 1802.05957).

A layer keeps one buffer, `u`, an estimate of the first left singular vector of its weights as a matrix [outputs, inputs
of one output]. In the forward pass sigma = |W' u| with u as a constant: its gradient is the published u v', as
d|W' u| = u' dW v for v = W' u / |W' u|. The forward pass changes nothing: not in evaluation, not when a network is read
twice in a step, and not by slices of a batch. The engine calls `weights_changed` once after each update of the weights,
which does one step of the power iteration (algorithm 1); `settle` does several, for weights that are new. As u is made
a unit vector when it is read, a moving average of it serves, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SETTLE = 30  # steps of the power iteration for new weights
_EPS = 1e-12  # of lengths


class Spectral(nn.Module):
    """What the layers below share. weight: [outputs, ...]; u: [outputs]."""

    weight: Tensor
    u: Tensor

    def _begin(self) -> None:
        self.register_buffer("u", F.normalize(torch.randn(self.weight.shape[0]), dim=0))

    def matrix(self) -> Tensor:
        """The weights as [outputs, inputs of one output]; a view where convolutions lie in channels-last memory."""
        weight = self.weight
        return weight.permute(0, 2, 3, 1).flatten(1) if weight.dim() == 4 else weight

    def sigma(self) -> Tensor:
        """The estimate of the largest singular value, float32; its gradient reaches the weights."""
        with torch.autocast(self.weight.device.type, enabled=False):
            return torch.linalg.vector_norm(self.matrix().t() @ F.normalize(self.u, dim=0, eps=_EPS)) + _EPS

    def normed(self) -> Tensor:
        """The weights over sigma."""
        return self.weight / self.sigma()

    @torch.no_grad()
    def weights_changed(self) -> None:
        """One step of the power iteration."""
        matrix = self.matrix()
        v = F.normalize(matrix.t() @ self.u, dim=0, eps=_EPS)
        self.u.copy_(F.normalize(matrix @ v, dim=0, eps=_EPS))


class SpectralConv2d(Spectral, nn.Conv2d):
    """nn.Conv2d with spectral norm. padding None: half the kernel."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, bias: bool = True, stride: int = 1, padding: int | None = None
    ):
        super().__init__(inputs, outputs, kernel, stride, kernel // 2 if padding is None else padding, bias=bias)
        self._begin()

    def forward(self, input: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H', W'], as nn.Conv2d."""
        return self._conv_forward(input, self.normed(), self.bias)


class SpectralLinear(Spectral, nn.Linear):
    """nn.Linear with spectral norm."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True):
        super().__init__(inputs, outputs, bias=bias)
        self._begin()

    def forward(self, input: Tensor) -> Tensor:
        """[B, inputs] -> [B, outputs]."""
        return F.linear(input, self.normed(), self.bias)


class SpectralEmbedding(Spectral, nn.Embedding):
    """nn.Embedding with spectral norm of the whole table."""

    def __init__(self, count: int, size: int):
        super().__init__(count, size)
        self._begin()

    def forward(self, input: Tensor) -> Tensor:
        """[B] int64 -> [B, size]."""
        return F.embedding(input, self.normed())


@dataclass(frozen=True)
class Layers:
    """Makes the layers of a network, all of them with spectral norm or none."""

    spectral: bool

    def conv(self, inputs: int, outputs: int, kernel: int = 3, *, bias: bool = True) -> nn.Conv2d:
        """A convolution of an odd kernel that keeps height and width."""
        if self.spectral:
            return SpectralConv2d(inputs, outputs, kernel, bias)
        return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)

    def linear(self, inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
        """A linear layer."""
        return (SpectralLinear if self.spectral else nn.Linear)(inputs, outputs, bias)

    def embedding(self, count: int, size: int) -> nn.Embedding:
        """A table [count, size]."""
        return (SpectralEmbedding if self.spectral else nn.Embedding)(count, size)


def settle(net: nn.Module, steps: int = SETTLE) -> None:
    """Let the spectral norms of a network find the singular vectors of weights that are new to them."""
    for layer in net.modules():
        if isinstance(layer, Spectral) and not layer.weight.is_meta:
            for _ in range(steps):
                layer.weights_changed()
