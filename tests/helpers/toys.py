"""A tiny training for tests: two-dimensional points, small networks, no files."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganworks.core.settings import Config, Optimizer, Train
from ganworks.core.spec import Draw, Spec
from ganworks.games.adversarial import Adversarial
from ganworks.networks.mlp import MLP
from ganworks.training.engine import Engine
from ganworks.training.processes import Group

SPEC = Spec("points", (2,))
POINTS = torch.randn(1000, 2, generator=torch.Generator().manual_seed(5))


def feed(start: int, draw: Draw) -> dict[str, Tensor]:
    places = torch.arange(start, start + draw.total)[draw.rows] % len(POINTS)
    return {"x": POINTS[places] + 0.01 * draw.normal(2)}


def engine(
    game: Adversarial | None = None,
    *,
    group: Group | None = None,
    nets: dict[str, nn.Module] | None = None,
    optimizer: Optimizer | None = None,
    total: int = 6400,
    **train,
) -> Engine:
    game, optimizer = game or Adversarial(), optimizer or Optimizer(lr=1e-3, lr_end=1e-4)
    torch.default_generator.manual_seed(0)
    nets = nets or MLP(hidden=(16, 16), z_dim=4, output="linear").build(SPEC)
    config = Config(
        "toy", None, None, game, optimizer, optimizer, Train(**{"batch": 32, "ema": (100.0, 1000.0), **train})
    )
    return Engine(nets, game, config, feed, total, group=group or Group())


def run(e: Engine, steps: int) -> Engine:
    for _ in range(steps):
        e.step()
    return e


def same(a: Engine, b: Engine) -> bool:
    first, second = a.state(), b.state()
    return (
        first[1] == second[1]
        and first[0].keys() == second[0].keys()
        and all(torch.equal(v, second[0][k]) for k, v in first[0].items())
    )
