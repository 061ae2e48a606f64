"""Modules and parts that the user names: `plugin=mymodule`, `networks=mypackage.Net`, `game=adversarial`.

Only names that the user typed come here: typing one asks for the import of its module. Names in a run or a published
file never do (`core.config`, `games.losses`).
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ganworks.core import registry
from ganworks.core.errors import GanworksError, UsageError, nearest

HOOKS = {"networks": ("build",), "game": ("turns",), "domain": ("open", "batch")}  # methods of each category
_NONE = {"networks": "There are no networks", "game": "There is no game", "domain": "There is no domain"}
_AS = {"networks": "are networks", "game": "is a game", "domain": "is a domain", "loss": "is a loss"}
SWITCH = "GANWORKS_IMPORTS"  # "off" in the environment: no module is imported because somebody named it
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def import_named(name: str, option: str) -> ModuleType:
    """Import a module by its full name; it may lie in the current directory. option: the option that names it.

    Raises UsageError, also for any error while it is imported, and where `SWITCH` is off.
    """
    if os.environ.get(SWITCH) == "off":
        raise UsageError(f"{option}: modules are imported by the command line alone, not by the studio.")
    if name.endswith(".py") or not _MODULE.fullmatch(name):
        stem = Path(name).stem if name.endswith(".py") else "mymodule"
        raise UsageError(f"{option} takes the name of a module, as in `import {stem}`, not {name[:80]!r}.")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise UsageError(
                f"{option} names the module {name}, which is neither installed nor in this folder."
            ) from error
        raise UsageError(f"{option}: {name} cannot be imported: {error}.") from error
    except GanworksError:
        raise
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise UsageError(f"{option}: {name} cannot be imported: {error_line(error)}") from error


def error_line(error: BaseException) -> str:
    """An error of the user's own code in one line: its class, its message, and the line of code."""
    frames = traceback.extract_tb(error.__traceback__)
    last = next((f for f in reversed(frames) if not f.filename.startswith("<")), None)
    place = f" ({Path(last.filename).name}, line {last.lineno})" if last is not None else ""
    if isinstance(error, SyntaxError):
        place = f" (line {error.lineno})"
    said = " ".join(str(error.args[0] if isinstance(error, SyntaxError) else error).split())[:300]
    return f"{type(error).__name__}: {said}{place}"


def by_path(path: str, option: str) -> Any:
    """Import a module and return its member: "module:name" or "module.name". Raises UsageError when there is none."""
    module, _, name = path.rpartition(":" if ":" in path else ".")
    found = import_named(module, option)
    if not hasattr(found, name):
        near = nearest(name, [n for n in vars(found) if not n.startswith("_")] or ["nothing"])
        raise UsageError(f"{option}: the module {module} has no {name!r}. {near}")
    return getattr(found, name)


def part_named(category: str, word: Any) -> Any:
    """A part of a category ("networks", "game", "domain") that the user names, with its own defaults.

    word: a short name ("dcgan"), an id ("networks/dcgan", "plugin:networks/x"), "module.Class" or "module:Class"; a
    class or an instance is taken as it is. Raises UsageError.
    """
    if not isinstance(word, str):
        return _instance(category, word, str(word))
    short = word.lower().replace("_", "-")
    found = registry.part(registry.named(category).get(short, word))
    if found is None and ("." in word or ":" in word) and "/" not in word:
        found = by_path(word, f"{category}={word}")
    if found is None:
        raise UsageError(f"{_NONE[category]} {word}. {_elsewhere(category, short)}")
    return _instance(category, found, word)


def _elsewhere(category: str, short: str) -> str:
    """Where else a word is known, or what the category has."""
    for other, what in _AS.items():
        if other != category and short in registry.named(other):
            return f"{short} {what}: {other}={short}."
    if short in registry.recipes():
        return f"{short} is a recipe: ganworks train {short}."
    plugin, colon, rest = short.partition(":")
    if colon and "/" in rest:
        return f"It belongs to the plugin {plugin}, which is not installed here. Install it first."
    return f"{nearest(short, registry.named(category))} For one of your own, say {category}=MODULE.Class."


def _instance(category: str, found: Any, word: str) -> Any:
    """The part with its defaults, when a class was found; UsageError when it is not of the category."""
    cls = found if isinstance(found, type) else type(found)
    lacks = [hook for hook in HOOKS[category] if not hasattr(cls, hook)]
    if lacks:
        of = next((c for c, hooks in HOOKS.items() if all(hasattr(cls, hook) for hook in hooks)), "")
        hint = f"Say {of}={word}." if of else f"It has no {' and no '.join(lacks)}."
        raise UsageError(f"{category}={word} does not fit: {cls.__qualname__} cannot be used as {category}. {hint}")
    if not is_dataclass(cls):
        raise UsageError(f"{category}={word}: {cls.__qualname__} must be a frozen dataclass, so that runs can name it.")
    if not isinstance(found, type):
        return found
    needs = [f.name for f in fields(cls) if f.init and f.default is MISSING and f.default_factory is MISSING]
    if needs:
        raise UsageError(f"{category}={word}: {cls.__qualname__} needs a default for {', '.join(needs)}.")
    return found()
