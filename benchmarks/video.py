"""Moving shapes: tracks, number, colour and direction of generated shapes, beside those of real clips.

    python benchmarks/video.py DATA/video-shapes.zip --seeds 0 [recipe=video] [key=value ...]

Every figure stands beside those of real clips (ceiling), of their first frames held still and of their frames shuffled
(floors). Tracks are the centres of what is not ground; see ganworks/kinds/video/metrics/tracks.py.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import load, machine, missing, save, table

import ganworks as gw
from ganworks.kinds.video.domain import Video
from ganworks.kinds.video.metrics import measures
from ganworks.kinds.video.metrics import tracks as shapes

NAME = "video"
COUNT = 1500  # clips on each side of a comparison
USUAL = {"budget": "45k", "train.threads": 1, "train.precision": "bf16"}
SETTINGS = ("track distance", "direction", "one thing", "steady colour", "walked back")


def figures(clips: np.ndarray, y: np.ndarray, known: shapes.Tracks, told: Any) -> dict[str, float]:
    """The bar's figures of clips uint8 [n, T, C, H, W] that were to be of classes y [n], against real tracks."""
    found = shapes.tracks(clips)
    return {
        "track distance": shapes.track_distance(found.where, known.where),
        "direction": float(told.score(shapes.centred(found.where), y)),
        "one thing": float((found.things == 1).mean()),
        "steady colour": float(shapes.steady_colour(found.colour).mean()),
        "walked back": float(np.median(shapes.backwards(found.where))),
    }


def halves(data: Any) -> tuple[np.ndarray, np.ndarray]:
    """Two draws of real clips that share none: indices [COUNT] or half of all each."""
    order = np.random.default_rng(0).permutation(len(data))
    count = min(COUNT, len(data) // 2)
    return order[:count], order[count : 2 * count]


def real_rows(data: Any) -> Iterator[dict[str, Any]]:
    """Ceiling and floors."""
    a, b = halves(data)
    known = shapes.tracks(data.raw(a))
    told = shapes.direction_classifier(known.where, data.labels[a])
    clips = data.raw(b)
    kinds = {"real": clips, "still": measures.still_clips(clips), "frames shuffled": measures.shuffled(clips)}
    for name, made in kinds.items():
        yield {"what": name, **figures(made, data.labels[b], known, told)}


def trained(source: str, recipe: str, seed: int, runs: Path, settings: dict[str, Any], data: Any) -> dict[str, Any]:
    """One training, and what its generator makes."""
    out = runs / f"{recipe}-{seed}"
    cpu, wall = time.process_time(), time.monotonic()
    for event in gw.train(recipe, data=source, out=out, seed=seed, **settings):
        print(event, flush=True)
        if getattr(event, "reason", "budget") in ("interrupted", "stopped"):
            raise SystemExit("The training was stopped; the same command goes on with it.")
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    a, _ = halves(data)
    known = shapes.tracks(data.raw(a))
    told = shapes.direction_classifier(known.where, data.labels[a])
    start = time.process_time()
    made = gw.load(out).sample(len(a), seed=1000 + seed)
    row = {"what": recipe, "seed": seed, **figures(made.data, made.labels, known, told)}
    row |= {"ms a clip": 1000 * (time.process_time() - start) / len(a)}
    return {**row, "cpu_seconds": round(cpu), "wall": round(wall), **machine()}


def main() -> None:
    """Measure what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/video"))
    parser.add_argument("--length", type=int, default=16)
    parser.add_argument("--stride", type=int, default=2)
    parser.add_argument("settings", nargs="*", help="key=value, as for ganworks train")
    given = parser.parse_intermixed_args()
    settings = USUAL | dict(text.split("=", 1) for text in given.settings)
    recipe = str(settings.pop("recipe", "video"))
    domain = {"length": given.length, "stride": given.stride, "size": 32}
    data = Video(**domain).open(given.data)
    settings |= {f"domain.{name}": value for name, value in domain.items()}
    shape = f"{given.length} x {given.stride}"
    told = " ".join(f"{k}={v}" for k, v in sorted(settings.items()) if not k.startswith("domain."))
    rows = load(NAME)
    if missing(rows, {"what": "real", "clips": shape}):
        rows += [{**row, "clips": shape, **machine()} for row in real_rows(data)]
        save(NAME, rows)
    for seed in given.seeds:
        if missing(rows, {"what": recipe, "seed": seed, "clips": shape, "settings": told}):
            row = trained(given.data, recipe, seed, given.runs, settings, data)
            rows.append({**row, "clips": shape, "settings": told})
            save(NAME, rows)
    print(printed(rows))


def printed(rows: list[dict[str, Any]]) -> str:
    """The rows as a Markdown table."""
    cells = [
        [row["what"], row["clips"], row.get("seed", ""), *(f"{row[name]:.3f}" for name in SETTINGS),
         f"{row['cpu_seconds'] / 60:.1f}" if "cpu_seconds" in row else "", row.get("settings", "")]
        for row in rows
    ]  # fmt: skip
    head = ["what", "frames x stride", "seed", *SETTINGS, "CPU minutes", "settings"]
    return table(head, cells)


if __name__ == "__main__":
    main()
