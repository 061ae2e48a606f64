"""The domain of texts: how lines become token numbers, and token numbers become lines."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ganworks.audit.evidence import Evidence, refuse_features
from ganworks.core.console.text import json_text
from ganworks.core.contracts import Work
from ganworks.core.errors import UsageError, nearest, number
from ganworks.core.schema.declare import HeldOut, check, within
from ganworks.core.spec import Draw, Spec
from ganworks.kinds.text.data.dataset import TextSet
from ganworks.kinds.text.data.evidence import without_texts
from ganworks.kinds.text.data.reading import read_lines
from ganworks.kinds.text.data.vocabulary import LARGEST, Vocabulary
from ganworks.kinds.text.metrics.comparing import token_counts
from ganworks.kinds.text.metrics.evaluator import TextEvaluator


@dataclass(frozen=True)
class Text:
    """The domain of texts, one in each line: how lines become token numbers.

    tokens: "words", "characters", "pairs" (byte-pair encoding), or "auto": characters where spaces are rare, else
    words.
    vocabulary: largest number of tokens in the vocabulary, which is made from the training part alone; 0 = 10,000
    (2,000
        pairs).
    length: largest length of a text, its END included; longer texts are cut. 0 = the length that holds 99.5 % of the
        texts, at most 64 words, 96 pairs or 128 characters.
    labels: whether to use a label column, `label<TAB>text` lines or class files.
    held_out: share of the texts that is kept out of training, for the evaluation.
    exclude: a list of texts to leave out, as `ganworks audit` writes it (exclude.csv); "" for none.
    rivals: samples of other systems to evaluate beside ours, a .zip or a folder of .txt files; "" for none.
    Raises UsageError for values outside their range.
    """

    tokens: Literal["auto", "words", "characters", "pairs"] = "auto"
    vocabulary: Annotated[int, within(0, LARGEST, unit="tokens")] = 0
    length: Annotated[int, within(0, 4096, unit="tokens")] = 0
    labels: bool | str = True
    held_out: HeldOut = 0.1
    rivals: str = ""
    exclude: str = ""

    forms: ClassVar[tuple[str, ...]] = (".txt", ".json")
    plain: ClassVar[tuple[str, ...]] = (".txt",)
    each: ClassVar[str] = ""
    options: ClassVar[dict[str, str]] = {
        "temperature": "1: as learned; lower values give likelier and less varied texts, e.g. 0.8",
        "candidates": "texts drawn for each sample, of which the critic chooses one; 1: no choice",
    }

    def __post_init__(self) -> None:
        check(self)
        if self.length == 1:
            raise UsageError("length must be 0 (chosen) or 2 to 4,096 tokens, not 1.")

    def open(
        self, path: Any, cache: str | Path | None = None, on_progress: Callable[[int, int], None] | None = None
    ) -> TextSet:
        """The texts of a file, a folder or a list (see `data.reading.read_lines`), kept in memory; UsageError."""
        lines = read_lines(path, str(self.labels).lower() not in ("off", "false", "no"))
        if self.exclude:
            lines = without_texts(lines, self.exclude)
        made = TextSet(lines, tokens=self.tokens, size=self.vocabulary, length=self.length, held_out=self.held_out)
        if on_progress is not None:
            on_progress(len(made), len(made))
        return made

    def evidence(self, path: Any, features: str, work: Work) -> Evidence:
        """What an audit may look at: words, plain measures, labels. Raises UsageError for features."""
        refuse_features(features, "texts")
        from ganworks.kinds.text.data.evidence import evidence_of

        return evidence_of(self.open(path, on_progress=lambda done, total: work("Reading the data", done, total)))

    def batch(self, data: TextSet, indices: np.ndarray, draw: Draw) -> dict[str, Tensor]:
        """x int64 [B, length], token numbers; with labels, y int64 [B]."""
        batch = {"x": torch.from_numpy(data.ids[indices].astype(np.int64))}
        if data.labels is not None:
            batch["y"] = torch.from_numpy(data.labels[indices])
        return batch

    def evaluator(
        self, data: TextSet, source: Any, config: Any, work: Callable[[str, int, int], None]
    ) -> TextEvaluator:
        """The evaluator of generated texts: see `TextEvaluator`."""
        return TextEvaluator(data, config, work)

    @property
    def compared_by(self) -> str:
        """What `points` are."""
        return "counts of tokens and pairs of tokens"

    def points(self, data: TextSet, examples: np.ndarray) -> np.ndarray:
        """Token numbers [n, length] as points [n, 512], between which an audit takes distances."""
        return token_counts(examples)

    def prepare(self, net: nn.Module, spec: Spec, options: dict[str, Any]) -> nn.Module:
        """The generator with another temperature or number of candidates; UsageError for values out of range."""
        if not options:
            return net
        made: Any = copy.copy(net)
        most = int(getattr(net, "candidates", 1))
        made.temperature = number(
            "temperature", options.get("temperature", getattr(net, "temperature", 1.0)), 0.05, 10.0
        )
        made.candidates = int(number("candidates", options.get("candidates", most), 1, 64 if most > 1 else 1))
        return made

    def decode(self, samples: Any) -> list[str]:
        """The texts of samples."""
        vocabulary = Vocabulary.of(samples.spec.facts["vocabulary"])
        return [vocabulary.decode(row) for row in samples.data.astype(np.int64).tolist()]

    def encode(self, samples: Any, suffix: str, mark: bool) -> bytes:
        """.txt: one text in each line, `label<TAB>text` with labels; the mark lies beside it.

        .json: the mark, and the texts with their labels. Raises UsageError for another suffix.
        """
        texts, classes = self.decode(samples), samples.spec.classes
        names = None if samples.labels is None else [classes[k] for k in samples.labels]
        if suffix == ".json":
            rows = [{"text": text} | ({"label": names[k]} if names else {}) for k, text in enumerate(texts)]
            head = {"mark": samples.note()} if mark else {"marked": False}
            return json_text({**head, "samples": rows}, indent=1).encode()
        if suffix != ".txt":
            raise UsageError(f"Texts cannot be written as {suffix!r}. {nearest(suffix, self.forms)}")
        lines = [f"{names[k]}\t{text}" if names else text for k, text in enumerate(texts)]
        return "".join(f"{line}\n" for line in lines).encode()
