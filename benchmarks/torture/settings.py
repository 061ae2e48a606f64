"""Trainings of any recipe with one or two settings hostile or rare, up to the building of their networks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
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
    """A training of any recipe, one or two settings of which are hostile, rare, or any that their schema allows."""
    recipe = draw(st.sampled_from(_recipes()))
    known = _settings(recipe)
    chosen = draw(st.lists(st.sampled_from(list(known)), min_size=1, max_size=2, unique=True))
    given = {name: _value(draw, known[name]) for name in chosen}
    plain = [word for word in settings_of(recipe) if word.partition("=")[0] not in given]
    return {"argv": ["train", *plain, *(f"{n}={v}" for n, v in given.items()), "evaluate=off"]}


def _value(draw: Any, about: dict[str, Any]) -> str:
    if draw(st.integers(0, 5)):
        return json.dumps(draw(_allowed(about)))
    return draw(st.one_of(nasty(), number(), number()))


def _allowed(about: dict[str, Any]) -> st.SearchStrategy[Any]:
    """A value that the schema of a setting allows, near its default or at a limit."""
    kind = about.get("type")
    if "anyOf" in about:
        return st.one_of(*(_allowed({"default": about.get("default"), **one}) for one in about["anyOf"]))
    if "enum" in about:
        return st.sampled_from(about["enum"])
    if kind == "array":
        least, items = about.get("minItems", 0), about.get("items") or {"type": "number"}
        each = about.get("prefixItems")
        return st.tuples(*map(_allowed, each)) if each else st.lists(_allowed(items), min_size=least, max_size=3)
    if kind in ("integer", "number"):
        return st.sampled_from(_numbers(about, whole=kind == "integer"))
    return st.booleans() if kind == "boolean" else st.just(about.get("default"))


def _numbers(about: dict[str, Any], whole: bool) -> list[float]:
    default = about.get("default") if isinstance(about.get("default"), int | float) else 1
    low, high = (about.get(name, about.get(f"exclusive{name.title()}")) for name in ("minimum", "maximum"))
    usual = (0, 1, 2, 3, 4, 8, 16, 0.25, 0.5, default, default / 2, default * 2)
    found = [*usual, *(limit for limit in (low, high) if limit is not None)]
    return [
        int(x) if whole else x
        for x in found
        if (low is None or x > low or (x == low and "minimum" in about))
        and (high is None or x < high or (x == high and "maximum" in about))
        and (x == int(x) or not whole)
    ] or [default]


@cache
def _recipes() -> list[str]:
    from ganworks.core import registry

    return list(registry.recipes())


@cache
def _settings(recipe: str) -> dict[str, dict[str, Any]]:
    """Every dotted setting that the schema of a recipe lists, and what it says about it."""
    from ganworks.core.schema.document import schema_of

    schema = schema_of(recipe)
    found = _below(schema, schema, "").items()
    return {n: about for n, about in found if not {"recipe", "notes", "is"} & set(n.split("."))}


def _below(schema: dict[str, Any], whole: dict[str, Any], where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, about in schema.get("properties", {}).items():
        path = f"{where}.{name}".lstrip(".")
        inner = whole["$defs"].get(about.get("$ref", "").rpartition("/")[2], {})
        found |= _below(inner, whole, path) if inner else {path: about}
    return found
