"""Whether the audit of a run finds what is there: runs that are overfitted, and runs that are not.

    python benchmarks/audit_runs.py FOLDER DATA/adult.csv.gz [--cases ...]

Positive controls learn 100 examples by heart (digits without penalty and augmentation, rows of a table for 600 epochs):
an attack has to find half of them at 1 % false alarms. The others are trained as the recipes choose, and no attack may
be told from guessing. Runs are kept in FOLDER, and trained again only where they are missing; a training takes 20 to
90 CPU seconds. Rows go to results/audit_runs.json. Exit code 1 when a control fails.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch
from sklearn.datasets import load_digits

from ganworks import api
from ganworks.audit.run.audit import RunAudit, audit_run

NAME, FOUND = "audit_runs", 0.5
_FREE = {f"game.{name}": 0 for name in ("r1", "r2", "r1_end", "r2_end")}
_WIDE = {"game.augment": "", "game.loss": "non-saturating", "networks.d_width": 32, "networks.width": 32}

_HALF = {"domain.held_out": 0.5}


@dataclass(frozen=True)
class Case:
    """A training: recipe, kind of data, settings; overfitted: whether its examples have to be found."""

    name: str
    recipe: str
    data: str
    overfitted: bool
    settings: dict[str, Any] = field(default_factory=dict)


CASES = (
    Case(
        "image-overfitted", "image", "200 digits", True, {"budget": "60000", "domain.held_out": 0.5, **_WIDE, **_FREE}
    ),
    Case("image-few", "image", "200 digits", False, {"budget": "32000", **_HALF}),
    Case("image-many", "image", "digits", False, {"budget": "40s"}),
    Case("table-overfitted", "table", "1100 rows", True, {"budget": "60000", "domain.held_out": 0.909}),
    Case("table-many", "table", "all rows", False, {"budget": "25s"}),
)


def source(case: Case, folder: Path, adult: str) -> Any:
    """The data of a case."""
    if case.data == "200 digits":
        x, y = load_digits(return_X_y=True)
        x = np.round(x.reshape(-1, 1, 8, 8) / 16 * 255).astype(np.uint8)
        return x[:200], y[:200].astype(np.int64)
    if case.data == "1100 rows":
        import pandas as pd

        path = folder / "adult1100.csv"
        if not path.exists():
            pd.read_csv(adult, nrows=1100).to_csv(path, index=False)
        return str(path)
    return "digits" if case.data == "digits" else adult


def row(case: Case, found: RunAudit) -> dict[str, Any]:
    """What an audit found, in numbers."""
    attacks = {}
    for name, told in found.attacks.items():
        rates = {
            f"at {r.alarms:g}": [round(r.found.value, 4) if r.found else None, round(r.least, 4)] for r in told.rates
        }
        area = [round(v, 4) for v in (told.auc.value, told.auc.low, told.auc.high)]
        attacks[name] = {"area": area, "least": round(told.least, 4), **rates}
    one = next(iter(found.attacks.values()))
    return {
        "case": case.name,
        "overfitted": case.overfitted,
        "grade": found.grade,
        "members": one.members,
        "others": one.others,
        "samples": found.about["count"],
        "attacks": attacks,
        "copied": [round(found.copies.copied.value, 4), round(found.copies.unseen_copied.value, 4)],
        "c_t": round(found.copies.c_t, 2),
        "records": {g.name: [round(g.training.value, 4), round(g.control.value, 4), g.known] for g in found.gains},
        "seconds": found.seconds,
    }


def best(row: dict[str, Any]) -> float:
    """The largest share of members that an attack finds at 1 % false alarms."""
    return max(a["at 0.01"][0] or 0.0 for a in row["attacks"].values())


def holds(row: dict[str, Any]) -> bool:
    """Whether the control holds."""
    return best(row) >= FOUND if row["overfitted"] else row["grade"] in ("nothing found", "cannot tell")


def table(rows: list[dict[str, Any]]) -> str:
    """A line for each attack of each case."""
    lines = []
    for r in rows:
        for name, a in r["attacks"].items():
            found = [
                "cannot tell" if a[k][0] is None else f"{a[k][0]:.1%} ({a[k][1]:.1%})" for k in ("at 0.01", "at 0.001")
            ]
            area = "{:.3f} ({:.3f} to {:.3f})".format(*a["area"])
            lines.append([r["case"], f"{r['members']} and {r['others']}", name, area, f"{a['least']:.3f}", *found])
    heads = ["run", "members and others", "attack", "area (95 %)", "told from", "found at 1 % (chance)", "at 0.1 %"]
    return common.table(heads, lines)


def main() -> int:
    """The command line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path)
    options.add_argument("adult")
    options.add_argument("--cases", nargs="+", default=[c.name for c in CASES], choices=[c.name for c in CASES])
    options.add_argument("--samples", type=int, default=4000)
    given = options.parse_args()
    torch.set_num_threads(1)
    given.folder.mkdir(parents=True, exist_ok=True)
    for case in (c for c in CASES if c.name in given.cases):
        data, out = source(case, given.folder, given.adult), given.folder / case.name
        api.fit(case.recipe, data, out, evaluate=False, seed=0, judge=False, **case.settings)
        found = row(case, audit_run(out, data=data, count=given.samples)) | common.machine()
        common.save(NAME, [*(r for r in common.load(NAME) if r["case"] != case.name), found])
    rows = common.load(NAME)
    print(table(rows))
    print(*(f"{r['case']}: {r['grade']}, {'as it should be' if holds(r) else 'WRONG'}" for r in rows), sep="\n")
    return int(not all(map(holds, rows)))


if __name__ == "__main__":
    raise SystemExit(main())
