"""Numbers about texts: BLEU against a plain implementation and by hand, self-BLEU, trigrams, vectors, the panel."""

import math
from collections import Counter

import numpy as np
import pytest

from ganworks.core.errors import UsageError
from ganworks.kinds.text.metrics.measures import (
    References,
    bleu,
    copies,
    distinct,
    divergence,
    harmonic,
    ngrams,
    self_bleu,
    texygen_tokens,
    unique_share,
)
from ganworks.kinds.text.metrics.models import NaiveBayes, SentenceVectors, TrigramModel
from ganworks.kinds.text.metrics.panel import Panel, rivals

RNG = np.random.default_rng(0)


def sentences(count, rng=RNG, words=12):
    """Sentences of a small grammar of pairs, so that n-grams repeat."""
    table = rng.permutation(words)
    out = []
    for _ in range(count):
        word, sentence = int(rng.integers(words)), []
        for _ in range(int(rng.integers(1, 9))):
            sentence.append(f"w{word}")
            word = int(table[word]) if rng.random() < 0.7 else int(rng.integers(words))
        out.append(sentence)
    return out


def plain_bleu(hypothesis, references, order):
    """Straight from the definition, with every reference looked at for every n-gram."""
    logs = []
    for n in range(1, order + 1):
        counts = Counter(ngrams(hypothesis, n))
        found = sum(min(c, max(Counter(ngrams(r, n))[g] for r in references)) for g, c in counts.items())
        if n == 1 and not found:
            return 0.0
        logs.append(math.log((found if found else 0.1) / max(1, sum(counts.values()))))
    length = len(hypothesis)
    closest = min((abs(len(r) - length), len(r)) for r in references)[1]
    brevity = 1.0 if length > closest else math.exp(1 - closest / length)
    return brevity * math.exp(sum(logs) / order)


def test_bleu_is_that_of_the_definition():
    some, references = sentences(40), sentences(60)
    found = bleu(some, references)
    for k, sentence in enumerate(some):
        assert found[k] == pytest.approx([plain_bleu(sentence, references, n) for n in (2, 3, 4, 5)])
    alike = self_bleu(some, (4,))[:, 0]
    for k, sentence in enumerate(some):
        others = some[:k] + some[k + 1 :]
        assert alike[k] == pytest.approx(plain_bleu(sentence, others, 4)), sentence


def test_bleu_by_hand():
    hypothesis, reference = ["the", "the", "cat"], ["the", "cat", "sat", "down"]
    # unigrams: "the" once, "cat": 2 of 3; bigrams: "the cat": 1 of 2; 3 words for 4: exp(1 - 4/3)
    assert bleu([hypothesis], [reference], (2,))[0, 0] == pytest.approx(math.exp(-1 / 3) * math.sqrt(2 / 3 * 1 / 2))
    assert bleu([["dog"]], [reference])[0].tolist() == [0, 0, 0, 0]
    assert bleu([reference], [reference])[0] == pytest.approx([1, 1, 1, 0.1 ** (1 / 5)])


def test_the_closest_length_leaves_itself_out():
    table = References([["a"] * 3, ["a"] * 7])
    assert table.closest(3) == 3 and table.closest(3, without=True) == 7 and table.closest(5) == 3


def test_pieces_are_texygens():
    assert texygen_tokens("A man, a plan.") == ["a", "man", ",", "a", "plan", "."]


def test_counts_of_lists():
    some = [["a", "b"], ["a", "b"], ["c"]]
    assert distinct(some, 2) == 0.5 and unique_share(some) == pytest.approx(2 / 3)
    assert divergence(some, some, 1) == 0 and divergence([["a"]], [["b"]], 1) == pytest.approx(1)
    assert copies(some, [["c"]]) == pytest.approx(1 / 3) and harmonic(0.2, 0.6) == pytest.approx(0.3)
    assert harmonic(0, 0) == 0 and distinct([], 2) == 0 and unique_share([]) == 0


def test_trigrams_know_their_language_and_write_it():
    rng = np.random.default_rng(3)
    training = sentences(600, rng)
    model = TrigramModel(training, {w for s in training for w in s})
    same, other = sentences(200, np.random.default_rng(3)), sentences(200, np.random.default_rng(4))
    assert model.perplexity(same) < 0.8 * model.perplexity(other)
    assert model.weights.sum() == pytest.approx(1)
    assert model.parts(["w1", "nowhere"]).shape == (3, 4), "a token that is not known, and the stop, count too"
    chances = [model.parts([w])[0] @ model.weights for w in model.known]
    assert sum(chances) <= 1 + 1e-9
    made = model.sample(300, seed=1)
    assert model.sample(300, seed=1) == made
    again = TrigramModel(made, model.known)
    assert again.perplexity(same) < 0.9 * again.perplexity(other), "what it writes teaches another model the language"


def test_vectors_tell_order_and_content():
    training = sentences(500, np.random.default_rng(5))
    vectors = SentenceVectors(training)
    same = vectors([["w1", "w2", "w3"], ["w3", "w2", "w1"], []])
    assert same.shape[0] == 3 and np.isfinite(same).all()
    half = same.shape[1] // 2
    assert np.allclose(same[0, :half], same[1, :half]) and not np.allclose(same[0, half:], same[1, half:])


def test_classes_are_told_apart():
    texts = [["good", "film"], ["bad", "film"]] * 10
    known = NaiveBayes(texts, np.array([0, 1] * 10), 2)
    assert known([["a", "good", "one"], ["bad"]]).tolist() == [0, 1]


def test_the_panel_ranks_real_lines_above_shuffled_ones():
    rng = np.random.default_rng(6)
    every = sentences(900, rng)
    panel = Panel(every[:300], every[300:])
    real = panel.measure(panel.real_lines())
    shuffled = panel.measure([[str(w) for w in rng.permutation(s)] for s in panel.real_lines()])
    for name in ("bleu_4", "backward_bleu_4", "bleu_f"):
        assert real[name] > shuffled[name]
    for name in ("divergence_2", "reverse_perplexity", "kernel"):
        assert real[name] < shuffled[name], name
    repeated = panel.measure([max(every, key=len)] * 500)
    assert repeated["self_bleu_4"] > real["self_bleu_4"] and repeated["unique"] < 0.01
    assert repeated["backward_bleu_4"] < real["backward_bleu_4"]
    assert repeated["balance"] < shuffled["balance"] < real["balance"]
    found = panel.balanced(panel.items(panel.real_lines()))
    assert found.value == pytest.approx(real["balance"]) and 0.005 < found.high - found.low < 0.1
    assert found.low < found.value < found.high
    assert set(panel.quick(every[:100])) == {"balance", "bleu_4", "self_bleu_4", "backward_bleu_4"}


def test_samples_of_other_systems(tmp_path):
    (tmp_path / "theirs.txt").write_text("A line.\n\nanother\n")
    assert rivals(str(tmp_path), False) == {"theirs": [["a", "line", "."], ["another"]]} and rivals("", False) == {}
    with pytest.raises(UsageError, match="rivals"):
        rivals(str(tmp_path / "none.zip"), False)
