"""Vocabularies, which turn texts into token numbers and back: words, characters or pairs (byte-pair encoding).

A vocabulary is made from training lines alone. It is plain JSON (`facts`), which is stored with a generator. Number 0
(END) ends a text and fills the rest of the row, number 1 (UNKNOWN) stands for a token outside of the vocabulary.
"""

from __future__ import annotations

import heapq
import itertools
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from ganworks.core.errors import UsageError
from ganworks.core.machine import memory

KINDS = ("words", "characters", "pairs")
END, UNKNOWN, FIRST = 0, 1, 2
LONGEST = 60  # characters of one token
LARGEST = 60_000
Pair = tuple[str, str]
BLANK = " "  # begins a word that follows a blank
SPACE = "▁"  # the same in byte pairs
_PLAIN = "\0"  # stands in byte pairs for SPACE as a letter: no text that is read holds it
_CHECKED = 200_000  # new tokens between two looks at the memory
_BYTES = {"words": 300, "characters": 200, "pairs": 2500}  # for each different token (of pairs: word) while learning


@lru_cache(65536)
def _is_mark(character: str) -> bool:
    """Whether a character is a punctuation mark or a symbol."""
    return unicodedata.category(character)[0] in "PS"


def words(text: str) -> list[str]:
    """The tokens of a text: words, and each punctuation mark or symbol by itself.

    A token that follows a blank, or begins the text, begins with a blank. So the tokens together are a blank and the
    text, wherever its blanks are. Apostrophes and hyphens between letters stay inside their word; what is longer than
    a token may be is cut.
    """
    return [token for part in text.split() for token in _tokens_of(part)]


def _tokens_of(part: str) -> list[str]:
    """The tokens of what stands between two blanks."""
    if part.isalnum() and len(part) < LONGEST:
        return [f"{BLANK}{part}"]
    edges = {0, len(part)}
    for k, c in enumerate(part):
        if _is_mark(c) and not (c in "'’-" and 0 < k < len(part) - 1 and _inner(part[k - 1], part[k + 1])):
            edges |= {k, k + 1}
    pieces = [part[a:b] for a, b in itertools.pairwise(sorted(edges))]
    short = [piece[k : k + LONGEST - 1] for piece in pieces for k in range(0, len(piece), LONGEST - 1)]
    return [f"{BLANK}{short[0]}", *short[1:]]


def _inner(before: str, after: str) -> bool:
    return not _is_mark(before) and not _is_mark(after)


