"""Two commands at once in one place, in every order: each ends well or with a sentence, with the usual result.

The first command stops itself at one of its steps (opening, renaming, removing or locking a file), the second one runs
from its beginning to its end, or until it waits for the first, and the first goes on. Or both run freely, the second
one begun at the same time, or somewhat later.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import shutil
import signal
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

from torture import world
from torture.material import material, words_of
from torture.world import Command, Said, first

NAME = "two-at-once"
ORDERS = ("stopped at 0.2", "stopped at 0.6", "stopped at 0.95", "beside 0.3")
_WAITS = 4.0  # seconds that the second command may wait for the stopped first one before that goes on
_EVENTS = {"open": 0, "os.rename": 0, "os.remove": 0, "os.mkdir": 0, "fcntl.flock": 0}
_BY_THE_CLOCK = (
    "report.html", "README.md", "metrics.jsonl", "manifest.json", "plan.json", "*.lock", ".owner", "eval.json",
    "config.yaml", "done.jsonl", "applied.jsonl",
)  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """Two commands, the run that lies there before ("half", "run" or none), and what is run once more at the end.

    packs: whether the cache is empty. free: what may come out in several ways, as it depends on the order.
    """

    kind: str
    one: tuple[str, ...]
    other: tuple[str, ...]
    run: str = ""
    again: tuple[str, ...] = ()
    packs: bool = False
    free: str = ""


def _pairs() -> dict[str, Pair]:
    train, evaluate, report = (*words_of("points"), "evaluate=off"), ("eval", "run", "count=200"), ("report", "run")
    sample, elsewhere = ("sample", "run", "16", "seed=1"), ("sample", "run", "16", "seed=2")
    image, bulk = (*words_of("image"), "evaluate=off"), ("sample", "run", "1100", "out=made")
    apply, info, compare = ("apply", "run", "data", "out=made"), ("info", "run"), ("compare", "run", "half")
    init = (*words_of("points", "other", {"train.judge": False, "train.init": "run"}), "evaluate=off")
    judged = words_of("points", more={})
    return {
        "train, train": Pair("points", train, train, again=train),
        "train, train resumed": Pair("points", train, train, "half", train),
        "train, eval": Pair("points", train, evaluate, "half", train),
        "eval, train": Pair("points", evaluate, train, "half", train),
        "train and evaluate, eval": Pair("points", judged, evaluate, again=judged),
        "train, report": Pair("points", train, report, "half", train),
        "report, train": Pair("points", report, train, "half", train),
        "train, sample": Pair("image", image, sample, "half", image, free="samples"),
        "sample, train": Pair("image", sample, image, "half", image, free="samples"),
        "train, info": Pair("points", train, info, again=train),
        "train, compare": Pair("points", train, compare, "half", train),
        "train, init": Pair("points", train, init, "half", init, free="other"),
        "init, train": Pair("points", init, train, "half", init, free="other"),
        "eval, eval": Pair("points", evaluate, evaluate, "run"),
        "eval, report": Pair("points", evaluate, report, "run"),
        "report, eval": Pair("points", report, evaluate, "run"),
        "report, report": Pair("points", report, report, "run"),
        "eval, info": Pair("points", evaluate, info, "run"),
        "sample, sample": Pair("image", sample, sample, "run", sample, free="samples-"),
        "sample, sample of another seed": Pair("image", sample, elsewhere, "run"),
        "bulk, bulk": Pair("image", bulk, bulk, "run", bulk),
        "bulk, bulk in one zip": Pair("image", (*bulk[:3], "out=made.zip"), (*bulk[:3], "out=made.zip"), "run",
                                      (*bulk[:3], "out=made.zip")),
        "apply, apply": Pair("superres", apply, apply, "run", apply),
        "predict, predict": Pair("classify", ("predict", "run", "data", "out=made.csv"),
                                 ("predict", "run", "data", "out=made.csv"), "run"),
        "packing, packing": Pair("image", image, (*words_of("image", "other"), "evaluate=off"), again=image,
                                 packs=True),
        "packing, packing sounds": Pair("audio", (*words_of("audio"), "evaluate=off"),
                                        (*words_of("audio", "other"), "evaluate=off"),
                                        again=(*words_of("audio"), "evaluate=off"), packs=True),
        "data, train": Pair("image", ("data", "data", "out=sheet.png"), image, again=image, packs=True),
        "train, data": Pair("image", image, ("data", "data", "out=sheet.png"), again=image, packs=True),
    }  # fmt: skip


PAIRS = _pairs()


def tries() -> Iterator[list[str]]:
    """Every pair in every order."""
    for name in PAIRS:
        for order in ORDERS:
            yield [name, order]


def run(case: list[str]) -> str | None:
    """One pair in one order."""
    pair, (how, share) = PAIRS[case[0]], case[1].rsplit(" ", 1)
    usual = _usual(case[0])
    with world.scratch() as folder:
        settings, least = _prepare(pair, folder), _seen(folder / "run")
        steps = round(float(share) * usual.steps) if how.startswith("stopped") else 0
        before = _Stop(folder, max(1, steps), None).install if how.startswith("stopped") else None
        one = Command(pair.one, folder, before, settings)
        if before is not None:
            one.await_stop()
        else:
            time.sleep(float(share) * usual.seconds)
        other = Command(pair.other, folder, settings=settings)
        if before is not None:
            other.wait(_WAITS)
            one.send(signal.SIGCONT)
        said = [one.end(), other.end()]
        fault = first(*(each.fault() for each in said), _nobody(said), _states(folder, least), world.debris(folder))
        return fault or _result(pair, folder, settings, usual, said)


# One case -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Usual:
    """The first command alone: its file steps, its seconds, and what the place holds after both commands in turn."""

    steps: int
    seconds: float
    result: dict[str, str]


@cache
def _usual(name: str) -> Usual:
    pair = PAIRS[name]
    with world.scratch() as folder:
        settings = _prepare(pair, folder)
        for words in (pair.one, pair.other):
            world.warm(words, folder, settings)
    with world.scratch() as folder:
        settings = _prepare(pair, folder)
        counted = mmap.mmap(-1, 8)
        began = time.monotonic()
        said = Command(pair.one, folder, _Stop(folder, 0, counted).install, settings).end()
        seconds = time.monotonic() - began
        others = [world.say(words, folder, settings=settings) for words in (pair.other, pair.again) if words]
        if fault := first(said.fault(must=True), *(each.fault() for each in others)):
            raise AssertionError(fault)
        return Usual(struct.unpack("q", counted[:8])[0], seconds, _made(folder))


class _Stop:
    """Counts what this process does with files below a folder, and stops it (SIGSTOP) once, before step `last`."""

    def __init__(self, root: Path, last: int, counted: mmap.mmap | None):
        self.root, self.last, self.count, self.counted = f"{root}{os.sep}", last, 0, counted

    def install(self) -> None:
        """Count from here on; it cannot be undone."""
        sys.addaudithook(self._heard)

    def _heard(self, event: str, given: tuple[object, ...]) -> None:
        if event not in _EVENTS or not self._below(given[0]):
            return
        self.count += 1
        if self.counted is not None:
            self.counted[:8] = struct.pack("q", self.count)
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGSTOP)

    def _below(self, path: object) -> bool:
        if isinstance(path, int):
            return True  # of locks: only those in the folder are taken
        return isinstance(path, str | bytes | os.PathLike) and str(Path.cwd() / os.fsdecode(path)).startswith(self.root)


def _prepare(pair: Pair, folder: Path) -> dict[str, str]:
    """Lay out what the commands find; the environment that they get."""
    there = material(pair.kind)
    for path in there.iterdir():
        if path.name.startswith("data"):
            (shutil.copytree if path.is_dir() else shutil.copy2)(path, folder / path.name)
    if pair.run:
        shutil.copytree(there / pair.run, folder / "run")
        shutil.copytree(there / "half", folder / "half")
    return {"GANWORKS_CACHE": str(folder / "cache" if pair.packs else there / "cache")}


def _nobody(said: list[Said]) -> str | None:
    """A fault when neither command got through."""
    if all(each.code for each in said):
        return f"both were refused: {' / '.join(each.err.strip().splitlines()[-1] for each in said)}"
    return None


def _states(folder: Path, least: int) -> str | None:
    """A fault when a run that held a state is no longer whole, or went back."""
    run = folder / "run"
    if not (run / "manifest.json").exists() or not any((run / "state").glob("[0-9]*")):
        return f"the run of {least} examples is gone" if least else None
    if fault := world.run_fault(run):
        return f"the run was damaged: {fault}"
    return f"the run went back to {_seen(run)} examples from {least}" if _seen(run) < least else None


def _seen(run: Path) -> int:
    return max((int(path.stem) for path in (run / "state").glob("[0-9]*.safetensors")), default=0)


def _result(pair: Pair, folder: Path, settings: dict[str, str], usual: Usual, said: list[Said]) -> str | None:
    """A fault when the place does not come to hold what the commands make in turn."""
    if pair.again:
        if all(each.code == 0 for each in said) and (fault := _differences(pair, folder, usual)):
            return fault
        if fault := world.say(pair.again, folder, settings=settings).fault(must=True):
            return f"once more: {fault}"
        return first(_differences(pair, folder, usual), world.debris(folder), _states(folder, 1 if pair.run else 0))
    return _mixed(folder) if pair.one[0] == "sample" else _differences(pair, folder, usual)


def _made(folder: Path) -> dict[str, str]:
    found = {
        name: digest
        for name, digest in world.files_in(folder, _BY_THE_CLOCK).items()
        if not re.match(r"(run|other|half)/|cache/", name)
    }
    for name in ("run", "other"):
        if (folder / name / "manifest.json").exists() and any((folder / name / "state").glob("[0-9]*")):
            found[name] = world.trained(folder / name)
    return found


def _differences(pair: Pair, folder: Path, usual: Usual) -> str | None:
    now = _made(folder)
    named = (name for name in {*now, *usual.result} if not (pair.free and name.startswith(pair.free)))
    wrong = sorted(name for name in named if now.get(name) != usual.result.get(name))
    return f"not as usual: {', '.join(wrong[:4])}" if wrong else None


def _mixed(folder: Path) -> str | None:
    """A fault when a folder holds pictures of two seeds."""
    for place in folder.glob("samples*/"):
        seeds = {_seed(path) for path in place.glob("*.png")}
        if len(seeds) > 1:
            return f"{place.name}/ holds samples of the seeds {', '.join(map(str, sorted(seeds)))}"
    return None


def _seed(path: Path) -> int:
    with Image.open(path) as picture:
        return json.loads(picture.info["ganworks"])["seed"]
