"""Networks and a loss of your own in the engine: resuming, averages, scores and the report come with it.

    python examples/own_parts.py

The critic is spectrally normalised; the loss is the logistic one with a margin that fades out.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.nn.utils.parametrizations import spectral_norm

import ganworks as gw


class Generator(nn.Module):
    """Latents [B, z_dim] and labels [B] -> examples [B, *shape] in [-1, 1]."""

    def __init__(self, shape: tuple[int, ...], classes: int, width: int, z_dim: int):
        super().__init__()
        self.z_dim, self.shape = z_dim, shape
        self.labels = nn.Embedding(max(1, classes), z_dim)
        size = torch.Size(shape).numel()
        self.body = nn.Sequential(nn.Linear(z_dim, width), nn.ReLU(), nn.Linear(width, size), nn.Tanh())

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        z = z if y is None else z + self.labels(y)
        return self.body(z).unflatten(1, self.shape)


class Discriminator(nn.Module):
    """Examples [B, *shape] and labels [B] -> logits [B], by projection on the label's vector."""

    def __init__(self, shape: tuple[int, ...], classes: int, width: int):
        super().__init__()
        size = torch.Size(shape).numel()
        self.body = nn.Sequential(nn.Flatten(), spectral_norm(nn.Linear(size, width)), nn.LeakyReLU(0.2))
        self.score, self.labels = nn.Linear(width, 1), nn.Embedding(max(1, classes), width)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        found = self.body(x)
        logits = self.score(found)[:, 0]
        return (logits if y is None else logits + (found * self.labels(y)).sum(1)).float()


@dataclass(frozen=True)
class Small:
    """The networks: what `networks.width=` sets, written into the run and into the published generator."""

    width: int = 128
    z_dim: int = 32

    def build(self, spec) -> dict[str, nn.Module]:
        return {
            "G": Generator(spec.shape, spec.num_classes, self.width, self.z_dim),
            "D": Discriminator(spec.shape, spec.num_classes, self.width),
        }


@dataclass(frozen=True)
class Margin:
    """The game: a logistic loss with a margin for D, which falls linearly to 0 over the budget."""

    margin: float = 0.5

    def turns(self, step: int, progress: float):
        yield ("D",), self.discriminator
        yield ("G",), self.generator

    def _made(self, nets: dict, batch) -> Tensor:
        return nets["G"](batch.draw.normal(nets["G"].z_dim), batch.y)

    def discriminator(self, nets: dict, batch) -> dict[str, Tensor]:
        margin = self.margin * (1 - batch.progress)
        real, fake = nets["D"](batch["x"], batch.y), nets["D"](self._made(nets, batch).detach(), batch.y)
        return {"d_loss": softplus(margin - real) + softplus(margin + fake), "_real": real, "_fake": fake}

    def generator(self, nets: dict, batch) -> dict[str, Tensor]:
        return {"g_loss": softplus(-nets["D"](self._made(nets, batch), batch.y))}


def main(budget: str = "30s", out: str = "runs/own-parts") -> tuple[int, ...]:
    model = gw.fit("mlp", "digits", out, networks=Small(width=96), game=Margin(), budget=budget, evaluate=False)
    return model.sample(16, seed=0).numpy().shape


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", default="30s")
    print(main(parser.parse_args().budget))
