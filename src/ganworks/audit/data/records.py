"""Checks of cells, texts and files: personal data, constant columns, and files unlike the rest."""

from __future__ import annotations

from collections import Counter

import numpy as np

from ganworks.audit.data import personal
from ganworks.audit.data.checks import Examined
from ganworks.audit.evidence import Evidence, Finding, Group
from ganworks.core.console.text import counted

RARE = 0.02  # share of files up to which a trait is unusual
_USUAL = 0.8  # share that the commonest word of a trait must have, for others to be unusual
TEXTS = 200_000  # texts that are looked at
_LIMITS = (
    "By shapes and names of columns: a match is a reason to look, not a proof, and what has no such shape is not seen. "
    "What was matched is neither shown nor kept."
)


def personal_data(at: Examined) -> Finding | None:
    """Shapes of personal data, in the cells of a table or in texts."""
    e = at.of
    if e.columns is not None:
        return _in_table(e, e.columns)
    if e.texts is None:
        return None
    rows = e.some(TEXTS)
    hints = personal.in_texts(e.texts(rows))
    found = np.unique(np.concatenate([h.rows for h in hints])) if hints else np.zeros(0, np.int64)
    said = "".join(f"{': ' if k == 0 else ', '}{h.kind} in {len(h.rows):,}" for k, h in enumerate(hints))
    return Finding(
        "personal",
        "Personal data",
        len(found),
        len(rows),
        e.count,
        f"{counted(len(found), 'text holds', 'texts hold')} what looks like personal data{said}.",
        _LIMITS,
        [Group([int(rows[r]) for r in h.rows[:50]], h.kind) for h in hints],
        {int(rows[r]): f"looks like {h.kind}" for h in hints for r in h.rows},
        {h.kind: len(h.rows) for h in hints},
    )


def _in_table(e: Evidence, columns: dict[str, list[str]]) -> Finding:
    hints = [hint for name, cells in columns.items() for hint in personal.in_column(name, cells)]
    unique = [name for name, cells in columns.items() if personal.singling(name, cells)]
    rare = personal.rare_together(columns)
    groups = [Group([], f"column {h.column}: {h.kind} in {len(h.rows):,} of {h.looked:,} rows") for h in hints]
    groups += [Group([], f"column {name}: nearly every row has a value of its own") for name in unique]
    facts = {"columns": {h.column: h.kind for h in hints}, "unique": unique, "rare": 0}
    if rare:
        triple, rows, looked = rare
        facts |= {"rare": len(rows), "rare_columns": list(triple)}
        groups.append(
            Group(
                [],
                f"{', '.join(triple)} together: {len(rows):,} of {looked:,} rows ({len(rows) / looked:.0%}) share "
                f"them with fewer than {personal.RARE - 1} others",
            )
        )
    named = {h.column for h in hints} | set(unique)
    return Finding(
        "personal",
        "Personal data",
        len(named),
        len(columns),
        len(columns),
        f"{counted(len(named), 'column looks', 'columns look')} personal or single out rows, of {len(columns):,}."
        + (f" {groups[-1].says[0].upper()}{groups[-1].says[1:]}." if rare else ""),
        _LIMITS,
        groups,
        facts=facts,
    )


def constant_columns(at: Examined) -> Finding | None:
    """Columns with one value, and columns that repeat another."""
    columns = at.of.columns
    if columns is None:
        return None
    alike: dict[int, str] = {}
    groups = []
    for name, cells in columns.items():
        values = set(cells)
        if len(values) == 1:
            groups.append(Group([], f"column {name}: one value in every row"))
        elif (of := alike.setdefault(hash(tuple(cells)), name)) != name:
            groups.append(Group([], f"column {name}: the same as {of} in every row"))
        elif (top := Counter(cells).most_common(1)[0])[1] > 0.99 * len(cells):
            groups.append(Group([], f"column {name}: one value in {top[1] / len(cells):.1%} of the rows"))
    return Finding(
        "constant",
        "Constant columns",
        len(groups),
        len(columns),
        len(columns),
        f"{counted(len(groups), 'column says', 'columns say')} nothing or next to nothing, of {len(columns):,}.",
        "Exact, over all rows.",
        groups,
    )


def unusual_files(at: Examined) -> Finding | None:
    """Files of another size, mode or format than nearly all others, and files that cannot be read."""
    e = at.of
    if not e.traits and not e.corrupt_count:
        return None
    groups, rows = [], set()
    for name, words in e.traits.items():
        counts = Counter(word for word in words if word)
        total = sum(counts.values())
        if not counts or counts.most_common(1)[0][1] < _USUAL * total:
            continue
        for word, times in counts.items():
            if times <= max(1, RARE * total) and times < total:
                own = [row for row, other in enumerate(words) if other == word]
                rows.update(own)
                usual = counts.most_common(1)[0][0]
                groups.append(Group(own[:24], f"{name} {word}: {len(own):,}, where {usual} is usual"))
    unread = f" {counted(e.corrupt_count, 'file cannot', 'files cannot')} be read." if e.corrupt_count else ""
    groups += [Group([], line) for line in e.corrupt[:50]]
    return Finding(
        "files",
        "Unusual files",
        len(rows) + e.corrupt_count,
        e.count + e.corrupt_count,
        e.count + e.corrupt_count,
        f"{counted(len(rows), 'file is', 'files are')} unlike nearly all others in {_listed(list(e.traits))}.{unread}",
        f"A trait is unusual where {_USUAL:.0%} of the files share another and at most {RARE:.0%} have it.",
        groups,
        facts={name: dict(Counter(w for w in words if w).most_common(20)) for name, words in e.traits.items()},
    )


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words) or "anything"


def places_in_metadata(at: Examined) -> Finding | None:
    """Files whose metadata say where they were taken."""
    e = at.of
    if e.located is None:
        return None
    return Finding(
        "places",
        "Places in metadata",
        len(e.located),
        e.count,
        e.count,
        f"{counted(len(e.located), 'file says', 'files say')} where it was taken (GPS in EXIF), of {e.count:,}.",
        "Files are named, places are not read out. A training takes the pixels alone; whoever passes on the files "
        "passes on the places.",
        [Group([row], "holds GPS data") for row in e.located[:200]],
    )
