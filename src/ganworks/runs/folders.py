"""Chooses the run folder of a command: the unfinished run of the same command, or the next free name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganworks.core.config import to_dict
from ganworks.core.errors import UsageError
from ganworks.runs.run import Run


def describe_data(data: Any) -> str:
    """The data as a string: its path, or "<array>" (the fingerprint tells arrays apart)."""
    return str(data) if isinstance(data, str | Path) else "<array>"


def find_folder(data: Any, recipe: str, given: Mapping[str, Any]) -> Path:
    """runs/<data>-<recipe>-<n>: the first unfinished run of the same command, else the next free number."""
    stem = Path(describe_data(data)).name.split(".")[0].strip("<>") or "data"
    for number in range(1, 10_000):
        folder = Path("runs") / f"{stem.replace(':', '-')}-{recipe}-{number}"
        if Run.may_begin(folder):
            return folder
        if Run.exists(folder):
            plan = Run.open(folder).plan()
            if plan["given"] == given_plainly(given) and not finished(folder, plan):
                return folder
    raise UsageError("runs/ holds 9,999 runs of this name; say out=FOLDER.")


def finished(folder: Path, plan: Mapping[str, Any]) -> bool:
    """True when the newest saved state has used the whole budget, reached its target, or cannot be read."""
    try:
        counters = Run.open(folder).counters()
        return counters is not None and bool(
            counters["reached"] or counters["seen"] >= counters.get("total", plan["total"])
        )
    except (UsageError, KeyError, TypeError):
        return True


def given_plainly(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the user asked for, in plain types."""
    return {k: to_dict(v) for k, v in given.items()}
