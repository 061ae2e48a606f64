"""Small models of texts for the evaluation: a trigram model, sentence vectors, a naive Bayes classifier."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import torch

from ganworks.kinds.text.metrics.measures import Sentence, ngrams

_START, _STOP, _RARE = "\x02", "\x03", "\x01"
VECTOR, WORDS, WINDOW = 64, 2000, 3
Gram = tuple[str, ...]


class TrigramModel:
    """An interpolated trigram model (Jelinek and Mercer 1980) of trigrams, bigrams, unigrams and uniform chance.

    weights: from the longest context to the uniform distribution, fitted to a tenth of the sentences. known: the words
    of all models in a comparison; all other words count as one rare word.
    """

    def __init__(self, sentences: Sequence[Sentence], known: set[str]):
        self.known, self.size = known, len(known) + 2
        cut = len(sentences) - max(1, len(sentences) // 10)
        self._learn(sentences[:cut])
        self.weights = self._mix(sentences[cut:])
        self._learn(sentences)

    def _learn(self, sentences: Sequence[Sentence]) -> None:
        self.counts: list[dict[Gram, Counter[str]]] = [defaultdict(Counter) for _ in range(3)]
        for sentence in sentences:
            tokens = self.framed(sentence)
            for k in range(2, len(tokens)):
                for n, table in enumerate(self.counts):
                    table[tuple(tokens[k - n : k])][tokens[k]] += 1
        self.totals = [{gram: counter.total() for gram, counter in table.items()} for table in self.counts]

    def framed(self, sentence: Sentence) -> list[str]:
        """The sentence with two start tokens before and a stop token after it; unknown words become the rare word."""
        return [_START, _START, *(w if w in self.known else _RARE for w in sentence), _STOP]

    def parts(self, sentence: Sentence) -> np.ndarray:
        """Probabilities of each token and the stop [T, 4] by the trigram, bigram, unigram and uniform model."""
        tokens, rows = self.framed(sentence), []
        for k in range(2, len(tokens)):
            row = [1 / self.size]
            for n, (table, totals) in enumerate(zip(self.counts, self.totals, strict=True)):
                gram = tuple(tokens[k - n : k])
                total = totals.get(gram, 0)
                row.insert(0, table[gram][tokens[k]] / total if total else 0.0)
            rows.append(row)
        return np.array(rows)

    def _mix(self, sentences: Sequence[Sentence], rounds: int = 20) -> np.ndarray:
        """Weights [4] of maximum likelihood on these sentences, by expectation maximisation."""
        chances, weights = np.concatenate([self.parts(s) for s in sentences]), np.full(4, 0.25)
        for _ in range(rounds):
            shares = chances * weights
            weights = (shares / shares.sum(1, keepdims=True)).mean(0)
        return weights

    def perplexity(self, sentences: Sequence[Sentence]) -> float:
        """exp of the mean of -log p over all tokens and stops."""
        logs = np.concatenate([np.log(self.parts(s) @ self.weights) for s in sentences])
        return float(math.exp(-logs.mean()))

    def sample(self, count: int, seed: int, longest: int = 60) -> list[list[str]]:
        """Sentences drawn from the mixture without its uniform part."""
        rng = np.random.default_rng(seed)
        ready = [
            {gram: (list(counter), np.cumsum(list(counter.values()))) for gram, counter in table.items()}
            for table in self.counts
        ]
        return [self._one(rng, ready, longest) for _ in range(count)]

    def _one(self, rng: np.random.Generator, ready: list[dict], longest: int) -> list[str]:
        tokens = [_START, _START]
        while len(tokens) < longest + 2:
            u, v = rng.random(2)
            order = 2 - int(
                np.searchsorted(np.cumsum(self.weights[:3]) / self.weights[:3].sum(), u, "right").clip(0, 2)
            )
            while (gram := tuple(tokens[len(tokens) - order :])) not in ready[order]:
                order -= 1
            names, sums = ready[order][gram]
            token = names[int(np.searchsorted(sums, v * sums[-1], "right"))]
            if token == _STOP:
                break
            tokens.append(token)
        return [t for t in tokens[2:] if t != _RARE]


class SentenceVectors:
    """Sentences as vectors [2 * VECTOR]: means of word vectors and of products of neighbours, which depend on order.

    Word vectors are a truncated SVD, in VECTOR dimensions, of the positive pointwise mutual information between the
    WORDS most frequent words of the training sentences and their neighbours (Levy and Goldberg 2014). Sentence vectors
    have mean 0 and variance 1 on the training sentences.
    """

    def __init__(self, training: Sequence[Sentence]):
        counts = Counter(w for s in training for w in s)
        self.place = {w: k for k, (w, _) in enumerate(counts.most_common(WORDS))}
        table = torch.from_numpy(self._information(training))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            u, s, _ = torch.svd_lowrank(table, q=min(VECTOR, len(table)), niter=2)
        self.words = torch.nn.functional.normalize(u * s.sqrt(), dim=1).numpy()
        found = self._raw(training[:5000])
        self.mean, self.spread = found.mean(0), found.std(0) + 1e-6

    def _information(self, training: Sequence[Sentence]) -> np.ndarray:
        table = np.zeros((len(self.place), len(self.place)), np.float32)
        for sentence in training[:20_000]:
            known = [self.place[w] for w in sentence if w in self.place]
            for d in range(1, WINDOW + 1):
                np.add.at(table, (known[:-d], known[d:]), 1)
        table += table.T
        rows = table.sum(1, keepdims=True) + 1e-9
        with np.errstate(divide="ignore"):
            return np.maximum(np.log(table * rows.sum() / rows / rows.T), 0)

    def _raw(self, sentences: Sequence[Sentence]) -> np.ndarray:
        size = self.words.shape[1]
        out = np.zeros((len(sentences), 2 * size), np.float32)
        for row, sentence in zip(out, sentences, strict=True):
            found = self.words[[self.place[w] for w in sentence if w in self.place]]
            if len(found):
                row[:size] = found.mean(0)
            if len(found) > 1:
                row[size:] = size**0.5 * (found[:-1] * np.roll(found[1:], 1, axis=1)).mean(0)
        return out

    def __call__(self, sentences: Sequence[Sentence]) -> np.ndarray:
        """Vectors of n sentences, float32 [n, 2 * VECTOR]."""
        return (self._raw(sentences) - self.mean) / self.spread


class NaiveBayes:
    """A naive Bayes classifier of sentences by words and pairs of words, with 0.5 added to each count."""

    def __init__(self, sentences: Sequence[Sentence], labels: np.ndarray, classes: int):
        self.counts = [Counter[Gram]() for _ in range(classes)]
        for sentence, label in zip(sentences, labels.tolist(), strict=True):
            self.counts[label].update(self._grams(sentence))
        self.size = len(set().union(*self.counts)) + 1
        self.totals = [math.log(c.total() + 0.5 * self.size) for c in self.counts]
        self.prior = np.log(np.bincount(labels, minlength=classes) + 0.5)

    def _grams(self, sentence: Sentence) -> list[Gram]:
        return ngrams(sentence, 1) + ngrams(sentence, 2)

    def __call__(self, sentences: Sequence[Sentence]) -> np.ndarray:
        """The likeliest class of each sentence, int64 [n]."""
        scores = np.array(
            [
                [
                    sum(math.log(c[g] + 0.5) - total for g in grams)
                    for c, total in zip(self.counts, self.totals, strict=True)
                ]
                for grams in map(self._grams, sentences)
            ]
        )
        return (scores.reshape(len(sentences), -1) + self.prior).argmax(1)
