"""Fills the tables of docs/reliability.md from results/torture.json, soak.json and recording.json.

python benchmarks/torture/page.py
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def filled(text: str, name: str, table: str) -> str:
    """The text with a table between the marks of that name."""
    found = re.compile(rf"(<!-- {name}\b[^\n]*-->\n).*?(<!-- end -->)", re.S)
    if not found.search(text):
        raise ValueError(f"{PAGE} has no place for {name}.")
    return found.sub(lambda match: f"{match[1]}\n{table}\n\n{match[2]}", text, count=1)


def tried(common: Any, classes: dict[str, Any]) -> str:
    """What was tried and survived, class by class, the soak among them."""
    rows: list[Iterable[Any]] = []
    for row in (row for row in common.load("torture") if row["class"] != "soak"):
        what = (classes[row["class"]].__doc__ or "").split("\n")[0].rstrip(".") if row["class"] in classes else ""
        what += f"; there are {row['of']:,}" if row.get("of", row["tried"]) != row["tried"] else ""
        rows.append((f"`{row['class']}`", what, f"{row['tried']:,}", f"{row['survived']:,}"))
    for row in common.load("soak"):
        what = f"{row['minutes']:g} minutes: {row['saves']:,} saves seen, {row['commands']:,} commands beside them"
        rows.append(("`soak`", what, 1, int(not row["fault"])))
    return common.table(("class", "what is done", "tried", "survived"), rows)


def recordings(common: Any) -> str:
    """Seconds and memory of the commands on three hours."""
    rows = (
        (row["kind"], row["what"], row.get("seconds", ""), row.get("MB", ""), row.get("MB_of_half_an_hour", ""))
        for row in common.load("recording")
    )
    return common.table(("recipe", "command", "seconds", "MB of its own", "MB with half an hour"), rows)


def main() -> None:
    """Write the page anew."""
    sys.path[0] = str(Path(__file__).parents[1])
    common, classes = import_module("common"), import_module("torture.run").attacks()
    text = filled(PAGE.read_text(encoding="utf-8"), "torture", tried(common, classes))
    PAGE.write_text(filled(text, "recording", recordings(common)), encoding="utf-8")


if __name__ == "__main__":
    main()
