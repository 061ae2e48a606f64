"""Captions: quality against diversity, beside maximum likelihood of the same run and six published sample sets.

    python benchmarks/text.py TRAIN.txt TEST.txt SAMPLES.zip [--recipes text seqgan relgan] [--seeds 0 1 2]
        [--budget 130k]

Trains on TRAIN alone, scores on TEST (10,000 lines each of the COCO captions of Texygen, 1802.01886). Snapshots are
chosen on a tenth of TRAIN; temperature, candidates and strength of the critic were chosen with figures of TEST in view.
BLEU: 1,000 samples against all test lines; self-BLEU: these against each other; backward BLEU: 1,000 test lines against
5,000 samples. All other measures: `kinds.text.metrics.measures`. Six published sets (SAMPLES.zip), a trigram model and
lines of TRAIN get the same protocol. A picture of the curves over temperature goes beside the results. Seconds: of the
training with its scores, without this evaluation.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch

import ganworks
from ganworks.kinds.text.data.reading import read_lines
from ganworks.kinds.text.domain import Text
from ganworks.kinds.text.metrics.measures import bleu, self_bleu
from ganworks.kinds.text.metrics.panel import BLEU_SAMPLES, Panel, cut, rivals
from ganworks.kinds.text.metrics.pictures import curve
from ganworks.runs.published import published
from ganworks.use.model import Model

NAME = "text"
TEMPERATURES = (0.8, 0.9, 0.95, 1.0, 1.1)
COLUMNS = ("bleu_2", "bleu_3", "bleu_4", "bleu_5", "self_bleu_4", "backward_bleu_4", "reverse_perplexity", "kernel",
           "unique", "copied")  # fmt: skip
GENERATORS = {"G": "adversarial", "G_warm": "maximum likelihood"}


def panel_of(train: Path, test: Path) -> Panel:
    """The judge by the test lines."""
    return Panel(cut(read_lines(test).texts, False), cut(read_lines(train).texts, False))


def rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def floors(panel: Panel, samples: Path) -> list[dict[str, Any]]:
    """Rows of the published sets, of a trigram model and of real lines."""
    lists = {"trigram model": panel.trigrams.sample(5000, 0), "real": panel.real_lines(), **rivals(str(samples), False)}
    return [{"recipe": name, "player": "", "seed": 0, "budget": "", **rounded(panel.measure(some)), **common.machine()}
            for name, some in lists.items()]  # fmt: skip


def judged(panel: Panel, model: Model, **options: Any) -> dict[str, Any]:
    """Numbers under these options, and the curve: [temperature, self-BLEU-4, BLEU-4]."""
    found = rounded(panel.measure(cut(model.sample(5000, seed=1, **options).items, False)))
    points = []
    for t in TEMPERATURES:
        some = cut(model.sample(BLEU_SAMPLES, seed=2, temperature=t).items, False)
        points.append([t, round(float(self_bleu(some, (4,)).mean()), 4),
                       round(float(bleu(some, panel.references, (4,)).mean()), 4)])  # fmt: skip
    return {**found, "curve": points}


def one(panel: Panel, train: Path, recipe: str, seed: int, budget: str, runs: Path) -> list[dict[str, Any]]:
    """Train one recipe; a row for what was published and one for its warm start."""
    folder = runs / f"{recipe}-{budget}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    wall, cpu = time.monotonic(), time.process_time()
    events = ganworks.train(recipe, train, out=folder, budget=budget, seed=seed, **{"train.threads": 1})
    list(common.whole(events))
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    rows = []
    for player, entry in published(folder).items():
        model = Model(entry.net, entry.spec, {"domain": Text()}, device="cpu")
        about = {"recipe": recipe, "player": GENERATORS[player], "seed": seed, "budget": budget}
        options = {} if player == "G" else {"temperature": 1.0}  # maximum likelihood as it learned
        settings = {"seen": entry.card["seen"], "cpu_seconds": round(cpu), "wall_seconds": round(wall)}
        rows.append({**about, **judged(panel, model, **options), **settings, **common.machine()})
        rows[-1]["texts"] = model.sample(5, seed=3).items
    return rows


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Curves of the first seed of `text`, dots for everything else."""
    ours = [row for row in rows if row["recipe"] == "text" and "curve" in row]
    first = min((row["seed"] for row in ours), default=0)
    lines = {row["player"]: [tuple(p) for p in row["curve"]] for row in ours if row["seed"] == first}
    dots = {row["recipe"]: (row["self_bleu_4"], row["bleu_4"]) for row in rows if not row["player"]}
    others = [row for row in rows if row["recipe"] != "text" and row["player"] == GENERATORS["G"]]
    dots |= {f"our {row['recipe']}": (row["self_bleu_4"], row["bleu_4"]) for row in others}
    if lines:
        curve(lines, dots).save(path)


def show(rows: list[dict[str, Any]]) -> None:
    """Markdown: a row for each recipe and player, mean and spread over seeds."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["recipe"], row["player"], row["budget"]), []).append(row)
    body = []
    for (recipe, player, budget), some in groups.items():
        cells = [common.spread([r[name] for r in some]) for name in COLUMNS]
        cpu = f"{np.mean([r['cpu_seconds'] for r in some]):.0f}" if "cpu_seconds" in some[0] else ""
        body.append([recipe, player, budget, len(some) if player else "", *cells, cpu])
    print(common.table(["system", "player", "budget", "seeds", *COLUMNS, "CPU s"], body))
    print()
    points = [[r["recipe"], r["player"], r["seed"], *p] for r in rows for p in r.get("curve", [])]
    print(common.table(["recipe", "player", "seed", "temperature", "self-BLEU-4", "BLEU-4"], points))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--recipes", nargs="*", default=["text", "seqgan", "relgan"])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--budget", default="130k")
    parser.add_argument("--runs", type=Path, default=Path("runs/text-benchmark"))
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    rows, panel = common.load(NAME), panel_of(given.train, given.test)
    if common.missing(rows, {"recipe": "real"}):
        common.save(NAME, rows := rows + floors(panel, given.samples))
    for seed in given.seeds:
        for recipe in given.recipes:
            if common.missing(rows, {"recipe": recipe, "seed": seed, "budget": given.budget}):
                found = one(panel, given.train, recipe, seed, given.budget, given.runs)
                common.save(NAME, rows := common.load(NAME) + found)
    draw(rows, common.RESULTS / "text-curve.png")
    show(rows)


if __name__ == "__main__":
    main()
