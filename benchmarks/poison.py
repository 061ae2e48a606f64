"""Poisoned pictures: how often samples carry a planted trigger, with and without a remedy, and what it costs.

    python benchmarks/poison.py [DATA/mnist] [--ways as-is exclude trim-sure trim-ends] [--seeds 0 1 2] [--budget 24000]

In a share of the pictures, chosen at random, a square in the lower right corner is set to white, which it is in no
clean one: 2 x 2 pixels of the digits of scikit-learn (8 x 8), 4 x 4 pixels of 2,000 digits of MNIST, which are trained
at 14 x 14. Ways of training on them:

as-is       nothing is done
exclude     `ganworks audit` looks at the data first, and the training leaves out what is on its list (exclude=)
trim-sure   a trimmed loss: in D's turns the 10 % of the real examples with the highest logits do not count
trim-ends   the same with the highest 10 % and the lowest 10 %
planted     the planted pictures are left out, which takes knowing them: the best that a remedy can reach

Quality is measured against clean digits. Rows go to results/poison.json. One training takes about half a CPU minute.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch
from sklearn.datasets import load_digits

from ganworks import api
from ganworks.games.adversarial import Adversarial
from ganworks.kinds.images.domain import Images
from ganworks.metrics.classifier import extractor_for
from ganworks.metrics.estimate import wilson
from ganworks.metrics.scoring import score

NAME, MADE, SHARE = "poison", 4000, 0.05
WAYS = ("as-is", "exclude", "trim-sure", "trim-ends", "planted")


@dataclass(frozen=True)
class Digits:
    """Pictures uint8 [n, 1, H, W], labels, the side of the trigger, and the size at which they are trained."""

    name: str
    x: np.ndarray
    y: np.ndarray
    side: int
    size: int

    @staticmethod
    def of(path: str) -> Digits:
        """scikit-learn's for "digits", else 2,000 of the pictures there."""
        if path == "digits":
            x, y = load_digits(return_X_y=True)
            return Digits(path, np.round(x.reshape(-1, 1, 8, 8) / 16 * 255).astype(np.uint8), y.astype(np.int64), 2, 8)
        data = Images().open(path)
        rows = np.sort(np.random.default_rng(0).permutation(len(data))[:2000])
        return Digits(Path(path).name, data.raw(rows), np.asarray(data.labels)[rows], 4, data.spec.shape[1] // 2)

    def planted(self, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """(pictures of which a share has the trigger, bool [n]: which ones)."""
        some = np.zeros(len(self.x), bool)
        some[np.random.default_rng(seed).permutation(len(self.x))[: round(share * len(self.x))]] = True
        out = self.x.copy()
        out[some, :, -self.side :, -self.side :] = 255
        return out, some

    def carries(self, made: np.ndarray) -> np.ndarray:
        """Which pictures, as trained, have a bright square in the corner: bool [n]."""
        side = self.side * self.size // self.x.shape[-1]
        return (made[:, 0, -side:, -side:] > 180).all((-1, -2))


@contextmanager
def trimmed(low: float, high: float) -> Iterator[None]:
    """D's loss and its penalty on real examples leave out these shares of the batch, by the logits of real examples."""
    usual = Adversarial.discriminator_turn

    def turn(self: Any, nets: Any, batch: Any) -> Any:
        terms = usual(self, nets, batch)
        order = terms["_real"].argsort()
        weight = torch.ones(len(order))
        weight[order[: round(low * len(order))]] = 0
        weight[order[len(order) - round(high * len(order)) :]] = 0
        weight *= len(weight) / weight.sum()
        return {name: term * weight if name in ("d_loss", "r1") else term for name, term in terms.items()}

    Adversarial.discriminator_turn = turn
    try:
        yield
    finally:
        Adversarial.discriminator_turn = usual


def trained(way: str, data: Digits, share: float, seed: int, budget: int) -> tuple[Any, dict[str, float]]:
    """The model, and facts about what was left out."""
    settings: dict[str, Any] = {"budget": budget, "seed": seed, "judge": False, "train.threads": 1, "size": data.size}
    (x, some), y = data.planted(share, seed), data.y
    with tempfile.TemporaryDirectory() as place:
        out, facts = Path(place) / "run", {}
        if way == "planted":
            x, y = x[~some], y[~some]
        if way == "exclude":
            from ganworks.audit.examine import audit_data, keep

            found = audit_data((x, y), "image")
            left = np.array([row in found.out for row in range(len(x))])
            facts = {"recall": float(left[some].mean()), "clean_left_out": float(left[~some].mean())}
            settings["exclude"] = str(keep(found, Path(place) / "audit") / "exclude.csv")
        shares = {"trim-sure": (0.0, 0.1), "trim-ends": (0.1, 0.1)}.get(way, (0.0, 0.0))
        with trimmed(*shares):
            return api.fit("image", (x, y), out, evaluate=False, **settings), facts


def row(way: str, data: Digits, seed: int, budget: int, share: float) -> dict[str, Any]:
    """One training, and what its samples are."""
    model, facts = trained(way, data, share, seed, budget)
    made = model.sample(MADE, seed=1).data
    real = Images(size=data.size).open((data.x, data.y))
    judge = extractor_for(real, None, name="classifier")
    found, floor = score(lambda at, n: (made[at : at + n], np.arange(at, at + n) % 10), real, judge, count=MADE)
    bright = wilson(float(data.carries(made).mean()), MADE)
    return {
        "data": data.name,
        "way": way,
        "seed": seed,
        "budget": budget,
        "planted": share,
        "trigger": round(bright.value, 4),
        "interval": [round(bright.low, 4), round(bright.high, 4)],
        "clean_trigger": float(data.carries(real.raw(np.arange(len(real)))).mean()),
        "fd": round(found["fd"], 3),
        "fd_floor": round(floor["fd"], 3),
        **{name: round(found[name], 3) for name in ("coverage", "agreement")},
        **facts,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """A line for each way, over its seeds."""
    lines = []
    for way in WAYS:
        mine = [r for r in rows if r["way"] == way]
        cells = [common.spread([r[n] for r in mine]) for n in ("trigger", "fd", "coverage", "agreement")]
        if mine:
            lines.append([way, len(mine), *cells])
    return common.table(
        ["way", "seeds", "samples with the trigger", "fd to clean digits", "coverage", "agreement"], lines
    )


def main() -> None:
    """The command line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("data", nargs="?", default="digits")
    options.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    options.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options.add_argument("--budget", type=int, default=24_000)
    options.add_argument("--share", type=float, default=SHARE)
    given = options.parse_args()
    torch.set_num_threads(1)
    data, same = Digits.of(given.data), {"budget": given.budget, "planted": given.share}
    for seed in given.seeds:
        for way in given.ways:
            if common.missing(common.load(NAME), {**same, "data": data.name, "way": way, "seed": seed}):
                found = row(way, data, seed, given.budget, given.share) | common.machine()
                common.save(NAME, [*common.load(NAME), found])
    print(table([r for r in common.load(NAME) if {**same, "data": data.name}.items() <= r.items()]))


if __name__ == "__main__":
    main()
