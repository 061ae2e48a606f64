"""From names to a training that can start: data, recipe, networks, engine, run folder. The verbs stand on it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from ganworks.core import devices, registry
from ganworks.core.config import find_class, override, parse
from ganworks.core.contracts import Work
from ganworks.core.errors import UsageError, nearest
from ganworks.core.settings import Budget, Config, Facts
from ganworks.files.weights import read_texts
from ganworks.runs.run import Run
from ganworks.training import parts
from ganworks.training.builder import Builder, Job, given_plainly

ALIASES: dict[str, tuple[str, ...]] = {
    "size": ("domain.size",),
    "labels": ("domain.labels",),
    "batch": ("train.batch",),
    "budget": ("train.budget",),
    "seed": ("train.seed",),
    "device": ("train.device",),
    "until": ("train.until",),
    "init": ("train.init",),
    "loss": ("game.loss",),
    "direction": ("domain.direction",),
    "scale": ("domain.scale",),
    "degrade": ("domain.degrade",),
    "lr": ("g.lr", "d.lr"),
}
_ROOTS = ("domain", "networks", "game", "g", "d", "train")


def expand(settings: Mapping[str, Any]) -> dict[str, Any]:
    """User's names -> full dotted names, strings parsed. Raises UsageError for a name that leads nowhere."""
    out: dict[str, Any] = {}
    for name, text in settings.items():
        value = parse(text)
        if name in ALIASES:
            out |= dict.fromkeys(ALIASES[name], value)
        elif name.split(".")[0] in _ROOTS:
            out[name] = value
        else:
            raise UsageError(f'There is no setting "{name}". {nearest(name, [*ALIASES, "data", "out", *_ROOTS])}')
    for name in ("train.budget", "train.init", "train.until"):
        if name in out:
            out[name] = str(out[name])
    return out


def describe_data(data: Any) -> str:
    """How the data was named; arrays are told apart by their fingerprint."""
    return str(data) if isinstance(data, str | Path) else "<array>"


def find_folder(data: Any, recipe: str, given: Mapping[str, Any]) -> Path:
    """runs/<data>-<recipe>-<n>: the first unfinished run of the same command, else the next free number."""
    stem = Path(describe_data(data)).name.split(".")[0].strip("<>") or "data"
    for number in range(1, 10_000):
        folder = Path("runs") / f"{stem.replace(':', '-')}-{recipe}-{number}"
        if not folder.exists():
            return folder
        if Run.exists(folder):
            plan = Run.open(folder).plan()
            if plan["given"] == given_plainly(given) and not finished(folder, plan):
                return folder
    raise UsageError("runs/ holds 9,999 runs of this name; say out=FOLDER.")


def finished(folder: Path, plan: Mapping[str, Any]) -> bool:
    """True when the newest saved state has used the whole budget, reached its target, or cannot be read."""
    states = sorted(n for n in Run.open(folder).manifest["files"] if n.startswith("state/"))
    if not states or not (folder / states[-1]).is_file():
        return False
    try:
        counters = json.loads(read_texts(folder / states[-1])["counters"])
        return counters["reached"] or counters["seen"] >= plan["total"]
    except (UsageError, KeyError, ValueError):
        return True


def _alone() -> None:
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError(
            "This version's `train` runs in one process; start it without torchrun. The engine itself shares a batch "
            "between processes (ganworks.training.engine.Engine with ganworks.training.processes.join())."
        )


def assemble(
    recipe: str | Callable[[Facts], Config],
    data: Any,
    out: Any,
    settings: Mapping[str, Any],
    modules: Mapping[str, nn.Module],
    work: Work,
    why: str = "",
) -> Job:
    """Everything from names to a session; resumes when `out` already holds this training.

    why: the sentence that says why this recipe was chosen for the data; it becomes the first note of the run.
    """
    function, domain_path = registry.recipe_function(recipe)
    values = expand(settings)
    name = recipe if isinstance(recipe, str) else function.__name__
    given = {
        "recipe": name,
        "data": describe_data(data),
        **values,
        **{k: type(m).__qualname__ for k, m in modules.items()},
    }
    words, values = parts.named(values), parts.resolve(values)
    _alone()
    folder = Path(out) if out else find_folder(data, name, given)
    old = Run.open(folder) if Run.exists(folder) else None
    with parts.fitting({k: w for k, w in words.items() if k == "domain"}, f"the data {describe_data(data)}"):
        domain = _domain(domain_path, values)
        dataset = domain.open(data, on_progress=lambda done, total: work("Reading the data", done, total))
    if old is not None:
        old.refuse_changes(given, dataset.fingerprint)
        if old.spec() != dataset.spec:
            raise UsageError(f"{folder} was trained on {old.spec()}, but the data now is {dataset.spec}.")
        config = old.config()
    else:
        with parts.fitting(words, f"the recipe {name} on examples of shape {dataset.spec.shape}"):
            config = parts.noted(_configure(function, domain, dataset, values), words)
            parts.refuse_misfits(config, dataset.spec, words)
        config = replace(config, notes=(why, *config.notes)) if why else config
    builder = Builder(config, dataset, data, modules, work)
    if old is not None:
        return builder.resumed(old)
    with parts.fitting(words, f"the recipe {name} on examples of shape {dataset.spec.shape}"):
        return builder.fresh(folder, given)


def _domain(path: str, values: Mapping[str, Any]) -> Any:
    """The recipe's domain, or the caller's own, with the settings that the user gave."""
    own = values.get("domain")
    if own is None and not path:
        raise UsageError("A recipe of your own needs its domain: domain=MyDomain().")
    return override(own or find_class(path)(), {k[7:]: v for k, v in values.items() if k.startswith("domain.")})


def _configure(function: Callable[[Facts], Config], domain: Any, dataset: Any, values: Mapping[str, Any]) -> Config:
    where = devices.pick_device(str(values.get("train.device", "auto")))
    measured = devices.speeds(where)
    budget = Budget.parse(values.get("train.budget", "10m"))
    facts = Facts(dataset.spec, len(dataset.train), budget, where.type, max(measured.values()), domain, dict(values))
    config = function(facts)
    return override(config, {k: v for k, v in values.items() if k.split(".")[0] != "domain"})
