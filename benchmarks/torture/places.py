"""A tiny training of every kind of data, its data in files, and what to do with what it makes: all in seconds."""

from __future__ import annotations

import csv
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import same_weights
from PIL import Image

RATE = 8000


def _by_class(images: np.ndarray, classes: np.ndarray, folder: Path) -> str:
    for name in np.unique(classes):
        same_weights.saved(images[classes == name], folder / "data" / f"class-{name}")
    return "data"


def coloured(folder: Path) -> str:
    """Pictures of 12 pixels in a folder for each of three classes; ten are held out."""
    return _by_class(*same_weights.labelled(102, 12, 3, 3), folder)


def grey(folder: Path) -> str:
    """Grey pictures of 12 pixels in a folder for each of three classes."""
    x, y = same_weights.labelled(90, 12, 1, 3)
    return _by_class(x[..., 0], y, folder)


def two_sides(folder: Path) -> str:
    """trainA/ and trainB/ of 50 pictures each, 16 pixels, dark and bright; five of each are held out."""
    same_weights.saved(same_weights.pictures(50, 16, 16) // 2, folder / "data" / "trainA")
    same_weights.saved(same_weights.pictures(50, 16, 16, seed=1) // 2 + 120, folder / "data" / "trainB")
    return "data"


def dots(folder: Path) -> str:
    """400 points in an .npy file."""
    np.save(folder / "data.npy", same_weights.dots(folder))
    return "data.npy"


def sounds(folder: Path) -> str:
    """40 WAV files of an eighth of a second in two classes."""
    for k in range(40):
        place = folder / "data" / ("low", "high")[k % 2]
        place.mkdir(parents=True, exist_ok=True)
        with wave.open(str(place / f"{k}.wav"), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(same_weights.recording(k, 1000).astype("<i2").tobytes())
    return "data"


def clips(folder: Path) -> str:
    """40 animated GIFs of 8 frames of 12 pixels in two classes."""
    made, names = same_weights.clips(folder)
    for k, (clip, name) in enumerate(zip(made, names, strict=True)):
        (folder / "data" / name).mkdir(parents=True, exist_ok=True)
        first, *others = (Image.fromarray(frame) for frame in clip)
        first.save(folder / "data" / name / f"{k}.gif", save_all=True, append_images=others, duration=100)
    return "data"


def steps(folder: Path) -> str:
    """A recording of two numbers in 120 steps as CSV."""
    with (folder / "data.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["a", "b"], *same_weights.steps(folder).tolist()])
    return "data.csv"


@dataclass(frozen=True)
class Place:
    """A kind of data: its recipe, what makes its data in a folder, where they lie there, and the use of its network.

    one: a file of the data to use the network on. options: words of that use. form: the suffix of samples in one file.
    """

    recipe: str
    data: Callable[[Path], str]
    where: str = "data"
    use: str = "sample"  # or apply, or predict
    one: str = ""
    options: tuple[str, ...] = ()
    form: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of a training of two steps that saves before and after each of them, and shows its samples twice."""
        small = same_weights.SETTINGS[self.recipe]
        return small | {"budget": 2 * small["batch"], "train.show": small["batch"], "train.save": 0.0}

    def train(self, **more: Any) -> list[str]:
        """The words of `ganworks train`; more: other settings."""
        settings = (f"{name}={value}" for name, value in (self.settings | more).items())
        return ["train", self.recipe, f"data={self.where}", "out=run", *settings]

    def many(self) -> list[str]:
        """The words that use the network on all files in inputs/; of samples, see `kill_verbs`."""
        return [self.use, "run", "inputs", f"out=results{'.csv' if self.use == 'predict' else ''}", *self.options]

    def apply(self) -> list[str]:
        """The words that use the network once, in the folder made/."""
        if self.use == "sample":
            return ["sample", "run", "2", f"out=made/one{self.form}", *self.options]
        out = f"out=made/one{'.csv' if self.use == 'predict' else ''}"
        return [self.use, "run", self.one, out, *self.options]


def _picture(recipe: str, data: Callable[[Path], str], one: str, *options: str, use: str = "apply") -> Place:
    return Place(recipe, data, "data", use, one, options)


PLACES = {
    "image": Place("image", coloured),
    "classify": _picture("classify", grey, "data/class-0/0000.png", use="predict"),
    "pix2pix": _picture("pix2pix", same_weights.pairs, "data/train/0000.png"),
    "cyclegan": _picture("cyclegan", two_sides, "data/trainA/0000.png"),
    "stargan": _picture("stargan", coloured, "data/class-0/0000.png", "label=class-1"),
    "superres": _picture("superres", same_weights.photos, "data/0000.png"),
    "restore": _picture("restore", same_weights.photos, "data/0000.png"),
    "inpaint": _picture("inpaint", same_weights.photos, "data/0000.png", "mask=mask.png"),
    "points": Place("points", dots, "data.npy", form=".npz"),
    "audio": Place("audio", sounds),
    "vocoder": Place("vocoder", same_weights.wav_files, use="apply", one="data/0.wav"),
    "text": Place("text", same_weights.sentences, "data.txt", form=".txt"),
    "video": Place("video", clips),
    "table": Place("table", same_weights.rows, "data.csv", form=".csv"),
    "series": Place("series", steps, "data.csv", form=".csv"),
}
