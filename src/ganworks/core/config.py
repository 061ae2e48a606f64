"""Frozen dataclass trees <-> YAML, with `key=value` overrides and errors that name the nearest key.

A field that may hold several dataclasses (networks, game, domain) is written with `is: ID`, where the id is one that
`core.registry` knows. A user's own classes go by `module.Class`, and only when the program has imported that
module itself: a config that came with a downloaded run cannot make Python import anything.
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any

import yaml

from ganworks.core import registry
from ganworks.core.errors import UsageError, nearest, show
from ganworks.core.old_names import OLD
from ganworks.core.schema.convert import convert
from ganworks.core.schema.declare import hints
from ganworks.core.schema.plain import parse


def class_name(value: object) -> str:
    """The name under which a dataclass is written: its id ("networks/r3gan"), or module.Class."""
    return registry.part_id(type(value)) or f"{type(value).__module__}.{type(value).__qualname__}"


def find_class(name: str) -> type:
    """The dataclass of a name that `class_name`, or release 0.1, wrote. Raises UsageError for anything else."""
    name = OLD.get(str(name), str(name))
    found = registry.part(name) or _already_imported(name)
    if found is None:
        raise UsageError(_unknown(name))
    if not (isinstance(found, type) and is_dataclass(found)):
        raise UsageError(f"The configuration names {name!r}, which is not a dataclass.")
    return found


def _already_imported(name: str) -> Any:
    """The class `module.Class` of a module that is imported already; None for those of ganworks, which go by ids."""
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
        declares = typing.get_type_hints(type(value))
        head = {} if declared is type(value) else {"is": class_name(value)}
        return head | {f.name: to_dict(getattr(value, f.name), declares[f.name]) for f in fields(value) if f.init}
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
    elif isinstance(raw, Mapping):
        options = (t for t in typing.get_args(declared) if isinstance(t, type) and is_dataclass(t))
        declared = next(options, declared)  # of `Settings | None`
    if not (isinstance(declared, type) and is_dataclass(declared)):
        return convert(declared, _built(raw, where), where)
    if isinstance(raw, declared):
        return raw
    if not isinstance(raw, Mapping):
        raise UsageError(f"{where} must be a table of keys and values, not {show(raw)}.")
    known = {f.name: f for f in fields(declared) if f.init}
    for name in raw:
        if name not in known:
            raise UsageError(f'Unknown key "{name}" in {where}. {nearest(str(name), known)}')
    needed = [n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING and n not in raw]
    if needed:
        raise UsageError(f"{where} lacks {', '.join(needed)}.")
    types = hints(declared)
    return declared(**{name: from_dict(types[name], item, f"{where}.{name}") for name, item in raw.items()})


def _built(raw: Any, where: str) -> Any:
    """Plain types in which each table with `is: ID` has become the dataclass that it describes."""
    if isinstance(raw, Mapping):
        if "is" in raw:
            return from_dict(Any, raw, where)
        return {str(name): _built(item, f"{where}.{name}") for name, item in raw.items()}
    return [_built(item, where) for item in raw] if isinstance(raw, list | tuple) else raw


def override(config: Any, values: Mapping[str, Any]) -> Any:
    """A copy of a dataclass tree with dotted keys replaced: {"g.lr": "1e-4"}. Strings are read as YAML.

    Raises UsageError for an unknown key, with the nearest one, and for a value of the wrong type.
    """
    for dotted, value in values.items():
        config = _set(config, dotted.split("."), parse(value), dotted)
    return config


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
        inner = from_dict(hints(type(config))[names[0]], value, dotted)
    return replace(config, **{names[0]: inner})


def refuse_incomplete(config: Any, where: str) -> None:
    """Raise UsageError unless domain, networks and game of a `Config` are parts that can do the work of one."""
    for name, hook in (("domain", "open"), ("networks", "build"), ("game", "turns")):
        part = getattr(config, name)
        if not (is_dataclass(part) and callable(getattr(part, hook, None))):
            held = class_name(part) if is_dataclass(part) else show(part)
            raise UsageError(f"{where}: {name} must be one of {', '.join(registry.named(name))}, not {held}.")


def difference(old: Any, new: Any, where: str = "") -> list[str]:
    """The lines `key: old -> new` in which two plain trees differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = [*old, *(n for n in new if n not in old)]
        return [line for n in names for line in difference(old.get(n), new.get(n), f"{where}.{n}".lstrip("."))]
    return [] if old == new else [f"{where}: {old!r} -> {new!r}"]


def dump_yaml(value: Any) -> str:
    """YAML in declaration order."""
    return yaml.safe_dump(to_dict(value), sort_keys=False, allow_unicode=True)
