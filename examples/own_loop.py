"""The parts without the engine: your own loop, in plain PyTorch.

    python examples/own_loop.py

Networks, losses, penalties and metrics are ordinary modules and functions. Trains a small GAN on a ring of eight
Gaussians and counts how many of them it covers.
"""

from __future__ import annotations

import argparse
import math

import torch

from ganworks.core.spec import Spec
from ganworks.games.losses import loss
from ganworks.games.penalties import logits_and_gradient_norms
from ganworks.kinds.points.domain import quality
from ganworks.networks.mlp import MLP

ANGLES = torch.arange(8) * (2 * math.pi / 8)
CENTRES = torch.stack([ANGLES.cos(), ANGLES.sin()], 1)
SD = 0.05


def real(count: int) -> torch.Tensor:
    """Points [count, 2] from eight Gaussians on the unit circle."""
    return CENTRES[torch.randint(8, (count,))] + SD * torch.randn(count, 2)


def main(steps: int = 3000, batch: int = 256) -> dict[str, float]:
    torch.manual_seed(0)
    torch.set_num_threads(1)  # these networks are too small for more threads
    nets = MLP(hidden=(128, 128, 128), z_dim=8, output="linear").build(Spec("points", (2,)))
    generator, discriminator = nets["G"], nets["D"]
    average = torch.optim.swa_utils.AveragedModel(
        generator, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995)
    )
    optimizers = [torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.0, 0.9)) for net in (discriminator, generator)]
    game = loss("relativistic")
    for step in range(steps):
        progress = step / steps
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = 1e-3 * (1 + math.cos(math.pi * progress)) / 2 + 1e-6
        gamma = 0.5 * (1e-3**progress)  # large gamma finds all modes, small gamma makes them sharp

        x, fake = real(batch), generator(torch.randn(batch, 8)).detach()
        logits, squared_norms = logits_and_gradient_norms(discriminator, torch.cat([x, fake]))
        loss_d = game.discriminator(logits[:batch], logits[batch:]).mean() + gamma * squared_norms.mean()
        optimizers[0].zero_grad()
        loss_d.backward()
        optimizers[0].step()

        logits = discriminator(generator(torch.randn(batch, 8)))
        loss_g = game.generator(discriminator(real(batch)), logits).mean()
        optimizers[1].zero_grad()
        loss_g.backward()
        optimizers[1].step()
        average.update_parameters(generator)
    with torch.no_grad():
        return quality(average(torch.randn(2500, 8)).numpy(), CENTRES.numpy(), SD)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3000)
    print(main(parser.parse_args().steps))
