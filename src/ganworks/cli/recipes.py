"""`ganworks recipes`: list recipes, or describe one."""

from __future__ import annotations

from ganworks.cli.words import Options, import_own, one, only
from ganworks.core import registry
from ganworks.core.console.voice import say


def recipes(places: list[str], options: Options) -> None:
    """ganworks recipes [NAME [format=json]]"""
    import_own(options)
    only(options, ("format",), "recipes")
    if options:
        from ganworks.core.schema.document import print_schema

        print_schema(one(places, "one name", "recipes"), options["format"])
    elif places:
        text = registry.describe(one(places, "one name", "recipes"))
        say(f"{places[0]}{_origin(places[0])}", "", *text.split("\n"))
    else:
        _list()


def _list() -> None:
    for name in registry.recipes():
        first = next(iter(registry.describe(name).splitlines()), "")
        say(f"{name:10} {first}{_origin(name)}")
    say("", "`ganworks recipes NAME` tells more; `ganworks train NAME data=PATH` trains one.")


def _origin(name: str) -> str:
    """The plugin that brings a recipe, in brackets; nothing for ganworks' own."""
    found = registry.recipes().get(name)
    return f" (plugin {found.plugin})" if found is not None and found.plugin else ""
