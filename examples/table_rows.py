"""A table with an estimator like scikit-learn's: fit it, and sample rows that meet a condition.

    pip install 'ganworks[table]'; python examples/table_rows.py

The table is made up here, with a rule between two columns; a CSV or Parquet file, or your own DataFrame, will do.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pandas as pd

from ganworks import TableModel


def members(count: int = 2000) -> pd.DataFrame:
    """People of a club: whoever is older earns more, up to a point, and students pay half."""
    rng = np.random.default_rng(0)
    age = rng.integers(16, 90, count)
    work = np.where(age < 25, "student", rng.choice(["office", "workshop", "field"], count, p=[0.5, 0.3, 0.2]))
    income = np.round(800 + 60 * np.minimum(age, 60) + rng.normal(0, 300, count), 2)
    return pd.DataFrame({"age": age, "work": work, "income": income, "fee": np.where(work == "student", 15, 30)})


def main(budget: str = "30s") -> dict[str, Any]:
    model = TableModel(budget=budget, settings={"domain.rules": "age >= 16"}).fit(members())
    old = model.sample(200, where="age >= 60", seed=1)
    students = model.sample(200, where="work = 'student'", seed=1)
    return {"rows": len(old), "youngest": int(old["age"].min()), "fees": sorted(students["fee"].unique().tolist())}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", default="30s")
    print(main(parser.parse_args().budget))
