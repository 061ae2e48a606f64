"""Five minutes on the machine at hand: the `image` recipe beside the DCGAN of the tutorials, in one run.

    python benchmarks/small_budget.py DATA/mnist DATA/fashion-mnist [--seconds 300] [--seeds 1]

DATA/...: folders with the four IDX files. Both train unconditionally on the same training part; both are scored on
10,000 samples with the features of the same classifier of the real data. The tutorial DCGAN is written from its
description: 32 pixels, three strided convolutions of 64, 128 and 256 channels, batch norm, binary cross-entropy, Adam
2e-4 with beta1 0.5, batch 64, fp32. It gets the whole time for training; the recipe's scores and pictures count against
its own.
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
from torch import nn
from torch.nn import functional as F

import ganworks
from ganworks.kinds.images.domain import Images
from ganworks.metrics.scoring import evaluate
from ganworks.use.sample_evaluator import rows, seen_by

NAME = "small_budget"
COUNT = 10_000


def dcgan_players() -> tuple[nn.Module, nn.Module]:
    """The tutorial's generator and discriminator for 32x32 grey images."""

    def up(a: int, b: int, stride: int = 2, pad: int = 1) -> list[nn.Module]:
        return [nn.ConvTranspose2d(a, b, 4, stride, pad, bias=False), nn.BatchNorm2d(b), nn.ReLU(True)]

    def down(a: int, b: int, norm: bool) -> list[nn.Module]:
        return [nn.Conv2d(a, b, 4, 2, 1, bias=False), *([nn.BatchNorm2d(b)] if norm else []), nn.LeakyReLU(0.2, True)]

    g = nn.Sequential(
        *up(100, 256, 1, 0), *up(256, 128), *up(128, 64), nn.ConvTranspose2d(64, 1, 4, 2, 1, bias=False), nn.Tanh()
    )
    d = nn.Sequential(
        *down(1, 64, False), *down(64, 128, True), *down(128, 256, True), nn.Conv2d(256, 1, 4, 1, 0, bias=False)
    )
    for module in [*g.modules(), *d.modules()]:
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
    return g, d


def train_dcgan(data: Any, seconds: float, seed: int) -> tuple[nn.Module, int]:
    """The tutorial's loop, for a number of seconds."""
    torch.manual_seed(seed)
    g, d = dcgan_players()
    x = torch.from_numpy(np.array(data.raw(data.train)))
    x = F.pad(x, (2, 2, 2, 2))
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (g, d))
    bce, seen, end = nn.BCEWithLogitsLoss(), 0, time.monotonic() + seconds
    ones, zeros = torch.ones(64), torch.zeros(64)
    while True:
        for places in torch.randperm(len(x)).split(64):
            if time.monotonic() > end:
                return g.eval(), seen
            if len(places) < 64:
                continue
            real = x[places].float() / 127.5 - 1
            fake = g(torch.randn(64, 100, 1, 1))
            adam_d.zero_grad()
            (bce(d(real).flatten(), ones) + bce(d(fake.detach()).flatten(), zeros)).backward()
            adam_d.step()
            adam_g.zero_grad()
            bce(d(fake).flatten(), ones).backward()
            adam_g.step()
            seen += 64


def sample_dcgan(g: nn.Module, start: int, count: int) -> tuple[np.ndarray, None]:
    """Samples as 28x28 bytes: the two pixels of padding are cut off."""
    torch.manual_seed(1_000_000 + start)
    with torch.no_grad():
        x = g(torch.randn(count, 100, 1, 1))[:, :, 2:30, 2:30]
    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy(), None


def one(path: Path, method: str, seconds: float, seed: int, runs: Path) -> dict[str, Any]:
    """Train one generator and score it."""
    torch.set_num_threads(torch.get_num_threads())
    labelled = Images().open(path)
    extractor, reference = seen_by(Images(), labelled, lambda *_: None)
    data = Images(labels=False).open(path)
    folder = runs / f"{path.name}-{method}-{seed}-{seconds:.0f}s"
    began = time.monotonic()
    if method == "tutorial dcgan":
        torch.set_num_threads(torch.multiprocessing.cpu_count())
        generator, seen = train_dcgan(data, seconds, seed)
        spent = time.monotonic() - began

        def sample(start: int, count: int) -> tuple[np.ndarray, None]:
            return sample_dcgan(generator, start, count)
    else:
        model = ganworks.fit("image", path, folder, labels=False, budget=f"{seconds:.0f}s", seed=seed, evaluate=False)
        spent = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])["seconds"]
        seen = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])["seen"]

        def sample(start: int, count: int) -> tuple[np.ndarray, None]:
            return rows(model, start, count, seed=7)[0], None

    report = evaluate(sample, labelled, extractor, count=COUNT, reference=reference)
    folder.mkdir(parents=True, exist_ok=True)
    Images().show(sample(0, 100)[0]).save(folder / "samples-100.png")
    metrics = {name: round(m.value, 4) for name, m in report.metrics.items()}
    floor = {name: round(m.floor, 4) for name, m in report.metrics.items()}
    return {
        "data": path.name,
        "method": method,
        "seconds": seconds,
        "seed": seed,
        "seen": seen,
        "speed": round(seen / spent),
        "train_seconds": round(spent, 1),
        "metrics": metrics,
        "floor": floor,
        "extractor": extractor.name,
        **common.machine(),
    }


def show(found: list[dict[str, Any]]) -> str:
    """The comparison, in Markdown."""
    cells = []
    for row in found:
        m, floor = row["metrics"], row["floor"]
        cells.append(
            [
                row["data"],
                row["method"],
                row["seed"],
                f"{row['seen']:,}",
                row["speed"],
                f"{m['fd']:.3g} ({floor['fd']:.2g})",
                f"{m['coverage']:.3f} ({floor['coverage']:.2f})",
                f"{m['precision']:.3f}",
                f"{m['recall']:.3f}",
                f"{m['authenticity']:.2f} ({floor['authenticity']:.2f})",
            ]
        )
    return common.table(
        [
            "data",
            "method",
            "seed",
            "examples seen",
            "per s",
            "FD (real)",
            "coverage (real)",
            "precision",
            "recall",
            "authenticity (real)",
        ],
        cells,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs/small-budget"))
    given = parser.parse_args()
    found = common.load(NAME)
    for path in given.data:
        for seed in range(given.seeds):
            for method in ("tutorial dcgan", "image"):
                key = {"data": path.name, "method": method, "seconds": given.seconds, "seed": seed}
                if common.missing(found, key):
                    shutil.rmtree(given.runs / f"{path.name}-{method}-{seed}-{given.seconds:.0f}s", ignore_errors=True)
                    found.append(one(path, method, given.seconds, seed, given.runs))
                    common.save(NAME, found)
                    print(json.dumps(found[-1]), flush=True)
    print(show(found))


if __name__ == "__main__":
    main()
