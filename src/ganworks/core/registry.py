"""What there is to train and to build with: kinds of data, recipes, and parts by stable ids, found by walking.

A kind is a package below `ganworks.kinds` whose `__init__` holds `KIND`; parts that several kinds share are listed as
`PARTS` by the package that holds them; an installed package adds kinds, recipes and parts of its own through the entry
point group `ganworks` (see `core.plugins.installed`). Everything is named by strings, so that listing recipes imports
neither torch nor numpy.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ganworks.core.errors import UsageError, nearest
from ganworks.core.plugins import installed as plugins
from ganworks.core.plugins.kind import Kind

if TYPE_CHECKING:
    import ast

_SHARED = ("ganworks.networks", "ganworks.games", "ganworks.core")  # packages with PARTS that belong to no kind


class Recipe(NamedTuple):
    """A recipe by name: its kind, where its function is, the id of its domain, and the plugin that brings it or ""."""

    kind: Kind
    module: str
    function: str
    domain: str
    plugin: str


class Part(NamedTuple):
    """A class (or a loss) by its id: the module that holds it, its name there, and the plugin that brings it or ""."""

    module: str
    name: str
    plugin: str


# Finding ----------------------------------------------------------------------------------------------------


@cache
def kinds() -> dict[str, Kind]:
    """All kinds of data by name, in their order; those of plugins among them."""
    found = {kind.name: kind for kind in _own()}
    for plugin, module in plugins.installed().items():
        if (kind := getattr(module, "KIND", None)) is None:
            continue
        if kind.name in found:
            _warn(plugin, f"its kind {kind.name} has the name of another one, and was left out")
            continue
        found[kind.name] = _of_plugin(kind, plugin, module.__name__)
    return dict(sorted(found.items(), key=lambda entry: entry[1].order))


def _own() -> Iterator[Kind]:
    """The kinds of this package: of each folder below `kinds`, and of the folders within it."""
    for package in _packages(importlib.import_module("ganworks.kinds")):
        for room in (package, *_packages(package)):
            if (kind := getattr(room, "KIND", None)) is not None:
                yield kind._replace(package=room.__name__)


def _packages(package: Any) -> Iterator[Any]:
    """The packages in the folder of a package, by name. (pkgutil would import `inspect`, a tenth of `--help`.)"""
    for name in sorted(
        entry.parent.name for folder in package.__path__ for entry in Path(folder).glob("*/__init__.py")
    ):
        yield importlib.import_module(f"{package.__name__}.{name}")


def _of_plugin(kind: Kind, plugin: str, package: str) -> Kind:
    """A plugin's kind with its package and plugin filled in, and full ids for its own domains."""
    recipes = {name: (where, _full(domain, plugin, kind.parts)) for name, (where, domain) in kind.recipes.items()}
    return kind._replace(package=package, plugin=plugin, recipes=recipes)


def _full(id_: str, plugin: str, own: Mapping[str, str]) -> str:
    return f"{plugin}:{id_}" if id_ in own else id_


def _warn(plugin: str, what: str) -> None:
    warnings.warn(f"The plugin {plugin}: {what}.", stacklevel=3)


@cache
def recipes() -> dict[str, Recipe]:
    """All recipes by name, those of a kind together."""
    table: dict[str, Recipe] = {}
    for kind in sorted(kinds().values(), key=lambda kind: bool(kind.plugin)):  # no plugin takes a name of ganworks
        for name, (where, domain) in kind.recipes.items():
            _enter_recipe(table, name, where, domain, kind, kind.package, kind.plugin)
    for plugin, module in plugins.installed().items():
        for name, (where, domain) in getattr(module, "RECIPES", {}).items():
            domain_id = _full(domain, plugin, getattr(module, "PARTS", {}))
            kind = _kind_of_domain(domain_id) or Kind(plugin, package=module.__name__, plugin=plugin)
            _enter_recipe(table, name, where, domain_id, kind, module.__name__, plugin)
    order = list(kinds())
    place = {
        name: order.index(found.kind.name) if found.kind.name in order else len(order) for name, found in table.items()
    }
    return dict(sorted(table.items(), key=lambda entry: place[entry[0]]))


def _enter_recipe(
    table: dict[str, Recipe], name: str, where: str, domain: str, kind: Kind, package: str, plugin: str
) -> None:
    if name in table:
        _warn(plugin, f"its recipe {name} has the name of another one, and was left out")
        return
    module, function = _place(package, where)
    table[name] = Recipe(kind, module, function, domain, plugin)


