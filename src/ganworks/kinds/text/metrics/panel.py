"""All measures of a list of sentences, the same for samples, simple models, other systems and real lines."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.core.spec import key
from ganworks.kinds.text.metrics.measures import (
    References,
    Sentence,
    bleu,
    copies,
    distinct,
    divergence,
    harmonic,
    self_bleu,
    texygen_tokens,
    unique_share,
)
from ganworks.kinds.text.metrics.models import SentenceVectors, TrigramModel
from ganworks.metrics.estimate import Estimate
from ganworks.metrics.kernel import kernel_distance
from ganworks.metrics.tasks import bootstrap

BLEU_SAMPLES, SET_SAMPLES = 1000, 5000  # sentences for scores of single sentences; for scores of a whole model
_LARGEST = 64 << 20  # bytes of one file of another system

MEANING = {
    "balance": (
        "higher",
        "BLEU-4 and backward BLEU-4 (harmonic mean) minus the self-BLEU-4 in excess of real texts; selects snapshots.",
    ),
    "divergence_2": (
        "lower",
        "Jensen-Shannon divergence between token pairs of samples and of held-out texts, in bits.",
    ),
    "bleu_4": (
        "higher",
        "BLEU-4 against held-out texts: how well runs of four tokens read. Real texts do not reach 1 either.",
    ),
    "self_bleu_4": (
        "floor",
        "BLEU-4 of each sample against all others: above real texts, the model repeats itself.",
    ),
    "backward_bleu_4": (
        "higher",
        "BLEU-4 of held-out texts against the samples: how much of real text is covered.",
    ),
    "bleu_f": ("higher", "Harmonic mean of BLEU-4 and backward BLEU-4."),
    "bleu_2": ("higher", "BLEU-2 against held-out texts: how well pairs of tokens read."),
    "bleu_3": ("higher", "BLEU-3 against held-out texts."),
    "bleu_5": ("higher", "BLEU-5 against held-out texts."),
    "distinct_2": ("floor", "Distinct pairs of tokens over all pairs."),
    "unique": ("floor", "Distinct samples over all samples."),
    "reverse_perplexity": (
        "lower",
        "Perplexity of held-out texts under a trigram model trained on the samples.",
    ),
    "kernel": (
        "lower",
        "Kernel distance between sentence vectors of samples and of held-out texts; about 0 is perfect.",
    ),
    "copied": ("floor", "Share of samples that occur in the training texts word for word."),
}


def cut(texts: Sequence[str], characters: bool) -> list[list[str]]:
    """The tokens of texts: characters, or the tokens of Texygen."""
    return [list(text) if characters else texygen_tokens(text) for text in texts]


class Panel:
    """Measures lists of sentences. real: held-out sentences; training: sentences of the training part."""

    def __init__(self, real: Sequence[Sentence], training: Sequence[Sentence]):
        self.real, self.training = list(real), list(training)
        self.asked = self.real[:BLEU_SAMPLES]

    @cached_property
    def references(self) -> References:
        """All held-out sentences."""
        return References(self.real)

    @cached_property
    def known(self) -> set[str]:
        """The distinct words of the training sentences."""
        return {w for s in self.training for w in s}

    @cached_property
    def vectors(self) -> SentenceVectors:
        """Sentence vectors fitted to the training sentences."""
        return SentenceVectors(self.training)

    @cached_property
    def trigrams(self) -> TrigramModel:
        """The trigram model of the training sentences, a baseline."""
        return TrigramModel(self.training, self.known)

    def quick(self, sentences: Sequence[Sentence]) -> dict[str, float]:
        """balance, bleu_4, self_bleu_4 and backward_bleu_4, on at most 1,000 samples and held-out sentences."""
        some = sentences[:BLEU_SAMPLES]
        forward = float(bleu(some, self.references)[:, 2].mean())
        backward = float(bleu(self.asked, References(some, 4), (4,)).mean())
        alike = float(self_bleu(some, (4,)).mean())
        values = {"bleu_4": forward, "self_bleu_4": alike, "backward_bleu_4": backward}
        return {"balance": self.balance(values), **values}

    @cached_property
    def alike(self) -> float:
        """Self-BLEU-4 of real lines."""
        return float(self_bleu(self.real_lines()[:BLEU_SAMPLES], (4,)).mean())

    def balance(self, values: dict[str, float]) -> float:
        """The harmonic mean of BLEU-4 and backward BLEU-4, minus the excess of self-BLEU-4 over that of real lines.

        A lower temperature raises BLEU-4 far more than it lowers backward BLEU-4, and n-gram divergences of so few
        texts fall as well: without the last term, snapshots that repeat themselves would be selected.
        """
        excess = max(0.0, values["self_bleu_4"] - self.alike)
        return harmonic(values["bleu_4"], values["backward_bleu_4"]) - excess

    def balanced(self, each: dict[str, np.ndarray]) -> Estimate:
        """`balance` of the values of single sentences (`items`), with a bootstrap interval over them."""
        names = ("bleu_4", "self_bleu_4", "backward_bleu_4")
        count = max(len(each[name]) for name in names)

        def of(rows: np.ndarray) -> float:
            return self.balance({name: float(each[name][rows * len(each[name]) // count].mean()) for name in names})

        value = self.balance({name: float(each[name].mean()) for name in names})
        return Estimate(value, *bootstrap(count, of))

    def measure(self, sentences: Sequence[Sentence]) -> dict[str, float]:
        """All measures of MEANING; `items` gives the values of which some are the means."""
        each = self.items(sentences)
        values = {name: float(values.mean()) for name, values in each.items()} | self.whole(sentences, each)
        return {"balance": self.balance(values), **values}

    def items(self, sentences: Sequence[Sentence]) -> dict[str, np.ndarray]:
        """Values of single sentences: BLEU of 1,000 samples; backward BLEU of 1,000 real ones against 5,000 samples."""
        some, many = sentences[:BLEU_SAMPLES], sentences[:SET_SAMPLES]
        found = bleu(some, self.references)
        backward = bleu(self.asked, References(many, 4), (4,))[:, 0]
        alike = self_bleu(some, (4,))[:, 0]
        return {f"bleu_{n}": found[:, n - 2] for n in (2, 3, 4, 5)} | {
            "self_bleu_4": alike,
            "backward_bleu_4": backward,
        }

    def whole(self, sentences: Sequence[Sentence], each: dict[str, np.ndarray]) -> dict[str, float]:
        """The measures of the list as a whole."""
        some, many = sentences[:BLEU_SAMPLES], sentences[:SET_SAMPLES]
        same = min(len(some), len(self.asked))
        values = {
            "bleu_f": harmonic(float(each["bleu_4"].mean()), float(each["backward_bleu_4"].mean())),
            "distinct_2": distinct(some, 2),
            "unique": unique_share(some),
            "divergence_2": divergence(some[:same], self.asked[:same], 2),
            "reverse_perplexity": TrigramModel(many, self.known).perplexity(self.asked),
            "copied": copies(some, self.training),
        }
        if same >= 4:
            estimate = kernel_distance(self.vectors(some), self.vectors(self.asked), subsets=20, size=500)
            values["kernel"] = estimate.value
        return values

    def real_lines(self, seed: int = 0) -> list[list[str]]:
        """Training sentences in place of samples: the ceiling."""
        rng = np.random.default_rng(key(seed, "real lines"))
        return [list(self.training[k]) for k in rng.permutation(len(self.training))[:SET_SAMPLES]]


def rivals(path: str, characters: bool) -> dict[str, list[list[str]]]:
    """Samples of other systems by name, from a .zip or a folder of .txt files, one text in each line; UsageError."""
    if not path:
        return {}
    place, found = Path(path).expanduser(), {}
    try:
        if place.is_dir():
            files = {p.stem: p.read_bytes() for p in sorted(place.glob("*.txt")) if p.stat().st_size <= _LARGEST}
        else:
            with zipfile.ZipFile(place) as archive:
                members = [m for m in archive.infolist() if m.filename.endswith(".txt") and m.file_size <= _LARGEST]
                files = {Path(m.filename).stem: archive.read(m) for m in members}
    except (OSError, zipfile.BadZipFile, RuntimeError) as error:
        raise UsageError(f"domain.rivals={path}: it is neither a folder nor a .zip of .txt files ({error}).") from error
    for name, raw in files.items():
        lines = [line.strip() for line in raw.decode("utf-8", "replace").splitlines()]
        found[name] = cut([line for line in lines if line], characters)
    if not found:
        raise UsageError(f"domain.rivals={path} holds no .txt file.")
    return found
