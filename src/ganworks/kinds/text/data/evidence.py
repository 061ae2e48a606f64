"""What an audit may look at in texts: words, plain measures, labels, shapes of personal data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ganworks.audit.data.words import same_plainly, text_measures, text_vectors
from ganworks.audit.evidence import Evidence
from ganworks.files.packing.exclusions import read_exclusions, sha256_of
from ganworks.kinds.text.data.reading import Lines
from ganworks.kinds.text.data.texts import Texts

LOOKED_AT = 30_000
_TWINS = "Equal but for capitals, marks and figures, in 12 letters or more; texts in other words are not seen."


def evidence_of(data: Any) -> Evidence:
    """The evidence of an opened `TextSet`."""
    held = np.zeros(len(data), bool)
    held[data.held] = True
    return Evidence(
        "texts",
        len(data),
        text_name,
        lambda row: sha256_of(data.texts[row]),
        data.hashes,
        held,
        data.labels,
        data.spec.classes,
        vectors=lambda rows: text_vectors([data.texts[int(row)] for row in rows]),
        by="words and pairs of words",
        costs=LOOKED_AT,
        simple=lambda rows: text_measures([data.texts[int(row)] for row in rows]),
        twins=lambda: same_plainly(data.texts),
        twins_by=_TWINS,
        texts=lambda rows: [data.texts[int(row)] for row in rows],
        flat=lambda rows: np.array([len(set(data.texts[int(row)].strip())) < 2 for row in rows]),
        shown=lambda row: data.texts[row],
        facts={name: data.summary[name] for name in ("count", "train", "held", "classes")},
    )


def without_texts(lines: Lines, exclude: str) -> Lines:
    """The lines that a list of exclusions leaves; UsageError for a list that is none or out of date."""
    given = read_exclusions(exclude)
    kept, said = given.kept(len(lines.texts), text_name, lambda row: sha256_of(lines.texts[row]))
    labels = None if lines.labels is None else [lines.labels[k] for k in kept]
    texts = Texts((lines.texts[int(k)] for k in kept), lines.texts.where)
    return replace(lines, texts=texts, labels=labels, notes=[*lines.notes, said])


def text_name(row: int) -> str:
    """The name of a text in lists: its number among those that were read, counted from 0."""
    return f"text {row}"
