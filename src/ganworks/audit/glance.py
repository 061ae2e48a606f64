"""The look that every training takes at its data before it begins: the cheap checks, on a sample, in a few seconds."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ganworks.audit.data import checks, copies
from ganworks.audit.data.checks import Examined
from ganworks.audit.evidence import Evidence, Finding
from ganworks.core.abilities.examining import GlancesAtData
from ganworks.core.contracts import labels_of

SHARE, MOST, LEAST = 0.02, 3.0, 0.5  # of the budget; seconds at most; seconds below which nothing is looked at
ROWS, VALUES = 1_500, 1_500_000  # examples, and their values, that are looked at
TOLD = 0.01  # share of a sample from which a finding is worth a line


def warning(domain: Any, data: Any, path: Any, seconds: float, clock: Callable[[], float] = time.monotonic) -> str:
    """One line on what looks wrong in opened data, naming `ganworks audit`; "" where nothing does.

    seconds: that the training will take. Nothing is dropped, and no random state is touched.
    """
    allowed = min(MOST, SHARE * seconds)
    if allowed < LEAST or not isinstance(domain, GlancesAtData):
        return ""
    began = clock()
    said = _contradictions(data)
    for found in _found(domain.glance(data, ROWS, VALUES), lambda: clock() - began < allowed):
        said.append(found)
    if not said:
        return ""
    where = shlex.quote(str(path)) if isinstance(path, str | Path) else "DATA"
    return f"The data may have faults: {'; '.join(said)}. `ganworks audit {where}` shows them."


def _contradictions(data: Any) -> list[str]:
    """Copies with different labels, among all examples: their hashes are known."""
    hashes, labels = getattr(data, "hashes", None), labels_of(data)
    if hashes is None or labels is None or len(hashes) != len(labels):
        return []
    count = copies.crossing(copies.exact(hashes), np.asarray(labels))
    return [f"{count:,} exact copies carry different labels"] if count else []


def _found(evidence: Evidence, time_left: Callable[[], bool]) -> list[str]:
    """What the checks say of a sample, the cheapest first, until the time is up."""
    at, said = Examined(evidence), []
    looks: list[tuple[Callable[[Examined], Finding | None], str]] = [
        (checks.empty_ones, "empty"),
        (checks.strange, "unlike the others"),
        (lambda at: checks.wrong_labels(at, trial=False), "with a doubtful label"),
        (checks.shared_patches, "with the same patch"),
    ]
    for look, what in looks:
        if not time_left():
            break
        found = look(at)
        if found is not None and found.looked and found.found >= max(3, TOLD * found.looked):
            said.append(f"{found.found:,} of {found.looked:,} looked at are {what}")
    return said
