"""Seconds per step of CycleGAN, DualGAN, CUT and FastCUT, step by step in turns in one process, so that whatever else
the machine does at the time hits all of them alike.

    python benchmarks/unpaired_speed.py [--rounds 12] [--batch 1]

Random images of 64 px, one thread, bfloat16; the same generator size (width and blocks; DualGAN's is a U-Net of that
width) and the same discriminators for all, each with its own published terms, optimisers and averages, as the engine
runs them. CUT with 256 patches as published and with the 64 that the recipe takes on a CPU. CPU seconds, medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from typing import Any

import common
import numpy as np
import torch

from ganworks.core import registry
from ganworks.core.settings import Budget, Facts
from ganworks.kinds.images.unpaired.domain import Unpaired
from ganworks.training.engine import Engine
from ganworks.training.setup import Builder

NAME = "unpaired_speed"
SIDE = 64
SIZES = ((24, 4, 32), (64, 9, 64))  # width and blocks of the generator, width of the discriminator
METHODS = {"cyclegan": {}, "dualgan": {}, "cut": {"patches": 256}, "cut, 64 patches": {"patches": 64},
           "fastcut": {"patches": 256}, "fastcut, 64 patches": {"patches": 64}}  # fmt: skip


def engine(method: str, data: Any, size: tuple[int, int, int], batch: int) -> Engine:
    """A training of one method, ready to step."""
    function, _ = registry.recipe_function(method.split(",", maxsplit=1)[0])
    config = function(Facts(data.spec, len(data.train), Budget(examples=1000), "cpu", 100.0, Unpaired(size=SIDE)))
    width, blocks, judge = size
    config = replace(
        config,
        networks=replace(config.networks, width=width, blocks=blocks, d_width=judge),
        game=replace(config.game, **METHODS[method]),
        train=replace(config.train, batch=batch, threads=1),
    )
    return Builder(config, data, "random", {}, lambda *_: None).engine(True, 10**6)


def measure(size: tuple[int, int, int], rounds: int, batch: int) -> dict[str, float]:
    """Median CPU seconds per step of each method; the first round is left out."""
    images = [np.random.default_rng(k).integers(0, 256, (16, SIDE, SIDE, 3), np.uint8) for k in (0, 1)]
    data = Unpaired(size=SIDE).open(tuple(images))
    engines = {method: engine(method, data, size, batch) for method in METHODS}
    taken: dict[str, list[float]] = {method: [] for method in METHODS}
    for _ in range(rounds + 1):
        for method, training in engines.items():
            start = time.process_time()
            training.step()
            taken[method].append(time.process_time() - start)
    return {method: statistics.median(times[1:]) for method, times in taken.items()}


def main() -> None:
    """Measure the sizes that are missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--batch", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = common.load(NAME)
    for size in SIZES:
        key = {"size": list(size), "batch": args.batch, "rounds": args.rounds}
        if common.missing(rows, key):
            rows.append({**key, "seconds": measure(size, args.rounds, args.batch), **common.machine()})
            common.save(NAME, rows)
    header = [f"width {w}, {b} blocks (batch {row['batch']})" for row in rows for w, b, _ in [row["size"]]]
    lines = [[m, *(f"{r['seconds'][m]:.3f} ({r['seconds'][m] / r['seconds']['cyclegan']:.2f})" for r in rows)]
             for m in METHODS]  # fmt: skip
    print(common.table(["CPU s per step (share of CycleGAN's)", *header], lines))


if __name__ == "__main__":
    main()
