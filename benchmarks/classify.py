"""Classifiers from few labels, on the official test images, beside the same network on the labels alone.

    python benchmarks/classify.py mnist DATA/mnist [--seeds 0 1 2] [--budget 256k] [--variants consistency supervised]
    python benchmarks/classify.py digits digits [--seeds 0 1 2 3 4 5] [--budget 160k]

mnist: 10 labels a class, everything else of the 54,000 training images (the recipe holds 6,000 back) without a label;
the error is measured on the 10,000 official test images. digits (scikit-learn): 5 labels a class; half of the 1,797
images is held out to test on. Every seed draws other labels and other weights. "supervised" is the same network,
optimiser and augmentation without the unlabelled images, for at most 100,000 examples. Known figures at 100 labels,
MNIST: support vector machine 22.1 %, label spreading on PCA 13.6 % error (means over label draws).
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch

import ganworks
from ganworks.files.sources import open_source
from ganworks.kinds.images.classification.domain import Partial
from ganworks.kinds.images.classification.evaluator import ALONE, calibration_error
from ganworks.kinds.images.domain import Images
from ganworks.metrics.estimate import mean, wilson
from ganworks.runs.published import published

NAME = "classify"
TASKS = {"mnist": {"domain.per_class": 10}, "digits": {"domain.per_class": 5, "domain.held_out": 0.5}}


def test_set(task: str, data: Path, domain: Partial) -> tuple[torch.Tensor, np.ndarray]:
    """Images [N, C, H, W] in [-1, 1] that no training has seen, and their labels."""
    if task == "digits":
        opened = domain.open(data)
        return opened.images(opened.held), opened.labels[opened.held]
    path = data / "t10k-images-idx3-ubyte.gz"
    packed = Images().open(path)
    labels = open_source(path).labels
    assert labels is not None
    return packed.fetch(np.arange(len(packed)))["x"], labels


def one(task: str, data: Path, variant: str, seed: int, budget: str, runs: Path, threads: int) -> dict[str, Any]:
    """Train one classifier and test it."""
    folder = runs / f"{task}-{variant}-{budget}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    recipe = "acgan" if variant == "acgan" else "classify"
    chosen: dict[str, Any] = {} if variant == "acgan" else {"game.variant": variant}
    if variant == "supervised":
        chosen["budget"] = str(min(ALONE, int(float(budget.removesuffix("k")) * 1000)))
    settings = {
        "budget": budget,
        "seed": seed,
        "domain.label_seed": seed,
        "train.judge": False,
        "train.threads": threads,
        **TASKS[task],
        **chosen,
    }
    cpu, wall = time.process_time(), time.monotonic()
    ganworks.fit(recipe, str(data), folder, evaluate=False, **settings)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    found = published(folder)["C"]
    domain = Partial(per_class=TASKS[task]["domain.per_class"], held_out=TASKS[task].get("domain.held_out", 0.1))
    x, y = test_set(task, data, domain)
    chances = domain.predict(found.net.eval(), x).numpy()
    right = wilson(float((chances.argmax(1) == y).mean()), len(y))
    return {
        "task": task,
        "variant": variant,
        "seed": seed,
        "budget": budget,
        "seen": found.card["seen"],
        "error": round(100 * (1 - right.value), 3),
        "low": round(100 * (1 - right.high), 3),
        "high": round(100 * (1 - right.low), 3),
        "ece": round(calibration_error(chances, y), 4),
        "tested": len(y),
        "cpu_seconds": round(cpu),
        "wall_seconds": round(wall),
        **common.machine(),
    }


def show(found: list[dict[str, Any]]) -> str:
    """One line per task and variant: mean over seeds with its 95 % interval, and every seed."""
    cells = []
    for task, variant, budget in dict.fromkeys((r["task"], r["variant"], r["budget"]) for r in found):
        rows = [r for r in found if (r["task"], r["variant"], r["budget"]) == (task, variant, budget)]
        errors = np.array([r["error"] for r in rows])
        over = mean(errors)
        spread = f"{over.low:.2f} to {over.high:.2f}" if len(rows) > 1 else f"{rows[0]['low']} to {rows[0]['high']}"
        times = f"{np.mean([r['cpu_seconds'] for r in rows]):.0f}"
        seeds = ", ".join(f"{e:.2f}" for e in errors)
        calibration = f"{np.mean([r['ece'] for r in rows]):.3f}"
        cells.append([task, variant, rows[0]["seen"], f"{over.value:.2f}", spread, seeds, calibration, times])
    head = ["data", "variant", "examples seen", "error %", "95 % interval", "seeds", "calibration error", "CPU seconds"]
    return common.table(head, cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=sorted(TASKS))
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--budget", default="256k")
    parser.add_argument("--variants", nargs="+", default=["supervised", "consistency"])
    parser.add_argument("--threads", type=int, default=0, help="0: as many as pay")
    parser.add_argument("--runs", type=Path, default=Path("runs/classify"))
    given = parser.parse_args()
    found = common.load(NAME)
    for seed in given.seeds:
        for variant in given.variants:
            key = {"task": given.task, "variant": variant, "seed": seed, "budget": given.budget}
            if common.missing(found, key):
                row = one(given.task, given.data, variant, seed, given.budget, given.runs, given.threads)
                found = [*common.load(NAME), row]  # another task may have been measured meanwhile
                common.save(NAME, found)
                print(json.dumps(found[-1]), flush=True)
    print(show(found))


if __name__ == "__main__":
    main()
