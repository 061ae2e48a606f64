"""Tables: likeness, detection, models that learn from made rows, conditions, memory; each row in a process of its own.

    python benchmarks/table.py adult.csv.gz winequality-red.csv --runs FOLDER --seeds 3 --budget 2M

Rows that are in results/table.json already are not measured again.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import common
import numpy as np

NAME = "table"
ASKED = (
    "income='>50K'",
    "sex=Female and race=Black",
    "age>=60 and age<65",
    "education=Doctorate and hours-per-week>45",
    "native-country=Mexico and income='>50K'",
    "fnlwgt<50000 and capital-gain=0",
    "workclass='?' and marital-status=Widowed",
)
LIKELIHOOD, ADVERSARIAL = "table", "table + critic"


def wide_table(count: int = 20_000) -> Any:
    """A category of 5,000 values whose first digit follows another column, an id of words and one of numbers."""
    import pandas as pd

    rng = np.random.default_rng(0)
    region = rng.integers(0, 5, count)
    shop = region * 1000 + np.minimum(rng.geometric(0.004, count), 1000) - 1
    shop[:5000] = np.arange(5000)
    region = shop // 1000
    return pd.DataFrame(
        {
            "order_id": [f"A-{k:07d}" for k in rng.permutation(count)],
            "region": np.array(["north", "south", "east", "west", "sea"])[region],
            "shop": [f"shop {k}" for k in shop],
            "price": np.round(np.exp(rng.normal(2 + 0.3 * region, 0.5)), 2),
            "row": np.arange(count),
        }
    )


def settings_of(row: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """(recipe, settings) of a row."""
    settings: dict[str, Any] = {"budget": row["budget"], "seed": row["seed"], "train.threads": 1}
    if row["data"] != "shops":
        settings["domain.held_out"] = 0.2
    if row["method"] == ADVERSARIAL:
        settings |= {"game.adversarial_from": 0.9, "game.gan": 0.1, "d.lr": 1e-3}
    return ("ctgan" if row["method"] == "ctgan" else "table"), settings


def measure(row: dict[str, Any], data: Any, folder: Path) -> dict[str, Any]:
    """Train, score, and sample under conditions."""
    import ganworks as gw

    recipe, settings = settings_of(row)
    shutil.rmtree(folder, ignore_errors=True)
    wall, cpu = time.monotonic(), time.process_time()
    for _ in common.whole(gw.train(recipe, data, folder, **settings)):
        pass
    row |= {"cpu_seconds": round(time.process_time() - cpu, 1), "seconds": round(time.monotonic() - wall, 1)}
    row["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # KiB on Linux
    cpu = time.process_time()
    report = gw.evaluate(folder, data, count=3300)
    row["eval_cpu_seconds"] = round(time.process_time() - cpu, 1)
    row |= {name: round(m.value, 4) for name, m in report.metrics.items()}
    row["attack_interval"] = [round(v, 4) for v in (report.metrics["attack"].low, report.metrics["attack"].high)]
    row["baselines"] = {n: {k: round(v, 4) for k, v in b.items()} for n, b in report.baselines.items()}
    row["models"] = report.tables[-1]["rows"] if len(report.tables) > 2 else []
    model = gw.load(folder)
    cpu = time.process_time()
    model.sample(10_000, seed=1)
    row["rows_per_cpu_second"] = round(10_000 / (time.process_time() - cpu))
    if row["data"] == "adult":
        row["honoured"] = {where: honoured(model, where) for where in ASKED}
    if row["data"] == "shops":
        made = model.sample(5000, seed=2).items
        row["shop_in_its_region"] = round(
            float(
                (
                    made["shop"].str[5:].astype(int) // 1000
                    == made["region"].map({"north": 0, "south": 1, "east": 2, "west": 3, "sea": 4})
                ).mean()
            ),
            4,
        )
        row["ids_unique"] = bool(made["order_id"].is_unique and made["row"].is_unique)
        row["inputs"] = model.spec.shape[0]
    return row


def honoured(model: Any, where: str, count: int = 1000) -> float:
    """The share of rows that keep the conditions, by pandas and not by our own reading of them."""
    rows = model.sample(count, seed=3, where=where).items
    good = np.ones(count, bool)
    for part in where.split(" and "):
        for mark in (">=", "<=", "=", "<", ">"):
            if mark in part:
                name, value = part.split(mark, 1)
                break
        cells, value = rows[name], value.strip("'")
        if mark == "=" and cells.dtype.kind not in "iuf":
            good &= (cells.str.strip() == value).to_numpy()
        else:
            good &= (
                cells.astype(float)
                .apply(
                    lambda v, m=mark, t=float(value): {">=": v >= t, "<=": v <= t, "<": v < t, ">": v > t, "=": v == t}[
                        m
                    ]
                )
                .to_numpy()
            )
    return float(good.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("adult")
    parser.add_argument("wine")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", default="2M")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--row", default="", help="for the script itself")
    args = parser.parse_args()
    if args.row:
        row = json.loads(args.row)
        data = {"adult": args.adult, "wine": args.wine}.get(row["data"])
        folder = args.runs / "-".join([row["data"], row["method"].replace(" ", ""), str(row["seed"])])
        print(json.dumps(measure(row, wide_table() if data is None else data, folder)))
        return
    wanted = [{"data": "adult", "method": LIKELIHOOD, "budget": args.budget, "seed": s} for s in range(args.seeds)]
    wanted += [
        {"data": "wine", "method": LIKELIHOOD, "budget": "100k", "seed": 0},
        {"data": "shops", "method": LIKELIHOOD, "budget": "400k", "seed": 0},
        {"data": "adult", "method": "ctgan", "budget": "2M", "seed": 0},
        {"data": "adult", "method": LIKELIHOOD, "budget": "600k", "seed": 0},
        {"data": "adult", "method": ADVERSARIAL, "budget": "600k", "seed": 0},
    ]
    for row in wanted:
        chosen = not args.only or row["data"] in args.only or row["method"] in args.only
        if chosen and common.missing(common.load(NAME), row):
            command = [
                sys.executable,
                __file__,
                args.adult,
                args.wine,
                "--runs",
                str(args.runs),
                "--row",
                json.dumps(row),
            ]
            out = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
            common.save(NAME, [*common.load(NAME), {**json.loads(out.splitlines()[-1]), **common.machine()}])
    report(common.load(NAME))


def report(rows: list[dict[str, Any]]) -> None:
    """The Markdown tables."""
    head = [
        "data",
        "method",
        "rows seen",
        "seed",
        "pairs",
        "columns",
        "detection",
        "F1",
        "AUC",
        "accuracy",
        "attack (95 %)",
        "asked values kept",
        "MiB",
        "CPU s",
        "rows per CPU s",
    ]
    cells = []
    for row in rows:
        kept = row.get("honoured", {})
        cells.append(
            [
                row["data"],
                row["method"],
                row["budget"],
                row["seed"],
                *(row.get(k, "") for k in ("pairs", "shapes", "detection", "tstr_f1", "tstr_auc", "tstr_accuracy")),
                f"{row['attack']:.3f} ({row['attack_interval'][0]:.3f} to {row['attack_interval'][1]:.3f})",
                f"{min(kept.values()):.0%}" if kept else "",
                row["peak_mib"],
                row["cpu_seconds"],
                row["rows_per_cpu_second"],
            ]
        )
    for data in dict.fromkeys(row["data"] for row in rows):
        first = next(row for row in rows if row["data"] == data)
        for name, values in first["baselines"].items():
            cells.append(
                [
                    data,
                    name,
                    "",
                    "",
                    *(
                        values.get(k, "")
                        for k in ("pairs", "shapes", "detection", "tstr_f1", "tstr_auc", "tstr_accuracy")
                    ),
                    "",
                    "",
                    "",
                    "",
                    "",
                ]
            )
    print(common.table(head, cells))


if __name__ == "__main__":
    main()
