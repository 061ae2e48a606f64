"""What an audit looks at (`Evidence`), and what it says (`Finding`).

A domain fills in what its data has; a check that needs what is not there is not made. Nothing here knows a kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ganworks.core.contracts import Work
from ganworks.core.errors import UsageError

Rows = np.ndarray  # int64 [n], numbers of examples


@dataclass
class Evidence:
    """The examples of a source, each row of it by its number.

    what: the examples in the plural. names: file or place of a row. digest: SHA-256 (hex) of a row's content, as the
    list of exclusions holds it; None where rows cannot be left out one by one. hashes: uint64 [N, 2] of contents.
    held: bool [N], which rows a training would hold out. labels: int64 [N], -1 for none, or None. groups: name of a
    division ("folder", "camera") -> a word for each row, "" for unknown. corrupt: sentences on what cannot be read.

    vectors: rows -> features [n, d], the same for the same rows; by: what they are, in words; costs: rows of which they
    are made in about half a minute. simple: rows -> plain measures [n, k] (brightness, length, ...). twins: pairs of
    near copies (row, row, distance). pictures: rows -> [n, C, H, W] of 0..255. texts: rows -> texts. columns: name ->
    cells as text, of a table. traits: name -> a word for each row, of what files usually share (size, mode, format).
    located: rows whose metadata hold a place. flat: rows -> bool [n], whether they are empty or of one value. shown:
    row -> a PIL picture or a text, for the page.
    """

    what: str
    count: int
    names: Callable[[int], str]
    digest: Callable[[int], str] | None
    hashes: np.ndarray
    held: np.ndarray
    labels: np.ndarray | None = None
    classes: Sequence[str] = ()
    groups: dict[str, list[str]] = field(default_factory=dict)
    corrupt: list[str] = field(default_factory=list)
    corrupt_count: int = 0
    vectors: Callable[[Rows], np.ndarray] | None = None
    by: str = ""
    costs: int = 60_000
    simple: Callable[[Rows], np.ndarray] | None = None
    twins: Callable[[], list[tuple[int, int, float]]] | None = None
    twins_by: str = ""
    pictures: Callable[[Rows], np.ndarray] | None = None
    texts: Callable[[Rows], list[str]] | None = None
    columns: dict[str, list[str]] | None = None
    traits: dict[str, list[str]] = field(default_factory=dict)
    located: list[int] | None = None
    flat: Callable[[Rows], np.ndarray] | None = None
    shown: Callable[[int], Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def some(self, most: int) -> Rows:
        """Up to `most` rows, rising, the same ones each time; all where there are no more."""
        if self.count <= most:
            return np.arange(self.count)
        return np.sort(np.random.default_rng(0).permutation(self.count)[:most])


@dataclass
class Group:
    """Rows that belong together on the page: what they have in common, or why they stand there."""

    rows: list[int]
    says: str


@dataclass
class Finding:
    """The verdict of one check.

    check: its short name. found: rows (or what `unit` says) that it found among `looked` of `total`. says: the verdict
    as a sentence. limits: what the check cannot see, and how much it would have seen. groups: what to show, the worst
    first. out: row -> why it should be left out. facts: plain numbers.
    """

    check: str
    title: str
    found: int
    looked: int
    total: int
    says: str
    limits: str
    groups: list[Group] = field(default_factory=list)
    out: dict[int, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def to_dict(self, name: Callable[[int], str]) -> dict[str, Any]:
        """Plain types, with names for rows."""
        return {
            "check": self.check,
            "title": self.title,
            "found": self.found,
            "looked": self.looked,
            "of": self.total,
            "verdict": self.says,
            "limits": self.limits,
            "facts": self.facts,
            "groups": [{"says": g.says, "names": [name(r) for r in g.rows]} for g in self.groups[:1000]],
        }


def refuse_features(features: str, what: str) -> None:
    """Raise UsageError where a published network was asked for that does not look at such data."""
    if features:
        raise UsageError(
            f"features={features}: published networks look at pictures, not at {what}. Leave features out."
        )


def quiet(label: str, done: int, total: int) -> None:
    """Report nothing."""


__all__ = ["Evidence", "Finding", "Group", "Rows", "Work", "quiet", "refuse_features"]
