"""The recipes for the page: their names at once, their settings as JSON Schema when one is looked at."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

from ganworks.core import registry

_FIRST = ("budget", "size", "labels", "seed", "batch")  # shown before others
_SHORT = {"budget", "batch", "seed", "until", "device", "init"}  # of the training, without its prefix
_importing = threading.Lock()


@cache
def listed() -> list[dict[str, Any]]:
    """[{"name", "kind", "noun", "first_line"}] of all recipes."""
    return [
        {"name": name, "kind": found.kind.name, "noun": found.kind.noun, "default": found.kind.default == name,
         "first_line": next(iter(registry.describe(name).splitlines()), "")}
        for name, found in registry.recipes().items()
    ]  # fmt: skip


@cache
def described(name: str) -> dict[str, Any]:
    """{"name", "kind", "title", "text", "schema", "often"} of a recipe. Raises UsageError (400) for an unknown one."""
    text = registry.describe(name)
    kind = registry.find_recipe(name).kind
    with _importing:  # the first one imports torch
        from ganworks.core.schema.document import schema_of

        schema = schema_of(name)
    title = next(iter(text.splitlines()), name)
    return {
        "name": name,
        "kind": kind.name,
        "title": title,
        "text": text,
        "schema": schema,
        "often": often(schema, " ".join(kind.often)),
    }


def often(schema: dict[str, Any], said: str) -> list[str]:
    """The settings to show first, as they are written on the command line: those that the kind's help names often."""
    own = schema.get("$defs", {})
    known = {name for part in own.values() for name in part.get("properties", {})}
    words = [word.partition("=")[0].strip(".,;:()`") for word in said.split() if "=" in word]
    named = [word for word in dict.fromkeys((*_FIRST, *words)) if word.rpartition(".")[2] in known or word in _SHORT]
    return named[:12]
