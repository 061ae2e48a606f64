"""The declaration of one kind of data, which its package holds as KIND.

A NamedTuple and no dataclass: `ganworks --help` reads all of them, and `dataclasses` alone takes a fifth of its time.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

_NONE: Mapping[str, Any] = MappingProxyType({})


class Kind(NamedTuple):
    """What the rest of the program knows of one kind of data.

    name: a word. order: its place in lists. title: how help calls its data. recipes: name -> ("module:function", id of
    the domain). parts: id -> "module:Class", e.g. {"networks/r3gan": "r3gan:R3GAN"}. Modules are relative to the
    package; ":Class" is in the package itself.
    default: the recipe that recognition suggests; "" for none. noun: what the kind learns from, in one or two words.
    recognise: the module that holds RULES and OBJECT_RULES, see `files.recognise`; "" for none.
    built_in: names of data that come with the package -> recipe.
    example: "shape" of one example and "facts" of a `Spec`, for which `ganworks recipes NAME format=json` shows what a
    recipe chooses; the shape is (3, 64, 64) unless said.
    group, remark: the list of recipes in help that its recipes stand in ("" for its title), and what is said of them
    there. about: name of a recipe -> a remark in help.
    reads, often, settings, options, examples: lines of help: what PATH may be, settings that are often used, names of
    the domain's settings, options of `apply`, commands; see `cli.help`. The page of `ganworks help NAME` is the file
    help.md in the package.
    package, plugin: filled in when the kind is found.
    """

    name: str
    order: int = 1000
    title: str = ""
    recipes: Mapping[str, tuple[str, str]] = _NONE
    parts: Mapping[str, str] = _NONE
    default: str = ""
    noun: str = ""
    recognise: str = ""
    built_in: Mapping[str, str] = _NONE
    example: Mapping[str, Any] = _NONE
    group: str = ""
    remark: str = ""
    about: Mapping[str, str] = _NONE
    reads: tuple[str, ...] = ()
    often: tuple[str, ...] = ()
    settings: str = ""
    options: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    package: str = ""
    plugin: str = ""

    def load(self, module: str) -> Any:
        """A module of this kind."""
        return importlib.import_module(f"{self.package}.{module}")
