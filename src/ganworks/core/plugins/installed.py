"""Installed packages that bring kinds, recipes and parts of their own, found by the entry point group `ganworks`.

An entry point names a module (NAME = "package") with any of KIND (see `core.plugins.kind`), RECIPES (name ->
("module:function", id of a domain)) and PARTS (id -> "module:Class"). NAME stands before the ids of its parts:
"NAME:networks/x". A broken plugin is left out with a warning and does not stop the others.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ganworks.core.errors import UsageError
from ganworks.core.plugins.kind import Kind

GROUP = "ganworks"
_NAME = re.compile(r"[A-Za-z][\w.-]*")  # of a plugin, kind or recipe
_ID = re.compile(r"(networks|game|domain|loss)/[\w.-]+")
_WHERE = re.compile(r"[\w.]*:\w+")


class Plugins(NamedTuple):
    """Name of a plugin -> its module; name of one that was left out -> why."""

    modules: dict[str, Any]
    broken: dict[str, str]


def installed() -> Mapping[str, Any]:
    """Name of a plugin -> its module, in the order of names."""
    return scan().modules


def refuse_broken(name: str) -> None:
    """Raise UsageError when the plugin of this name is installed and had to be left out."""
    if (why := scan().broken.get(name)) is not None:
        raise UsageError(f"The plugin {name!r} is installed here but was left out: {why}")


@cache
def scan() -> Plugins:
    """Import the modules of all plugins; one that fails or is declared wrongly is left out with a warning."""
    modules: dict[str, Any] = {}
    broken: dict[str, str] = {}
    for entry in _entries():
        try:
            if entry.name in modules:
                raise UsageError(f"another plugin has this name ({modules[entry.name].__name__}).")
            module = entry.load()
            _check(entry.name, module)
        except (Exception, SystemExit) as error:  # a plugin's code may raise anything
            why = str(error) if isinstance(error, UsageError) else f"{type(error).__name__}: {error}"
            warnings.warn(f"The plugin {entry.name} ({entry.value}) was left out: {why}", stacklevel=2)
            if entry.name not in modules:
                broken[entry.name] = why
            continue
        modules[entry.name] = module
    return Plugins(modules, broken)


def _entries() -> list[Any]:
    """The entry points of the group, each once; `importlib.metadata`, which is slow, is imported only for one."""
    if not any(_names_group(path) for path in _lists()):
        return []
    from importlib import metadata

    return sorted({(e.name, e.value): e for e in metadata.entry_points(group=GROUP)}.values(), key=lambda e: e.name)


def _lists() -> Iterator[Path]:
    """The files in which installed packages list their entry points."""
    for place in dict.fromkeys(sys.path):
        folder = Path(place or ".")
        with suppress(OSError):  # a folder that this user may not read
            for pattern in ("*.dist-info", "*.egg-info"):
                yield from [found / "entry_points.txt" for found in folder.glob(pattern)]


def _names_group(path: Path) -> bool:
    try:
        return f"[{GROUP}]".encode() in path.read_bytes()
    except OSError:
        return False


def _check(name: str, module: Any) -> None:
    """Raise UsageError unless what the module offers has the shape that this module's docstring names."""
    if not _NAME.fullmatch(name) or name == "ganworks":
        raise UsageError(f"a plugin cannot be called {name!r}.")
    kind = getattr(module, "KIND", None)
    if kind is not None and not (isinstance(kind, Kind) and _NAME.fullmatch(kind.name)):
        raise UsageError("its KIND is not a ganworks.core.plugins.kind.Kind with a name of letters and digits.")
    if kind is None and not hasattr(module, "RECIPES") and not hasattr(module, "PARTS"):
        raise UsageError(f"{module.__name__} has neither KIND nor RECIPES nor PARTS.")
    for listed in (getattr(module, "RECIPES", {}), {} if kind is None else kind.recipes):
        for recipe, place in listed.items():
            if not _NAME.fullmatch(recipe) or len(place) != 2 or not _WHERE.fullmatch(place[0]):
                raise UsageError(f'its recipe {recipe!r} must be listed as NAME: ("module:function", "domain/NAME").')
    for listed in (getattr(module, "PARTS", {}), {} if kind is None else kind.parts):
        for id_, where in listed.items():
            if not _ID.fullmatch(id_) or not _WHERE.fullmatch(where):
                raise UsageError(f'its part {id_!r} must be listed as "networks/NAME": "module:Class" (or game, ...).')
