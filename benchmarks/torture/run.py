"""Tries the classes of attacks that are named, or all, and counts what was survived.

    python benchmarks/torture [CLASS ...] [--log FOLDER] [--limit N] [--only TEXT] [--part 1/4] [--again] [--list]

Each try is written down in LOG/CLASS.jsonl as soon as it is done, so that the same command goes on where it stopped:
what was survived is not tried again, what failed is. A class, or a part of it, that was tried to its end gets a row of
results/torture.json: tried, survived, seconds, machine. Exit code 1 when anything failed.
"""

from __future__ import annotations

import argparse
import json
import pkgutil
import time
import traceback
from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import common

Case = Any  # plain JSON: a string, a number, a list of them
RESULT = "torture"


class Attack(Protocol):
    """What a module of this folder with a NAME offers."""

    NAME: str

    def tries(self) -> Iterable[Case]:
        """All cases, in the same order every time."""
        ...

    def run(self, case: Case) -> str | None:
        """Try one: None when it was survived, else what went wrong."""
        ...


def attacks() -> dict[str, Attack]:
    """The classes of this folder by name."""
    found = (import_module(f"torture.{module.name}") for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return {module.NAME: module for module in found if hasattr(module, "NAME")}


class Log:
    """The tries of one class: a line of JSON for each, of which the last one for a case counts."""

    def __init__(self, path: Path, again: bool = False):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if again:
            path.unlink(missing_ok=True)
        self.lines: dict[str, dict[str, Any]] = {}
        for text in path.read_text().splitlines() if path.exists() else []:
            line = json.loads(text)
            self.lines[json.dumps(line["case"])] = line

    def survived(self, case: Case) -> bool:
        """Whether the case was tried and survived."""
        return json.dumps(case) in self.lines and self.lines[json.dumps(case)]["failure"] is None

    def add(self, case: Case, failure: str | None, seconds: float) -> None:
        """Write down one try."""
        line = {"case": case, "failure": failure, "seconds": round(seconds, 3)}
        self.lines[json.dumps(case)] = line
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def attempt(attack: Attack, case: Case) -> str | None:
    """What went wrong in a try, its own defects included; None when it was survived."""
    try:
        return attack.run(case)
    except Exception:
        return f"the try itself failed: {traceback.format_exc(limit=-3)}"


def try_all(attack: Attack, cases: Iterator[Case], log: Log) -> dict[str, Any]:
    """Try what is left of the cases; the row of the class."""
    found = []
    for case in cases:
        if not log.survived(case):
            began = time.monotonic()
            failure = attempt(attack, case)
            log.add(case, failure, time.monotonic() - began)
            if failure:
                print(f"{attack.NAME} {json.dumps(case)}: {failure}", flush=True)
        found.append(log.lines[json.dumps(case)])
    return {
        "class": attack.NAME,
        "tried": len(found),
        "survived": sum(line["failure"] is None for line in found),
        "seconds": round(sum(line["seconds"] for line in found)),
    }


def whole(attack: Attack, log: Log) -> dict[str, Any]:
    """What a row says after a part: all cases that were tried so far, of how many."""
    every = [json.dumps(case) for case in attack.tries()]
    lines = [log.lines[case] for case in every if case in log.lines]
    survived = sum(line["failure"] is None for line in lines)
    seconds = round(sum(line["seconds"] for line in lines))
    return {"tried": len(lines), "of": len(every), "survived": survived, "seconds": seconds}


def main() -> int:
    """The command line."""
    known = attacks()
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("classes", nargs="*", metavar="CLASS", help="; ".join(known))
    options.add_argument("--log", type=Path, default=Path("build/torture"), help="folder of the tries so far")
    options.add_argument("--limit", type=int, help="the first N cases of each class alone")
    options.add_argument("--only", default="", metavar="TEXT", help="cases with this text in them alone")
    options.add_argument("--part", default="1/1", metavar="K/N", help="of every N cases the K-th alone")
    options.add_argument("--again", action="store_true", help="forget the tries so far")
    options.add_argument("--list", action="store_true", help="print the cases and stop")
    given = options.parse_args()
    if unknown := set(given.classes) - set(known):
        options.error(f"there is no class {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    part, parts = map(int, given.part.split("/"))
    rows = []
    for attack in (known[name] for name in given.classes or known):
        chosen = islice(attack.tries(), part - 1, given.limit, parts)
        cases = (case for case in chosen if given.only in json.dumps(case))
        if given.list:
            print("\n".join(f"{attack.NAME} {json.dumps(case)}" for case in cases))
            continue
        log = Log(given.log / f"{attack.NAME}.jsonl", given.again)
        row = try_all(attack, cases, log)
        rows.append(row)
        if given.limit is None and not given.only:
            row |= whole(attack, log) if parts > 1 else {}
            others = [other for other in common.load(RESULT) if other["class"] != row["class"]]
            common.save(RESULT, sorted([*others, row | common.machine()], key=lambda other: other["class"]))
    if rows:
        print(common.table(rows[0], (row.values() for row in rows)))
    return int(any(row["tried"] != row["survived"] for row in rows))
