"""The checks of an audit: each asks the evidence for what it needs, and makes a finding of what it sees.

A check returns None where the data does not have what it asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from ganworks.audit.data import copies, labels, outliers, patches, shifts
from ganworks.audit.evidence import Evidence, Finding, Group, Rows, quiet
from ganworks.core.console.text import counted
from ganworks.core.contracts import Work

_PART = 512  # rows whose features are made at a time
_SHOWN = 24  # rows of a group that are shown
PATCHED = 40_000_000  # values of pictures that are searched for patches
WEAK = 0.7  # agreement of a classifier with the labels, below which it does not judge them
_TOO_WEAK = (
    "could not tell a wrong label from a hard case: its classifier, on {by}, agrees with {share:.0%} of the labels, "
    "and {least:.0%} is needed. Pictures can be looked at through a published network (features=NAME)"
)
_FEW = 50  # rows below which outliers and labels are not judged


class Examined:
    """Evidence with what several checks need, computed once: features of some rows, and plain measures of all.

    most: rows that are looked at with features at most.
    """

    def __init__(self, evidence: Evidence, work: Work = quiet, most: int | None = None):
        self.of, self.work = evidence, work
        self.rows = evidence.some(min(evidence.costs, most or evidence.costs))

    @cached_property
    def vectors(self) -> np.ndarray | None:
        """Features [n, d] of `rows`."""
        return None if self.of.vectors is None else self._all(self.of.vectors, "Features")

    @cached_property
    def simple(self) -> np.ndarray | None:
        """Plain measures [n, k] of `rows`."""
        return None if self.of.simple is None else self._all(self.of.simple, "Measures")

    def _all(self, make: Callable[[Rows], np.ndarray], label: str) -> np.ndarray:
        parts = []
        for start in range(0, len(self.rows), _PART):
            self.work(label, start, len(self.rows))
            parts.append(make(self.rows[start : start + _PART]))
        self.work(label, len(self.rows), len(self.rows))
        return np.concatenate(parts)

    @property
    def sampled(self) -> str:
        """A sentence where not all were looked at, else ""."""
        if len(self.rows) == self.of.count:
            return ""
        return f" A random {len(self.rows):,} of {self.of.count:,} {self.of.what} were looked at."


def exact_copies(at: Examined) -> Finding:
    """Rows with the same content."""
    e = at.of
    groups = copies.exact(e.hashes)
    extra = sum(len(g) - 1 for g in groups)
    across = copies.crossing(groups, e.labels)
    classes = f" {counted(across, 'group carries', 'groups carry')} different labels." if across else ""
    return Finding(
        "copies",
        "Exact copies",
        extra,
        e.count,
        e.count,
        f"{counted(extra, 'exact copy', 'exact copies')} among {e.count:,} {e.what}"
        + (f", in {counted(len(groups), 'group')}.{classes}" if extra else "."),
        "Every one is compared with every other, as a training reads them. A training keeps exact copies on one side "
        "of the split, so that none is both trained on and held out.",
        [Group(g[:_SHOWN].tolist(), f"{len(g):,} times the same") for g in groups],
        {int(row): f"exact copy of {e.names(int(g[0]))}" for g in groups for row in g[1:]},
        {"groups": len(groups), "groups_of_several_classes": across},
    )


def near_copies(at: Examined) -> Finding | None:
    """Rows that are nearly the same."""
    e = at.of
    if e.twins is None:
        return None
    pairs = [(a, b, far) for a, b, far in e.twins() if (e.hashes[a] != e.hashes[b]).any()]
    groups = copies.joined((a, b) for a, b, _ in pairs)
    extra = sum(len(g) - 1 for g in groups)
    split, classes = copies.crossing(groups, e.held.astype(np.int64)), copies.crossing(groups, e.labels)
    says = f"{counted(extra, 'near copy', 'near copies')} among {e.count:,} {e.what}"
    says += f", in {counted(len(groups), 'group')}" if extra else ""
    said = [f"{counted(split, 'group lies', 'groups lie')} on both sides of the split"] if split else []
    said += [f"{counted(classes, 'group carries', 'groups carry')} different labels"] if classes else []
    shown = sorted(groups, key=lambda g: -(2 * _mixed(g, e.held) + (e.labels is not None and _mixed(g, e.labels))))
    return Finding(
        "near_copies",
        "Near copies",
        extra,
        e.count,
        e.count,
        f"{says}; {', '.join(said)}." if said else f"{says}.",
        f"{e.twins_by} Groups on both sides of the split make scores of held-out examples look better than they are.",
        [Group(g[:_SHOWN], _between(g, e)) for g in shown],
        {row: f"near copy of {e.names(g[0])}" for g in groups for row in g[1:]},
        {"groups": len(groups), "groups_across_the_split": split, "groups_of_several_classes": classes},
    )


def _mixed(group: list[int], values: np.ndarray) -> bool:
    return len({int(values[row]) for row in group}) > 1


def _between(group: list[int], e: Evidence) -> str:
    said = ["nearly the same"]
    said += ["trained on and held out"] if _mixed(group, e.held) else []
    said += ["different labels"] if e.labels is not None and _mixed(group, e.labels) else []
    return ", ".join(said)


def wrong_labels(at: Examined, trial: bool = True) -> Finding | None:
    """Labels that do not fit."""
    e = at.of
    if e.labels is None or len(e.classes) < 2 or at.vectors is None:
        return None
    given = e.labels[at.rows]
    known = np.flatnonzero(given >= 0)
    at.work("Labels", 0, 1)
    found = labels.doubtful(at.vectors[known], given[known], len(e.classes), trial) if len(known) >= _FEW else None
    at.work("Labels", 1, 1)
    if found is None:
        return _unasked(
            "labels", "Wrong labels", at, f"needs {_FEW} {e.what} with a label, and {labels.FEWEST} of each class"
        )
    if found.accuracy < WEAK:
        return _unasked("labels", "Wrong labels", at, _TOO_WEAK.format(by=e.by, share=found.accuracy, least=WEAK))
    rows = at.rows[known[found.rows]]
    says = [
        (int(r), f"labelled {e.classes[e.labels[r]]}, looks like {e.classes[b]} ({c:.2f})")
        for r, b, c in zip(rows, found.better, found.chance, strict=True)
    ]
    power = "" if found.power is None else f" Of labels that it swapped itself for a trial it found {found.power:.0%}."
    return Finding(
        "labels",
        "Wrong labels",
        len(rows),
        len(known),
        e.count,
        f"{counted(len(rows), 'label', 'labels')} of {len(known):,} may be wrong.",
        f"Confident learning on {e.by}, cross-validated; its classifier agrees with {found.accuracy:.1%} of the "
        f"labels.{power}{at.sampled} A label that is wrong for all examples of a kind cannot be seen.",
        [Group([row], text) for row, text in says],
        {row: f"label may be wrong: {text}" for row, text in says},
        {"accuracy": found.accuracy, "noise": found.noise, "power": found.power},
    )


def strange(at: Examined) -> Finding | None:
    """Rows unlike all others."""
    e = at.of
    views = [view for view in (at.vectors, at.simple) if view is not None]
    if not views:
        return None
    if len(at.rows) < outliers.FEWEST:
        return _unasked("outliers", "Outliers", at, f"needs {outliers.FEWEST} {e.what}")
    found = [(int(at.rows[row]), far) for row, far in outliers.strangers(views)]
    return Finding(
        "outliers",
        "Outliers",
        len(found),
        len(at.rows),
        e.count,
        f"{counted(len(found), 'outlier')} among {len(at.rows):,} {e.what}.",
        f"By {e.by or 'plain measures'}{' and plain measures' if e.by and at.simple is not None else ''}: farther from "
        f"the rest than {outliers.FAR} robust deviations.{at.sampled} Foreign {e.what} that make up more than about "
        f"{outliers.ALLOWED:.0%} count as a kind of their own; rare but right {e.what} are among those found.",
        [Group([row], f"{far:.1f} deviations") for row, far in found],
        {row: f"unlike the others ({far:.1f} deviations)" for row, far in found},
    )


def shared_patches(at: Examined, most: int = PATCHED) -> Finding | None:
    """A patch at one place that an unlikely share of pictures has."""
    e = at.of
    if e.pictures is None:
        return None
    shape = e.pictures(np.arange(1)).shape[1:]
    if min(shape[1:]) < patches.SMALLEST:
        return _unasked("patches", "Shared patches", at, f"needs pictures of {patches.SMALLEST} pixels a side")
    each = int(np.prod(shape))
    rows = e.some(max(100, min(e.count, most // each)))
    at.work("Patches", 0, 1)
    found = patches.find_patches(e.pictures(rows))
    at.work("Patches", 1, 1)
    groups, out = [], {}
    for patch in found:
        own = rows[patch.rows]
        place = f"{patch.height} x {patch.width} pixels at row {patch.top}, column {patch.left}"
        says = f"{counted(len(own), 'picture has', 'pictures have')} the same patch: {place}{_classes_of(own, e)}"
        groups.append(Group(own[:_SHOWN].tolist(), says))
        out |= {int(row): f"patch of {place}, shared by {len(own):,}" for row in own}
    less = "" if len(rows) == e.count else f" A random {len(rows):,} of {e.count:,} were searched."
    return Finding(
        "patches",
        "Shared patches",
        len(out),
        len(rows),
        e.count,
        f"{counted(len(found), 'patch', 'patches')} that {counted(len(out), 'picture shares', 'pictures share')}."
        if found
        else f"No patch is shared by an unlikely number of {len(rows):,} pictures.",
        f"Squares of {patches.SIDES[0]} to {patches.SIDES[-1]} pixels at every place, opaque or blended, in brightness "
        f"and colour, at the size of the training.{less} A pattern over the whole picture, or a patch at another place "
        "in each picture, is not seen.",
        groups,
        out,
    )


def _classes_of(rows: np.ndarray, e: Evidence) -> str:
    if e.labels is None:
        return ""
    counts = np.bincount(e.labels[rows][e.labels[rows] >= 0], minlength=len(e.classes))
    if not counts.sum():
        return ""
    top = int(counts.argmax())
    return f"; {counts[top] / counts.sum():.0%} of them are labelled {e.classes[top]}"


def shifted_sources(at: Examined) -> Finding | None:
    """Sources that differ from the others."""
    e = at.of
    divisions = {name: words for name, words in e.groups.items() if len({w for w in words if w}) > 1}
    if at.vectors is None or not divisions:
        return None
    found, compared, groups = [], 0, []
    for name, words in divisions.items():
        own = [words[row] for row in at.rows]
        different, count = shifts.shifts(at.vectors, own, None if e.labels is None else e.labels[at.rows])
        compared += count
        for shift in different:
            found.append(shift)
            rows = [int(row) for row, word in zip(at.rows, own, strict=True) if word == shift.name][:8]
            says = f"{name} {shift.name}: told from the others in {shift.accuracy:.0%} of {shift.rows:,} cases"
            groups.append(Group(rows, says))
    if not compared:
        return None
    return Finding(
        "sources",
        "Differences between sources",
        len(found),
        compared,
        compared,
        f"{counted(len(found), 'source differs', 'sources differ')} from the others, of {compared:,} compared "
        f"({', '.join(divisions)}).",
        f"Two-sample test by a classifier on {e.by}, among examples of the same class; sources with fewer than "
        f"{shifts.FEWEST} examples of shared classes are not compared.",
        groups,
        facts={"sources": [{"name": s.name, "accuracy": s.accuracy, "rows": s.rows} for s in found]},
    )


def empty_ones(at: Examined) -> Finding | None:
    """Rows without content, and classes or sources in which all are the same."""
    e = at.of
    if e.flat is None:
        return None
    parts = [e.flat(np.arange(a, b)) for a, b in pairwise([*range(0, e.count, 4096), e.count])]
    rows = np.flatnonzero(np.concatenate(parts)) if parts else np.zeros(0, np.int64)
    same = []
    for k, name in enumerate(e.classes if e.labels is not None else ()):
        own = np.flatnonzero(e.labels == k)
        if len(own) >= 5 and len(np.unique(e.hashes[own], axis=0)) == 1:
            same.append(Group(own[:4].tolist(), f"all {len(own):,} {e.what} of class {name} are the same"))
    classes = f" {counted(len(same), 'class holds', 'classes hold')} one and the same." if same else ""
    return Finding(
        "constant",
        "Empty or constant",
        len(rows),
        e.count,
        e.count,
        f"{counted(len(rows), 'example is', 'examples are')} empty or of one value, among {e.count:,}.{classes}",
        "Exact: every value is the same, or differs by less than one step of 255.",
        [*same, *([Group(rows[:_SHOWN].tolist(), "empty or constant")] if len(rows) else [])],
        {int(row): "empty or constant" for row in rows},
    )


def _unasked(check: str, title: str, at: Examined, why: str) -> Finding:
    return Finding(check, title, 0, 0, at.of.count, f"Not judged: it {why.partition('. ')[0]}.", f"It {why}.")


Check = Callable[[Examined], Any]
