"""Fully connected layers: activations by name, maxout, stacks of linear layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

Activation = Literal["leaky", "relu", "silu", "gelu", "tanh", "softplus"]

_ACTIVATIONS = {
    "leaky": lambda: nn.LeakyReLU(0.2),
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
}


def activation_layer(name: Activation) -> nn.Module:
    """A parameter-free activation; "leaky" is LeakyReLU with slope 0.2, as in GAN papers."""
    return _ACTIVATIONS[name]()


class Maxout(nn.Module):
    """x [B, inputs] -> [B, outputs], each the largest of `pieces` linear maps (Goodfellow et al. 2013, 1302.4389)."""

    def __init__(self, inputs: int, outputs: int, pieces: int):
        super().__init__()
        self.linear, self.pieces = nn.Linear(inputs, outputs * pieces), pieces

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(1, (-1, self.pieces)).amax(2)


def dense_stack(
    sizes: Sequence[int], activation: Activation, *, maxout: int = 0, batch_norm: bool = False
) -> nn.Sequential:
    """A linear layer and its activation (or maxout) for each pair of neighbouring `sizes`, the last one included."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers.append(Maxout(inputs, outputs, maxout) if maxout else nn.Linear(inputs, outputs))
        if batch_norm:
            layers.append(nn.BatchNorm1d(outputs))
        if not maxout:
            layers.append(activation_layer(activation))
    return nn.Sequential(*layers)
