"""Whether the verdict on copying is right: copies of several sorts, honest samples, unseen pictures.

    python benchmarks/memorisation.py DATA [DATA ...] [--train 2000] [--held 200] [--features NAME|FILE]

Of each data set some pictures are trained on, some held out, and 500 others stand for what an ideal generator makes. No
network is trained: "copies" are training pictures, "noisy" the same with noise of 2 % of the range, "some" 85 % unseen
pictures and 15 % noisy copies, "blurred" draws from a Gaussian in 50 principal components of the training pictures.
Rows go to results/memorisation.json. Exit code 1 when a verdict is wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import common
import numpy as np
import torch

from ganworks.kinds.images.domain import Images
from ganworks.metrics.features import RandomConv
from ganworks.metrics.judges.pictures import PublishedFeatures
from ganworks.metrics.reference import Reference
from ganworks.metrics.scoring import evaluate
from ganworks.pretrained.store import named

NAME, MADE = "memorisation", 500


def cases(train: np.ndarray, unseen: np.ndarray) -> Iterator[tuple[str, bool, np.ndarray]]:
    """(name, whether it copies, samples uint8 [500, C, H, W])."""
    rng = np.random.default_rng(0)
    some = train[rng.permutation(len(train))[np.arange(MADE) % len(train)]]
    noisy = (some + rng.normal(0, 0.02 * 255, some.shape)).round().clip(0, 255).astype(np.uint8)
    few = int(0.15 * MADE)
    yield "unseen pictures", False, unseen
    yield "blurred", False, blurred(train, rng)
    yield "copies", True, some
    yield "noisy copies", True, noisy
    yield "some noisy copies", True, np.concatenate([noisy[:few], unseen[few:]])


def blurred(train: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws from the Gaussian of the first 50 principal components."""
    x = train.reshape(len(train), -1).astype(np.float64)
    centre = x.mean(0)
    _, s, v = np.linalg.svd(x - centre, full_matrices=False)
    parts = min(50, len(train) // 2)
    z = rng.normal(size=(MADE, parts)) * s[:parts] / np.sqrt(len(x) - 1)
    return (centre + z @ v[:parts]).round().clip(0, 255).astype(np.uint8).reshape(MADE, *train.shape[1:])


def rows(path: str, given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row for each case of a data set."""
    data = Images(size=32).open(path)
    order = np.random.default_rng(0).permutation(len(data))
    count = min(given.train, len(data) - MADE - given.held)
    train, held, unseen = np.split(order[: count + given.held + MADE], [count, count + given.held])
    part = SimpleNamespace(
        spec=data.spec, raw=data.raw, labels=None, train=train, held=held, fingerprint=f"{data.fingerprint}-{count}"
    )
    judge = PublishedFeatures(data.spec, named(given.features)) if given.features else RandomConv(data.spec)
    real = Reference.of(part, judge)
    for name, copies, made in cases(data.raw(train), data.raw(unseen)):
        found = evaluate(lambda k, n, x=made: (x[k : k + n], None), part, judge, count=MADE, reference=real)
        authentic, near = (next(m for n, m in found.metrics.items() if n.startswith(w)) for w in ("auth", "copied"))
        yield {
            "data": Path(path).name,
            "train": count,
            "held": given.held,
            "case": name,
            "copies": copies,
            "said": found.memorisation["flagged"] if found.memorisation["sure"] else None,
            "authenticity": [round(authentic.value, 3), round(authentic.floor, 3)],
            "near copies": [round(near.value, 3), round(near.floor, 3)],
            "judge": found.extractor,
        }


def main() -> int:
    """The command line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("data", nargs="+")
    options.add_argument("--train", type=int, default=2000)
    options.add_argument("--held", type=int, default=200)
    options.add_argument("--features", default="")
    given = options.parse_args()
    torch.set_num_threads(1)
    found = []
    for path in given.data:
        for row in rows(path, given):
            print({**row, "right": row["said"] == row["copies"]}, flush=True)
            found.append(row | common.machine())
    same = ("data", "train", "held", "judge", "case")
    new = {tuple(row[k] for k in same) for row in found}
    common.save(NAME, [r for r in common.load(NAME) if tuple(r[k] for k in same) not in new] + found)
    right = sum(row["said"] == row["copies"] for row in found)
    print(f"{right} of {len(found)} verdicts are right.")
    return int(right != len(found))


if __name__ == "__main__":
    raise SystemExit(main())
