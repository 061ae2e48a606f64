"""Measures of lists of sentences: BLEU against references, self-BLEU, distinct n-grams, n-gram divergence, copies.

A sentence is a list of tokens. BLEU is the sentence BLEU of Papineni et al. 2002 with the smoothing `method1` of Chen
and Cherry 2014 (0.1 for a count of zero) and uniform weights over the orders 1 to n, the convention of Texygen
(1802.01886). Its clipped counts depend only on the largest count of each n-gram in any reference. So references are
stored as one table, and a thousand sentences against ten thousand take about a second.
"""

from __future__ import annotations

import bisect
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

Sentence = Sequence[str]
ORDERS = (2, 3, 4, 5)
EPSILON = 0.1  # replaces a count of zero
_SPLIT = re.compile(r"[.,]|[^\s.,]+")


def texygen_tokens(text: str) -> list[str]:
    """The tokens of a line as in Texygen: lower case, split at spaces, "." and "," by themselves."""
    return _SPLIT.findall(text.lower())


def ngrams(sentence: Sentence, n: int) -> list[tuple[str, ...]]:
    """All n-grams of a sentence in order, with repeats."""
    return list(zip(*(sentence[k:] for k in range(n)), strict=False))


class References:
    """Reference sentences as tables: the two largest counts of each n-gram in a sentence, the owner of the largest.

    The second count is the largest one when the owner of the first is left out, which self-BLEU needs.
    """

    def __init__(self, sentences: Sequence[Sentence], most: int = max(ORDERS)):
        self.count, self.most = len(sentences), most
        self.tables: list[dict[tuple[str, ...], tuple[int, int, int]]] = [{} for _ in range(most)]
        self.sizes = Counter(len(s) for s in sentences)
        self.lengths = sorted(self.sizes)
        for owner, sentence in enumerate(sentences):
            for n, table in enumerate(self.tables, 1):
                for gram, count in Counter(ngrams(sentence, n)).items():
                    first, second, whose = table.get(gram, (0, 0, -1))
                    if count > first:
                        table[gram] = (count, first, owner)
                    elif count > second:
                        table[gram] = (first, count, whose)

    def closest(self, length: int, without: bool = False) -> int:
        """The length of a reference that is nearest to `length`, the shorter of two equally near ones.

        without: leave out one reference of exactly that length.
        """
        known = self.lengths
        if without and self.sizes[length] == 1:
            known = [size for size in known if size != length]
        if not known:
            return length
        at = bisect.bisect_left(known, length)
        return min(known[max(0, at - 1) : at + 1], key=lambda size: (abs(size - length), size))

    def clipped(self, grams: Counter[tuple[str, ...]], n: int, without: int | None) -> int:
        """The clipped count: n-grams that occur in the references, each at most as often as in one of them."""
        table, found = self.tables[n - 1], 0
        for gram, count in grams.items():
            entry = table.get(gram)
            if entry is not None:
                found += min(count, entry[1] if entry[2] == without else entry[0])
        return found


def sentence_bleu(
    sentence: Sentence, references: References, orders: Sequence[int] = ORDERS, without: int | None = None
) -> list[float]:
    """BLEU of one sentence for each of `orders`, 0 to 1. without: index of a reference to leave out."""
    length, logs = len(sentence), []
    for n in range(1, max(orders) + 1):
        grams = Counter(ngrams(sentence, n))
        found, possible = references.clipped(grams, n, without), max(1, sum(grams.values()))
        if n == 1 and not found:
            return [0.0] * len(orders)
        logs.append(math.log((found or EPSILON) / possible))
    closest = references.closest(length, without is not None)
    brevity = min(0.0, 1 - closest / length)
    return [math.exp(brevity + sum(logs[:n]) / n) for n in orders]


def bleu(
    sentences: Sequence[Sentence], references: References | Sequence[Sentence], orders: Sequence[int] = ORDERS
) -> np.ndarray:
    """BLEU of every sentence against all references, float64 [n, orders]; reports give its mean over sentences."""
    table = references if isinstance(references, References) else References(references, max(orders))
    return np.array([sentence_bleu(s, table, orders) for s in sentences]).reshape(len(sentences), len(orders))


def self_bleu(sentences: Sequence[Sentence], orders: Sequence[int] = ORDERS) -> np.ndarray:
    """BLEU of every sentence against all others, float64 [n, orders]: high where they repeat each other."""
    table = References(sentences, max(orders))
    found = [sentence_bleu(s, table, orders, without=k) for k, s in enumerate(sentences)]
    return np.array(found).reshape(len(sentences), len(orders))


def distinct(sentences: Sequence[Sentence], n: int) -> float:
    """Distinct n-grams over all n-grams (Li et al. 2016, 1510.03055); it falls with the number of sentences."""
    grams = Counter(gram for s in sentences for gram in ngrams(s, n))
    return len(grams) / max(1, grams.total())


def unique_share(sentences: Sequence[Sentence]) -> float:
    """Distinct sentences over all sentences."""
    return len({tuple(s) for s in sentences}) / max(1, len(sentences))


def divergence(sentences: Sequence[Sentence], real: Sequence[Sentence], n: int) -> float:
    """Jensen-Shannon divergence between the n-gram frequencies of two sets, in bits: 0 if equal, 1 if disjoint.

    It grows as sets get smaller: compare sets of the same size, and with the value of real sentences.
    """
    p, q = (Counter(gram for s in some for gram in ngrams(s, n)) for some in (sentences, real))
    a, b = max(1, p.total()), max(1, q.total())
    total = 0.0
    for gram in p.keys() | q.keys():
        x, y = p[gram] / a, q[gram] / b
        middle = (x + y) / 2
        total += sum(v / 2 * math.log2(v / middle) for v in (x, y) if v)
    return total


def copies(sentences: Sequence[Sentence], training: Iterable[Sentence]) -> float:
    """Share of sentences that occur in the training lines word for word."""
    known = {tuple(s) for s in training}
    return sum(tuple(s) in known for s in sentences) / max(1, len(sentences))


def harmonic(forward: float, backward: float) -> float:
    """Harmonic mean of BLEU and backward BLEU (1804.11258): high where samples are good and cover the real texts."""
    return 2 * forward * backward / (forward + backward) if forward + backward else 0.0
