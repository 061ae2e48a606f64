"""What the engine costs: `ganworks.train` against a bare hand-written loop of the same networks and losses.

    python benchmarks/overhead.py [--rounds 30]

Both train in this process, half a second each in turn, so that the machine's other load hits both alike. The bare loop
has what any loop needs: data from memory, noise, the two turns, Adam, a moving average. The ratio is of the medians
of examples per second.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch

import ganworks
from ganworks.core.events import Round
from ganworks.core.settings import half_cosine
from ganworks.games.losses import loss
from ganworks.games.penalties import LabelledCritic, logits_and_gradient_norms
from ganworks.networks.compact import Compact
from ganworks.networks.mlp import MLP

NAME = "overhead"
CASES: dict[str, dict[str, Any]] = {
    "points, MLP 4x128, batch 128": {
        "recipe": "points",
        "data": "grid25",
        "networks": MLP(hidden=(128,) * 4),
        "bf16": False,
        "batch": 128,
    },
    "digits 8x8, Compact 32, batch 64": {
        "recipe": "image",
        "data": "digits",
        "networks": Compact(width=32),
        "bf16": False,
        "batch": 64,
    },
    "28x28, Compact 32, batch 64, bf16": {
        "recipe": "image",
        "data": "noise",
        "networks": Compact(width=32),
        "bf16": True,
        "batch": 64,
    },
}


def noise() -> np.ndarray:
    """Grey 28x28 images."""
    return np.random.default_rng(0).integers(0, 255, (4000, 28, 28), np.uint8)


def ours(case: dict[str, Any], data: Any, folder: Path) -> Iterator[int]:
    """Yields examples seen, about twice a second."""
    events = ganworks.train(
        case["recipe"],
        data=data,
        out=folder,
        labels=False,
        networks=case["networks"],
        batch=case["batch"],
        budget="100M",
        **{
            "train.judge": False,
            "train.show": 10**9,
            "train.save": 1e9,
            "train.threads": torch.get_num_threads(),
            "train.precision": "bf16" if case["bf16"] else "fp32",
            "game.r1": 0.3,
            "game.augment": "",
            "game.r2": 0.3,
        },
    )
    for event in events:
        if isinstance(event, Round):
            yield event.seen


def bare(case: dict[str, Any], dataset: Any) -> Iterator[int]:
    """The same training by hand: yields examples seen after every step."""
    nets = case["networks"].build(dataset.spec)
    g, d, batch = nets["G"], nets["D"], case["batch"]
    for net in (g, d):
        net.to(memory_format=torch.channels_last)
    average = copy.deepcopy(g)
    x = dataset.fetch(dataset.train)["x"]
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.0, 0.99), fused=True) for net in (g, d))
    game, seen = loss("relativistic"), 0
    layout = {"memory_format": torch.channels_last} if x.dim() == 4 else {}

    def real() -> torch.Tensor:
        return x[torch.randint(len(x), (batch,))].contiguous(**layout)

    def precision() -> Any:
        return torch.autocast("cpu", torch.bfloat16) if case["bf16"] else nullcontext()

    while True:
        progress = seen / 1e8
        for adam in (adam_g, adam_d):
            adam.param_groups[0]["lr"] = half_cosine(1e-3, 1e-5, progress)
        d.requires_grad_(True)
        with precision():
            with torch.no_grad():
                fake = g(torch.randn(batch, g.z_dim))
            logits, norms = logits_and_gradient_norms(LabelledCritic(d), torch.cat([real(), fake]))
            loss_d = (
                game.discriminator(logits[:batch], logits[batch:]) + 0.15 * (norms[:batch] + norms[batch:])
            ).mean()
        adam_d.zero_grad()
        loss_d.backward()
        adam_d.step()
        d.requires_grad_(False)
        with precision():
            fake = g(torch.randn(batch, g.z_dim))
            with torch.no_grad():
                r = d(real())
            loss_g = game.generator(r, d(fake)).mean()
        adam_g.zero_grad()
        loss_g.backward()
        adam_g.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(g.parameters()), 0.01)
            for mean, now in zip(average.buffers(), g.buffers(), strict=True):
                mean.copy_(now)
        seen += batch
        yield seen


def compare(name: str, case: dict[str, Any], rounds: int) -> dict[str, Any]:
    """Half-second turns of both; speeds in examples per second."""
    from ganworks.kinds.images.domain import Images
    from ganworks.kinds.points.domain import Points

    data = noise() if case["data"] == "noise" else case["data"]
    dataset = (Points() if case["recipe"] == "points" else Images(labels=False)).open(data)
    speeds: dict[str, list[float]] = {"ours": [], "bare": []}
    with tempfile.TemporaryDirectory() as folder:
        engine, hand = ours(case, data, Path(folder) / "run"), bare(case, dataset)
        for _ in range(rounds):
            last = next(engine)  # a pause ends a round at once
            start = time.perf_counter()
            seen = next(engine)
            speeds["ours"].append((seen - last) / (time.perf_counter() - start))
            first, start = next(hand), time.perf_counter()
            while time.perf_counter() - start < 0.5:
                now = next(hand)
            speeds["bare"].append((now - first) / (time.perf_counter() - start))
        engine.close()
    middle = {k: statistics.median(v) for k, v in speeds.items()}
    ratios = sorted(a / b for a, b in zip(speeds["ours"], speeds["bare"], strict=True))
    return {
        "case": name,
        "ours": round(middle["ours"]),
        "bare": round(middle["bare"]),
        "ratio": round(middle["ours"] / middle["bare"], 3),
        "paired": round(statistics.median(ratios), 3),
        "rounds": rounds,
        "threads": torch.get_num_threads(),
        **common.machine(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    rows = [compare(name, case, given.rounds) for name, case in CASES.items()]
    common.save(NAME, rows)
    print(
        common.table(
            ["case", "examples/s", "bare loop", "ratio of medians", "median of ratios"],
            [[r["case"], r["ours"], r["bare"], r["ratio"], r["paired"]] for r in rows],
        )
    )


if __name__ == "__main__":
    main()
