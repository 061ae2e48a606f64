"""Classification accuracy score of class-conditional samples: train on generated images, test on real ones.

    python benchmarks/accuracy_score.py DATA/mnist DATA/fashion-mnist [--run RUN RUN] [--budget 320k]

DATA/...: folders with the four IDX files. One generator per data set is trained with the `image` recipe and labels (or
taken from finished run folders, in the order of the data). The classifier is fixed and cheap: PCA with 64 components
fitted on the first 10,000 real training images, then the vote of the 3 nearest of 10,000 generated images, 1,000 a
class, on the official 10,000 test images (CAS: Ravuri and Vinyals 2019, 1905.10887). Beside it: the same classifier
trained on the 10,000 real images (ceiling) and on samples of one Gaussian per class in the PCA space (floor). Variety
guards against a generator that repeats a few good images: the share of generated images that are the nearest one of
some test image, over the same share of real images.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from pathlib import Path
from typing import Any

import common
import numpy as np

import ganworks

NAME = "accuracy_score"
TRUNCATION = 0.9  # of 1, .9, .8, .7 the best of both data sets on 10,000 training images that no PCA was fitted on
COUNT, PARTS, NEAR = 10_000, 64, 3
SETTINGS = {"networks.width": 48, "networks.d_width": 32, "train.judge": False}  # the recipe's choice for five minutes
BARS = {"mnist": 0.92, "fashion-mnist": 0.78}


def idx(path: Path) -> np.ndarray:
    """An IDX file as an array."""
    raw = gzip.decompress(path.read_bytes())
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def official(folder: Path) -> dict[str, np.ndarray]:
    """x, y of the training and test files; images flat in 0..1."""
    names = {"x": "train-images-idx3", "y": "train-labels-idx1", "xt": "t10k-images-idx3", "yt": "t10k-labels-idx1"}
    found = {key: idx(folder / f"{name}-ubyte.gz") for key, name in names.items()}
    return {k: v if v.ndim == 1 else v.reshape(len(v), -1).astype(np.float32) / 255 for k, v in found.items()}


class Judge:
    """PCA and nearest neighbours. real: flat images [n, d] that the components are fitted on."""

    def __init__(self, real: np.ndarray, test: np.ndarray, labels: np.ndarray):
        self.mean = real.mean(0)
        _, vectors = np.linalg.eigh(np.cov((real - self.mean).T.astype(np.float64)))
        self.axes = vectors[:, ::-1][:, :PARTS].astype(np.float32)
        self.test, self.labels = self.project(test), labels

    def project(self, x: np.ndarray) -> np.ndarray:
        """[n, d] -> [n, 64]."""
        return (x - self.mean) @ self.axes

    def score(self, z: np.ndarray, y: np.ndarray) -> tuple[float, float]:
        """(accuracy on the test images, share of training points that are some test image's nearest)."""
        right, used = 0, set()
        lengths = (z * z).sum(1)
        for start in range(0, len(self.test), 1000):
            part = self.test[start : start + 1000]
            distance = lengths - 2 * part @ z.T
            near = np.argpartition(distance, NEAR, axis=1)[:, :NEAR]
            order = np.take_along_axis(distance, near, 1).argsort(1)
            near = np.take_along_axis(near, order, 1)
            votes = np.array([np.bincount(row, minlength=10) for row in y[near]])
            tied = votes.max(1, keepdims=True) == votes
            first = np.array([next(c for c in row if t[c]) for row, t in zip(y[near], tied, strict=True)])
            right += int((first == self.labels[start : start + 1000]).sum())
            used |= set(near[:, 0].tolist())
        return right / len(self.test), len(used) / len(z)

    def made(self, model: ganworks.Model, truncation: float) -> tuple[float, float]:
        """The score of 10,000 samples."""
        made = model.sample(COUNT, seed=1, truncation=truncation)
        assert made.labels is not None
        return self.score(self.project(made.data.reshape(COUNT, -1).astype(np.float32) / 255), made.labels)


def gaussians(judge: Judge, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """1,000 points of one Gaussian per class in the PCA space."""
    z = judge.project(x)
    per = COUNT // 10
    parts = [rng.multivariate_normal(z[y == c].mean(0), np.cov(z[y == c].T), per) for c in range(10)]
    return np.concatenate(parts).astype(np.float32), np.arange(10).repeat(per)


def one(folder: Path, run: Path | None, budget: str, runs: Path) -> dict[str, Any]:
    """Train (or load) one generator and score its samples."""
    data = official(folder)
    cpu, wall = time.process_time(), time.monotonic()
    if run is None:
        run = runs / f"{folder.name}-{budget}"
        ganworks.fit("image", folder, run, budget=budget, evaluate=False, **SETTINGS)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    rounds = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    judge, model = Judge(data["x"][:COUNT], data["xt"], data["yt"]), ganworks.load(run)
    whole, _ = judge.made(model, 1.0)
    score, variety = judge.made(model, TRUNCATION)
    real, spread = judge.score(judge.project(data["x"][:COUNT]), data["y"][:COUNT].astype(np.int64))
    floor, _ = judge.score(*gaussians(judge, data["x"][:COUNT], data["y"][:COUNT], np.random.default_rng(0)))
    return {
        "data": folder.name,
        "budget": budget,
        "cas": score,
        "cas_untruncated": whole,
        "gaussian": floor,
        "real": real,
        "variety": round(variety / spread, 3),
        "seen": rounds[-1]["seen"],
        "seconds": rounds[-1]["seconds"],
        "cpu_seconds": round(cpu),
        "wall_seconds": round(wall),
        "settings": (run / "config.yaml").read_text(),
        **common.machine(),
    }


def show(found: list[dict[str, Any]]) -> str:
    """The table, in Markdown."""
    head = [
        "data",
        f"CAS at truncation {TRUNCATION}",
        "at 1",
        "bar",
        "class Gaussians",
        "real images",
        "variety (real 1)",
        "examples seen",
        "CPU seconds",
    ]
    cells = [
        [
            *(r["data"], f"{r['cas']:.3f}", f"{r['cas_untruncated']:.3f}", BARS.get(r["data"], "")),
            *(f"{r['gaussian']:.3f}", f"{r['real']:.3f}", r["variety"], f"{r['seen']:,}", r["cpu_seconds"]),
        ]
        for r in found
    ]
    return common.table(head, cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--run", nargs="*", type=Path, default=[], help="finished runs, in the order of the data")
    parser.add_argument("--cpu", nargs="*", type=float, default=[], help="CPU seconds that these runs took")
    parser.add_argument("--budget", default="320k")
    parser.add_argument("--runs", type=Path, default=Path("runs/accuracy-score"))
    given = parser.parse_args()
    found = common.load(NAME)
    for number, path in enumerate(given.data):
        if common.missing(found, {"data": path.name, "budget": given.budget}):
            done = given.run[number] if number < len(given.run) else None
            row = one(path, done, given.budget, given.runs)
            if number < len(given.cpu):
                row["cpu_seconds"] = given.cpu[number]
            found.append(row)
            common.save(NAME, found)
            print(json.dumps({k: v for k, v in row.items() if k != "settings"}), flush=True)
    print(show(found))


if __name__ == "__main__":
    main()
