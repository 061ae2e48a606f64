"""What there is to train and to build with: kinds of data, recipes, and parts by stable ids, found by walking.

A kind is a package below `ganworks.kinds` whose `__init__` holds `KIND`; parts that several kinds share are listed as
`PARTS` by the package that holds them; an installed package adds either through the entry point group `ganworks`.
Everything is named by strings, so that listing recipes imports neither torch nor numpy.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import metadata, util
from pathlib import Path
from typing import Any, NamedTuple

from ganworks.core.errors import UsageError, nearest

GROUP = "ganworks"  # the entry point group of plugins
_SHARED = ("ganworks.networks", "ganworks.games", "ganworks.core")  # packages with PARTS that belong to no kind


@dataclass(frozen=True)
class Kind:
    """What the rest of the program reads of one kind of data.

    name: a word. order: its place in lists. title: how help calls its data. recipes: name -> ("module:function", id of
    the domain). parts: id -> "module:Class", e.g. {"networks/r3gan": "r3gan:R3GAN"}. Modules are relative to the
    package.
    default, noun: the recipe that recognition suggests, and what it is for, in two words; "" for none.
    recognise: the module that holds RULES and OBJECT_RULES, see `files.recognise`; "" for none.
    built_in: names of data that come with the package -> recipe. looks: id of the domain that `ganworks data` opens
    data with, "" for the recipe's own.
    example: "shape" of one example and "facts" of a `Spec`, for which `ganworks recipes NAME format=json` shows what a
    recipe chooses; the shape is (3, 64, 64) unless said.
    about: name of a recipe -> a remark in help. reads, settings, options, examples: lines of help; see `cli.help`.
    package, plugin: filled in when the kind is found.
    """

    name: str
    order: int = 1000
    title: str = ""
    recipes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    default: str = ""
    noun: str = ""
    recognise: str = ""
    built_in: Mapping[str, str] = field(default_factory=dict)
    looks: str = ""
    example: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    settings: str = ""
    options: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    package: str = ""
    plugin: str = ""

    def load(self, module: str) -> Any:
        """A module of this kind."""
        return importlib.import_module(f"{self.package}.{module}")


class Recipe(NamedTuple):
    """A recipe by name: the kind that it belongs to, where its function is, and the id of its domain."""

    kind: Kind
    module: str
    function: str
    domain: str


class Part(NamedTuple):
    """A class by its id: the module that holds it, its name there, and the plugin that brings it ("" for none)."""

    module: str
    name: str
    plugin: str


# Finding ----------------------------------------------------------------------------------------------------


@cache
def kinds() -> dict[str, Kind]:
    """All kinds of data by name, in their order; those of plugins among them."""
    found = [*_own(), *(kind for kind, _ in _plugins().values() if kind is not None)]
    return {kind.name: kind for kind in sorted(found, key=lambda kind: kind.order)}


def _own() -> Iterator[Kind]:
    """The kinds of this package: of each folder below `kinds`, and of the folders within it."""
    for package in _packages(importlib.import_module("ganworks.kinds")):
        for room in (package, *_packages(package)):
            if (kind := getattr(room, "KIND", None)) is not None:
                yield replace(kind, package=room.__name__)


def _packages(package: Any) -> Iterator[Any]:
    for entry in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if entry.ispkg:
            yield importlib.import_module(entry.name)


@cache
def _plugins() -> dict[str, tuple[Kind | None, Mapping[str, str]]]:
    """Name of an installed plugin -> (its kind or None, its shared parts); one that fails is left out with a warning.

    A name is the entry point's; it names a module with KIND, PARTS or both.
    """
    found: dict[str, tuple[Kind | None, Mapping[str, str]]] = {}
    for entry in metadata.entry_points(group=GROUP):
        try:
            module = entry.load()
            kind = getattr(module, "KIND", None)
            kind = None if kind is None else replace(kind, package=module.__name__, plugin=entry.name)
            shared = {id_: f"{module.__name__}.{where}" for id_, where in getattr(module, "PARTS", {}).items()}
        except Exception as error:  # somebody else's code may raise anything
            warnings.warn(f"The plugin {entry.name} ({entry.value}) was left out: {error}", stacklevel=2)
            continue
        found[entry.name] = (kind, shared)
    return found


@cache
def recipes() -> dict[str, Recipe]:
    """All recipes by name, those of a kind together."""
    table: dict[str, Recipe] = {}
    for kind in kinds().values():
        for name, (where, domain) in kind.recipes.items():
            module, _, function = where.partition(":")
            table.setdefault(name, Recipe(kind, f"{kind.package}.{module}", function, domain))
    return table


@cache
def parts() -> dict[str, Part]:
    """All classes that a configuration may name, by id; those of a plugin by "plugin:id"."""
    table: dict[str, Part] = {}
    for package in _SHARED:
        for id_, where in importlib.import_module(package).PARTS.items():
            _enter(table, id_, f"{package}.{where}", "")
    for kind in kinds().values():
        for id_, where in kind.parts.items():
            _enter(table, id_, f"{kind.package}.{where}", kind.plugin)
    for plugin, (_, shared) in _plugins().items():
        for id_, where in shared.items():
            _enter(table, id_, where, plugin)
    return table


def _enter(table: dict[str, Part], id_: str, where: str, plugin: str) -> None:
    module, _, name = where.partition(":")
    table[f"{plugin}:{id_}" if plugin else id_] = Part(module, name, plugin)


# Recipes ----------------------------------------------------------------------------------------------------


def find_recipe(name: str) -> Recipe:
    """The recipe of this name; UsageError, with the nearest name, when there is none."""
    if name not in recipes():
        raise UsageError(f'There is no recipe "{name}". {nearest(name, recipes())}')
    return recipes()[name]


def recipe_function(recipe: str | Callable[..., Any]) -> tuple[Callable[..., Any], str]:
    """(recipe function, id of its domain) of a name; UsageError names the nearest one.

    A function is a recipe of the caller's own; it comes with the domain that it is for (`domain=`).
    """
    if callable(recipe):
        return recipe, ""
    found = find_recipe(recipe)
    return getattr(importlib.import_module(found.module), found.function), found.domain


def describe(name: str) -> str:
    """A recipe's docstring, read from its source so that nothing heavy is imported."""
    recipe = find_recipe(name)
    place = util.find_spec(recipe.module)
    if place is None or place.origin is None:
        raise UsageError(f"The source of the recipe {name} is not there.")
    tree = ast.parse(Path(place.origin).read_text(encoding="utf-8"))
    found = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == recipe.function)
    return ast.get_docstring(found) or ""


# Parts ------------------------------------------------------------------------------------------------------


def part(id_: str) -> type | None:
    """The class of an id such as "networks/dcgan", or None when nobody offers it."""
    found = parts().get(id_)
    return None if found is None else getattr(importlib.import_module(found.module), found.name)


def part_id(cls: type) -> str | None:
    """The id of a class, or None when nobody has listed it."""
    return _ids().get((cls.__module__, cls.__qualname__))


@cache
def _ids() -> dict[tuple[str, str], str]:
    return {(found.module, found.name): id_ for id_, found in parts().items()}


def named(category: str) -> dict[str, str]:
    """Short name -> id of all parts of a category ("networks", "game", "domain"): {"dcgan": "networks/dcgan"}."""
    table: dict[str, str] = {}
    for id_ in parts():
        group, _, short = id_.rpartition(":")[2].partition("/")
        if group == category:
            table.setdefault(short, id_)
    return table
