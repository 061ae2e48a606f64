"""Plain values from text that anybody may have written: words of the command line, YAML and JSON.

Numbers are decimal and nothing is a date. Tags, anchors, deep nesting and text that cannot be encoded are refused: what
is returned consists of dict, list, str, int, float, bool and None, and is as large as its text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
import yaml

from ganworks.core.errors import UsageError

try:
    from yaml import CSafeLoader as _Fast
except ImportError:
    from yaml import SafeLoader as _Fast

_DEEPEST = 64  # tables and lists within each other
_LONGEST_WORD = 1 << 16  # characters of a word that is read as more than text
_SCALARS = (  # tag, what it looks like, first characters: a part of what YAML's own writer puts into quotes as text
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)", "-+0123456789"),
    ("float", r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?", "-+0123456789."),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+."),
)  # fmt: skip
_KEPT = (None, *(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")))


class _Word(yaml.SafeLoader):
    """YAML without dates, numbers of other bases, tags and merges."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012
    yaml_constructors = {tag: yaml.SafeLoader.yaml_constructors[tag] for tag in _KEPT}  # noqa: RUF012


class _File(_Fast):  # pyrefly: ignore
    """The same, faster."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012
    yaml_constructors = _Word.yaml_constructors


for _loader in (_Word, _File):
    for _name, _form, _first in _SCALARS:
        _loader.add_implicit_resolver(
            f"tag:yaml.org,2002:{_name}", re.compile(f"(?:{_form})$"), [c.replace("\0", "") for c in _first]
        )


def parse(text: Any) -> Any:
    """A command-line word as a plain value: "1e-4" -> 0.0001, "off" -> False, "[64, 32]" -> list; others unchanged."""
    if not isinstance(text, str) or len(text) > _LONGEST_WORD:
        return text
    if "e" in text.lower() and "." not in text:
        try:
            return float(text)
        except ValueError:
            pass
    try:
        return _load(text, _Word)
    except (yaml.YAMLError, ValueError):
        return text


def read_yaml(raw: str | bytes, where: str) -> Any:
    """The value of a YAML text (UTF-8). Raises UsageError that names `where`."""
    try:
        return _load(raw.decode("utf-8") if isinstance(raw, bytes) else raw, _File)
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{where} is not valid YAML: {_line(error)}.") from error


def _load(text: str, loader: Any) -> Any:
    depth = 0
    for event in yaml.parse(text, loader):  # a flat loop, where composing would use one level of the stack for each
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} lists and tables within each other")
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"an anchor is used again (*{event.anchor}), which is not read here")
        if getattr(event, "tag", None) is not None:
            raise ValueError(f"it has the tag {str(event.tag)[:60]}, and tags are not read here")  # pyrefly: ignore
    return yaml.load(text, Loader=loader)  # one of the two above, both below a SafeLoader


def read_json(raw: str | bytes, where: str, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """The value of a JSON text (UTF-8). Raises UsageError that names `where`.

    pairs: makes a table of its (key, value) pairs; ValueErrors that it raises become UsageErrors.
    """
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        value = json.loads(text, object_pairs_hook=pairs)
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode()  # half of a pair cannot be written anywhere
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is not valid JSON: {_line(error)}.") from error
    return value


def as_json(value: Any) -> Any:
    """A value that can be written as JSON, as it would be read again: tuples are lists."""
    return json.loads(json.dumps(value))


def shaped(declared: Any, value: Any, where: str) -> Any:
    """The value itself, if it has the declared shape (a TypedDict; more keys than declared may be there).

    Raises UsageError that names `where` and the place within it.
    """
    try:
        msgspec.convert(value, declared)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UsageError(f"{where} is damaged: {_line(error)}. Restore it from a copy.") from error
    return value


def _line(error: Exception) -> str:
    """The first line of an error, without what it quotes at length."""
    return (str(error) or type(error).__name__).splitlines()[0][:200].rstrip(".")
