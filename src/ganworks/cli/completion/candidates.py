"""`ganworks __complete`: what may stand in place of the last word, one candidate a line, without torch."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from ganworks.cli.completion.fields import keys_of, settings_of
from ganworks.cli.words import APPLYING, SAMPLING, VERBS
from ganworks.core import registry
from ganworks.core.console.text import shown
from ganworks.core.console.voice import say
from ganworks.pretrained.known import KNOWN

_SHELLS = ("bash", "zsh", "fish")
_DEVICES = ("auto", "cpu", "cuda", "mps")
_SWITCHES = ("evaluate", "tensorboard", "mark", "reverse", "native")
_PATHS = ("data", "out", "init", "mask", "sheet", "features", "exclude", "watermark", "sign")
_OPTIONS = {
    "sample": SAMPLING,
    "apply": APPLYING,
    "verify": ("watermark", "trust", "format", "reproduce", "newkey", "newcert"),
    "predict": ("out", "top", "device"),
    "eval": ("data", "count", "seed", "features", "metrics"),
    "data": ("recipe", "features", "out"),
    "audit": ("recipe", "features", "out", "data", "count", "seed", "identifiers"),
    "explore": ("out", "seed", "seeds", "steps", "label", "labels", "method", "count", "reach", "device"),
    "studio": ("host", "port", "token", "open", "root_path", "hosts"),
}
_TRAIN = ("data", "out", "evaluate", "tensorboard", "networks", "game", "domain")


def print_candidates(words: Sequence[str]) -> None:
    """Print what fits the last of the words; nothing at all after an error, as a shell is waiting."""
    try:
        if words[:1] == ["--line"]:
            words = split_line(words[1])[1:]
        say(*(word for word in candidates(list(words) or [""]) if shown(word) == word))
    except Exception:
        return


def split_line(line: str) -> list[str]:
    """A command line up to the cursor as words; the last is the one that is being typed, "" after a space."""
    try:
        words = shlex.split(line)
    except ValueError:  # a quote that is still open
        words = line.replace("'", " ").replace('"', " ").split()
    return [*words, ""] if not line or line[-1].isspace() else words


def candidates(words: list[str]) -> list[str]:
    """What may stand in place of the last word."""
    *before, word = words
    if not before:
        return _fitting([*VERBS, "help", "completion", "--help", "--version"], word)
    verb = before[0]
    if verb == "help":
        return _fitting([*VERBS, *registry.kinds()], word)
    if verb == "completion":
        return _fitting(_SHELLS, word)
    if verb == "recipes":
        return _fitting(registry.recipes(), word)
    if verb == "features" and before[1:] in ([], ["get"]):
        return _fitting([known.name for known in KNOWN] if before[1:] else ("get", "add"), word)
    name, sign, value = word.partition("=")
    if sign:
        return [f"{name}={found}" for found in _values(verb, name, value, before)]
    return [*_places(verb, word, before), *_fitting(_keys(verb, before), word)]


def _fitting(names: Iterable[str], word: str) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(word)]


def _places(verb: str, word: str, before: list[str]) -> list[str]:
    """Recipes and paths, where the verb has a place for them."""
    recipes = registry.recipes() if verb == "compare" or (verb == "train" and not _recipe(before)) else ()
    return [*_fitting(recipes, word), *paths(word)]


def _keys(verb: str, before: list[str]) -> list[str]:
    """NAME= of all options of a verb that the line does not have yet."""
    names = list(_OPTIONS.get(verb, ()))
    if verb == "train":
        aliases = keys_of("ganworks.core.schema.words", "ALIASES")
        names = [*_TRAIN, *aliases, *settings_of(_recipe(before))]
    given = {word.partition("=")[0] for word in before}
    return [f"{name}=" for name in [*names, "plugin"] if name not in given]


def _recipe(before: list[str]) -> str:
    """The recipe that the line names, or ""."""
    return next((word for word in before[1:] if word in registry.recipes()), "")


def _values(verb: str, name: str, value: str, before: list[str]) -> list[str]:
    """What may stand behind NAME=."""
    if name in ("networks", "game", "domain"):
        return _fitting(registry.named(name), value)
    if name in ("loss", "game.loss"):
        return _fitting([*keys_of("ganworks.games.losses", "LOSSES"), *registry.named("loss")], value)
    if name in ("device", "train.device"):
        return _fitting(_DEVICES, value)
    if name == "recipe":
        return _fitting(registry.recipes(), value)
    if name in _PATHS:
        return paths(value)
    if name in _SWITCHES:
        return _fitting(("on", "off"), value)
    return _fitting(settings_of(_recipe(before)).get(name, ()), value) if verb == "train" else []


def paths(word: str) -> list[str]:
    """Files and folders that begin with a word; folders end in a slash, hidden ones must be asked for."""
    head, _, start = word.rpartition("/")
    typed = word[: len(word) - len(start)]
    folder = Path(head or ("/" if word.startswith("/") else ".")).expanduser()
    try:
        found = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return []
    shown = (e for e in found if e.name.startswith(start) and (start.startswith(".") or not e.name.startswith(".")))
    return [f"{typed}{entry.name}{'/' if entry.is_dir() else ''}" for entry in shown]
