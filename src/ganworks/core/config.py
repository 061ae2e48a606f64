"""Frozen dataclass trees <-> YAML, with `key=value` overrides and errors that name the nearest key.

A field that may hold several dataclasses (networks, game, domain) is written with `is: ID`, where the id is one that
`core.registry` knows. Classes of somebody's own go by `module.Class`, and only when the program has imported that
module itself: a config that came with a downloaded run cannot make Python import anything.
"""

from __future__ import annotations

import math
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any, Union

import yaml

from ganworks.core import registry
from ganworks.core.errors import UsageError, nearest
from ganworks.core.old_names import OLD


def class_name(value: object) -> str:
    """The name under which a dataclass is written: its id ("networks/r3gan"), else module.Class of somebody's own."""
    return registry.part_id(type(value)) or f"{type(value).__module__}.{type(value).__qualname__}"


def find_class(name: str) -> type:
    """The dataclass that `class_name` named, or release 0.1. Raises UsageError for anything else."""
    name = OLD.get(str(name), str(name))
    found = registry.part(name) or _already_imported(name)
    if found is None:
        raise UsageError(_unknown(name))
    if not (isinstance(found, type) and is_dataclass(found)):
        raise UsageError(f"The configuration names {name!r}, which is not a dataclass.")
    return found


def _already_imported(name: str) -> Any:
    """What `module.Class` is, when the program has imported that module; ganworks' own parts go by their ids alone."""
    module, _, cls = name.rpartition(".")
    found = sys.modules.get(module)
    if found is None or module.split(".")[0] == "ganworks":
        return None
    return vars(found).get(cls)  # getattr could make a module import something


def _unknown(name: str) -> str:
    plugin, colon, _ = name.partition(":")
    if colon:
        return (
            f"The configuration names {name!r} of the plugin {plugin!r}, which is not installed here. Install it first."
        )
    return (
        f"The configuration names {name!r}, which ganworks does not have and which this program has not imported. "
        "If it is your own class, import its module before loading, or say plugin=MODULE on the command line."
    )


def to_dict(value: Any, declared: Any = None) -> Any:
    """Plain types (dict, list, str, int, float, bool, None) for YAML and JSON."""
    if is_dataclass(value) and not isinstance(value, type):
        hints = typing.get_type_hints(type(value))
        head = {} if declared is type(value) else {"is": class_name(value)}
        return head | {f.name: to_dict(getattr(value, f.name), hints[f.name]) for f in fields(value) if f.init}
    if isinstance(value, tuple | list):
        return [to_dict(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): to_dict(item) for name, item in value.items()}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise UsageError(f"A {type(value).__name__} cannot be written to a configuration file.")


def from_dict(declared: Any, raw: Any, where: str = "config") -> Any:
    """Build `declared` (a dataclass or any field type) from plain types; raises UsageError that names the key."""
    if isinstance(raw, Mapping) and "is" in raw:
        raw = dict(raw)
        declared = find_class(raw.pop("is"))
    if not (isinstance(declared, type) and is_dataclass(declared)):
        return coerce(declared, raw, where)
    if not isinstance(raw, Mapping):
        raise UsageError(f"{where} must be a table of keys and values, not {raw!r}.")
    hints = typing.get_type_hints(declared)
    known = {f.name: f for f in fields(declared) if f.init}
    for name in raw:
        if name not in known:
            raise UsageError(f'Unknown key "{name}" in {where}. {nearest(str(name), known)}')
    needed = [n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING and n not in raw]
    if needed:
        raise UsageError(f"{where} lacks {', '.join(needed)}.")
    return declared(**{name: from_dict(hints[name], item, f"{where}.{name}") for name, item in raw.items()})


