"""Poisoned pictures: how often samples carry a planted trigger, with and without a remedy, and what it costs.

    python benchmarks/poison.py [--ways as-is exclude trim-sure trim-ends] [--seeds 0 1 2] [--budget 24000]

In a share of the digits of scikit-learn, chosen at random, the square of 2 x 2 pixels in the lower right corner is set
to white, which it is in no clean digit. Ways of training on them:

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


def digits() -> tuple[np.ndarray, np.ndarray]:
    """uint8 [1797, 1, 8, 8] and labels."""
    x, y = load_digits(return_X_y=True)
    return np.round(x.reshape(-1, 1, 8, 8) / 16 * 255).astype(np.uint8), y.astype(np.int64)


def planted(x: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(pictures of which a share has the trigger, bool [n]: which ones)."""
    some = np.zeros(len(x), bool)
    some[np.random.default_rng(seed).permutation(len(x))[: round(share * len(x))]] = True
    out = x.copy()
    out[some, :, -2:, -2:] = 255
    return out, some


def carries(x: np.ndarray) -> np.ndarray:
    """Which pictures have a bright square in the corner: bool [n]."""
    return (x[:, 0, -2:, -2:] > 180).all((-1, -2))


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


def trained(way: str, x: np.ndarray, y: np.ndarray, some: np.ndarray, seed: int, budget: int) -> tuple[Any, dict]:
    """The model, and facts about what was left out."""
    settings: dict[str, Any] = {"budget": budget, "seed": seed, "judge": False, "train.threads": 1}
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


def row(way: str, seed: int, budget: int, share: float) -> dict[str, Any]:
    """One training, and what its samples are."""
    clean, y = digits()
    x, some = planted(clean, share, seed)
    model, facts = trained(way, x, y, some, seed, budget)
    made = model.sample(MADE, seed=1).data
    real = Images().open((clean, y))
    judge = extractor_for(real, None, name="classifier")
    found, floor = score(lambda at, n: (made[at : at + n], np.arange(at, at + n) % 10), real, judge, count=MADE)
    bright = wilson(float(carries(made).mean()), MADE)
    return {
        "way": way,
        "seed": seed,
        "budget": budget,
        "planted": share,
        "trigger": round(bright.value, 4),
        "interval": [round(bright.low, 4), round(bright.high, 4)],
        "clean_trigger": float(carries(clean).mean()),
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
    options.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    options.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options.add_argument("--budget", type=int, default=24_000)
    options.add_argument("--share", type=float, default=SHARE)
    given = options.parse_args()
    torch.set_num_threads(1)
    for seed in given.seeds:
        for way in given.ways:
            key = {"way": way, "seed": seed, "budget": given.budget, "planted": given.share}
            if common.missing(common.load(NAME), key):
                found = row(way, seed, given.budget, given.share) | common.machine()
                common.save(NAME, [*common.load(NAME), found])
    print(table([r for r in common.load(NAME) if r["budget"] == given.budget and r["planted"] == given.share]))


if __name__ == "__main__":
    main()
