"""A long training that saves all the time, while other commands use its run at random: nothing may be felt of them.

    python benchmarks/torture/soak.py [--minutes 10] [--seed 0]

A training of points saves every half a second and shows pictures. Beside it eval, report, info, sample and compare run
as processes of their own, one after the other in a random order, with random pauses. When the time is over the training
is asked to stop (SIGTERM). Then a second, undisturbed training stops after the same number of examples: both must have
the same bits in every tensor, counter and published file. The first one's memory and number of files must not grow.
As a class of attacks it is one try of ten minutes.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])

import common

from torture import verbs, world
from torture.places import PLACES
from torture.world import Command, first

NAME = "soak"
RATE = 40_000  # examples a second, more than a core makes: the training never ends by itself
_ROOM = 24.0  # MB by which memory may differ between two quarters, as the allocator keeps what it is given
_PAGES = ("samples", "eval", "eval.json", "report.html", "README.md")
_BESIDE = (("eval", "run", "count=200"), ("report", "run"), ("info", "run"), ("sample", "run", "50", "out=made.npz"),
           ("compare", "run", "run"))  # fmt: skip


def tries() -> Iterator[list[float]]:
    """[minutes, seed]."""
    yield [10, 0]


def run(case: list[float]) -> str | None:
    """One soak."""
    found = soak(float(case[0]), int(case[1]))
    print(found)
    return found.fault()


@dataclass
class Soak:
    """What was seen. examples: how far it trained; saves: how many states; commands: how many ran beside it.

    memory: MB of the training, files: their number in its run without pictures, both once a second. faults: of any
    command. same: whether both trainings came to the same bits.
    """

    minutes: float
    examples: int = 0
    saves: int = 0
    commands: dict[str, int] = field(default_factory=dict)
    memory: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    same: bool = False

    def growth(self, seen: Sequence[float]) -> float:
        """By how much the last quarter's median lies above the second quarter's."""
        quarter = max(1, len(seen) // 4)
        return statistics.median(seen[-quarter:]) - statistics.median(seen[quarter : 2 * quarter] or seen)

    def fault(self) -> str | None:
        """What went wrong, or None."""
        return first(
            self.faults[0] if self.faults else None,
            None if self.same else "the weights are not those of the undisturbed training",
            f"memory grew by {self.growth(self.memory):.0f} MB" if self.growth(self.memory) > _ROOM else None,
            f"{self.growth(self.files)} files more" if self.growth(self.files) > 1 else None,
        )

    def row(self) -> dict[str, Any]:
        """The figures of a table."""
        return {
            "minutes": self.minutes,
            "examples": self.examples,
            "saves": self.saves,
            "commands": sum(self.commands.values()),
            "bit-identical": self.same,
            "MB in the second and last quarter": [
                round(statistics.median(part)) for part in (self._quarter(1), self._quarter(3))
            ],
            "files": [min(self.files), max(self.files)],
            "fault": self.fault(),
        }

    def _quarter(self, which: int) -> list[float]:
        size = max(1, len(self.memory) // 4)
        return self.memory[which * size :][:size] or self.memory

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.row().items())


def soak(minutes: float, seed: int = 0) -> Soak:
    """Train for so long with commands beside it, then once more without them."""
    found, chance = Soak(minutes), random.Random(seed)
    with world.scratch() as folder:
        PLACES["points"].data(folder)
        settings = {"GANWORKS_CACHE": str(folder / "cache")}
        words = _training(minutes)
        trainer = Command(words, folder, settings=settings)
        _beside(trainer, folder, settings, found, chance, time.monotonic() + 60 * minutes)
        trainer.send(signal.SIGTERM)
        said = trainer.end()
        found.examples = verbs.seen(folder / "run")
        stopped = None if said.code == 130 else f"the training ended with {said.code}: {said.err[-300:]}"
        found.faults += filter(None, [stopped, world.run_fault(folder / "run"), world.debris(folder)])
        undisturbed = folder / "undisturbed"
        undisturbed.mkdir()
        PLACES["points"].data(undisturbed)
        before = partial(_stop_at, found.examples)
        said = Command(words, undisturbed, before, settings).end(patience=120 + 300 * minutes)
        if said.code != 130:
            found.faults.append(f"the undisturbed training ended with {said.code}: {said.err[-300:]}")
        found.same = not found.faults and world.trained(folder / "run") == world.trained(undisturbed / "run")
    return found


def _training(minutes: float) -> tuple[str, ...]:
    settings = {
        **PLACES["points"].settings,
        "batch": 64,
        "budget": max(1_000_000, int(minutes * 60 * RATE)),
        "train.save": 0.5,
        "train.show": max(64, int(minutes * 60 * RATE / 20)),
        "train.judge": False,
    }
    return ("train", "points", f"data={PLACES['points'].where}", "out=run", *(f"{k}={v}" for k, v in settings.items()))


def _beside(
    trainer: Command, folder: Path, settings: dict[str, str], found: Soak, chance: random.Random, until: float
) -> None:
    """Run commands beside a training until a moment, and watch it."""
    run, states, watched = folder / "run", set[str](), 0.0
    other: Command | None = None
    pause = 0.0
    while time.monotonic() < until and trainer.running:
        now = time.monotonic()
        states |= {path.name for path in run.glob("state/*.safetensors")}
        if now - watched > min(1.0, found.minutes) and states:
            watched = now
            found.memory.append(world.memory(trainer.process))
            found.files.append(_count(run))
        if other is not None and not other.running:
            _note(other, found)
            other, pause = None, now + chance.uniform(0, 0.5)
        if other is None and states and now > pause:
            other = Command(chance.choice(_BESIDE), folder, settings=settings)
        time.sleep(0.05)
    if other is not None:
        _note(other, found)
    found.saves = len(states)


def _note(command: Command, found: Soak) -> None:
    said = command.end()
    found.commands[said.words[0]] = found.commands.get(said.words[0], 0) + 1
    if fault := said.fault(must=True):
        found.faults.append(fault)


def _count(run: Path) -> int:
    """Files of a run without its pages, which are made once, and pictures, of which there are as many as asked for."""
    names = (path.relative_to(run) for path in run.rglob("*") if not path.name.startswith("."))
    return sum(name.parts[0] not in _PAGES for name in names)


def _stop_at(examples: int) -> None:
    """Ask the training of this process to stop after so many examples."""
    from ganworks.training.engine import Engine
    from ganworks.training.session import Session

    real, sessions = Engine.step, list[Session]()
    begin = Session.__post_init__

    def begun(self: Session) -> None:
        sessions.append(self)
        begin(self)

    def step(self: Engine) -> None:
        real(self)
        if sessions and self is sessions[-1].engine and self.clock.seen >= examples:
            sessions[-1].stop.asked = True

    Session.__post_init__, Engine.step = begun, step  # pyrefly: ignore


def main() -> int:
    """The command line: the figures go to results/soak.json."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, help="a file for the figures, in place of results/soak.json")
    given = options.parse_args()
    row = soak(given.minutes, given.seed).row()
    print(common.table(row, [row.values()]))
    if given.out:
        given.out.write_text(json.dumps(row))
    else:
        others = [other for other in common.load(NAME) if other["minutes"] != given.minutes]
        common.save(NAME, [*others, row | common.machine()])
    return 1 if row["fault"] else 0


if __name__ == "__main__":
    sys.exit(main())
