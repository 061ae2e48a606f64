"""Small runs to serve, and a generator whose rows round differently by their place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ganworks.core.config import to_dict
from ganworks.core.spec import Spec
from ganworks.networks.dcgan import DCGAN
from ganworks.networks.mlp import MLP
from ganworks.runs.published import save_generator
from ganworks.serve.engine import Engine
from ganworks.use.model import Model

CLASSES = ("cat", "dog", "owl")


def write_run(folder: Path, net: Any = None, *, classes: tuple[str, ...] = CLASSES, seed: int = 0, **spec: Any) -> Path:
    """A run folder with an untrained generator whose outputs fill the range, and its manifest."""
    net = net or MLP(hidden=(32,))
    about = Spec("images", (1, 12, 12), classes, **spec)
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        generator = net.build(about)["G"]
        with torch.no_grad():
            for p in generator.parameters():
                p.add_(torch.randn_like(p) * 0.1)
    file = folder / "generator.safetensors"
    entry = {"sha256": save_generator(file, generator, net, about, seen=7, recipe="mlp"), "bytes": file.stat().st_size}
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "files": {file.name: entry}}))
    return folder


def pictures_run(folder: Path) -> Path:
    """A run of a convolutional generator, whose canonical window has several rows."""
    return write_run(folder, DCGAN(width=8))


def serving(paths: dict[str, Path], work: Callable[[Engine], Awaitable[Any]], **options: Any) -> Any:
    """What work(engine) gives, with an engine that is closed afterwards."""

    async def run() -> Any:
        engine = Engine(paths, threads=1, **options)
        try:
            return await asyncio.wait_for(work(engine), 60)
        finally:
            engine.close()

    return asyncio.run(run())


class Plain(nn.Module):
    """z [B, 4] -> [B, 6]: a layer without any difference between rows."""

    z_dim = 4

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 24).reshape(4, 6))

    def forward(self, z: torch.Tensor, y: torch.Tensor | None) -> torch.Tensor:
        return (z[:, :, None] * self.weight).sum(1).tanh() * 0.5


class ByPlace(Plain):
    """A generator whose last bits depend on the row and the size of the batch: rows of one parity agree."""

    def forward(self, z: torch.Tensor, y: torch.Tensor | None) -> torch.Tensor:
        x = super().forward(z, y)
        step = torch.where(torch.arange(len(x)) % 2 == 1, 1.0000002, 1.0)
        return x * step[:, None]


class ByOthers(Plain):
    """A generator whose rows depend on what the other rows hold, as with statistics over the batch."""

    def forward(self, z: torch.Tensor, y: torch.Tensor | None) -> torch.Tensor:
        x = super().forward(z, y)
        return x + 1e-6 * (z - z.mean(0)).pow(2).mean()


class BySize(Plain):
    """A generator that rounds otherwise in every batch but the canonical one of `whole` rows."""

    def __init__(self, whole: int):
        super().__init__()
        self.whole = whole

    def forward(self, z: torch.Tensor, y: torch.Tensor | None) -> torch.Tensor:
        x = super().forward(z, y)
        return x if len(x) == self.whole else x * (1 + 3e-7 * len(x))


class Noisy(Plain):
    """A generator that draws noise while it runs."""

    def forward(self, z: torch.Tensor, y: torch.Tensor | None) -> torch.Tensor:
        x = super().forward(z, y)
        return x + 0.1 * torch.randn_like(x)


def model_of(net: nn.Module) -> Model:
    """A model of values [6] around a module."""
    return Model(
        net, Spec("vectors", (6,), low=-1.0, high=1.0, dtype="float32"), {"networks": to_dict(MLP())}, device="cpu"
    )


def same_bytes(a: Any, b: Any) -> bool:
    """Whether two samples are the same bytes with the same marks."""
    return bool(np.array_equal(a.data, b.data)) and a.note() == b.note()
