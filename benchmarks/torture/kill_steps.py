"""One kill at every file step of a whole training, of every kind: the same command ends with the same weights."""

from __future__ import annotations

from collections.abc import Iterator

from torture.bench import bench, differences, left, one_of_many
from torture.filesteps import Steps
from torture.forks import fork
from torture.places import PLACES

NAME = "kill-steps"


def tries() -> Iterator[list[str | int]]:
    """[kind, number of the step, what the step is]."""
    for kind in PLACES:
        here = bench(kind)
        for number, step in one_of_many(here.steps(here.base, here.train)):
            yield [kind, number, step]


def run(case: list[str | int]) -> str | None:
    """Train and die there; then the run loads or is not there yet, and the same command ends as if undisturbed."""
    kind, number = str(case[0]), int(case[1])
    here = bench(kind)
    with here.copy(here.base) as folder:
        (said,) = fork(here.train(lambda: Steps(folder, number).install()))
        if not said.killed:
            return f"not killed: {said}" if said.code else differences(left(folder), here.result)
        return here.after(here.train()) or differences(left(folder), here.result)