def _kind_of_domain(id_: str) -> Kind | None:
    plugin, _, short = id_.rpartition(":")
    return next((kind for kind in kinds().values() if kind.plugin == plugin and short in kind.parts), None)


@cache
def parts() -> dict[str, Part]:
    """All classes that a configuration may name, by id; those of a plugin by "plugin:id"."""
    table: dict[str, Part] = {}
    for package in _SHARED:
        _enter(table, importlib.import_module(package).PARTS, package, "")
    for kind in kinds().values():
        _enter(table, kind.parts, kind.package, kind.plugin)
    for plugin, module in plugins.installed().items():
        _enter(table, getattr(module, "PARTS", {}), module.__name__, plugin)
    return table


def _enter(table: dict[str, Part], listed: Mapping[str, str], package: str, plugin: str) -> None:
    for id_, where in listed.items():
        table[f"{plugin}:{id_}" if plugin else id_] = Part(*_place(package, where), plugin)


def _place(package: str, where: str) -> tuple[str, str]:
    """(full module, name in it) of "module:name", or of ":name" in the package itself."""
    module, _, name = where.partition(":")
    return f"{package}.{module}".rstrip("."), name


def forget() -> None:
    """Forget what was found; the next call looks again, for a program that has installed a plugin meanwhile."""
    for found in (plugins.scan, kinds, recipes, parts, _ids):
        found.cache_clear()


# Recipes ----------------------------------------------------------------------------------------------------


def find_recipe(name: str) -> Recipe:
    """The recipe of this name; UsageError, with the nearest name, when there is none."""
    if name not in recipes():
        raise UsageError(f'There is no recipe "{name}". {nearest(name, recipes())}')
    return recipes()[name]


def recipe_function(recipe: str | Callable[..., Any]) -> tuple[Callable[..., Any], str]:
    """(recipe function, id of its domain) of a name; UsageError names the nearest one.

    A function is a recipe of the caller's own, returned with the id "": its domain is passed as `domain=`.
    """
    if callable(recipe):
        return recipe, ""
    found = find_recipe(recipe)
    return _get(found, f"The recipe {recipe}", found.function), found.domain


def describe(name: str) -> str:
    """A recipe's docstring, read from its source so that nothing heavy is imported; "" when there is none."""
    import ast

    recipe = find_recipe(name)
    tree = source(recipe.module)
    found = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == recipe.function)
    return next((ast.get_docstring(function) or "" for function in found), "")


def source(module: str) -> ast.Module:
    """A module's source, parsed and not run; empty when it has none."""
    import ast

    try:
        place = util.find_spec(module)
        text = place.loader.get_source(module) if place is not None else ""  # type: ignore[union-attr]
    except (ImportError, AttributeError, SyntaxError, ValueError):
        text = ""
    return ast.parse(text or "")


# Parts ------------------------------------------------------------------------------------------------------


def part(id_: str) -> Any:
    """The class (or loss) of an id such as "networks/dcgan", or None when there is none.

    Raises UsageError when the id names a part that an installed plugin lacks or cannot import.
    """
    found = parts().get(id_)
    if found is not None:
        return _get(found, f"The part {id_}", found.name)
    plugin, colon, rest = id_.partition(":")
    if colon and "/" in rest:
        plugins.refuse_broken(plugin)
        if plugin in plugins.installed():
            has = ", ".join(own for own in parts() if own.startswith(f"{plugin}:")) or "none"
            raise UsageError(f"The plugin {plugin!r} that is installed here has no {rest!r}. Its parts: {has}.")
    return None


def _get(found: Recipe | Part, what: str, name: str) -> Any:
    """Import a recipe function or a part; any error of a plugin becomes a UsageError."""
    try:
        return getattr(importlib.import_module(found.module), name)
    except Exception as error:  # a plugin's code may raise anything
        if not found.plugin:
            raise
        raise UsageError(f"{what} of the plugin {found.plugin!r} could not be imported: {error}") from error


def part_id(cls: type) -> str | None:
    """The id of a class, or None when it is not listed."""
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


def nouns() -> str:
    """What the kinds learn from, as a phrase: "pictures, sounds, lines or rows"."""
    *most, last = dict.fromkeys(kind.noun for kind in kinds().values() if kind.noun)
    return f"{', '.join(most)} or {last}" if most else last


def family(cls: type) -> str:
    """The folder below `kinds` that a class stands in ("images" for all kinds of pictures); "" for shared ones."""
    above = cls.__module__.split(".")
    return above[2] if above[:2] == ["ganworks", "kinds"] else ""
