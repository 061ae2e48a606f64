"""JSON Schema (draft 2020-12) of a recipe's settings, derived from the dataclasses that hold them.

Types, ranges and units are those that the fields declare; a field's sentence is the one that the docstring of its class
has after its name ("width: channels next to the image."); defaults are those that the recipe chooses for example data.
"""

from __future__ import annotations

import functools
import inspect
import operator
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any, Literal, Union

import msgspec
from msgspec import Meta

from ganworks.core import registry
from ganworks.core.config import class_name, to_dict
from ganworks.core.console.text import json_text
from ganworks.core.console.voice import say
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Range, hints
from ganworks.core.settings import Budget, Config, Facts
from ganworks.core.spec import Spec

DRAFT = "https://json-schema.org/draft/2020-12/schema"
COUNT, BUDGET, GFLOPS = 10_000, "10m", 400.0  # of the example that a recipe chooses its defaults for


def schema_of(recipe: str) -> dict[str, Any]:
    """The JSON Schema that config.yaml follows when this recipe wrote it. Raises UsageError for an unknown recipe."""
    config = example(recipe)
    parts = list(_parts(config))
    names = {type(part): _name(part, parts) for part in parts}
    found = {names[type(part)]: _of_part(part, names) for part in parts}
    whole = found.pop(names[Config])
    whole["properties"]["recipe"]["const"] = recipe
    return {
        "$schema": DRAFT,
        "title": f"ganworks {recipe}",
        "description": f"{registry.describe(recipe).splitlines()[0]} Settings of the recipe {recipe}, as config.yaml "
        f"holds them. Defaults are those for {COUNT:,} examples like {list(_example(recipe)['shape'])}, a budget of "
        f"{BUDGET} and a CPU; the recipe may choose others for your data, budget and machine.",
        **{k: v for k, v in whole.items() if k not in ("title", "description")},
        "$defs": found,
    }


def print_schema(recipe: str, form: str) -> None:
    """`ganworks recipes NAME format=json`."""
    if form != "json":
        raise UsageError(f"format can be json, not {form!r}.")
    say(*json_text(schema_of(recipe), indent=2).split("\n"))


def example(recipe: str) -> Config:
    """What a recipe chooses for the example data of its kind. Raises UsageError when it needs other data."""
    function, domain = registry.recipe_function(recipe)
    found = registry.part(domain)
    about = _example(recipe)
    spec = Spec(domain.rpartition("/")[2], about["shape"], ("a", "b"), facts=about["facts"])
    try:
        return function(Facts(spec, COUNT, Budget.parse(BUDGET), "cpu", GFLOPS, found() if found else None))
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise UsageError(f"The recipe {recipe} needs other example data than its kind declares: {error!r}.") from error


def _example(recipe: str) -> dict[str, Any]:
    return {"shape": (3, 64, 64), "facts": {}} | dict(registry.find_recipe(recipe).kind.example)


def _parts(value: Any) -> Iterator[Any]:
    """A dataclass and all that it holds, each class once: Config, Optimizer, Train, domain, networks, game."""
    waiting, seen = [value], set()
    while waiting:
        part = waiting.pop(0)
        if type(part) not in seen:
            seen.add(type(part))
            yield part
            waiting += [v for f in fields(part) if f.init and is_dataclass(v := getattr(part, f.name))]


def _name(part: Any, parts: list[Any]) -> str:
    """The name of a part's class, with its id before it where two classes have one name."""
    name = type(part).__name__
    return name if sum(type(p).__name__ == name for p in parts) == 1 else f"{class_name(part)}/{name}".replace("/", ".")


def _of_part(value: Any, names: dict[type, str]) -> dict[str, Any]:
    """The schema of one dataclass with its sentences, the defaults that this one has, and no other keys."""
    cls, about, declares = type(value), sentences(type(value)), hints(type(value))
    properties: dict[str, Any] = {}
    if cls not in _BY_TYPE:
        properties["is"] = {"const": class_name(value), "description": "The part that these settings belong to."}
    for field in (f for f in fields(cls) if f.init):
        held = getattr(value, field.name)
        declared = declares[field.name]
        inner = {"$ref": f"#/$defs/{names[type(held)]}"} if is_dataclass(held) else msgspec.json.schema(_meta(declared))
        said = {"description": about[field.name]} if field.name in about else {}
        unit = {"unit": of} if (of := _unit(declared)) else {}
        properties[field.name] = {**inner, **unit, **said, "default": to_dict(held)}
    needed = [f.name for f in fields(cls) if f.init and f.default is MISSING and f.default_factory is MISSING]
    for name in needed:
        properties[name].pop("default")
    title = (inspect.getdoc(cls) or "").partition("\n\n")[0].replace("\n", " ")
    return {
        "title": cls.__name__,
        "description": title,
        "type": "object",
        "properties": properties,
        "required": needed,
        "additionalProperties": False,
    }


_BY_TYPE = {f.default_factory for f in fields(Config)} - {MISSING}  # config.yaml writes no `is` for these


def _unit(hint: Any) -> str:
    """The unit of a number, or of the numbers in it; "" for none."""
    if isinstance(hint, Range):
        return hint.unit
    inner = (*typing.get_args(hint),) if typing.get_origin(hint) is not Literal else ()
    return next((unit for each in inner if (unit := _unit(each))), "")


def _meta(hint: Any) -> Any:
    """A declared type with its ranges as msgspec writes them. (msgspec.convert never sees these, see `convert`.)"""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        of = next(m for m in options[1:] if isinstance(m, Range))
        bounds: dict[str, Any] = {"ge": of.least, "le": of.most, "gt": of.above, "lt": of.below}
        return Annotated.__class_getitem__((_meta(options[0]), Meta(**bounds)))  # pyrefly: ignore
    if origin in (Union, types.UnionType):
        return functools.reduce(operator.or_, (_meta(option) for option in options))
    if origin is tuple:
        return types.GenericAlias(tuple, tuple(option if option is ... else _meta(option) for option in options))
    return hint


# Sentences --------------------------------------------------------------------------------------------------


def sentences(cls: type) -> dict[str, str]:
    """Name of a field -> its sentence in the docstring of the class, or of the nearest class that it extends."""
    names = sorted((f.name for f in fields(cls) if f.init), key=len, reverse=True)
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        found |= _read(inspect.cleandoc(each.__dict__.get("__doc__") or ""), names)
    return found


def _read(text: str, names: list[str]) -> dict[str, str]:
    """The entries "a: words." and "a, b: words." of a docstring; one ends at the next, or at an empty line."""
    word = f"(?:{'|'.join(names)})"
    entry = re.compile(rf"(?:(?<=[.;)]\s)|^\s*)({word}(?:,\s+{word})*):\s", re.MULTILINE)
    found: dict[str, str] = {}
    for paragraph in re.split(r"\n\s*\n", text):
        pieces = entry.split(paragraph)
        for heads, said in zip(pieces[1::2], pieces[2::2], strict=True):
            sentence = " ".join(said.split()).rstrip(";")
            found |= dict.fromkeys(re.split(r",\s+", heads), f"{sentence[:1].upper()}{sentence[1:]}")
    return found
