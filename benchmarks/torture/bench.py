"""A folder for each kind to attack in: its data, an undisturbed training, and copies of both for every try."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image
from same_weights import digest

from ganworks.files.weights import read_texts
from ganworks.metrics import classifier
from ganworks.training import calibration, setup, speed
from ganworks.use.evaluate import evaluate_run
from torture.filesteps import Steps
from torture.forks import command, fork
from torture.places import PLACES, Place

DATA = ("data", "data.npy", "data.csv", "data.txt", "mask.png", "inputs")
_NAMES_ALONE = ("manifest.json", "plan.json", "config.yaml", "metrics.jsonl", "report.html", "README.md", ".lock")
COUNT = 16  # samples of an evaluation
_CHANGING = re.compile(r"\d+-\d+(?=\.gwtmp)|(?<=-)[a-z0-9_]{8}(?=[./]|$)")  # process numbers, random names
_TIMES = ("seconds", "speed", "date", "started")


class Bench:
    """`base` holds the data of a place; `trained` as well an undisturbed training, `result` what it left behind."""

    def __init__(self, place: Place):
        torch.set_num_threads(1)  # a forked process cannot use the threads of the one that it came from
        self.place = place
        self._folder = tempfile.TemporaryDirectory(prefix="torture-")
        self.base, self.trained = (Path(self._folder.name) / name for name in ("base", "trained"))
        self.base.mkdir()
        place.data(self.base)
        if place.one:
            one = self.base / place.one
            for file in sorted(one.parent.iterdir())[:3]:
                (self.base / "inputs").mkdir(exist_ok=True)
                shutil.copy2(file, self.base / "inputs")
        mask = np.arange(40 * 36).reshape(40, 36) % 36 < 12
        Image.fromarray(mask.astype(np.uint8) * 255).save(self.base / "mask.png")
        with self.copy(self.base) as folder:
            warm(self.train())  # here, so that forked processes find everything imported
            shutil.copytree(folder, self.trained)
            warm(command(["info", "run"]))
            Path("made").mkdir()
            warm(command(place.apply()))
        self.result = left(self.trained)

    @contextmanager
    def copy(self, of: Path) -> Iterator[Path]:
        """A copy to work in, with a cache of its own, as the working folder."""
        before = os.environ.get("GANWORKS_CACHE")
        folder = Path(self._folder.name) / "work"  # always the same, since packs are named after where data lie
        shutil.copytree(of, folder)
        os.environ["GANWORKS_CACHE"] = "cache"
        try:
            with chdir(folder):
                yield folder
        finally:
            shutil.rmtree(folder)
            os.environ.pop("GANWORKS_CACHE")
            if before is not None:
                os.environ["GANWORKS_CACHE"] = before

    def train(self, before: Callable[[], object] = lambda: None) -> Callable[[], int]:
        """The action that trains; before: what is done first, in the same process."""
        return command(self.place.train(), lambda: (self.quick(), before()))

    @staticmethod
    def quick() -> None:
        """Leave out measuring the machine, since the settings fix all that is chosen by it, and evaluate little.

        It holds until the process ends, or until `warm` ends.
        """
        assert evaluate_run.__kwdefaults__
        mock.patch.dict(evaluate_run.__kwdefaults__, count=COUNT).start()
        mock.patch.object(classifier, "_examples", lambda count: 256).start()
        mock.patch.object(speed, "conv_gflops", lambda *_: 50.0).start()
        mock.patch.object(setup.Builder, "_costs", lambda *_: (0.1, 0.1)).start()  # else scores come sooner or later
        mock.patch.object(calibration, "measure", lambda *_: calibration.Pace(False, 100.0)).start()

    def steps(
        self,
        of: Path,
        action: Callable[[Callable[[], object]], Callable[[], int]],
        look: Callable[[Path], object] = lambda folder: None,
    ) -> list[str]:
        """The file steps of an action in a copy, in order; look(folder) is called at its end.

        action(before): the action, after something else.
        """
        with self.copy(of) as folder:
            record = folder.parent / "steps"
            record.unlink(missing_ok=True)
            (said,) = fork(action(lambda: Steps(folder, record=record).install()))
            if said.code:
                raise RuntimeError(f"{self.place.recipe}: {said}")
            look(folder)
            return [_CHANGING.sub("*", step) for step in record.read_text().splitlines()]

    def after(self, *actions: Callable[[], int]) -> str | None:
        """Look at the run here, use its network, then do the actions; what is wrong with any of it.

        The run must load, or say that nothing is there yet; the actions must succeed.
        """
        begun, published = Path("run/manifest.json").exists(), list(Path("run").glob("*.safetensors"))
        Path("made").mkdir()
        found = fork(command(["info", "run"]), command(self.place.apply()), partial(_remove, "made"), *actions)
        if len(found) < 3 + len(actions):
            return f"died: {found[-1]}"
        info, use, _, *done = found
        wrong = [
            f"info: {info}" if info.code and (begun or not info.refused) else "",
            f"{self.place.use}: {use}" if use.code and (published or not use.refused) else "",
            *(f"again: {said}" for said in done if said.code),
        ]
        return "; ".join(filter(None, wrong)) or None


def _remove(folder: str) -> int:
    shutil.rmtree(folder)
    return 0


def warm(action: Callable[[], int]) -> None:
    """Do it in this process, in silence, and undo what `Bench.quick` has changed."""
    with redirect_stdout(io.StringIO()) as said, redirect_stderr(said):
        try:
            code = action()
        finally:
            mock.patch.stopall()
    if code:
        raise RuntimeError(f"exit {code}: {said.getvalue()}")


def one_of_many(steps: list[str]) -> Iterator[tuple[int, str]]:
    """(number, step) of every step; of several writes in a row into one file the first and the last."""
    for number, step in enumerate(steps, 1):
        around = [*steps[max(0, number - 2) : number - 1], *steps[number : number + 1]]
        if not (step.startswith("write") and around == [step, step]):
            yield number, step


@cache
def bench(kind: str) -> Bench:
    """The bench of a kind, made once in a process."""
    return Bench(PLACES[kind])


def left(folder: Path) -> dict[str, str]:
    """What lies in a working folder besides the data: each file's name and, where it is a result, its digest.

    Of states the tensors and counters count, of files with times in them what is no time, of pages and logs the name.
    """
    names = sorted(path for path in folder.rglob("*") if path.relative_to(folder).parts[0] not in DATA)
    return {str(path.relative_to(folder)): _content(path) for path in names}


def _content(path: Path) -> str:
    if path.is_dir() or path.name in _NAMES_ALONE:
        return ""
    try:
        if path.parent.name == "state":
            return f"{digest(path)} {_timeless(json.loads(read_texts(path)['counters']))}"
        if path.name == "eval.json":
            return str(_timeless(json.loads(path.read_text())))
    except Exception:  # damaged: its bytes count
        return f"damaged {hashlib.sha256(path.read_bytes()).hexdigest()}"
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _timeless(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _timeless(value) for name, value in sorted(tree.items()) if name not in _TIMES}
    return [_timeless(value) for value in tree] if isinstance(tree, list) else tree


def differences(found: dict[str, str], wanted: dict[str, str]) -> str | None:
    """What is missing, too much or different; None when all is the same."""
    said = {
        "missing": sorted(wanted.keys() - found.keys()),
        "too much": sorted(found.keys() - wanted.keys()),
        "different": sorted(name for name in found.keys() & wanted.keys() if found[name] != wanted[name]),
    }
    return "; ".join(f"{what}: {', '.join(names[:6])}" for what, names in said.items() if names) or None
