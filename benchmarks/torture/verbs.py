"""Commands of every verb, what they need to begin with, what they write, and what must come of them."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from torture import world
from torture.material import material, words_of

_BY_THE_CLOCK = (  # what tells the time, or what was done when
    "metrics.jsonl", "manifest.json", "plan.json", "eval.json", "applied.jsonl", "done.jsonl", "report.html",
    "README.md", "events.out.*", "config.yaml", "*.lock", ".owner",
)  # fmt: skip


@dataclass(frozen=True)
class Verb:
    """A command. kind: of which data; run: which run of it lies there; packs: whether the cache lies there, empty.

    printed: what it must print even if it cannot write. apart: files that are written one by one and not whole.
    """

    kind: str
    words: tuple[str, ...]
    run: str = ""
    packs: bool = False
    printed: str = ""
    apart: tuple[str, ...] = ()


@dataclass(frozen=True)
class Need:
    """What a command writes where there is room: bytes, files, the largest file in bytes, and the result by name."""

    size: int
    files: int
    largest: int
    result: dict[str, str]


VERBS = {
    "train": Verb("points", (*words_of("points"), "evaluate=off")),
    "train, evaluated": Verb("table", words_of("table", more={"train.judge": True})),
    "resume": Verb("image", (*words_of("image"), "evaluate=off"), "half"),
    "packing": Verb("image", (*words_of("image"), "evaluate=off"), packs=True),
    "packing sounds": Verb("audio", (*words_of("audio"), "evaluate=off"), packs=True),
    "tensorboard": Verb("points", (*words_of("points"), "evaluate=off", "tensorboard=on")),
    "sample": Verb("image", ("sample", "run", "12", "seed=1", "out=made"), "run", apart=("samples.json",)),
    "sample, one file": Verb("table", ("sample", "run", "300", "seed=1", "out=made.csv"), "run"),
    "bulk": Verb("image", ("sample", "run", "1100", "out=made"), "run", apart=("*.png",)),
    "bulk, one zip": Verb("image", ("sample", "run", "1100", "out=made.zip"), "run", apart=("*.png",)),
    "apply": Verb("superres", ("apply", "run", "data", "out=made"), "run"),
    "predict": Verb("classify", ("predict", "run", "data", "out=made.csv"), "run", printed=r"class-\d \d+\.\d %"),
    "eval": Verb("points", ("eval", "run", "count=200"), "run", printed=r"95 % interval"),
    "report": Verb("points", ("report", "run"), "run"),
    "data": Verb("image", ("data", "data", "size=12", "out=made.png"), printed=r"\d+ images from data"),
}


def prepare(verb: Verb, where: Path) -> dict[str, str]:
    """Lay out what the command finds in a folder; the digests of all of it."""
    there = material(verb.kind)
    where.mkdir(exist_ok=True)
    (where / "tmp").mkdir()
    for path in there.iterdir():
        if path.name.startswith("data"):
            (shutil.copytree if path.is_dir() else shutil.copy2)(path, where / path.name)
    if verb.run:
        shutil.copytree(there / verb.run, where / "run")
    return world.files_in(where)


def environment(verb: Verb, where: Path) -> dict[str, str]:
    """The environment of the command: where packs and temporary files go."""
    cache_there = where / "cache" if verb.packs else material(verb.kind) / "cache"
    return {"GANWORKS_CACHE": str(cache_there), "TMPDIR": str(where / "tmp")}


@cache
def need(name: str) -> Need:
    """What a verb needs, found out once in a process."""
    verb = VERBS[name]
    with world.scratch() as folder:
        where = folder / "disk"
        prepare(verb, where)
        world.warm(verb.words, where, environment(verb, where))
    with world.scratch() as folder:
        where, begun = folder / "disk", time.time_ns()
        before = prepare(verb, where)
        begun = time.time_ns()
        if fault := world.say(verb.words, where, settings=environment(verb, where)).fault(must=True):
            raise AssertionError(fault)
        facts = [path.stat() for path in where.rglob("*") if path.is_file()]
        sizes = [fact.st_size for fact in facts if fact.st_mtime_ns >= begun]
        return Need(sum(sizes), max(1, len(facts) - len(before)), max(sizes), result(where))


def result(where: Path) -> dict[str, str]:
    """What came of a command, without what tells the time; of a run, what it was trained to and how it was judged."""
    found = {
        name: digest
        for name, digest in world.files_in(where, _BY_THE_CLOCK).items()
        if not name.startswith(("run/state", "cache", "tmp", "run/eval"))
    }
    if seen(where / "run"):
        found["run"] = world.trained(where / "run")
    if (where / "run" / "eval.json").exists():
        found["run/eval.json"] = json.dumps(json.loads((where / "run" / "eval.json").read_text())["metrics"])
    return found


def seen(run: Path) -> int:
    """The examples of a run's newest state; 0 when there is none."""
    return max((int(path.stem) for path in (run / "state").glob("[0-9]*.safetensors")), default=0)


def lost(verb: Verb, where: Path, before: dict[str, str], wanted: dict[str, str]) -> str | None:
    """A fault when something that was finished is gone, or something half is there under its final name."""
    run = where / "run"
    if (verb.run or seen(run)) and (fault := world.run_fault(run)):
        return f"the run was damaged: {fault}"
    if seen(run) < max((int(Path(name).stem) for name in before if name.startswith("run/state/0")), default=0):
        return f"the run went back to {seen(run)} examples"
    now = world.files_in(where, _BY_THE_CLOCK)
    for name in sorted({*before, *wanted} - {"run", "run/eval.json"}):
        mine = name.startswith(("run/state", "tmp/")) or (name.startswith("run/") and name not in before)
        if mine or any(Path(name).match(pattern) for pattern in (*_BY_THE_CLOCK, *verb.apart)):
            continue
        if name in before and name not in now:
            return f"{name} is gone"
        if name in now and now[name] not in (before.get(name), wanted.get(name)) and not name.startswith("run/"):
            return f"{name} is half written"
    return None


def different(where: Path, wanted: dict[str, str]) -> str | None:
    """A fault when the result is not that of the command in a place where nothing disturbs it."""
    now = result(where)
    wrong = sorted(name for name in {*now, *wanted} if now.get(name) != wanted.get(name))
    if wrong:
        return f"{len(wrong)} results differ: {', '.join(wrong[:4])}"
    return world.run_fault(where / "run") if seen(where / "run") else None
