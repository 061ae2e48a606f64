"""From data to a trained generator and its samples: train, look at the scores, sample by class, walk between two seeds.

    python examples/first_run.py

Trains on the scans of digits that scikit-learn carries; any folder of pictures, recordings, texts or tables will do.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import ganworks as gw


def main(budget: str = "60s", out: str = "runs/first") -> dict[str, float]:
    model = gw.fit("image", "digits", out, budget=budget, evaluate=False)  # the same call again goes on, or is done
    folder = Path(out)

    model.sample(64, seed=1).save(folder / "grid.png")
    model.sample(10, seed=1, labels="3").save(folder / "threes.png")
    model.walk([1, 2, 3], steps=8).save(folder / "walk.gif")

    report = gw.evaluate(out, count=1000)  # also writes report.html
    return {name: metric.value for name, metric in report.metrics.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", default="60s", help="a time (60s, 10m) or a number of examples (200k)")
    parser.add_argument("--out", default="runs/first", help="the run folder")
    print(main(**vars(parser.parse_args())))
