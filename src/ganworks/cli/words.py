"""Parses the words of the command line: positional words, key=value options, numbers, the user's own modules."""

from __future__ import annotations

from collections.abc import Sequence

from ganworks.core.console.text import counted
from ganworks.core.errors import UsageError, nearest

VERBS = {  # verb -> "module:function"; the function takes the places and the options
    "train": "train:train",
    "sample": "sample:sample",
    "apply": "apply:apply",
    "predict": "predict:predict",
    "eval": "evaluate:evaluate",
    "data": "data:data",
    "audit": "trust.audit:audit",
    "info": "runs:info",
    "report": "runs:report",
    "compare": "runs:compare",
    "recipes": "recipes:recipes",
    "features": "recipes:features",
    "explore": "trust.explore:explore",
    "serve": "service.serve:serve",
    "keys": "service.keys:keys",
    "verify": "trust.verify:verify",
    "studio": "service.studio:studio",
}

_WRITING = ("out", "device", "mark", "format", "watermark", "sign")
SAMPLING = ("seed", "start", "labels", "truncation", "interpolate", "steps", *_WRITING)
APPLYING = ("seed", "mask", "sheet", "reverse", *_WRITING)

Options = dict[str, str]


def split(words: Sequence[str]) -> tuple[list[str], Options]:
    """Positional words and key=value options; `--key=value` and `--key value` are taken as well."""
    places: list[str] = []
    options: Options = {}
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        name, sign, value = word.partition("=")
        dashed = name.startswith("--")
        name = name.lstrip("-").replace("-", "_") if dashed else name
        if dashed and not sign:
            value = waiting.pop(0) if waiting and not waiting[0].startswith("--") and "=" not in waiting[0] else "true"
        elif not sign or not name.replace(".", "").replace("_", "").isalnum():
            places.append(word)
            continue
        if name in options:
            raise UsageError(f"{name} is given twice.")
        options[name] = value
    return places, options


def only(options: Options, known: Sequence[str], verb: str) -> None:
    """Raise UsageError for an option that the verb does not have."""
    for name in options:
        if name not in known:
            raise UsageError(f'`ganworks {verb}` has no option "{name}". {nearest(name, known)}')


def one(places: list[str], what: str, verb: str) -> str:
    """The only word, or a UsageError that says what the verb needs."""
    if len(places) != 1:
        raise UsageError(
            f"`ganworks {verb}` needs {what}; it got {counted(len(places), 'word')}. `ganworks {verb} "
            "--help` shows how."
        )
    return places[0]


def whole(text: str, name: str) -> int:
    """A whole number in plain digits; anything else is a UsageError that names it."""
    if not text.lstrip("-").isascii() or not text.lstrip("-").isdigit() or len(text) > 20:
        raise UsageError(f"{name} must be a whole number, not {text[:40]!r}.")
    return int(text)


def decimal(text: str, name: str) -> float:
    """A number; anything else is a UsageError that names it."""
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"{name} must be a number, not {text[:40]!r}.") from error


def import_own(options: Options) -> str:
    """plugin=MODULE[,MODULE]: import the user's own modules; returns " plugin=..." for further commands, or ""."""
    names = options.pop("plugin", "")
    if not names:
        return ""
    from ganworks.core.plugins.own import import_named

    for name in names.split(","):
        import_named(name, "plugin=")
    return f" plugin={names}"
