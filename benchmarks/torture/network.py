"""A run folder on a file system that is not a local one: what it lacks is imitated, see `netfs`.

Each verb runs on each file system: it must work, or end with a sentence and damage nothing; afterwards, where all is as
usual, the same command comes to the same result. Then what another machine sees, whose view of single files is late:
commands that read a run get files of two moments of a training mixed, and must read the one or say what is wrong.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

from torture import verbs, world
from torture.material import material, own_folder, words_of
from torture.netfs import TRAITS
from torture.verbs import VERBS, Verb
from torture.world import first

NAME = "network"
_VERBS = ("train", "resume", "packing", "sample", "bulk, one zip", "apply", "eval", "report")
_READERS = (("info", "run"), ("compare", "run", "run"), ("sample", "run", "4", "out=made"), ("report", "run"),
            ("eval", "run", "count=100"))  # fmt: skip
_LATE = ("an old manifest", "a new manifest", "old networks", "new networks")


def tries() -> Iterator[list[str | int]]:
    """[trait, verb] of all; [late view, moment of a training] of all."""
    for trait in TRAITS:
        for verb in _VERBS:
            yield [trait, verb]
    for view in _LATE:
        for moment in range(len(_moments()) - 1):
            yield [view, moment]


def run(case: list[str | int]) -> str | None:
    """One verb on one file system, or all readers of one view."""
    if case[0] in _LATE:
        return _late(str(case[0]), int(case[1]))
    return _on(str(case[0]), str(case[1]))[1]


def _on(trait: str, name: str) -> tuple[str, str | None]:
    """(what came of a verb on a file system, the fault or None)."""
    verb, wanted = VERBS[name], verbs.need(name).result
    with world.scratch() as folder:
        where = folder / "disk"
        before, settings = verbs.prepare(verb, where), verbs.environment(verb, where)
        said = world.say(verb.words, where, before=partial(TRAITS[trait], where), settings=settings)
        outcome = "works" if said.code == 0 else said.err.strip().splitlines()[-1]
        left = None if trait == "removed names stay" else world.debris(where)
        fault = first(said.fault(), verbs.lost(verb, where, before, wanted), left, _wrong(verb, where, said.code))
        again = world.say(verb.words, where, settings=settings)
        _without_what_stays(where)
        later = first(again.fault(must=True), verbs.different(where, wanted))
        return outcome, first(fault, f"elsewhere: {later}" if later else None)


def _wrong(verb: Verb, where: Path, code: int | None) -> str | None:
    """A fault when a command that ended well did not train to the end."""
    if code or verb.words[0] != "train":
        return None
    return None if verbs.seen(where / "run") else "it ended with 0, and no state is there"


def _without_what_stays(where: Path) -> None:
    for path in sorted(where.rglob(".nfs*")):
        path.unlink()


# Late views -----------------------------------------------------------------------------------------------------------


@cache
def _moments() -> list[Path]:
    """Copies of a run folder before each of its files was replaced in a training."""
    kept = own_folder()
    with world.scratch() as folder:
        there = material("points")
        shutil.copy2(there / "data.npy", folder)
        shutil.copytree(there / "half", folder / "run")
        words = (*words_of("points"), "evaluate=off")
        said = world.say(words, folder, before=partial(_keep, folder / "run", kept), settings=_cache())
        if fault := said.fault(must=True):
            raise AssertionError(fault)
    return sorted(kept.iterdir())


def _cache() -> dict[str, str]:
    return {"GANWORKS_CACHE": str(material("points") / "cache")}


def _keep(run: Path, kept: Path) -> None:
    real: Callable[..., None] = os.replace
    count = [0]

    def replace(old: str | Path, new: str | Path, **more: int) -> None:
        shutil.copytree(run, kept / f"{count[0]:03d}")
        count[0] += 1
        real(old, new, **more)

    os.replace = replace


def _late(view: str, moment: int) -> str | None:
    """All readers where one kind of file is of another moment than the others."""
    age, _, what = view.removeprefix("an ").removeprefix("a ").partition(" ")
    old, new = _moments()[moment], _moments()[min(moment + 6, len(_moments()) - 1)]
    rest, late = (new, old) if age == "old" else (old, new)
    for words in _READERS:
        with world.scratch() as folder:
            shutil.copy2(material("points") / "data.npy", folder)
            shutil.copytree(rest, folder / "run")
            for path in late.glob("manifest.json" if what == "manifest" else "*.safetensors"):
                shutil.copy2(path, folder / "run")
            if fault := world.say(words, folder, settings=_cache()).fault():
                return fault
    return None


def holds() -> Iterator[tuple[str, str, str]]:
    """(trait, verb, "works" or the sentence that refuses) of all, for docs/reliability.md."""
    for trait in TRAITS:
        for verb in _VERBS:
            yield trait, verb, _on(trait, verb)[0]


if __name__ == "__main__":
    for row in holds():
        print(" | ".join(row), flush=True, file=sys.stdout)
