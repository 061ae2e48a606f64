"""Runs one file of which was changed, resealed or not, and a verb on each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from torture.fuzz.base import INPUT, RUNS, settings_of
from torture.fuzz.draw import drawn, tried
from torture.fuzz.edits import operation

NAME = "run-files"

RUN_FILES = (
    "config.yaml",
    "config.yaml",
    "spec.yaml",
    "plan.json",
    "plan.json",
    "manifest.json",
    "manifest.json",
    "metrics.jsonl",
    "metrics.jsonl",
    "eval.json",
    "eval.json",
    "*.safetensors",
    "*.safetensors",
    "state/*.safetensors",
    "state/*.safetensors",
)


def tries() -> Iterable[dict[str, Any]]:
    """2,500 changed runs."""
    return drawn(changed, 2500)


run = tried


def changed(draw: Any) -> dict[str, Any]:
    """A run one file of which was changed, resealed or not, and a verb on it."""
    recipe = draw(st.sampled_from(sorted(RUNS)))
    name = draw(st.sampled_from(RUN_FILES))
    operations = [operation(draw, True) for _ in range(draw(st.integers(1, 2)))]
    verb = draw(st.sampled_from(("info", "report", "compare", "train", "eval", *RUNS[recipe], *RUNS[recipe])))
    source = INPUT.get(recipe, "picture.png")
    argv = {
        "train": ["train", *settings_of(recipe), "out=edited", "evaluate=off"],
        "compare": ["compare", "edited", "runs/mlp"],
        "sample": ["sample", "edited", "3", f"out=made{'.zip' if recipe in ('mlp', 'wavegan') else ''}"],
        "apply": ["apply", "edited", f"files/{source}", "out=made.png"],
        "predict": ["predict", "edited", "kinds"],
        "eval": ["eval", "edited", "count=32"],
    }.get(verb, [verb, "edited"])
    edit = {"run": recipe, "file": name, "do": operations, "seal": draw(st.booleans()) or draw(st.booleans())}
    return {"argv": argv, "edit": edit}
