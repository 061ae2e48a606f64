"""The errors that a user can cause or mend, and checks of options. Any other error is a defect with a traceback."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class GanworksError(Exception):
    """A run failed for a reason that the message explains (exit code 1)."""

    exit_code = 1


class UsageError(GanworksError):
    """Wrong use or wrong input: the message says what, where, and what to do (exit code 2)."""

    exit_code = 2


class UnmetError(UsageError):
    """Hardly anything that is made meets what was asked of it. share: of what was made that does, 0 to 1."""

    def __init__(self, message: str, share: float):
        super().__init__(message)
        self.share = share


def show(value: Any) -> str:
    """A value as a message can hold it: short, and safe for numbers of thousands of digits."""
    try:
        text = repr(value)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that names the closest known word, or lists all of them: 'Did you mean "lr"?'."""
    known = sorted(set(known))
    close = get_close_matches(name[:200], known, n=1, cutoff=0.5)
    return f'Did you mean "{close[0]}"?' if close else f"Known: {', '.join(known)}."


def number(name: str, value: Any, least: float, most: float) -> float:
    """An option's value, as the user wrote it, as a number in [least, most]. Raises UsageError for another."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = float("nan")
    if not least <= found <= most:
        raise UsageError(f"{name} must be a number from {least:g} to {most:g}, not {show(value)}.")
    return found


def whole(name: str, value: Any, least: int, most: int) -> int:
    """An option's value, as the user wrote it, as a whole number in [least, most]. Raises UsageError for another."""
    try:
        found = int(value)
    except (TypeError, ValueError, OverflowError):
        found = least - 1
    if not least <= found <= most:
        raise UsageError(f"{name} must be a whole number from {least} to {most}, not {show(value)}.")
    return found


def pixels(name: str, value: Any, most: int = 65_536) -> int:
    """An option's value as a whole number of pixels from 0 to `most`. Raises UsageError for another."""
    try:
        found = int(value)
    except (TypeError, ValueError, OverflowError):
        found = -1
    if not 0 <= found <= most:
        raise UsageError(f"{name} must be a number of pixels from 0 to {most}, not {show(value)}.")
    return found


def switch(name: str, value: Any) -> bool:
    """An option's value, "on" or "off" (or a bool), as a bool. Raises UsageError for another."""
    said = str(value).lower()
    found = said in ("on", "true", "yes", "1")
    if not found and said not in ("off", "false", "no", "0"):
        raise UsageError(f"{name} must be on or off, not {show(value)}.")
    return found
