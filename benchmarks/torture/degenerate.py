"""Data that say little: all equal, blank, next to nothing, one class, gaps; with and without held-out examples.

Each command of a first hour (look, train, evaluate, report, use) works, or says what is wrong: no traceback.
"""

from __future__ import annotations

import csv
import shutil
import wave
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import numpy as np
from PIL import Image

from torture import world
from torture.bench import COUNT, Bench
from torture.forks import command, fork
from torture.places import PLACES

NAME = "degenerate"
Rows = list[list[str]]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "data").rglob("*") if path.is_file())


def _equal(folder: Path) -> None:
    """Every example is the first one."""
    first, *others = _files(folder) or [folder]
    for path in others:
        if path.suffix == first.suffix:
            shutil.copyfile(first, path)
    _change(folder, lambda x: np.repeat(x[:1], len(x), 0), lambda rows: rows[:1] * len(rows))


def _blank(folder: Path) -> None:
    """Every example is black, silent, zero."""
    for path in _files(folder):
        if path.suffix == ".wav":
            with wave.open(str(path)) as file:
                facts = file.getparams()
            with wave.open(str(path), "wb") as file:
                file.setparams(facts)
                file.writeframes(bytes(facts.nframes * facts.nchannels * facts.sampwidth))
        elif path.suffix in (".png", ".gif"):
            with Image.open(path) as image:
                frames = [Image.new("RGB", image.size) for _ in range(getattr(image, "n_frames", 1))]
            frames[0].save(path, **({"save_all": True, "append_images": frames[1:]} if path.suffix == ".gif" else {}))
    _change(folder, lambda x: x * 0, lambda rows: [["0"] * len(row) for row in rows])


def _few(count: int) -> Callable[[Path], None]:
    """So many files a folder, and some more rows."""

    def do(folder: Path) -> None:
        for parent in {path.parent for path in _files(folder)}:
            for path in sorted(path for path in parent.iterdir() if path.is_file())[count:]:
                path.unlink()
        _change(folder, lambda x: x[: 5 * count], lambda rows: rows[: 5 * count])

    return do


def _one_class(folder: Path) -> None:
    """Of several folders the first alone."""
    for other in sorted(path for path in (folder / "data").glob("*") if path.is_dir())[1:]:
        shutil.rmtree(other)


def _gaps(folder: Path) -> None:
    """All rows but the first are missing."""
    _change(
        folder,
        lambda x: np.concatenate([x[:1], np.full_like(x[1:], np.nan)]),
        lambda rows: rows[:1] + [[""] * len(row) for row in rows[1:]],
    )


def _change(folder: Path, array: Callable[[np.ndarray], np.ndarray], rows: Callable[[Rows], Rows]) -> None:
    """Change the data in one file: an array, a table or lines of text."""
    if (path := folder / "data.npy").exists():
        np.save(path, array(np.load(path)))
    if (path := folder / "data.csv").exists():
        with path.open(newline="", encoding="utf-8") as file:
            head, *body = list(csv.reader(file))
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([head, *rows(body)])
    if (path := folder / "data.txt").exists():
        lines = [[line] for line in path.read_text(encoding="utf-8").splitlines()]
        path.write_text("".join(f"{line}\n" for (line,) in rows(lines)), encoding="utf-8")


WAYS: dict[str, Callable[[Path], None]] = {
    "equal": _equal,
    "blank": _blank,
    "one": _few(1),
    "five": _few(5),
    "one class": _one_class,
    "gaps": _gaps,
}


def tries() -> Iterator[list[str]]:
    """[kind, what its data are like, share that is held out]."""
    for kind in PLACES:
        for way in WAYS:
            yield from ([kind, way, held] for held in ("0.1", "0"))


def run(case: list[str]) -> str | None:
    """A first hour with such data."""
    kind, way, held = case
    place = PLACES[kind]
    with world.scratch() as folder, chdir(folder):
        place.data(folder)
        WAYS[way](folder)
        Image.new("L", (40, 36), 255).save("mask.png")
        Path("made").mkdir()
        settings = {"domain.held_out": held, "train.judge": True}
        words = [
            ["data", place.where, f"recipe={place.recipe}"],
            place.train(**settings),
            ["eval", "run", f"count={COUNT}"],
            ["report", "run"],
            place.apply(),
        ]
        ended = [fork(command(one, Bench.quick))[0] for one in words]
        wrong = [f"{one[0]}: {said}" for one, said in zip(words, ended, strict=True) if said.code and not said.refused]
        return "; ".join(wrong) or None
