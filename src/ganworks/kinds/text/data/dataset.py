"""Texts as a data set of token numbers, split by content, with a vocabulary made from the training part alone."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ganworks.core.console.text import counted
from ganworks.core.errors import UsageError
from ganworks.core.machine import memory
from ganworks.core.spec import Spec
from ganworks.files.packing.packed import class_counts, split
from ganworks.files.sources import natural_key
from ganworks.kinds.text.data.reading import Lines
from ganworks.kinds.text.data.vocabulary import END, LARGEST, UNKNOWN, Vocabulary, best_kind

LENGTHS = {"words": 64, "pairs": 96, "characters": 128}  # largest default length of a text, in tokens
SIZES = {"words": 10_000, "pairs": 2000, "characters": 10_000}
COVERED = 0.995  # share of training texts that fit into the default length
MOST_UNKNOWN = 0.5  # share of training tokens that may be unknown


class TextSet:
    """Texts in memory, with the attributes of `ganworks.files.packing.packed.Packed`.

    texts: the lines. ids: uint16 [N, length], END after the last token. vocabulary: that of the training part.
    spec: shape (length,); its facts hold the vocabulary. train, held: indices; all copies of a text are on one side of
    the split. Raises UsageError for fewer than two texts and for a vocabulary that lacks most training tokens.
    """

    def __init__(self, lines: Lines, *, tokens: str = "auto", size: int = 0, length: int = 0, held_out: float = 0.1):
        self.lines, self.texts = lines, lines.texts
        if len(self.texts) < 2:
            raise UsageError(f'"{lines.source}" holds only one line of text; at least two are needed.')
        self.hashes = self._hashed = _hashes(self.texts)
        self.train, self.held, self.duplicates, notes = split(self._hashed, held_out)
        self.notes = [note.replace("images", "texts") for note in notes]
        training = self.texts.part(self.train)
        kind, why = best_kind(training) if tokens == "auto" else (tokens, "")
        self.notes += [f"{kind} are the tokens: {why}"] if why else []
        self.vocabulary = Vocabulary.learn(training, kind, min(size or SIZES[kind], LARGEST))
        most = length or LENGTHS[kind]
        memory.check(most, 4 * len(self.texts), "domain.length", "the token numbers of all texts")
        codes, sizes = self._coded(most)
        length = length or self._length(sizes[self.train], kind)
        self.ids, self.cut = _rows(codes, sizes.clip(max=most), length), int((sizes > length).sum())
        self._tell_unknown()
        classes, self.labels = _classes(lines)
        self.spec = Spec(
            "text", (length,), classes, -1.0, 1.0, "float32", facts={"vocabulary": self.vocabulary.facts()}
        )
        self.fingerprint = self._fingerprint()

    def _coded(self, most: int) -> tuple[array[int], np.ndarray]:
        """The first `most` token numbers of each text, one text after the other, and the numbers of tokens [N]."""
        codes, sizes = array("H"), np.empty(len(self.texts), np.int64)
        for k, text in enumerate(self.texts):
            found = self.vocabulary.encode(text)
            codes.extend(found[:most])
            sizes[k] = len(found)
        return codes, sizes

    def _length(self, sizes: np.ndarray, kind: str) -> int:
        """A length that holds nearly all training texts and their END, within the default limit."""
        wanted = int(np.quantile(sizes, COVERED, method="higher")) + 1
        return max(2, min(LENGTHS[kind], wanted))

    def _tell_unknown(self) -> None:
        """Note unknown tokens and cut texts; UsageError if most training tokens are unknown."""
        unknown = [(self.ids[part] == UNKNOWN).sum() / max(1, (self.ids[part] != END).sum())
                   for part in (self.train, self.held)]  # fmt: skip
        if unknown[0] > MOST_UNKNOWN:
            raise UsageError(
                f"{100 * unknown[0]:.0f} % of the training tokens are not in the vocabulary of "
                f"{len(self.vocabulary):,}. Say tokens=characters or tokens=pairs, or a larger domain.vocabulary."
            )
        if unknown[0]:
            self.notes.append(f"{100 * unknown[0]:.1f} % of the training tokens are too rare for the vocabulary")
        if len(self.held) and unknown[1] > 0:
            self.notes.append(
                f"{100 * unknown[1]:.1f} % of the held-out tokens are unknown to the vocabulary, which is made "
                "from the training texts alone"
            )
        if self.cut:
            self.notes.append(
                f"{counted(self.cut, 'text is longer', 'texts are longer')} than {self.ids.shape[1]} tokens "
                "and cut there"
            )

    def _fingerprint(self) -> str:
        digest = hashlib.sha256(json.dumps(self.spec.to_dict(), sort_keys=True).encode())
        digest.update(self._hashed.tobytes())
        if self.labels is not None:
            digest.update(self.labels.tobytes())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.texts)

    def raw(self, indices: Any) -> np.ndarray:
        """Token numbers of these texts, float32 [n, length], a copy."""
        return self.ids[indices].astype(np.float32)

    @cached_property
    def counts(self) -> dict[str, int]:
        """The number of texts in each class."""
        return class_counts(self.labels, self.spec.classes)

    @property
    def summary(self) -> dict[str, Any]:
        """Plain facts about the source, the conversion and the split."""
        lines = self.lines
        return {"source": lines.source, "kind": lines.kind, "bytes": lines.bytes, "count": len(self),
                "tokens": self.vocabulary.kind, "vocabulary": len(self.vocabulary), "length": self.spec.shape[0],
                "dtype": "float32", "classes": self.counts, "train": len(self.train), "held": len(self.held),
                "duplicates": self.duplicates, "dropped": dict(lines.dropped), "notes": [*lines.told, *self.notes],
                "fingerprint": self.fingerprint}  # fmt: skip


def _hashes(texts: Sequence[str]) -> np.ndarray:
    """Hashes of the texts, uint64 [N, 2]."""
    digests = bytearray()
    for text in texts:
        digests += hashlib.blake2b(text.encode(), digest_size=16).digest()
    return np.frombuffer(bytes(digests), "<u8").reshape(-1, 2)


def _rows(codes: array[int], sizes: np.ndarray, length: int) -> np.ndarray:
    """Token numbers uint16 [N, length], filled up with END. codes: those of one text after the other; sizes: how many
    each has there.
    """
    ids, flat, start = np.zeros((len(sizes), length), np.uint16), np.frombuffer(codes, np.uint16), 0
    for row, size in zip(ids, sizes.tolist(), strict=True):
        row[: min(size, length)] = flat[start : start + min(size, length)]
        start += size
    return ids


def _classes(lines: Lines) -> tuple[tuple[str, ...], np.ndarray | None]:
    if lines.labels is None:
        return (), None
    names = sorted(set(lines.labels), key=natural_key)
    number = {name: k for k, name in enumerate(names)}
    return tuple(names), np.array([number[name] for name in lines.labels], np.int64)
