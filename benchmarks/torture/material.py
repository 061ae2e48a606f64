"""What commands need to begin with: for a kind, its data, a packed cache, a trained run, and a half-trained one."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from torture import world
from torture.places import PLACES

FEW = {"train.judge": False}


def words_of(kind: str, out: str = "run", more: Mapping[str, Any] = FEW) -> tuple[str, ...]:
    """The command that trains a kind in four steps, with its data in the current folder."""
    place = PLACES[kind]
    settings = {**place.settings, "budget": 4 * place.settings["batch"], **more}
    words = (f"{name}={value}" for name, value in settings.items())
    return ("train", place.recipe, f"data={place.where}", f"out={out}", *words)


def own_folder() -> Path:
    """A folder that is removed when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="torture-material-")).resolve()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def material(kind: str) -> Path:
    """A folder with data*, cache/, run/ (trained and evaluated once) and half/ (stopped after its first steps).

    It is made once in a process, and only to be copied.
    """
    folder = own_folder()
    PLACES[kind].data(folder)
    there = {"GANWORKS_CACHE": str(folder / "cache")}
    half = world.say(words_of(kind, "half"), folder, before=stop_soon, settings=there)
    whole = world.warm(words_of(kind), folder, there)
    if (half.code, whole.code) != (130, 0):
        raise AssertionError(f"{kind} does not train: {half} {whole}")
    return folder


def stop_soon() -> None:
    """Ask the training of this process for a stop after its second save."""
    from ganworks.training.session import Session

    saves, real = [0], Session._save

    def save(self: Session) -> Any:
        yield from real(self)
        saves[0] += 1
        self.stop.asked = saves[0] >= 2

    Session._save = save  # pyrefly: ignore
