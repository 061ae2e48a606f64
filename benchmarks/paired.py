"""Paired translation on facades at 64 pixels: photos to labels, and labels to photos with and without a discriminator.

    python benchmarks/paired.py facades-paired.zip

Trains on train/ and scores on test/. Label maps are quantised to the 12 colours that the data's notes name, and shrunk
by majority (per-pixel prior: accuracy 0.470, mIoU 0.063). Bars: accuracy 0.60 and mIoU 0.15; L1 below the mean image's
and at the same time patch_fd at most half of that of the same network trained with L1 alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import Any

import common

import ganworks
from ganworks.runs.run import Run
from ganworks.use.evaluate import evaluate_run

NAME = "paired"
COLOURS = ["#0000aa", "#0000ff", "#0055ff", "#00aaff", "#00ffff", "#55ffaa", "#aaff55", "#ffff00", "#ffaa00", "#ff5500",
           "#ff0000", "#aa0000"]  # fmt: skip
SHARED = {"size": 64, "train.precision": "bf16", "train.threads": 1, "networks.width": 32, "networks.d_width": 32}
ROWS: dict[str, dict[str, Any]] = {
    "photo to labels": {"direction": "AtoB", "budget": 32_000},
    "labels to photo": {"direction": "BtoA", "budget": 12_000},
    "labels to photo, L1 alone": {"direction": "BtoA", "budget": 12_000, "game.gan": 0.0},
}


def one(path: Path, task: str, seed: int, runs: Path) -> dict[str, Any]:
    """Train one network and score it on every test pair."""
    settings = {**SHARED, **ROWS[task], "seed": seed}
    examples = settings["budget"]
    if task == "photo to labels":
        settings["domain.palette"] = COLOURS
    folder = runs / f"{task.replace(' ', '-').replace(',', '')}-{examples}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    cpu, wall = time.process_time(), time.perf_counter()
    ganworks.fit("pix2pix", path, folder, evaluate=False, **settings)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    report = evaluate_run(Run.open(folder), work=lambda *_: None).to_dict()
    metrics = {k: [round(m[end], 4) for end in ("value", "low", "high") if m[end] is not None]
               for k, m in report["metrics"].items()}  # fmt: skip
    baselines = {name: {k: round(v, 4) for k, v in found.items()} for name, found in report["baselines"].items()}
    row = {"data": path.name, "task": task, "examples": examples, "seed": seed, "metrics": metrics}
    row |= {"baselines": baselines, "cpu_seconds": round(cpu, 1), "wall_seconds": round(wall, 1)}
    return {**row, "settings": {k: v for k, v in settings.items() if k != "domain.palette"}, **common.machine()}


def show(found: list[dict[str, Any]]) -> str:
    """Every row, with the baselines of its task once."""
    names = ("accuracy", "miou", "l1", "psnr", "ssim", "patch_fd")
    cells, said = [], set()
    for row in found:
        kind = row["task"].split(",")[0]
        for name, values in row["baselines"].items() if kind not in said else ():
            cells.append([kind, f"*{name}*", "", *(f"{values[n]:.3f}" if n in values else "" for n in names), ""])
        said.add(kind)
        values = {n: m[0] for n, m in row["metrics"].items()}
        shown = [f"**{values[n]:.3f}**" if n in values else "" for n in names]
        cells.append([row["task"], "**ours**", f"{row['examples']:,}", *shown, f"{row['cpu_seconds']:.0f}"])
    return common.table(["task", "method", "examples", *names, "CPU s"], cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", choices=list(ROWS))
    parser.add_argument("--runs", type=Path, default=Path("runs/paired"))
    given = parser.parse_args()
    found = common.load(NAME)
    for seed in range(given.seeds):
        for task in [given.only] if given.only else ROWS:
            key = {"data": given.data.name, "task": task, "examples": ROWS[task]["budget"], "seed": seed}
            if common.missing(found, key):
                row = one(given.data, task, seed, given.runs)
                found = [*common.load(NAME), row]  # another row may have been written meanwhile
                common.save(NAME, found)
                print(json.dumps(row), flush=True)
    print(show(found))


if __name__ == "__main__":
    main()
