"""Fourteen kills by SIGKILL in a row, at random moments and at random file steps; the same command goes on after each.

The end is bit for bit that of an undisturbed training. A training that ended before its kills began anew.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from torture.bench import bench, differences, left
from torture.filesteps import Steps
from torture.forks import command, fork
from torture.places import PLACES

NAME = "kill-chains"
KILLS, STEPS, SEEDS = 14, 10, 1


def tries() -> Iterator[list[str | int]]:
    """[kind, seed] of a chain of kills."""
    for seed in range(SEEDS):
        for kind in PLACES:
            yield [kind, seed]


def _words(kind: str) -> list[str]:
    place = PLACES[kind]
    return place.train(budget=STEPS * place.settings["batch"], **{"train.show": 4 * place.settings["batch"]})


@cache
def undisturbed(kind: str) -> tuple[dict[str, str], int, float]:
    """(what an undisturbed training leaves, its file steps, its seconds)."""
    here, result, began = bench(kind), {}, time.monotonic()
    steps = here.steps(
        here.base,
        lambda before: command(_words(kind), lambda: (here.quick(), before())),
        lambda folder: result.update(left(folder)),
    )
    return result, len(steps), time.monotonic() - began


def run(case: list[str | int]) -> str | None:
    """One chain: every other kill at a random moment, the others at a random file step."""
    kind, chance = str(case[0]), random.Random(f"{case}")
    here, (whole, steps, seconds) = bench(kind), undisturbed(kind)
    with here.copy(here.base) as folder:
        kills = 0
        while kills < KILLS:
            if kills % 2:
                last = chance.randint(1, steps // 2)
                said = fork(command(_words(kind), lambda n=last: (here.quick(), Steps(folder, n).install())))[-1]
            else:
                said = fork(command(_words(kind), here.quick), seconds=chance.uniform(0.05, 0.8) * seconds)[-1]
            if said.code and not said.killed:
                return f"after {kills} kills: {said}"
            if not said.killed:
                if wrong := differences(left(folder), whole):
                    return f"after {kills} kills: {wrong}"
                for name in ("run", "cache"):
                    shutil.rmtree(Path(name), ignore_errors=True)  # a kind without packs has no cache
                continue
            kills += 1
            if wrong := here.after():
                return f"after {kills} kills: {wrong}"
        said = fork(command(_words(kind), here.quick))[-1]
        return str(said) if said.code else differences(left(folder), whole)
