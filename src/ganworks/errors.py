"""The errors that a user can cause or mend. Everything else is a defect and shows a traceback."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


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
