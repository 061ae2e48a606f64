"""Ranges and units, declared with the field: `lr: Annotated[float, within(above=0, most=10)] = 2e-4`.

`check` holds a dataclass to them wherever it is made, `core.schema.convert` uses the same sentence with the whole key,
and `core.schema.document` writes them as JSON Schema. What depends on several fields is checked by hand in the class.
"""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, Literal, Union

from ganworks.core.errors import UsageError, nearest, show


@dataclass(frozen=True)
class Range:
    """Where a number lies. least, most: belong to the range; above, below: do not. unit: in words, e.g. "Hz"."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    unit: str = ""

    def holds(self, value: float) -> bool:
        """Whether a number lies in the range; NaN lies in none that has an end."""
        return (
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        """What a number must do to lie in the range, as the end of a sentence."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self._ends()}{unit}"

    def _ends(self) -> str:
        low, high = (
            (self.least if self.above is None else self.above),
            (self.most if self.below is None else self.below),
        )
        if high is None:
            if self.above is not None:
                return f"must lie above {low:,}"
            return f"needs to be at least {low:,}" if low else "must be 0 or more"
        if low is None:
            return f"must be at most {high:,}" if self.below is None else f"must lie below {high:,}"
        if self.above is None and self.below is None:
            return f"must lie between {low:,} and {high:,}"
        if self.below is None:
            return f"must lie above {low:,} and at most at {high:,}"
        return f"must lie in {'[' if self.above is None else '('}{low:,}, {high:,})"


def within(
    least: float | None = None,
    most: float | None = None,
    *,
    above: float | None = None,
    below: float | None = None,
    unit: str = "",
) -> Range:
    """The `Range` that a field declares, e.g. `within(0, below=1)`."""
    return Range(least, most, above, below, unit)


OF_BUDGET = "fraction of the budget"
Weight = Annotated[float, within(0, 1_000_000)]  # of a term in a loss, or gamma of a penalty
Share = Annotated[float, within(0, 1)]
Chance = Annotated[float, within(0, below=1)]  # of dropout, for instance
Portion = Annotated[float, within(0, 1, unit=OF_BUDGET)]
Count = Annotated[int, within(1)]
Size = Annotated[int, within(0)]  # where 0 has a meaning of its own
Width = Annotated[int, within(1, unit="channels")]
HeldOut = Annotated[float, within(0, below=1, unit="share of the examples")]
OnCorrupt = Literal["error", "skip"]  # an example that cannot be read
Sparing = Annotated[float, within(0, 0.5, unit="share of the examples")]


@cache
def hints(cls: type) -> dict[str, Any]:
    """Name of a field -> its type with the declared range."""
    found = typing.get_type_hints(cls, include_extras=True)
    return {f.name: found[f.name] for f in fields(cls) if f.init}


def check(settings: Any, where: str = "") -> None:
    """Raise UsageError unless every number of a dataclass lies in its declared range, and every word is declared.

    where: what the user writes before the name, "game." for instance.
    """
    for name, hint in hints(type(settings)).items():
        check_value(f"{where}{name}", hint, getattr(settings, name))


def check_value(where: str, hint: Any, value: Any) -> None:
    """Raise UsageError that names `where` unless a value, or each number of a tuple, lies in its declared range."""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        for allowed in (m for m in options[1:] if isinstance(m, Range)):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if number and not allowed.holds(value):
                raise UsageError(f"{where} {allowed}, not {show(value)}.")
        check_value(where, options[0], value)
    elif origin in (Union, types.UnionType):
        for option in options:
            if typing.get_origin(option) is not Literal:
                check_value(where, option, value)
    elif origin is Literal and value not in options:
        raise UsageError(f"{where} cannot be {show(value)}. {nearest(show(value), map(str, options))}")
    elif origin is tuple and isinstance(value, tuple | list):
        inner = [options[0]] * len(value) if options[-1] is ... else options
        for kind, item in zip(inner, value, strict=False):
            check_value(where, kind, item)
