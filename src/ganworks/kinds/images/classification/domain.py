"""The domain of images of which only some have labels; the others help to learn what the classes look like."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ganworks.audit.evidence import Evidence
from ganworks.core.console.text import counted
from ganworks.core.contracts import Progress, Work
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import check, within
from ganworks.core.spec import Draw, Spec, key
from ganworks.files.arrays import Source
from ganworks.files.packing.packed import Packed
from ganworks.files.rasters.pixels import grid
from ganworks.files.rasters.stored import range_of
from ganworks.kinds.images.classification.evaluator import ClassEvaluator, probabilities
from ganworks.kinds.images.domain import Images
from ganworks.kinds.images.look import contact_sheet, describe, near_duplicates
from ganworks.kinds.images.shared.reading import Reading
from ganworks.use.findings import Findings

UNLABELLED = ("unlabelled", "unlabeled", "_", "", "-1", "nan", "none")  # class names that stand for no label
_NONE = -1


class PartialData:
    """A packed data set with the labels that may be used.

    labels: int64 [N], -1 where there is none or where it is hidden; labels are read from nowhere else. train: all
    images to learn from. known: those of them with a label. held: labelled images that are held out for evaluation.
    spec.classes: the classes, without those names that mean "no label".
    """

    def __init__(self, packed: Packed, domain: Partial):
        self.packed = packed
        names, numbers = _numbering(packed)
        self.spec = replace(packed.spec, classes=names)
        assert packed.labels is not None
        self.labels = numbers[packed.labels]
        has = self.labels != _NONE
        self.held = packed.held[has[packed.held]]
        rest = packed.held[~has[packed.held]]
        self.train = np.sort(np.concatenate([packed.train, rest[~_among(packed.hashes, rest, self.held)]]))
        given = self.train[self.labels[self.train] != _NONE]
        self.known = np.sort(domain.keep(self.labels, given, names))
        hidden = np.setdiff1d(given, self.known)
        self.labels[hidden] = _NONE
        self.fingerprint = self._fingerprint()

    def _fingerprint(self) -> str:
        digest = hashlib.sha256(json.dumps([self.packed.fingerprint, list(self.spec.classes)]).encode())
        for part in (self.train, self.held, self.known):
            digest.update(np.int64(len(part)).tobytes() + part.tobytes())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.packed)

    def raw(self, indices: Any) -> np.ndarray:
        """Images of these indices as stored: [n, C, H, W] in spec.dtype, a copy."""
        return self.packed.raw(indices)

    def images(self, indices: Any) -> Tensor:
        """Images of these indices: float32 [n, C, H, W] in [-1, 1]."""
        return self.packed.fetch(indices)["x"]

    @cached_property
    def counts(self) -> np.ndarray:
        """How many labels of each class are used, int64 [K]."""
        return np.bincount(self.labels[self.known], minlength=self.spec.num_classes)

    @property
    def notes(self) -> list[str]:
        """How many labels are used and held out, in sentences."""
        low, high = int(self.counts.min()), int(self.counts.max())
        each = f"{low}" if low == high else f"{low} to {high}"
        out = [
            f"{len(self.known):,} of "
            f"{counted(len(self.train), 'training image has', 'training images have')} a label, {each} per class; "
            f"{len(self.held):,} other labelled images are held out for evaluation"
        ]
        if len(self.held) < 100:
            out.append(f"held out: {counted(len(self.held), 'labelled image')}; an accuracy on so few is rough")
        return out

    @property
    def summary(self) -> dict[str, Any]:
        """The facts of `Packed.summary`; `classes` counts the labels that are used."""
        facts = self.packed.summary
        return facts | {
            "classes": dict(zip(self.spec.classes, self.counts.tolist(), strict=True)),
            "train": len(self.train),
            "held": len(self.held),
            "labelled": len(self.known),
            "unlabelled": len(self.train) - len(self.known),
            "notes": [*facts["notes"], *self.notes],
            "fingerprint": self.fingerprint,
        }


@dataclass(frozen=True)
class Partial(Reading):
    """Images, some with labels: how files become tensors and which labels count.

    labels: "on" for all labels, or how many are used in all, in proportion to the sizes of the classes.
    per_class: how many labels of each class are used (0: `labels` decides).
    label_seed: seed of the choice of the labels that are used.

    Raises UsageError for values outside their range.
    """

    labels: int | bool | str = True  # pyrefly: ignore
    per_class: Annotated[int, within(0, unit="labels")] = 0
    label_seed: Annotated[int, within(0)] = 0

    def __post_init__(self) -> None:
        check(self)
        count = isinstance(self.labels, int) and not isinstance(self.labels, bool)
        if not self._all and not (count and int(self.labels) >= 2):
            raise UsageError(f"labels must be on, or how many are used (2 or more), not {self.labels!r}.")
        if self.per_class and count:
            raise UsageError(f"Give per_class={self.per_class} or labels={self.labels}, not both.")
        _ = self.images

    @property
    def _all(self) -> bool:
        return self.labels is True or self.labels == "on"

    @cached_property
    def images(self) -> Images:
        """The domain that reads, packs and augments the pictures."""
        return Images(**{f.name: getattr(self, f.name) for f in fields(Reading) if f.name != "labels"})

    def open(self, path: Any, cache: str | Path | None = None, on_progress: Progress | None = None) -> PartialData:
        """Pack the data (or open its pack). path: whatever `open_source` takes. Raises UsageError without labels."""
        packed = self.images.open(path, cache, on_progress)
        if packed.labels is None:
            raise UsageError(
                f'"{packed.facts["source"]}" has no labels. Put images of each class into a folder of its own and '
                "those without a label into one called unlabelled, or write labels.csv with empty cells."
            )
        return PartialData(packed, self)

    def look(self, path: Any, on_progress: Progress | None = None) -> Findings:
        """What a source holds for this domain, with a contact sheet of all classes, those without labels among them."""
        data = replace(self, on_corrupt="skip").open(path, on_progress=on_progress)
        facts = {**data.summary, "near": near_duplicates(data.packed)}
        return Findings(facts, describe(facts), contact_sheet(data.packed, self), data)

    def look_through(self, path: Any, features: str, on_progress: Progress | None = None) -> Findings:
        """`look`, with near duplicates, outliers and doubtful labels by a published network."""
        from ganworks.kinds.images.oddities import look_through
        from ganworks.pretrained.store import named

        teacher = named(features)
        return look_through(self.look(path, on_progress), self.images, path, teacher, on_progress)

    def evidence(self, path: Any, features: str, work: Work) -> Evidence:
        """What an audit may look at, as in pictures of classes."""
        return self.images.evidence(path, features, work)

    def keep(self, labels: np.ndarray, given: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Those of the labelled images `given` (indices) whose labels are used; in any order. labels: int64 [N].

        Raises UsageError when a class has no label left.
        """
        if not self.per_class and self._all:
            kept = given
        else:
            counts = np.bincount(labels[given], minlength=len(names))
            wanted = np.full(len(names), self.per_class) if self.per_class else shares(counts, int(self.labels))
            rng = np.random.default_rng(key(self.label_seed, "labels"))
            order = rng.permutation(given)
            kept = np.concatenate([order[labels[order] == c][:n] for c, n in enumerate(wanted)])
        short = [n for c, n in enumerate(names) if not (labels[kept] == c).any()]
        if short:
            raise UsageError(
                f"No labelled image of {', '.join(map(repr, short[:5]))} is left to train on. Label some more of them, "
                "or give a smaller held_out."
            )
        return kept

    @property
    def draws(self) -> str:
        """Labelled images are drawn more often than others."""
        return "images with labels are drawn more often than those without. A classifier cannot be trained so."

    def batch(self, data: PartialData, indices: np.ndarray, draw: Draw) -> dict[str, Tensor]:
        """A batch of all images and of labelled ones.

        x [B, C, H, W]: the images of these indices, labelled or not. xl [B, C, H, W] and y [B]: labelled images, drawn
        with replacement. prior [B, K]: the shares of the classes among the labels, the same in every row.
        """
        chosen = data.known[draw.integers(len(data.known)).numpy()]
        both = self.images.vary(data.images(indices), draw), self.images.vary(data.images(chosen), draw)
        prior = torch.from_numpy(data.counts / data.counts.sum()).float().expand(len(chosen), -1)
        return {"x": both[0], "xl": both[1], "y": torch.from_numpy(data.labels[chosen]), "prior": prior}

    def evaluator(
        self, data: PartialData, source: Any, config: Any, work: Callable[[str, int, int], None]
    ) -> ClassEvaluator:
        """The evaluator of the classifier: accuracy and calibration on the held-out labelled images."""
        return ClassEvaluator(data, config, work)

    def converter(self, spec: Spec, source: Source) -> Callable[..., Any]:
        """The function that converts an item of a source to an array [C, H, W] of the spec's size, as in training."""
        channels, height, width = spec.shape
        reader = Images(
            size=(height, width),
            channels=channels,
            labels=False,
            on_corrupt="skip",
            fit=self.fit,
            background=self.background,
        )
        return reader.plan(source, range_of(spec.facts)).convert

    def predict(self, net: nn.Module, x: Tensor) -> Tensor:
        """Images [N, C, H, W] in [-1, 1], of the spec's size and channels -> probabilities float32 [N, K]."""
        return probabilities(net, x)

    def show(
        self, x: Tensor | np.ndarray, columns: int | None = None, labels: Sequence[Any] | None = None
    ) -> Image.Image:
        """A grid of images [B, C, H, W], float in [-1, 1] or uint8, with captions if given."""
        return grid(x, columns, labels)