def best_kind(texts: Sequence[str]) -> tuple[str, str]:
    """(kind, reason) for these texts: characters where spaces are rare, as in Chinese, else words."""
    sample = texts[:: max(1, len(texts) // 2000)]
    letters, spaces = sum(len(t) for t in sample), sum(t.count(" ") for t in sample)
    share = spaces / max(1, letters)
    if share < 0.04:
        return "characters", f"{100 * share:.1f} % of the characters are spaces, so words are not separated"
    return "words", f"words of {letters / max(1, spaces + len(sample)):.1f} characters on average, separated by spaces"


@dataclass(frozen=True)
class Vocabulary:
    """Tokens with their numbers: `tokens[k]` has the number k + 2.

    Words carry their blanks: " to", and "." where it follows without one. merges: the pairs of byte-pair encoding, in
    the order in which they were learned.
    guessed: the words are those of release 0.1, which carry no blanks; where they stand is a guess. glued: its tokens
    that mostly follow without a space, such as "."; opening: those mostly followed by no space, such as "(".
    """

    kind: str
    tokens: tuple[str, ...]
    glued: frozenset[str] = frozenset()
    opening: frozenset[str] = frozenset()
    merges: tuple[tuple[str, str], ...] = ()
    guessed: bool = False

    def __len__(self) -> int:
        return len(self.tokens) + FIRST

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Token -> number."""
        return {token: k for k, token in enumerate(self.tokens, FIRST)}

    @cached_property
    def _ranks(self) -> dict[tuple[str, str], int]:
        return {pair: rank for rank, pair in enumerate(self.merges)}

    def cut(self, text: str) -> list[str]:
        """The tokens of a text, known or not."""
        if self.kind == "characters":
            return list(text)
        if self.kind == "words":
            return [token.removeprefix(BLANK) for token in words(text)] if self.guessed else words(text)
        return [piece for word in text.split() for piece in self._pieces(word)]

    def encode(self, text: str) -> list[int]:
        """The numbers of a text's tokens; UNKNOWN for tokens outside of the vocabulary."""
        return [self.numbers.get(token, UNKNOWN) for token in self.cut(text)]

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of token numbers up to the first END; unknown tokens are left out."""
        tokens = []
        for number in numbers:
            if number == END:
                break
            if FIRST <= number < len(self):
                tokens.append(self.tokens[number - FIRST])
        if self.kind == "characters":
            return "".join(tokens)
        if self.kind == "pairs":
            return "".join(tokens).replace(SPACE, " ").strip().replace(_PLAIN, SPACE)
        return self._joined(tokens) if self.guessed else "".join(tokens).removeprefix(BLANK)

    def _joined(self, tokens: Sequence[str]) -> str:
        """The text of tokens of release 0.1."""
        text = ""
        for k, token in enumerate(tokens):
            near = token in self.glued or (k > 0 and tokens[k - 1] in self.opening)
            text += token if near or not text else f" {token}"
        return text

    @cached_property
    def _known(self) -> dict[str, list[str]]:
        return {}

    def _pieces(self, word: str) -> list[str]:
        found = self._known.get(word)
        if found is None:
            found = [piece for part in _parts(word) for piece in merged(part, self._ranks)]
            if len(self._known) < 200_000:
                self._known[word] = found
        return found

    def facts(self) -> dict[str, Any]:
        """As plain JSON."""
        known = {"kind": self.kind, "tokens": list(self.tokens), "glued": sorted(self.glued)}
        known |= {"opening": sorted(self.opening), "merges": [list(pair) for pair in self.merges]}
        return known | ({"blanks": "carried"} if self.kind == "words" and not self.guessed else {})

    @staticmethod
    def of(facts: dict[str, Any]) -> Vocabulary:
        """The inverse of `facts`; UsageError for damaged facts."""
        try:
            tokens, merges = tuple(map(str, facts["tokens"])), tuple((str(a), str(b)) for a, b in facts["merges"])
            guessed = facts["kind"] == "words" and facts.get("blanks") != "carried"
            glued, opening = frozenset(facts["glued"]), frozenset(facts["opening"])
            made = Vocabulary(facts["kind"], tokens, glued, opening, merges, guessed)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"The vocabulary in this file is damaged ({error!r}).") from error
        if made.kind not in KINDS or not 0 < len(made) <= LARGEST + FIRST:
            raise UsageError(f"The vocabulary in this file is damaged: kind {made.kind!r}, {len(made)} tokens.")
        return made

    @staticmethod
    def learn(texts: Sequence[str], kind: str, size: int) -> Vocabulary:
        """A vocabulary of the `size` most frequent tokens of training texts; ties are in alphabetical order."""
        if kind == "pairs":
            return _learn_pairs(texts, size)
        return Vocabulary(kind, most_frequent(_count_all(texts, kind, words if kind == "words" else list), size))


def most_frequent(counts: Counter[str], size: int) -> tuple[str, ...]:
    """The `size` most frequent tokens, without those longer than LONGEST."""
    held = [(token, n) for token, n in counts.items() if len(token) <= LONGEST]
    return tuple(token for token, _ in sorted(held, key=lambda item: (-item[1], item[0]))[:size])


def _count_all(texts: Sequence[str], kind: str, tokens: Callable[[str], Iterable[str]]) -> Counter[str]:
    """How often each token occurs in texts; UsageError when more tokens differ than memory holds."""
    counts, known = Counter[str](), 0
    for text in texts:
        counts.update(tokens(text))
        if len(counts) > known + _CHECKED:
            known = len(counts)
            memory.check_bytes(known * _BYTES[kind], f"A vocabulary of {known:,} and more different {kind}")
    return counts


def merged(parts: list[str], ranks: dict[tuple[str, str], int]) -> list[str]:
    """Merge neighbouring parts in the order of `ranks`, the lowest first (Sennrich et al. 2016, 1508.07909)."""
    while len(parts) > 1:
        rank, at = min((ranks.get(pair, len(ranks)), k) for k, pair in enumerate(itertools.pairwise(parts)))
        if rank == len(ranks):
            break
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


def _parts(word: str) -> list[list[str]]:
    """The letters of a word, SPACE before them; a long word in several parts, since merging takes their square."""
    letters, most = [SPACE, *(_PLAIN if c == SPACE else c for c in word)], 4 * LONGEST + 1
    return [letters[k : k + most] for k in range(0, len(letters), most)]


def _learn_pairs(texts: Sequence[str], size: int) -> Vocabulary:
    """Byte-pair encoding over characters: the most frequent pair of neighbours is merged into a token, repeatedly."""
    counts = _count_all(texts, "pairs", lambda text: ("".join(part) for word in text.split() for part in _parts(word)))
    parts = {word: list(word) for word in counts}
    letters = most_frequent(_letters(counts), size)
    where, pairs = defaultdict[Pair, set[str]](set), Counter[Pair]()
    for word, n in counts.items():
        _count(parts[word], n, word, pairs, where)
    heap, merges = [(-n, pair) for pair, n in pairs.items()], list[Pair]()
    heapq.heapify(heap)
    while len(letters) + len(merges) < size and heap:
        n, best = heapq.heappop(heap)
        if pairs[best] != -n:
            continue  # an outdated count; the current one is in the heap as well
        if -n < 2:
            break
        merges.append(best)
        changed = set[Pair]()
        for word in sorted(where.pop(best)):
            changed |= _count(parts[word], -counts[word], word, pairs, where)
            parts[word] = merged(parts[word], {best: 0})
            changed |= _count(parts[word], counts[word], word, pairs, where)
        for pair in changed - {best}:
            heapq.heappush(heap, (-pairs[pair], pair))
    joined = [a + b for a, b in merges]
    return Vocabulary("pairs", tuple(dict.fromkeys([*letters, *joined])), merges=tuple(merges))


def _letters(counts: Counter[str]) -> Counter[str]:
    found = Counter[str]()
    for word, n in counts.items():
        for letter in word:
            found[letter] += n
    return found


def _count(parts: list[str], n: int, word: str, pairs: Counter[Pair], where: dict[Pair, set[str]]) -> set[Pair]:
    """Add n to the count of every pair of neighbours in a word; return these pairs."""
    found = list(itertools.pairwise(parts))
    for pair in found:
        pairs[pair] += n
        if n > 0:
            where[pair].add(word)
    return set(found)
