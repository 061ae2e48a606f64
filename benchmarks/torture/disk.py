"""A disk that is full, has no room for further files, is read-only, or refuses large files: during every verb.

A command is first run where there is room, which says how much it needs and what comes of it. Then it is run in the
same place with less: it must end with a sentence, print what it has found out, and leave what was finished as it was.
Then there is room, and the same command must come to the same result.
"""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from torture import mounts, verbs, world
from torture.verbs import VERBS, Need, Verb
from torture.world import Said, first

NAME = "disk"
LIMITS = ("bytes 0", "bytes 0.3", "bytes 0.9", "inodes 0", "inodes 0.5", "read-only 0", "file-size 0.5")


def tries() -> Iterator[list[str]]:
    """Every verb with every limit; without those that need file systems of their own where there can be none."""
    if not mounts.available():
        print("disk: no file system can be mounted here: only limits on the size of files are tried.", file=sys.stderr)
    if not find_spec("tensorboard"):
        print("disk: TensorBoard is not installed: its log is not tried.", file=sys.stderr)
    for limit in LIMITS:
        for verb in VERBS:
            possible = mounts.available() or limit.startswith("file-size")
            if possible and (verb != "tensorboard" or find_spec("tensorboard")):
                yield [verb, limit]


def run(case: list[str]) -> str | None:
    """One verb under one limit."""
    verb, (kind, share), need = VERBS[case[0]], case[1].split(), verbs.need(case[0])
    with world.scratch() as folder:
        if kind == "file-size":
            return _attack(verb, need, folder / "disk", lambda on: None, partial(_refuse_large, float(share), need))
        return mounts.apart(lambda: _on_small_disk(verb, kind, float(share), need, folder / "disk"))


def _on_small_disk(verb: Verb, kind: str, share: float, need: Need, where: Path) -> str | None:
    disk = mounts.Disk(where)
    limits = {
        "bytes": {"free_bytes": int(need.size * share)},
        "inodes": {"free_inodes": int(need.files * share)},
        "read-only": {"read_only": True},
    }
    return _attack(verb, need, where, lambda on: disk.limit(**limits[kind] if on else {}), None)


def _attack(
    verb: Verb, need: Need, where: Path, limit: Callable[[bool], None], before_it: Callable[[], None] | None
) -> str | None:
    before, settings = verbs.prepare(verb, where), verbs.environment(verb, where)
    limit(True)
    said = world.say(verb.words, where, before=before_it, settings=settings)
    limit(False)
    fault = first(said.fault(), _unsaid(verb, said), verbs.lost(verb, where, before, need.result), world.debris(where))
    again = world.say(verb.words, where, settings=settings)
    later = first(again.fault(must=True), verbs.different(where, need.result), world.debris(where))
    return first(fault, f"with room again: {later}" if later else None)


def _refuse_large(share: float, need: Need) -> None:
    most = int(need.largest * share)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def _unsaid(verb: Verb, said: Said) -> str | None:
    """A fault when a result was computed and not printed."""
    computed = "GANWORKS_CACHE" not in said.err  # where packed data finds no room, nothing was found out yet
    if verb.printed and computed and not re.search(verb.printed, said.out):
        return f"its result was not printed; it said: {said.err.strip().splitlines()[-1:]}"
    return None