def shares(counts: np.ndarray, total: int) -> np.ndarray:
    """How many labels of each class are used, int64 [K], of `total`: in proportion to counts [K], at least one each.

    By the largest remainders. Raises UsageError when `total` is above the number of labels or below that of classes.
    """
    if not len(counts) <= total <= counts.sum():
        raise UsageError(
            f"labels={total}: choose from {counted(int(counts.sum()), 'label')} in "
            f"{counted(len(counts), 'class', 'classes')}."
        )
    exact = counts * (total / counts.sum())
    found = np.maximum(np.minimum(np.floor(exact).astype(np.int64), counts), 1)
    while found.sum() != total:
        step = 1 if found.sum() < total else -1
        possible = (found < counts) if step > 0 else (found > 1)
        found[np.argmax(np.where(possible, step * (exact - found), -np.inf))] += step
    return found


def _numbering(packed: Packed) -> tuple[tuple[str, ...], np.ndarray]:
    """(names of the classes, for each packed class its number among them); -1 for names that mean "no label"."""
    old = packed.spec.classes
    none = [name.strip().lower() in UNLABELLED for name in old]
    names = tuple(n for n, gone in zip(old, none, strict=True) if not gone)
    if len(names) < 2:
        raise UsageError(
            f'"{packed.facts["source"]}" has the classes {", ".join(map(repr, names)) or "none"}; two are needed.'
        )
    return names, np.array([_NONE if gone else names.index(n) for n, gone in zip(old, none, strict=True)], np.int64)


def _among(hashes: np.ndarray, some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """bool, one for each of `some`: whether it has the same content as one of `others`."""
    wanted = {row.tobytes() for row in hashes[others]}
    return np.array([hashes[i].tobytes() in wanted for i in some], bool)
