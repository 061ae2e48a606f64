"""Mode coverage on the 8-mode ring and the 25-mode grid, by PacGAN's protocol, beside the published rows.

    python benchmarks/modes.py                      # 5 seeds of both; goes on where it stopped
    python benchmarks/modes.py grid25 --seeds 2 game.loss=hinge

Protocol (Lin et al. 2018, 1712.04086, section 4.1): 100,000 training points (10 % of them held out here),
2,500 samples of the averaged generator; a sample is of high quality within 3 sd of a mode. Ring: 8 modes on
the unit circle, sd 0.01. Grid: 25 modes at {-4, -2, 0, 2, 4}^2, sd 0.05.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import common

NAME = "modes"
SAMPLES = 2500
SAMPLE_SEED = 12345
PUBLISHED = {  # modes, high quality %, reverse KL: 1712.04086, table 1 (means over 10 seeds)
    "ring8": {
        "GAN": (6.3, 98.2, None),
        "ALI": (6.6, 97.6, None),
        "PacGAN2": (7.9, 95.6, None),
        "PacGAN3": (7.8, 97.7, None),
        "PacGAN4": (7.8, 95.9, None),
    },
    "grid25": {
        "GAN": (17.3, 94.8, 0.70),
        "ALI": (24.1, 95.7, 0.14),
        "PacGAN2": (23.8, 91.3, 0.13),
        "PacGAN3": (24.6, 94.2, 0.06),
        "PacGAN4": (24.8, 93.6, 0.04),
    },
}
MEASURES = {"modes": 1, "high_quality": 1, "reverse_kl": 4}  # digits


def run(data: str, seed: int, settings: dict[str, str], runs: Path) -> dict[str, Any]:
    """Train one generator and score it."""
    import torch

    import ganworks
    from ganworks.kinds.points.domain import centres, quality

    folder = runs / "-".join([data, f"seed{seed}", *(f"{k}={v}" for k, v in sorted(settings.items()))])
    started, spent = time.monotonic(), time.process_time()
    model = ganworks.fit("points", data=data, out=folder, seed=seed, evaluate=False, **settings)
    seconds, spent = time.monotonic() - started, time.process_time() - spent
    found = quality(model.sample(SAMPLES, seed=SAMPLE_SEED).numpy(), *centres(data))
    return {
        "data": data,
        "seed": seed,
        "settings": settings,
        **found,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(spent, 1),
        "threads": torch.get_num_threads(),
        **common.machine(),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Ours and the published ones, in Markdown."""
    lines = []
    for data, published in PUBLISHED.items():
        ours: dict[str, list[dict[str, Any]]] = {}
        for row in (row for row in rows if row["data"] == data):
            ours.setdefault(" ".join(f"{k}={v}" for k, v in sorted(row["settings"].items())), []).append(row)
        lines += [
            f"\n### {data}",
            "| method | modes | high quality % | reverse KL | seeds | CPU s per run |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {name} (published) | {modes} | {good} | {'-' if kl is None else kl} | 10 | |"
            for name, (modes, good, kl) in published.items()
        ]
        for settings, group in ours.items():
            cells = [_spread([row[name] for row in group], digits) for name, digits in MEASURES.items()]
            spent = statistics.mean(row["cpu_seconds"] for row in group)
            lines.append(f"| **ganworks** {settings} | {' | '.join(cells)} | {len(group)} | {spent:.0f} |")
    return "\n".join(lines)


def _spread(values: list[float], digits: int) -> str:
    """Mean and worst case, "24.9 (24 to 25)"."""
    return f"{statistics.mean(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main() -> None:
    """Train what is missing, then print the table."""
    parser = argparse.ArgumentParser(description="Mode coverage beside the published rows.")
    parser.add_argument("what", nargs="*", help="ring8, grid25 (default both), key=value settings")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--name", default=NAME, help="of the results; two processes need two")
    parser.add_argument("--runs", type=Path, default=Path("runs/modes"))
    given = parser.parse_intermixed_args()
    settings = dict(word.split("=", 1) for word in given.what if "=" in word)
    names = [word for word in given.what if "=" not in word] or list(PUBLISHED)
    unknown = [name for name in names if name not in PUBLISHED]
    if unknown:
        parser.error(f"no such data: {', '.join(unknown)}; there are {', '.join(PUBLISHED)}")
    rows = common.load(given.name)
    for seed in range(given.first, given.first + given.seeds):
        for data in names:
            key = {"data": data, "seed": seed, "settings": settings}
            if common.missing(rows, key):
                rows.append(run(data, seed, settings, given.runs))
                common.save(given.name, rows)
                print(json.dumps(rows[-1]), flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
