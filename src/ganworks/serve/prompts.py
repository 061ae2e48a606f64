"""Prompts for networks that know classes, not sentences: a class name, and words such as truncation=0.7."""

from __future__ import annotations

import re
from typing import Any

from ganworks.core.errors import UsageError, show
from ganworks.core.schema.plain import parse
from ganworks.serve.about import About

WORDS = {"class": "label", "label": "label", "seed": "seed", "truncation": "truncation"}
_WORD = re.compile(r"(?<!\S)([A-Za-z_]\w*)=(?:'([^']*)'|\"([^\"]*)\"|(\S+))")
_SHOWN = 100  # classes that an error lists


def read_prompt(prompt: str, about: About, use: str = "sample") -> dict[str, Any]:
    """What a prompt asks for: label, seed, truncation, and options of the model, each only if it is named.

    Raises UsageError, with the words and classes that the model knows, for anything else: nothing is passed over.
    """
    found: dict[str, Any] = {}
    own = about.options(use)
    for name, *values in _WORD.findall(prompt):
        value = next((v for v in values if v), "")
        goal = WORDS.get(name, name)
        if name not in WORDS and name not in own:
            raise _unknown(f"{name}=", about, own)
        if goal in found:
            raise UsageError(f"prompt: {name} is said twice.")
        found[goal] = value if goal == "label" or name in own else _number(goal, value)
    rest = " ".join(_WORD.sub(" ", prompt).split())
    if rest:
        if "label" in found:
            raise UsageError(f"prompt: two classes, {show(found['label'])} and {show(rest)}. Name one.")
        if rest not in about.spec.classes and not (rest.isdecimal() and about.spec.classes):
            raise _unknown(rest, about, own)
        found["label"] = rest
    return found


def _number(name: str, text: str) -> Any:
    value = parse(text) if re.fullmatch(r"[0-9.eE+-]{1,40}", text) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"prompt: {name} must be a number, not {show(text)}.")
    return value


def _unknown(word: str, about: About, own: dict[str, str]) -> UsageError:
    """An error that lists what a prompt for this model may say."""
    words = ", ".join(f"{name}=..." for name in (*(WORDS if about.spec.classes else ("seed", "truncation")), *own))
    classes = about.spec.classes
    more = f" and {len(classes) - _SHOWN:,} more" if len(classes) > _SHOWN else ""
    known = f"Its classes: {', '.join(classes[:_SHOWN])}{more}." if classes else "It has no classes."
    return UsageError(
        f"prompt: {show(word)} says nothing to this model, which was not trained on texts. {known} Or say {words}."
    )
