"""The errors that a user can cause or mend. Everything else is a defect and shows a traceback."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any


class GanworksError(Exception):
    """A run failed for a reason that the message explains (exit code 1)."""

    exit_code = 1


class UsageError(GanworksError):
    """Wrong use or wrong input: the message says what, where, and what to do (exit code 2)."""

    exit_code = 2


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that names the closest known word, or lists all of them: 'Did you mean "lr"?'."""
    known = sorted(known)
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    return f'Did you mean "{close[0]}"?' if close else f"Known: {', '.join(known)}."


def number(name: str, value: Any, least: float, most: float) -> float:
    """An option's value, as a person wrote it, as a number in [least, most], else UsageError."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = float("nan")
    if not least <= found <= most:
        raise UsageError(f"{name} must be a number from {least:g} to {most:g}, not {str(value)[:60]!r}.")
    return found


def pixels(name: str, value: Any, most: int = 65_536) -> int:
    """An option's value as a whole number of pixels, 0 to `most`, else UsageError."""
    try:
        found = int(value)
    except (TypeError, ValueError, OverflowError):
        found = -1
    if not 0 <= found <= most:
        raise UsageError(f"{name} must be a number of pixels from 0 to {most}, not {str(value)[:60]!r}.")
    return found


def switch(name: str, value: Any) -> bool:
    """An option's value, "on" or "off" (or a bool), as a bool, else UsageError."""
    found = {"on": True, "true": True, "1": True, "off": False, "false": False, "0": False}.get(str(value).lower())
    if found is None:
        raise UsageError(f"{name} must be on or off, not {str(value)[:60]!r}.")
    return found


def check_ranges(settings: Any, ranges: Mapping[str, tuple[float, float]], where: str = "") -> None:
    """Raise UsageError unless every field that is named lies between its two numbers, or is None.

    where: what the user writes before the name, "game." for instance.
    """
    for name, (least, most) in ranges.items():
        value = getattr(settings, name)
        if value is not None and not least <= value <= most:
            raise UsageError(f"{where}{name} must lie between {least:,} and {most:,}, not {value}.")
