"""Which recipe `ganworks train PATH` takes for each path, why, and how long it looks.

    python benchmarks/recognise.py RECIPE=PATH ...       e.g. audio=DATA/fsdd-8khz.zip table=DATA/adult.csv.gz

Prints one row for each path and counts those where the recipe found is the one that was named.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import common

from ganworks.core.errors import UsageError
from ganworks.files.recognise import recognise


def measured(recipe: str, path: str) -> dict[str, object]:
    """One row: what was found, whether it is right, and the CPU seconds of a second look (files are cached then)."""
    try:
        found = recognise(path)
        start = time.process_time()
        recognise(path)
        taken, because = found.recipe, found.because
    except UsageError as error:
        start, taken, because = time.process_time(), "refused", str(error)
    return {
        "data": Path(path).name,
        "wanted": recipe,
        "found": taken,
        "right": taken == recipe,
        "because": because,
        "seconds": round(time.process_time() - start, 3),
    }


def main() -> None:
    """Look at all paths, keep the rows, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="+", metavar="RECIPE=PATH")
    rows = [measured(*pair.split("=", 1)) | {"machine": common.machine()} for pair in parser.parse_args().pairs]
    common.save("recognise", rows)
    cells = [[row["data"], f"`{row['found']}`", "yes" if row["right"] else f"no: {row['wanted']}", row["because"]]
             for row in rows]  # fmt: skip
    print(common.table(("data", "recipe", "right", "what was said"), cells))
    print(f"\n{sum(bool(row['right']) for row in rows)} of {len(rows)} right.")


if __name__ == "__main__":
    main()
