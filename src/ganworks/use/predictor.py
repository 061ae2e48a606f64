"""Classifies pictures with a trained classifier; its training data is not needed.

Pictures become tensors as they did for the training: the domain's fit and background, the spec's size and channels.
Every batch is filled up to the same number of rows: the answer for a picture does not depend on the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganworks.core.chance import own_randomness
from ganworks.core.config import from_dict
from ganworks.core.console.stop import told
from ganworks.core.console.text import json_text, printable
from ganworks.core.contracts import Classifies
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.machine.devices import pick_device
from ganworks.core.machine.places import place
from ganworks.files.arrays import Source
from ganworks.files.atomic import replace_file
from ganworks.files.provenance import refuse_strange
from ganworks.files.rasters.decode import SUFFIXES, DecodeError
from ganworks.files.rasters.read import still
from ganworks.files.rasters.write import picture
from ganworks.files.sources import open_source
from ganworks.files.tables.write import csv_text
from ganworks.metrics.estimate import wilson
from ganworks.runs.published import Published, load_net
from ganworks.use.model import fingerprint

FILE = "classifier.safetensors"
_ROWS = 64  # pictures per batch
_DIGITS = 6  # of a probability in files
_BEGINS = (b"file,class,probability", b'{\n "classes": [')  # files of predictions

Progress = Callable[[int, int], None] | None


@dataclass(frozen=True)
class Predictions:
    """Predictions of a classifier. names [n]; probabilities [n, K] float64; truth [n] int64, -1 where not known.

    failed: (name, reason) of what could not be read, which has no row here.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    probabilities: np.ndarray
    truth: np.ndarray
    failed: tuple[tuple[str, str], ...] = field(default=())

    def __len__(self) -> int:
        return len(self.names)

    @property
    def labels(self) -> np.ndarray:
        """The most likely class [n] int64."""
        return self.probabilities.argmax(1)

    def best(self, row: int, count: int = 1) -> list[tuple[str, float]]:
        """The `count` most likely classes of one row, with their probabilities."""
        order = np.argsort(-self.probabilities[row], kind="stable")[:count]
        return [(self.classes[k], float(self.probabilities[row, k])) for k in order]

    @property
    def accuracy(self) -> tuple[float, float, float] | None:
        """(value, low, high): the share of rows with a known class that are right, with its 95 % Wilson interval."""
        known = self.truth >= 0
        if not known.any():
            return None
        found = wilson(float((self.labels[known] == self.truth[known]).mean()), int(known.sum()))
        return found.value, found.low, found.high

    def table(self) -> list[dict[str, Any]]:
        """One row of plain types for each picture: file, class, probability, and the probability of each class."""
        rows = []
        for row, name in enumerate(self.names):
            label, top = self.best(row)[0]
            entry: dict[str, Any] = {"file": name, "class": label, "probability": round(top, _DIGITS)}
            if self.truth[row] >= 0:
                entry["truth"] = self.classes[self.truth[row]]
            shares = zip(self.classes, self.probabilities[row], strict=True)
            rows.append({**entry, "probabilities": {c: round(float(p), _DIGITS) for c, p in shares}})
        return rows

    def content(self, suffix: str) -> str:
        """As a .csv (file, class, probability, truth if known, one column for each class) or .json. UsageError."""
        writers = {".csv": self._csv, ".json": self._json}
        if suffix not in writers:
            raise UsageError(f"Predictions are written as .csv or .json, not {suffix!r}.")
        return writers[suffix]()

    def save(self, path: str | Path) -> Path:
        """Write `content` by the name's suffix, atomically. Raises UsageError."""
        path = place(path)
        content = self.content(path.suffix.lower())
        refuse_strange(path, path.is_file() and path.read_bytes().startswith(_BEGINS))
        replace_file(path, content)
        return path

    def _csv(self) -> str:
        known = bool((self.truth >= 0).any())
        shares = (f"p({printable(c)})" for c in self.classes)
        rows = [["file", "class", "probability", *(["truth"] if known else []), *shares]]
        for row in self.table():
            truth = [printable(row.get("truth", ""))] if known else []
            names = [printable(row["file"]), printable(row["class"])]
            rows.append([*names, row["probability"], *truth, *row["probabilities"].values()])
        return csv_text(rows)

    def _json(self) -> str:
        found = self.accuracy
        accuracy = None if found is None else dict(zip(("value", "low", "high"), found, strict=True))
        failed = [{"file": name, "reason": reason} for name, reason in self.failed]
        content = {"classes": self.classes, "accuracy": accuracy, "predictions": self.table(), "failed": failed}
        return json_text(content, indent=1)


