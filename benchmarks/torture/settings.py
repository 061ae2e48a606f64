"""Trainings of any recipe with one or two settings hostile or rare, up to the building of their networks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from torture.fuzz.base import settings_of
from torture.fuzz.draw import drawn, tried
from torture.fuzz.words import nasty, number

NAME = "settings"


def tries() -> Iterable[dict[str, Any]]:
    """2,500 trainings."""
    return drawn(training, 2500)


run = tried


def training(draw: Any) -> dict[str, Any]:
    """A training of any recipe with one to three of its settings hostile."""
    recipe = draw(st.sampled_from(RECIPES()))
    names = SETTINGS(recipe)
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
    hostile = {name: draw(st.one_of(nasty(), number(), number())) for name in chosen}
    plain = [word for word in settings_of(recipe) if word.partition("=")[0] not in hostile]
    return {"argv": ["train", *plain, *(f"{n}={v}" for n, v in hostile.items()), "evaluate=off"]}


_KNOWN: dict[str, list[str]] = {}


def RECIPES() -> list[str]:  # noqa: N802
    """The names of all recipes."""
    from ganworks.core import registry

    return list(registry.recipes())


def SETTINGS(recipe: str) -> list[str]:  # noqa: N802
    """Every dotted setting that the schema of a recipe lists."""
    if recipe not in _KNOWN:
        from ganworks.core.schema.document import schema_of

        schema = schema_of(recipe)
        found = [name for name in _below(schema, schema, "") if name.split(".")[0] not in ("recipe", "notes")]
        _KNOWN[recipe] = [name for name in found if not name.endswith(".is")]
    return _KNOWN[recipe]


def _below(schema: dict[str, Any], whole: dict[str, Any], where: str) -> list[str]:
    found = []
    for name, about in schema.get("properties", {}).items():
        path = f"{where}.{name}".lstrip(".")
        reference = about.get("$ref", "").rpartition("/")[2]
        found.append(path)
        if reference:
            found += _below(whole["$defs"][reference], whole, path)
    return found
