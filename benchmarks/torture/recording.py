"""A recording of three hours, as one WAV file: packed in flat memory, trained on, evaluated, sampled, and gone on with.

    python benchmarks/torture/recording.py

Sound and vocoder train a few steps on it, are killed while they pack and stopped while they train, and go on. What was
measured goes to results/recording.json: seconds, and the memory that each command needs beyond that of half an hour.
"""

from __future__ import annotations

import sys
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])

import common
import numpy as np

from torture import material, world
from torture.places import PLACES
from torture.world import Command, Said, first

NAME = "recording"
RATE, SECONDS, SHORT = 16_000, 3 * 3600, 1800
FLAT = 64.0  # MB that three hours may need beyond half an hour
_FIGURES: list[dict[str, Any]] = []


def tries() -> Iterator[list[str]]:
    """[kind, what is tried with it]."""
    for kind in ("audio", "vocoder"):
        for what in (
            "packed in flat memory",
            "killed while it packs",
            "stopped and gone on with",
            "evaluated and used",
        ):
            yield [kind, what]


def run(case: list[str]) -> str | None:
    """One of them."""
    kind, what = case
    tried = {
        "packed in flat memory": _packed,
        "killed while it packs": _killed,
        "stopped and gone on with": _resumed,
        "evaluated and used": _used,
    }
    with world.scratch() as folder:
        (folder / "data").mkdir()
        (folder / "data" / "talk.wav").symlink_to(_talk(SECONDS))
        return tried[what](kind, folder)


def _tried() -> dict[str, Callable[[str, Path], str | None]]:
    return {
        "packed in flat memory": _packed,
        "killed while it packs": _killed,
        "stopped and gone on with": _resumed,
        "evaluated and used": _used,
    }


def _words(kind: str, out: str = "run", **more: Any) -> tuple[str, ...]:
    settings = {**PLACES[kind].settings, "budget": 4 * PLACES[kind].settings["batch"], "train.judge": False, **more}
    if kind == "vocoder":
        settings |= {"domain.n_fft": 512, "domain.mels": 40, "domain.segment": 4096}
    return ("train", kind, "data=data/talk.wav", f"out={out}", *(f"{k}={v}" for k, v in settings.items()))


def _say(
    words: tuple[str, ...], folder: Path, cache_of: str = "cache", before: Any = None
) -> tuple[Said, float, float]:
    """(what it said, seconds, MB that it had of its own at most)."""
    began, most = time.monotonic(), 0.0
    command = Command(words, folder, before, {"GANWORKS_CACHE": str(folder / cache_of)})
    while command.running:
        most = max(most, world.memory(command.process))
        time.sleep(0.02)
    return command.end(), time.monotonic() - began, most


def _figure(kind: str, what: str, **values: float) -> None:
    _FIGURES.append({"kind": kind, "what": what, **{name: round(value, 1) for name, value in values.items()}})
    print(_FIGURES[-1], flush=True)


def _packed(kind: str, folder: Path) -> str | None:
    words = ("data", "data/talk.wav", f"recipe={kind}", "out=examples")
    said, seconds, most = _say(words, folder)
    with world.scratch() as other:
        (other / "data").mkdir()
        (other / "data" / "talk.wav").symlink_to(_talk(SHORT))
        short, _, least = _say(words, other)
    _figure(kind, "pack three hours", seconds=seconds, MB=most, MB_of_half_an_hour=least)
    return first(
        said.fault(must=True),
        short.fault(must=True),
        f"{most - least:.0f} MB more than for half an hour" if most - least > FLAT else None,
    )


def _killed(kind: str, folder: Path) -> str | None:
    """Killed in the midst of packing; then the same command packs anew and trains what it always does."""
    command = Command(_words(kind), folder, settings={"GANWORKS_CACHE": str(folder / "cache")})
    while command.running and not any(path.stat().st_size > 1 << 24 for path in folder.glob("cache/.packing-*/*")):
        time.sleep(0.02)
    command.end(patience=0)
    again, seconds, _ = _say(_words(kind), folder)
    straight = _say(_words(kind, "straight"), folder, "other")[0]
    _figure(kind, "pack and train after a kill", seconds=seconds)
    fault = first(again.fault(must=True), straight.fault(must=True))
    same = fault or world.trained(folder / "run") == world.trained(folder / "straight")
    return fault or (None if same else "the weights are not those of an undisturbed training")


def _resumed(kind: str, folder: Path) -> str | None:
    stopped = _say(_words(kind), folder, before=material.stop_soon)[0]
    again, seconds, most = _say(_words(kind), folder)
    straight = _say(_words(kind, "straight"), folder)[0]
    _figure(kind, "go on with a packed recording", seconds=seconds, MB=most)
    fault = first(again.fault(must=True), straight.fault(must=True))
    if fault or stopped.code != 130:
        return fault or f"the stop ended with {stopped.code}"
    same = world.trained(folder / "run") == world.trained(folder / "straight")
    return None if same else "the weights are not those of an undisturbed training"


def _used(kind: str, folder: Path) -> str | None:
    trained, _, _ = _say(_words(kind), folder)
    evaluated, seconds, most = _say(("eval", "run", "count=50"), folder)
    _figure(kind, "eval", seconds=seconds, MB=most)
    use = ("sample", "run", "4", "out=made") if kind == "audio" else ("apply", "run", str(_talk(SHORT)), "out=made.wav")
    used, seconds, most = _say(use, folder)
    _figure(kind, use[0], seconds=seconds, MB=most)
    return first(*(said.fault(must=True) for said in (trained, evaluated, used)), world.run_fault(folder / "run"))


@cache
def _talk(seconds: int) -> Path:
    """A mono WAV of 16 bits: phrases of a buzzing voice whose pitch wanders, with pauses and noise."""
    path = material.own_folder() / f"talk-{seconds}.wav"
    random = np.random.RandomState(6)
    with _wav(path) as file:
        for _ in range(seconds // 10):
            at = np.arange(10 * RATE) / RATE
            pitch = 120 + 40 * np.sin(2 * np.pi * (0.13 * at + random.rand())) + 30 * random.rand()
            phase = np.cumsum(pitch) / RATE
            loud = np.clip(np.sin(2 * np.pi * (0.4 * at + random.rand())) + 0.3, 0, 1)
            wave_now = loud * (2 * (phase % 1) - 1) * 0.4 + 0.01 * random.standard_normal(len(at))
            file.writeframes((np.clip(wave_now, -1, 1) * 32767).astype("<i2").tobytes())
    return path


@contextmanager
def _wav(path: Path) -> Iterator[wave.Wave_write]:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        yield file


def main() -> int:
    """Try everything and keep the figures."""
    faults = {" ".join(case): run(case) for case in tries()}
    common.save(NAME, [{**row, **common.machine()} for row in _FIGURES])
    print(common.table(("what", "fault"), faults.items()))
    return int(any(faults.values()))


if __name__ == "__main__":
    sys.exit(main())
