"""Converts plain values of YAML, JSON and the command line to the types that fields declare, with msgspec.

Words that a user writes are read first (`64,96` as a tuple, `off` as a word); what msgspec refuses becomes a sentence.
Ranges are ours (`core.schema.declare`): msgspec 0.23 ends the process on a union of a number with a range and a tuple.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Union

import msgspec
import yaml

from ganworks.core.errors import UsageError, nearest, show
from ganworks.core.schema.declare import check_value
from ganworks.core.schema.plain import parse

_NAMES: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    str: "text",
    tuple: "a list",
    dict: "a table of keys and values",
}


def convert(declared: Any, raw: Any, where: str) -> Any:
    """One value checked and converted to a field's type: 0 becomes 0.0 for a float, lists become tuples.

    Raises UsageError that names `where` and the value.
    """
    admitted = _admitted(declared)
    if not admitted:
        return raw
    given = _read(admitted, raw)
    try:
        value = msgspec.convert(given, declared, strict=bool({str, bool} & admitted.keys()))
    except (msgspec.ValidationError, ValueError) as error:  # the latter for half of a surrogate pair
        raise UsageError(_sentence(str(error), admitted, raw, where)) from error
    for item in _items(value):
        if not _is_plain(item):
            raise UsageError(f"{where} must be {_NAMES[type(item)]}, not {show(raw)}.")
    check_value(where, declared, value)
    return value


def _admitted(declared: Any) -> dict[Any, tuple]:
    """The plain types that a declared type admits -> the words of a Literal, or (); empty where anything goes."""
    origin, options = typing.get_origin(declared), typing.get_args(declared)
    if origin is Annotated:
        return _admitted(options[0])
    if origin in (Union, types.UnionType):
        found = [_admitted(option) for option in options]
        return {kind: words for each in found for kind, words in each.items()} if all(found) else {}
    if origin is typing.Literal:
        return {type(option): options for option in options}
    kind = origin or declared
    anything = kind is object or not isinstance(kind, type) or getattr(kind, "_is_protocol", False)
    return {} if anything else {kind: ()}


def _read(admitted: Mapping[Any, tuple], raw: Any) -> Any:
    """A word of the user, or a NumPy scalar, as the plain value that it means in a field of these types."""
    if hasattr(raw, "item") and getattr(raw, "ndim", 0) == 0:
        raw = raw.item()
    if raw is None and type(None) in admitted:
        return raw
    if tuple in admitted and not isinstance(raw, Mapping):
        return _read_list(admitted, raw)
    if str in admitted and type(raw) not in admitted:  # YAML's reading of a word or of nothing
        if raw is None or isinstance(raw, bool):
            return {None: "", False: "off", True: "on"}[raw]
        if isinstance(raw, int | float) and not admitted[str]:
            return yaml.safe_dump(raw).split("\n")[0]
    return raw if str in admitted else parse(raw)


def _read_list(admitted: Mapping[Any, tuple], raw: Any) -> Any:
    """A list without brackets (size=64,96); a field that takes nothing but lists also takes a single item."""
    alone = not admitted.keys() - {tuple, type(None)}
    if isinstance(raw, str) and str not in admitted and (alone or "," in raw):
        return [parse(word) for word in raw.split(",")]
    if isinstance(raw, Iterable) and not isinstance(raw, str):
        return list(raw)
    return [raw] if alone else raw


def _sentence(said: str, admitted: Mapping[Any, tuple], raw: Any, where: str) -> str:
    """An error of msgspec as a sentence: where, what is wanted, and what was given."""
    if "of length" in said:
        wanted = said.partition("of length ")[2].partition(",")[0].replace(">= ", "at least ")
        return f"{where} needs {wanted} values, not {show(raw)}."
    words = [str(word) for options in admitted.values() for word in options]
    if words:
        return f"{where} cannot be {show(raw)}. {nearest(show(raw), words)}"
    kinds = [kind for kind in admitted if kind is not type(None)]
    inner = {name: kind for kind, name in ((int, "int"), (float, "float"), (str, "str"), (bool, "bool"))}
    if " - at `$" in said and kinds[-1] is tuple:
        kinds = [inner[name] for name in inner if f"Expected `{name}`" in said] or kinds
    return f"{where} must be {' or '.join(_NAMES.get(kind, kind.__name__) for kind in kinds)}, not {show(raw)}."


def _items(value: Any) -> Iterable[int | float | str]:
    if isinstance(value, int | float | str):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _items(item)


def _is_plain(item: float | str) -> bool:
    """Whether every file and every library can hold it: finite, at most 64 bits, text that has a code in UTF-8."""
    if isinstance(item, str):
        return not any("\ud800" <= sign <= "\udfff" for sign in item)
    return math.isfinite(item) if isinstance(item, float) else abs(item) < 2**63
