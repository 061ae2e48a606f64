"""Verbs with places and options, at least one of them hostile."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from torture.fuzz.base import DATA, INPUT, RUNS
from torture.fuzz.draw import drawn, tried
from torture.fuzz.words import nasty

NAME = "command-lines"

SEED = ["seed", "out", "labels", "truncation", "interpolate", "steps", "device", "mark", "format", "start", "n"]
OPTIONS = {
    "sample": SEED,
    "apply": [
        "out",
        "seed",
        "device",
        "mark",
        "mask",
        "sheet",
        "format",
        "reverse",
        "label",
        "tile",
        "chunk",
        "overlap",
        "scale",
        "strength",
    ],
    "predict": ["out", "top", "device"],
    "eval": ["data", "count", "seed", "extractor"],
    "data": [
        "recipe",
        "out",
        "size",
        "labels",
        "on_corrupt",
        "cache",
        "length",
        "rate",
        "held",
        "fit",
        "background",
        "channels",
        "direction",
        "stride",
    ],
    "info": [],
    "report": [],
    "compare": [],
    "recipes": ["format"],
    "train": [
        "out",
        "data",
        "evaluate",
        "tensorboard",
        "size",
        "labels",
        "batch",
        "budget",
        "seed",
        "device",
        "until",
        "init",
        "loss",
        "direction",
        "scale",
        "degrade",
        "lr",
        "networks",
        "game",
        "domain",
        "g",
        "d",
        "train",
    ],
}
PLACES = tuple(dict.fromkeys(DATA.values()))
SHELL = ("help", "completion", "__complete", "--version", "--help", "trian", "")


def tries() -> Iterable[dict[str, Any]]:
    """3,000 command lines."""
    return drawn(words, 3000)


run = tried


def words(draw: Any) -> dict[str, Any]:
    """A verb with places and options, at least one of them hostile."""
    verb = draw(st.sampled_from((*OPTIONS, *OPTIONS, *SHELL)))
    places = draw(st.sampled_from(_places(verb)))
    options = draw(
        st.lists(st.tuples(st.sampled_from(OPTIONS.get(verb) or SEED), nasty()), max_size=2, unique_by=lambda o: o[0])
    )
    if not options or draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(places)))
        places = [*places[:at], draw(nasty()), *places[at + draw(st.integers(0, 1)) :]]
    shape = draw(st.sampled_from(("{}={}", "{}={}", "--{}={}", "--{} {}")))
    said = [word for name, value in options for word in _said(shape, name, value)]
    limit = ["budget=16"] if verb == "train" and not any(name == "budget" for name, _ in options) else []
    return {"argv": [verb, *places, *said, *limit]}


def _said(shape: str, name: str, value: str) -> list[str]:
    return [f"--{name}", value] if " " in shape else [shape.format(name, value)]


def _places(verb: str) -> list[list[str]]:
    of = {use: [f"runs/{recipe}" for recipe, verbs in RUNS.items() if use in verbs] for use in OPTIONS}
    runs = [f"runs/{recipe}" for recipe in RUNS]
    return {
        "sample": [[run, "3"] for run in of["sample"]],
        "apply": [[run, INPUT.get(run[5:], "files/picture.png").replace("tone", "files/tone")] for run in of["apply"]],
        "predict": [[run, "kinds"] for run in of["predict"]],
        "eval": [[run, "count=32"] for run in runs],
        "data": [[name] for name in PLACES],
        "compare": [[run, "runs/mlp"] for run in runs],
        "recipes": [["mlp"], ["table"]],
        "train": [[name] for name in PLACES],
        "completion": [["bash"]],
        "__complete": [["train", "mlp", ""], ["sample", "runs/mlp", ""]],
        "help": [["images"]],
    }.get(verb, [[run] for run in runs])
