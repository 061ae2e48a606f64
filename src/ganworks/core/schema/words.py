"""Settings by the words that a user writes: short names become full ones, values that no recipe takes are refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from typing import Any

from ganworks.core.errors import UsageError, nearest
from ganworks.core.machine import devices
from ganworks.core.schema.convert import convert
from ganworks.core.schema.declare import hints
from ganworks.core.schema.plain import parse
from ganworks.core.settings import Budget, Optimizer, Train

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
    "features": ("game.features",),
    "direction": ("domain.direction",),
    "scale": ("domain.scale",),
    "exclude": ("domain.exclude",),
    "degrade": ("domain.degrade",),
    "lr": ("g.lr", "d.lr"),
}
_COMMON = {"train": Train, "g": Optimizer, "d": Optimizer}  # the same classes in every recipe
_ROOTS = ("domain", "networks", "game", "g", "d", "train")


def expand(settings: Mapping[str, Any], domain: type | None = None) -> dict[str, Any]:
    """Settings under their full dotted names, strings parsed. Raises UsageError for an unknown name.

    A setting of `Train`, or of the domain's class, may be named without "train." or "domain.".
    """
    short = {f.name: f"{root}.{f.name}" for root, cls in (("domain", domain), ("train", Train)) for f in _fields(cls)}
    out: dict[str, Any] = {}
    for name, text in settings.items():
        value = parse(text)
        if name in ALIASES:
            out |= dict.fromkeys(ALIASES[name], value)
        elif name.split(".")[0] in _ROOTS:
            out[name] = value
        elif name in short:
            out[short[name]] = value
        else:
            known = [*ALIASES, *short, "data", "out", *_ROOTS]
            raise UsageError(f'There is no setting "{name}". {nearest(name, known)}')
    for name in ("train.budget", "train.init", "train.until"):
        if name in out:
            out[name] = str(out[name])
    return out


def _fields(cls: type | None) -> list[Field[Any]]:
    return [f for f in fields(cls) if f.init] if cls is not None and is_dataclass(cls) else []


def refuse_early(values: Mapping[str, Any]) -> None:
    """Raise UsageError for a value that no recipe could take, before any data is read."""
    for dotted, value in values.items():
        root, _, name = dotted.partition(".")
        if root in _COMMON and name in (declared := hints(_COMMON[root])):
            convert(declared[name], value, dotted)
    Budget.parse(values.get("train.budget", "10m"))
    Train(until=values.get("train.until", ""))
    devices.pick_device(str(values.get("train.device", "auto")))
