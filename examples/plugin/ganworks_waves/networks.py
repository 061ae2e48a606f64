"""Networks: a frozen dataclass whose `build` returns the players for examples of any shape."""

from dataclasses import dataclass

import torch
from torch import nn


class Generator(nn.Module):
    """z [B, z_dim] -> [B, *shape]."""

    def __init__(self, shape, width, z_dim):
        super().__init__()
        self.shape, self.z_dim = shape, z_dim
        self.body = nn.Sequential(
            nn.Linear(z_dim, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, shape.numel())
        )

    def forward(self, z, y=None):
        return self.body(z).unflatten(1, self.shape)


class Discriminator(nn.Module):
    """x [B, *shape] -> logits [B]."""

    def __init__(self, shape, width):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(shape.numel(), width), nn.LeakyReLU(0.2), nn.Linear(width, 1))

    def forward(self, x, y=None):
        return self.body(x).squeeze(1).float()


@dataclass(frozen=True)
class Plain:
    """Small dense players.

    width: units of a hidden layer.
    z_dim: size of the latent.
    """

    width: int = 64
    z_dim: int = 8

    def build(self, spec):
        shape = torch.Size(spec.shape)
        return {"G": Generator(shape, self.width, self.z_dim), "D": Discriminator(shape, self.width)}
