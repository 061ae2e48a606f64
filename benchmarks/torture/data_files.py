"""Data files of every format that were changed, and a verb that reads each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from torture.fuzz.draw import drawn, tried
from torture.fuzz.edits import operation

NAME = "data-files"

FORMATS = (
    "picture.png",
    "picture.jpg",
    "picture.webp",
    "picture.tif",
    "picture.bmp",
    "moving.gif",
    "deep.png",
    "images.npy",
    "points.npy",
    "steps.npy",
    "images.npz",
    "small.npz",
    "train-images-idx3-ubyte",
    "t10k-images-idx3-ubyte.gz",
    "photos.zip",
    "people.csv",
    "people.tsv",
    "people.parquet",
    "readings.csv",
    "captions.txt",
    "captions.txt.gz",
    "captions.csv",
    "tone.wav",
    "float.wav",
    "tone.flac",
    "tone.ogg",
    "film.mp4",
)
_MANY = (".png", ".jpg", ".webp", ".tif", ".bmp", ".gif", ".wav", ".flac", ".ogg", ".mp4", ".npy", ".csv", ".txt")
_PICTURES, _TABLES, _SOUNDS = (
    ["image", "restore", "classify", "sincut", "video"],
    ["table", "series", "points", "text"],
    ["audio", "vocoder"],
)
READERS = {
    ".csv": _TABLES,
    ".tsv": _TABLES,
    ".parquet": ["table", "series", "text"],
    ".txt": ["text"],
    ".gz": ["text", "image"],
    ".wav": _SOUNDS,
    ".flac": _SOUNDS,
    ".ogg": _SOUNDS,
    ".mp4": ["video"],
    ".gif": ["video", "image"],
    ".npy": ["image", "series", "points", "video", "pix2pix"],
    ".npz": ["image", "series", "points", "classify"],
    ".zip": ["image", "classify", "pix2pix", "video", "audio"],
    **dict.fromkeys((".png", ".jpg", ".webp", ".tif", ".bmp"), _PICTURES),
}


def tries() -> Iterable[dict[str, Any]]:
    """2,000 changed files."""
    return drawn(changed, 2000)


run = tried


def changed(draw: Any) -> dict[str, Any]:
    """A data file that was changed, and a verb that reads it."""
    name = draw(st.sampled_from(FORMATS))
    operations = [operation(draw, False) for _ in range(draw(st.integers(1, 3)))]
    renamed = draw(st.sampled_from(FORMATS)) if draw(st.integers(0, 9)) == 0 else name
    place = f"edited/{renamed}"
    recipes = READERS.get(Path(name).suffix, ["image"])
    recipe = draw(st.sampled_from(recipes))
    whole = draw(st.booleans()) and "idx" not in name
    data = "edited" if whole and Path(name).suffix in _MANY else place
    verbs = [
        ["data", data],
        ["data", data, f"recipe={recipe}"],
        ["train", recipe, f"data={data}", "budget=16", "evaluate=off"],
    ]
    if Path(name).suffix in (".png", ".jpg", ".webp", ".tif", ".bmp", ".gif", ".mp4", ".zip", ".npy"):
        verbs += [["apply", run, place, "out=made.png"] for run in ("runs/pix2pix", "runs/superres")]
        verbs += [
            ["predict", "runs/classify", place],
            ["apply", "runs/inpaint", "files/picture.png", f"mask={place}", "out=made.png"],
        ]
    if Path(name).suffix in (".wav", ".npy", ".flac", ".ogg"):
        verbs.append(["apply", "runs/vocoder", place, "out=made.wav"])
    return {
        "argv": draw(st.sampled_from(verbs)),
        "edit": {"file": name, "as": renamed, "do": operations},
    }
