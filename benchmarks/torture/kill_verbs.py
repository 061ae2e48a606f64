"""One kill at every file step of evaluating, reporting, sampling in bulk, applying, predicting, for every kind.

Afterwards the run is whole, its states and networks are the same bytes, and the same command ends with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from torture.bench import COUNT, Bench, bench, differences, left, one_of_many
from torture.filesteps import Steps
from torture.forks import command, fork
from torture.places import PLACES, Place

NAME = "kill-verbs"
Action = Callable[[Callable[[], object]], Callable[[], int]]  # before(): what is done first, in the same process


@dataclass(frozen=True)
class Verb:
    """A command to kill. fits(place): whether a kind has it. after_training: only steps after the last state count."""

    action: Callable[[Bench], Action]
    fits: Callable[[Place], bool] = lambda place: True
    after_training: bool = False


def _words(words: Callable[[Bench], list[str]]) -> Callable[[Bench], Action]:
    return lambda here: lambda before: command(words(here), lambda: (here.quick(), before()))


def _bulk(name: str) -> Callable[[Bench], Action]:
    """Six samples in shards of three, into a folder or NAME.zip."""

    def action(before: Callable[[], object]) -> int:
        import ganworks as gw
        from ganworks.use.bulk import generate

        before()
        generate(gw.load("run", returns=gw.Model), 6, name, seed=1, shard=3)
        return 0

    return lambda here: lambda before: lambda: action(before)


VERBS = {
    "eval": Verb(_words(lambda here: ["eval", "run", f"count={COUNT}"])),
    "report": Verb(_words(lambda here: ["report", "run"])),
    "final": Verb(_words(lambda here: here.place.train(**{"train.judge": True})), after_training=True),
    "bulk": Verb(_bulk("many"), lambda place: place.use == "sample"),
    "bulk-zip": Verb(_bulk("many.zip"), lambda place: place.use == "sample" and not place.form),
    "many": Verb(_words(lambda here: here.place.many()), lambda place: place.use != "sample"),
}


@dataclass(frozen=True)
class Undisturbed:
    """An undisturbed command. of: the folder where it begins; steps: its file steps; result: what it leaves behind."""

    of: Path
    action: Action
    steps: list[tuple[int, str]]
    result: dict[str, str]


@cache
def undisturbed(kind: str, verb: str) -> Undisturbed:
    """The command, done once."""
    here, chosen = bench(kind), VERBS[verb]
    of, action = here.base if chosen.after_training else here.trained, chosen.action(here)
    result: dict[str, str] = {}
    steps = here.steps(of, action, lambda folder: result.update(left(folder)))
    last = (
        max((n for n, step in enumerate(steps, 1) if "run/state/" in step), default=0) if chosen.after_training else 0
    )
    return Undisturbed(of, action, [pair for pair in one_of_many(steps) if pair[0] > last], result)


def tries() -> Iterator[list[str | int]]:
    """[kind, verb, number of the step, what the step is]."""
    for kind, place in PLACES.items():
        for verb in (name for name, verb in VERBS.items() if verb.fits(place)):
            for number, step in undisturbed(kind, verb).steps:
                yield [kind, verb, number, step]


def run(case: list[str | int]) -> str | None:
    """Die there; the run is as it was, loads, and the same command ends as if undisturbed."""
    kind, verb, number = str(case[0]), str(case[1]), int(case[2])
    here, whole = bench(kind), undisturbed(kind, verb)
    with here.copy(whole.of) as folder:
        before = _precious(folder)
        (said,) = fork(whole.action(lambda: Steps(folder, number).install()))
        if not said.killed:
            return f"not killed: {said}" if said.code else differences(left(folder), whole.result)
        if before and _precious(folder) != before:
            return "states or networks were changed"
        return here.after(whole.action(lambda: None)) or differences(left(folder), whole.result)


def _precious(folder: Path) -> dict[str, bytes]:
    """The bytes of all states and networks."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.glob("run/**/*.safetensors"))}
