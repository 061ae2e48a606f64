"""Super-resolution and restoration after minutes on 70 photos, scored on Set5 and on 15 other photos.

    python benchmarks/superres.py DATA/bsd-photos.zip DATA/set5.zip [--only x4 x2 ...] [--work DIR] [--threads 1]

x4, x2: `superres` for PSNR alone. x4-gan: `superres` as it comes, in one command; scored are the results of `apply`,
and beside them those with weights between those of both stages (ESRGAN, 1809.00219, section 3.4). noise, blur, grey:
`restore` for a minute or two. Set5: reduced by Pillow's bicubic filter, scored on BT.601 luma (16 to 235) with `scale`
pixels of border cut off, as the literature does. The others: the test photos of the same zip, whole. High frequencies:
luma above the Nyquist frequency of the reduced image (`kinds.images.restoration.detail`); "detail match" is their
correlation with the original's; "grid" is the energy of patterns of `scale` pixels, beside the original's. Trainings
that are there already are not repeated; budgets are examples, so that a row is the same on every machine.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch

import ganworks as gw
from ganworks.core.config import from_dict
from ganworks.core.events import Scored
from ganworks.kinds.images.restoration.evaluator import NAMES, RestorationEvaluator, compare, levels
from ganworks.kinds.images.shared.photo_pack import open_photos
from ganworks.runs.published import load_net
from ganworks.runs.run import Run

NAME = "superres"
PSNR = {"game.adversarial_from": 1.0}
LESS = {"detail=0.65": {"detail": 0.65}, "detail=0": {"detail": 0}}
BARS = {"x4": ("psnr", 30.48), "x2": ("psnr", 36.0)}


def tasks() -> dict[str, tuple[str, dict[str, Any]]]:
    """Row -> (recipe, settings)."""
    return {
        "x4": ("superres", {"scale": 4, "budget": "100k", **PSNR}),
        "x2": ("superres", {"scale": 2, "budget": "30k", **PSNR}),
        "x4-gan": ("superres", {"scale": 4, "budget": "100k"}),
        "noise=25": ("restore", {"degrade": "noise=25", "budget": "8k"}),
        "blur=2": ("restore", {"degrade": "blur=2", "budget": "8k"}),
        "grey": ("restore", {"degrade": "grey", "budget": "8k"}),
    }


def trained(row: str, data: str, work: Path, threads: int) -> dict[str, Any]:
    """Train unless it is done; returns what it took."""
    recipe, settings = tasks()[row]
    cpu, wall = time.process_time(), time.perf_counter()
    settings = {"train.threads": threads, "train.precision": "bf16", **settings}
    for event in common.whole(gw.train(recipe, data=data, out=work / row, **settings)):
        if isinstance(event, Scored):
            print(row, event, flush=True)
    return {
        "settings": settings,
        "cpu_seconds": round(time.process_time() - cpu),
        "wall_seconds": round(time.perf_counter() - wall),
        **common.machine(),
    }


def scores(folder: Path, photos: Any, options: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Means over all photos of a source, of the network ("") and of the simple methods."""
    run, found = Run.open(folder), load_net(folder)
    config = run.config()
    evaluator = RestorationEvaluator(config.domain, config.domain.open(photos), config)
    net, rows = found.net.eval(), {}
    for index in range(len(evaluator.data)):
        src, x = evaluator.pair(index)
        with torch.inference_mode():
            made = levels(config.domain.apply(net, src, found.spec, options))
        for name, image in {"": made, **evaluator._baselines(src, levels(x))}.items():
            rows.setdefault(name, []).append(compare(image, levels(x), evaluator.scale, evaluator.luma))
    return {name: {k: round(float(np.mean([v[k] for v in vs])), 4) for k in NAMES} for name, vs in rows.items()}


def seams(folder: Path, photos: Any, tile: int = 96) -> float:
    """Greatest difference between tiled and untiled, in levels of 255, over the photos given as input."""
    found = load_net(folder)
    domain, worst = from_dict(Any, found.card["domain"]), 0.0
    source = open_photos(photos)
    for index in range(min(3, len(source))):
        x = source.scaled(source.whole(index)[None])
        with torch.inference_mode():
            a, b = (domain.apply(found.net.eval(), x, found.spec, {"tile": t}) for t in (tile, 0))
        worst = max(worst, float((a - b).abs().max() * 127.5))
    return worst


def show(rows: list[dict[str, Any]]) -> str:
    """The Markdown table."""
    lines = []
    for row in rows:
        more = {f"ganworks, {name}": values for name, values in row.get("less", {}).items()}
        simple = {k: v for k, v in row["scores"].items() if k}
        for name, v in {"**ganworks**": row["scores"][""], **more, **simple}.items():
            took = f"{row['cpu_seconds'] / 60:.1f}" if "**" in name else ""
            lines.append([row["row"], row["photos"], name, *(f"{v[k]:.3f}" for k in NAMES if k != "l1"), took])
    head = ["task", "photos", "method", "PSNR", "SSIM", "detail", "detail match", "grid", "CPU min"]
    return common.table(head, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("set5")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--work", type=Path, default=Path("runs/superres"))
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    for row in args.only or tasks():
        rows = common.load(NAME)
        if not common.missing(rows, {"row": row}):
            continue
        took = trained(row, args.data, args.work, args.threads)
        photos = args.set5 if row.startswith("x") else f"{args.data}/test"
        found = {
            "row": row,
            "photos": "Set5" if row.startswith("x") else "15 photos",
            "scores": scores(args.work / row, photos, {}),
            **({"less": {n: scores(args.work / row, photos, o)[""] for n, o in LESS.items()}} if "gan" in row else {}),
            **({"ensemble": scores(args.work / row, photos, {"ensemble": "on"})[""]} if row in BARS else {}),
            "seams": round(seams(args.work / row, f"{args.data}/test"), 3),
            **({"bar": BARS[row]} if row in BARS else {}),
            **took,
        }
        common.save(NAME, [*common.load(NAME), found])
        print(found, flush=True)
    print(show(common.load(NAME)))


if __name__ == "__main__":
    main()
