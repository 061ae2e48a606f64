"""What a data source holds, as text: counts, classes, what cannot be read, notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ganworks.core.console.text import counted
from ganworks.core.spec import key


@dataclass
class Findings:
    """facts: the summary of the data set, and what a kind adds to it. lines: the same as text.

    sheet: a PIL picture of some items with their classes, None where a kind has none. data: the opened data set.
    """

    facts: dict[str, Any]
    lines: list[str]
    sheet: Any
    data: Any


def choose(labels: np.ndarray | None, total: int, count: int) -> np.ndarray:
    """Up to `count` row numbers, spread evenly over the classes and sorted by class."""
    order = np.random.default_rng(key("contact sheet")).permutation(total)
    if labels is None:
        return np.sort(order[:count])
    ranked = order[np.argsort(labels[order], kind="stable")]
    starts = np.searchsorted(labels[ranked], np.arange(labels.max() + 1))
    within = np.arange(total) - starts[labels[ranked]]
    picked = np.sort(np.argsort(within, kind="stable")[:count])
    return ranked[picked]


_COUNTED = ("count", "train", "held", "duplicates", "corrupt")
_SHOWN_APART = (*_COUNTED, "source", "kind", "bytes", "classes", "notes", "warnings", "corrupt_names", "fingerprint",
                "dtype", "packed", "taken")  # fmt: skip


def describe_any(facts: dict[str, Any]) -> list[str]:
    """The summary of any data set as lines of text: the counts, what only this kind has, and the notes."""
    size = f", {byte_count(facts['bytes'])}" if isinstance(facts.get("bytes"), int | float) else ""
    lines = [
        f"{counted(facts.get('count', 0), 'example')} from {facts.get('source', '?')} ({facts.get('kind', '?')}{size})"
    ]
    if "train" in facts and "held" in facts:
        lines.append(f"split: {facts['train']:,} to train on, {facts['held']:,} held out")
    lines += [f"exact duplicates: {facts['duplicates']:,}"] if "duplicates" in facts else []
    if facts.get("classes") is not None:
        found = facts["classes"]
        lines.append(
            f"classes: {class_counts(found) if isinstance(found, dict) else ', '.join(map(str, found)) or 'none'}"
        )
    for name, value in facts.items():
        if name not in _SHOWN_APART and (said := _said(value)):
            lines.append(f"{name.replace('_', ' ')}: {said}")
    lines += [f"taken for {line}" for line in facts.get("taken", [])]
    lines += [f"could not be read: {facts['corrupt']:,}"] if facts.get("corrupt") else []
    lines += [f"  {name}" for name in facts.get("corrupt_names", [])]
    warned = facts.get("warnings")
    warned = warned if isinstance(warned, dict) else {}
    lines += [f"warning: {text} ({counted(times, 'time')})" for text, times in warned.items()]
    return lines + [f"note: {text}" for text in facts.get("notes", [])]


def _said(value: Any, most: int = 400) -> str:
    """A fact as text: numbers, words, short lists and tables of them; "" for anything else."""
    if isinstance(value, bool) or value is None:
        return "" if value is None else "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        parts = [f"{k} {_said(v)}".strip() for k, v in list(value.items())[:20]]
    elif isinstance(value, list | tuple):
        parts = [_said(v) for v in value[:20]]
    else:
        return str(value)[:most]
    more = ", ..." if len(value) > 20 else ""
    return (", ".join(parts) + more)[:most]


def top(counts: dict[str, int], distinct: int) -> str:
    """The five most common names with their counts, and how many more there are."""
    shown = ", ".join(f"{name} ({times:,})" for name, times in list(counts.items())[:5])
    return shown if distinct <= 5 else f"{shown} and {distinct - 5:,} more"


def class_counts(classes: dict[str, int]) -> str:
    """How many examples each class has, and whether the classes are uneven."""
    if not classes:
        return "none"
    shown = ", ".join(f"{name} {times:,}" for name, times in list(classes.items())[:20])
    few, most = min(classes.values()), max(classes.values())
    uneven = f"; the largest has {most / max(few, 1):.0f} times the smallest" if most > 3 * few else ""
    return f"{len(classes)}: {shown}{' ...' if len(classes) > 20 else ''}{uneven}"


def byte_count(count: float) -> str:
    """A number of bytes as people read it."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