class Predictor:
    """A trained classifier. Use `Predictor.load`.

    net, spec, info: what was published (info is its card). domain: rebuilt from the card; it `Classifies`.
    """

    def __init__(self, found: Published, *, device: str | torch.device = "auto"):
        if found.use != "predict":
            raise UsageError(f"{found.file} is no classifier; `ganworks {found.use}` uses it.")
        self.spec, self.info = found.spec, {**found.card, "path": str(found.file)}
        self.domain = from_dict(Any, found.card.get("domain"), f"{found.file}: domain")
        if not isinstance(self.domain, Classifies):
            raise UsageError(f"{found.file}: its domain {type(self.domain).__name__} cannot predict.")
        self.device = pick_device(device)
        self.net = found.net.to(self.device).eval().requires_grad_(False)

    @staticmethod
    def load(path: str | Path, *, device: str | torch.device = "auto") -> Predictor:
        """From a run folder or a classifier.safetensors alone. Raises UsageError for anything else."""
        return Predictor(load_net(path, FILE), device=device)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the network's tensors, the same on every device."""
        return fingerprint(self.net)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of the probabilities."""
        return self.spec.classes

    def __call__(self, x: Tensor) -> np.ndarray:
        """x [N, C, H, W] float32 in [-1, 1], of the training's size -> probabilities [N, K] float64."""
        if x.ndim != 4 or tuple(x.shape[1:]) != self.spec.shape:
            raise UsageError(
                f"The classifier looks at [N, {', '.join(map(str, self.spec.shape))}], not {list(x.shape)}."
            )
        parts = []
        for start in range(0, len(x), _ROWS):
            part = x[start : start + _ROWS].float()
            fill = torch.zeros(_ROWS - len(part), *part.shape[1:])
            with torch.inference_mode(), own_randomness(self.device, 0):
                found = self.domain.predict(self.net, torch.cat([part, fill]).to(self.device))
            parts.append(found[: len(part)].double().cpu().numpy())
        found = np.concatenate(parts) if parts else np.zeros((0, self.spec.num_classes))
        if not np.isfinite(found).all():
            raise GanworksError("The classifier gave NaN: its training had diverged.")
        return found

    def predict(self, data: Any, on_progress: Progress = None) -> Predictions:
        """Classify pictures: a file, a folder or zip, .npy, .npz or IDX files, a PIL image, an array [N, H, W(, C)].

        Labels that come with the data (class folders, labels.csv, y) are compared when all of them are classes of this
        model. What cannot be read is left out and named in `failed`. Raises UsageError when nothing can be read.
        """
        if isinstance(data, Image.Image):
            data = _single(data)
        one = isinstance(data, str | os.PathLike) and Path(data).is_file() and str(data).lower().endswith(SUFFIXES)
        with told(lambda: "Interrupted. Predictions are written when all are made; the same command starts again."):
            return self._look(_File(Path(data)) if one else open_source(data), on_progress)

    def _look(self, source: Source, on_progress: Progress) -> Predictions:
        convert = self.domain.converter(self.spec, source)
        names, found, kept, failed = [], [], [], []
        for rows, wrong in self._batches(source, convert):
            failed += wrong
            kept += [index for index, _ in rows]
            names += [printable(source.name(index)) for index, _ in rows]
            if rows:
                found.append(self(torch.from_numpy(np.stack([x for _, x in rows]))))
            if on_progress:
                on_progress(len(kept) + len(failed), len(source))
        if not kept:
            reason = f" First: {failed[0][1]}" if failed else ""
            raise UsageError(f'Nothing in "{printable(str(source.path))}" can be read as a picture.{reason}')
        truth = self._truth(source)[np.array(kept)]
        return Predictions(self.classes, tuple(names), np.concatenate(found), truth, tuple(failed))

    def _batches(self, source: Source, convert: Callable[..., Any]) -> Iterator[tuple[list, list[tuple[str, str]]]]:
        """(index, x [C, H, W]) of up to _ROWS pictures, and those among them that cannot be read."""
        middle, half = (self.spec.high + self.spec.low) / 2, (self.spec.high - self.spec.low) / 2
        for start in range(0, len(source), _ROWS):
            rows, wrong = [], []
            for index in range(start, min(start + _ROWS, len(source))):
                try:
                    array = convert(source.get(index), source.name(index)).array
                except DecodeError as error:
                    wrong.append((printable(error.name), error.reason))
                    continue
                rows.append((index, (array.astype(np.float32) - np.float32(middle)) / np.float32(half)))
            yield rows, wrong

    def _truth(self, source: Source) -> np.ndarray:
        """The class [n] of each item in this model's order, -1 when the data has no labels or others."""
        unknown = np.full(len(source), -1)
        try:
            labels, names = source.labels, source.classes
        except UsageError:  # a labels.csv that does not name all pictures: nothing to compare with
            return unknown
        if labels is None or not {*names} - {""} <= set(self.classes):
            return unknown
        return np.array([self.classes.index(name) if name else -1 for name in names])[labels]


class _File:
    """One picture file as a source."""

    kind, labels, classes = "file", None, ()

    def __init__(self, path: Path):
        self.path, self.bytes, self.notes = str(path), path.stat().st_size, []

    def __len__(self) -> int:
        return 1

    def get(self, index: int) -> bytes:
        return Path(self.path).read_bytes()

    def name(self, index: int) -> str:
        return self.path

    def stamp(self) -> str:
        return self.path


def _single(image: Image.Image) -> np.ndarray:
    return np.asarray(picture(still(image), alpha=False))[None]