def coerce(declared: Any, raw: Any, where: str) -> Any:
    """One plain value checked and converted to a field's type: 0 becomes 0.0 for a float, lists become tuples."""
    origin, options = typing.get_origin(declared), typing.get_args(declared)
    if declared in (Any, object) or isinstance(declared, typing.TypeVar):
        return raw
    if origin in (Union, types.UnionType):
        return _coerce_union(options, raw, where)
    if origin is tuple:
        if isinstance(raw, str):
            raw = [parse(word) for word in raw.split(",")]  # size=64,96 needs no brackets
        if not hasattr(raw, "__iter__"):
            raw = [raw]
        if options[-1] is not ... and len(raw) != len(options):
            raise UsageError(f"{where} needs {len(options)} values, not {raw!r}.")
        kinds = [options[0]] * len(raw) if options[-1] is ... else options
        return tuple(from_dict(kind, item, where) for kind, item in zip(kinds, raw, strict=True))
    if origin is dict or declared is dict:
        return {
            str(name): from_dict(options[1] if options else Any, item, f"{where}.{name}")
            for name, item in dict(raw).items()
        }
    if origin is typing.Literal:
        if raw not in options:
            raise UsageError(f"{where} cannot be {raw!r}. {nearest(str(raw), map(str, options))}")
        return raw
    return _coerce_plain(declared, raw, where)


def _coerce_union(options: tuple, raw: Any, where: str) -> Any:
    if raw is None and type(None) in options:
        return None
    order = sorted((o for o in options if o is not type(None)), key=lambda o: type(raw) is not o)
    last = UsageError(f"{where} cannot be {raw!r}.")
    for option in order:
        try:
            return from_dict(option, raw, where)
        except UsageError as error:
            last = error
    raise last


def _coerce_plain(declared: Any, raw: Any, where: str) -> Any:
    if declared is bool and isinstance(raw, bool):
        return raw
    if declared is int and not isinstance(raw, bool) and isinstance(raw, int | float) and float(raw).is_integer():
        return int(raw)
    if declared is float and not isinstance(raw, bool):
        try:
            number = float(raw)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    if declared is str and (raw is None or isinstance(raw, bool)):  # YAML's reading of a word or of nothing
        return {None: "", False: "off", True: "on"}[raw]
    if declared is str and isinstance(raw, str | int | float):
        return raw if isinstance(raw, str) else yaml.safe_dump(raw).split("\n")[0]
    if not isinstance(declared, type) or getattr(declared, "_is_protocol", False):
        return raw
    if declared not in (bool, int, float, str) and isinstance(raw, declared):
        return raw
    names: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a finite number"}
    wanted = names.get(declared, declared.__name__)
    raise UsageError(f"{where} must be {wanted}, not {raw!r}.")


def override(config: Any, values: Mapping[str, Any]) -> Any:
    """A copy of a dataclass tree with dotted keys replaced: {"g.lr": "1e-4"}. Strings are read as YAML.

    Raises UsageError for an unknown key, with the nearest one, and for a value of the wrong type.
    """
    for dotted, value in values.items():
        config = _set(config, dotted.split("."), parse(value), dotted)
    return config


def parse(text: Any) -> Any:
    """A command-line word as a plain value: "1e-4" -> 0.0001, "off" -> False, "[64, 32]" -> list; others unchanged."""
    if not isinstance(text, str):
        return text
    try:
        return float(text) if "e" in text.lower() and "." not in text else yaml.safe_load(text)
    except ValueError:
        pass
    except yaml.YAMLError:
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _set(config: Any, names: list[str], value: Any, dotted: str) -> Any:
    if not is_dataclass(config) or isinstance(config, type):
        raise UsageError(f'"{dotted}" goes too deep: there is nothing below {dotted.rpartition(".")[0]!r}.')
    known = {f.name for f in fields(config) if f.init}
    if names[0] not in known:
        raise UsageError(f'Unknown key "{dotted}". {nearest(names[0], known)}')
    if len(names) > 1:
        inner = _set(getattr(config, names[0]), names[1:], value, dotted)
    elif is_dataclass(value):
        inner = value
    else:
        inner = from_dict(typing.get_type_hints(type(config))[names[0]], value, dotted)
    return replace(config, **{names[0]: inner})


def difference(old: Any, new: Any, where: str = "") -> list[str]:
    """The lines `key: old -> new` in which two plain trees differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = [*old, *(n for n in new if n not in old)]
        return [line for n in names for line in difference(old.get(n), new.get(n), f"{where}.{n}".lstrip("."))]
    return [] if old == new else [f"{where}: {old!r} -> {new!r}"]


def load_yaml(text: str, where: str) -> Any:
    """Safe YAML only; a tag such as !!python/object is a UsageError."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{where} is not valid YAML: {str(error).splitlines()[0]}.") from error


def dump_yaml(value: Any) -> str:
    """YAML in declaration order."""
    return yaml.safe_dump(to_dict(value), sort_keys=False, allow_unicode=True)
