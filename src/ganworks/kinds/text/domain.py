"""The domain of texts: how lines become numbers of tokens, and numbers become lines again."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ganworks.core.errors import UsageError, nearest, number
from ganworks.core.schema.declare import HeldOut, check, within
from ganworks.core.spec import Draw, Spec
from ganworks.kinds.text.data.dataset import TextSet
from ganworks.kinds.text.data.reading import GENERATED, read_lines
from ganworks.kinds.text.data.vocabulary import LARGEST, Vocabulary
from ganworks.kinds.text.metrics.evaluator import TextEvaluator


@dataclass(frozen=True)
class Text:
    """One text per line: how lines become numbers of tokens.

    tokens: "words", "characters", "pairs" (byte-pair encoding), or "auto": characters where hardly any spaces are, else
        words.
    vocabulary: how many tokens at most, 0 = 10,000 (2,000 pairs); made of the training part alone.
    length: length of the longest text, its end included; 0 = room for 99.5 % of them, at most 64 words, 96 pairs or 128
        characters; longer ones are cut.
    labels: whether to use a label column, `label<TAB>text` lines or class files.
    held_out: the share that is never trained on.
    rivals: samples of other systems to show beside ours in an evaluation, a .zip or a folder of .txt files; "" for
        none.
    Raises UsageError for values outside their range.
    """

    tokens: Literal["auto", "words", "characters", "pairs"] = "auto"
    vocabulary: Annotated[int, within(0, LARGEST, unit="tokens")] = 0
    length: Annotated[int, within(0, 4096, unit="tokens")] = 0
    labels: bool | str = True
    held_out: HeldOut = 0.1
    rivals: str = ""

    forms: ClassVar[tuple[str, ...]] = (".txt", ".json")
    each: ClassVar[str] = ""
    options: ClassVar[dict[str, str]] = {
        "temperature": "1 as learned; less gives likelier and less varied texts, e.g. 0.8",
        "candidates": "texts drawn for each one that the critic chooses; 1: no choice",
    }

    def __post_init__(self) -> None:
        check(self)
        if self.length == 1:
            raise UsageError("length must be 0 (chosen) or 2 to 4,096 tokens, not 1.")

    def open(
        self, path: Any, cache: str | Path | None = None, on_progress: Callable[[int, int], None] | None = None
    ) -> TextSet:
        """Texts of a file, a folder or a list; see `data.reading.read_lines`. They are kept in memory."""
        lines = read_lines(path, str(self.labels).lower() not in ("off", "false", "no"))
        made = TextSet(lines, tokens=self.tokens, size=self.vocabulary, length=self.length, held_out=self.held_out)
        if on_progress is not None:
            on_progress(len(made), len(made))
        return made

    def batch(self, data: TextSet, indices: np.ndarray, draw: Draw) -> dict[str, Tensor]:
        """x int64 [B, length], numbers of tokens; y int64 [B] with labels."""
        batch = {"x": torch.from_numpy(data.ids[indices].astype(np.int64))}
        if data.labels is not None:
            batch["y"] = torch.from_numpy(data.labels[indices])
        return batch

    def evaluator(
        self, data: TextSet, source: Any, config: Any, work: Callable[[str, int, int], None]
    ) -> TextEvaluator:
        """Judges texts by held-out ones."""
        return TextEvaluator(data, config, work)

    def prepare(self, net: nn.Module, spec: Spec, options: dict[str, Any]) -> nn.Module:
        """The generator at a temperature and with a number of candidates; UsageError for values out of range."""
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
        """Readable texts of samples."""
        vocabulary = Vocabulary.of(samples.spec.facts["vocabulary"])
        return [vocabulary.decode(row) for row in samples.data.astype(np.int64).tolist()]

    def encode(self, samples: Any, suffix: str, mark: bool) -> bytes:
        """.txt: one text per line, `label<TAB>text` with labels; the mark is a first line that begins with "#".

        .json: the mark, and the texts with their labels.
        """
        texts, classes = self.decode(samples), samples.spec.classes
        names = None if samples.labels is None else [classes[k] for k in samples.labels]
        if suffix == ".json":
            rows = [{"text": text} | ({"label": names[k]} if names else {}) for k, text in enumerate(texts)]
            head = {"mark": samples.note()} if mark else {"marked": False}
            return json.dumps({**head, "samples": rows}, ensure_ascii=False, indent=1).encode()
        if suffix != ".txt":
            raise UsageError(f"Texts cannot be written as {suffix!r}. {nearest(suffix, self.forms)}")
        lines = [f"{GENERATED} {json.dumps(samples.note(), ensure_ascii=False)}"] if mark else []
        lines += [f"{names[k]}\t{text}" if names else text for k, text in enumerate(texts)]
        return "".join(f"{line}\n" for line in lines).encode()
