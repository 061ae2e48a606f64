"""One bit flipped in, or the end cut off, each file of a run and of the cache, of every kind, several times.

Each is noticed with a sentence, or the results are the same: samples, scores, and the weights that the training ends
with. The run is one that was killed in its last save, so that all of its files are still needed.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

from torture.bench import COUNT, Bench, bench, differences, left
from torture.filesteps import Steps
from torture.forks import Ended, command, fork
from torture.places import PLACES

NAME = "flips"
WAYS = ("flip",) * 6 + ("cut",) * 2
_NEEDED_BY_NONE = (  # nothing is computed from them; a file of the cache may stay damaged where nothing reads it
    "cache/",
    *(f"run/{name}" for name in ("report.html", "README.md", "metrics.jsonl", "samples/", "eval/")),
)


@cache
def midway(kind: str) -> tuple[Path, dict[str, str]]:
    """(a folder with the run and a filled cache, what is left after all commands)."""
    here = bench(kind)
    last = f"state/.{here.place.settings['budget']:012d}"
    number = next(n for n, step in enumerate(here.steps(here.base, here.train), 1) if last in step)
    of = here.base.with_name("midway")
    with here.copy(here.base) as folder:
        fork(here.train(lambda: Steps(folder, number).install()))
        (said,) = fork(_evaluate(here))
        if said.code:
            raise RuntimeError(f"{kind}: {said}")
        shutil.copytree(folder, of)
        found = fork(*_commands(here, True))
        if any(said.code for said in found):
            raise RuntimeError(f"{kind}: {found}")
        return of, left(folder)


def _evaluate(here: Bench) -> Callable[[], int]:
    return command(["eval", "run", f"count={COUNT}"], here.quick)


def _commands(here: Bench, evaluates: bool) -> list[Callable[[], int]]:
    """What is done with a damaged run; its networks are used before the training replaces them."""
    looking = [command(words) for words in (["info", "run"], here.place.apply(), ["report", "run"])]
    return [partial(_folder, "made"), *looking, *([_evaluate(here)] if evaluates else []), here.train()]


def _folder(name: str) -> int:
    Path(name).mkdir()
    return 0


def _files(of: Path) -> list[Path]:
    found = [path for top in ("run", "cache") for path in (of / top).rglob("*")]
    return sorted(path.relative_to(of) for path in found if path.is_file() and path.stat().st_size)


def tries(*kinds: str) -> Iterator[list[str | int]]:
    """[kind, number of the file, its name, flip or cut, number of the draw]; of all kinds, or those named."""
    for kind in kinds or PLACES:
        for number, file in enumerate(_files(midway(kind)[0])):
            for draw, way in enumerate(WAYS):
                yield [kind, number, file.name, way, draw]


def damage(path: Path, way: str, seed: str) -> None:
    """Flip one bit of a file, or cut its end off."""
    chance, content = random.Random(seed), bytearray(path.read_bytes())
    if way == "flip":
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    else:
        del content[chance.randrange(len(content)) :]
    path.write_bytes(content)


def run(case: list[str | int]) -> str | None:
    """Damage the file, then look at the run, use it, and go on with it."""
    kind, number, way = str(case[0]), int(case[1]), str(case[3])
    here, (of, whole) = bench(kind), midway(kind)
    with here.copy(of) as folder:
        file = _files(of)[number]
        damage(folder / file, way, json.dumps([kind, file.suffix, *case[1:]]))
        found = fork(*_commands(here, file.parts[0] == "cache"))
        if bad := [said for said in found if said.code and not said.refused]:
            return f"{file}: {bad[0]}"
        return _compare(left(folder), whole, found, str(file))


def _compare(found: dict[str, str], whole: dict[str, str], said: list[Ended], damaged: str) -> str | None:
    """What is another result, of commands that did not refuse their work."""
    told = any(Path(damaged).name in one.said for one in said)
    idle = {damaged} if told or damaged.startswith(_NEEDED_BY_NONE) else set()
    if said[-1].code:  # the training was refused, and with it the states and networks are those of before
        idle |= {name for name in found | whole if name.startswith("run/")}
    if any(one.code for one in said[:-1]):
        idle |= {name for name in found | whole if name.startswith(("made/", "run/eval"))}
    if Path(damaged).name == "manifest.json":  # a saved state that it no longer names stays: nothing is lost
        idle |= {name for name in found.keys() - whole.keys() if name.startswith("run/state/")}
    wrong = differences(*({k: v for k, v in files.items() if k not in idle} for files in (found, whole)))
    return f"{damaged}: {wrong}" if wrong else None
