"""The domain of points: rows of a few numbers, from named mixtures or from files.

The mixtures are those of the published mode-coverage tests (VEEGAN, Srivastava et al. 2017, 1705.07761; PacGAN, Lin et
al. 2018, 1712.04086, section 4.1), and `quality` is their protocol.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ganworks.core.console.text import counted
from ganworks.core.errors import UsageError, nearest
from ganworks.core.schema.declare import HeldOut, check, within
from ganworks.core.spec import Draw, Spec
from ganworks.files.array_files import load_arrays
from ganworks.files.packing.packed import class_counts, split
from ganworks.files.rows import check_cells
from ganworks.files.tables.numbers import PLAIN
from ganworks.metrics.features import Identity
from ganworks.use.sample_evaluator import SampleEvaluator

MIXTURES = ("ring8", "grid25", "spiral")
MAX_BYTES = 4 << 30
COLOURS = ((31, 90, 166), (214, 96, 38), (44, 140, 72), (150, 60, 150), (190, 150, 20), (20, 150, 160))
SIDE, MARGIN = 480, 36


def centres(name: str) -> tuple[np.ndarray, float]:
    """(means [modes, 2], standard deviation) of "ring8" (radius 1, sd 0.01) or "grid25" (sd 0.05). Raises UsageError
    for other names.
    """
    if name == "ring8":
        angle = 2 * np.pi * np.arange(8) / 8
        return np.stack([np.cos(angle), np.sin(angle)], 1), 0.01
    if name == "grid25":
        side = np.array([-4.0, -2.0, 0.0, 2.0, 4.0])
        return np.stack(np.meshgrid(side, side, indexing="ij"), -1).reshape(-1, 2), 0.05
    raise UsageError(f'"{name}" has no modes to count. {nearest(name, ("ring8", "grid25"))}')


def mixture(name: str, count: int, seed: int = 0) -> np.ndarray:
    """`count` points [count, 2] float32 of a named mixture, with equally likely modes."""
    random = np.random.default_rng(seed)
    if name == "spiral":
        turn = 3 * np.pi * np.sqrt(random.random(count))
        line = np.stack([turn * np.cos(turn), turn * np.sin(turn)], 1) / 5
        return (line + 0.02 * random.standard_normal((count, 2))).astype(np.float32)
    middle, sd = centres(name)
    which = random.integers(len(middle), size=count)
    return (middle[which] + sd * random.standard_normal((count, 2))).astype(np.float32)


def quality(samples: np.ndarray, middle: np.ndarray, sd: float) -> dict[str, float]:
    """The mode-coverage protocol of 1712.04086, section 4.1, for samples [n, D] (usually 2,500).

    A sample is of high quality if it lies within 3 sd of its nearest mode. Returns modes (those with at least one such
    sample), high_quality (percent; 98.9 for the mixture itself in two dimensions) and reverse_kl (from the modes'
    shares of the high-quality samples to the uniform distribution, in nats; infinite if there are none).
    """
    distance = np.linalg.norm(samples.astype(np.float64)[:, None] - middle[None], axis=2)
    good = distance.min(1) < 3 * sd
    share = np.bincount(distance.argmin(1)[good], minlength=len(middle)) / max(1, good.sum())
    present = share[share > 0]
    kl = float((present * np.log(present * len(middle))).sum()) if len(present) else math.inf
    return {"modes": float(len(present)), "high_quality": float(100 * good.mean()), "reverse_kl": kl}


class PointSet:
    """Points in memory, with the attributes of `ganworks.files.packing.packed.Packed`."""

    def __init__(
        self, x: np.ndarray, y: np.ndarray | None, classes: tuple[str, ...], facts: dict[str, Any], held_out: float
    ):
        self._x = np.ascontiguousarray(x, np.float32)
        self.labels = y if classes else None
        low, high = float(self._x.min()), float(self._x.max())
        if low == high:
            raise UsageError(f"{facts['source']}: all values are {low}; there is nothing to learn.")
        self.spec = Spec("points", (x.shape[1],), classes, low, high, "float32")
        digests = b"".join(hashlib.blake2b(row.data, digest_size=16).digest() for row in self._x)
        hashes = np.frombuffer(digests, "<u8").reshape(-1, 2)
        labels = self.labels.tobytes() if self.labels is not None else b""
        text = json.dumps(self.spec.to_dict(), sort_keys=True).encode()
        self.fingerprint = hashlib.sha256(text + digests + labels).hexdigest()
        self.train, self.held, self.duplicates, notes = split(hashes, held_out)
        self.facts = {**facts, "notes": [*_scale_note(self._x), *notes]}
        self._ready = torch.from_numpy((self._x - (high + low) / 2) / ((high - low) / 2))

    def __len__(self) -> int:
        return len(self._x)

    def raw(self, indices: Any) -> np.ndarray:
        """Rows as given: a copy, float32 [n, D]."""
        return self._x[indices]

    def fetch(self, indices: Any) -> dict[str, Tensor]:
        """x float32 [n, D], scaled so that the smallest value of the data is -1 and the largest 1; y int64 [n] if
        labelled.
        """
        index = torch.as_tensor(indices)
        batch = {"x": self._ready[index]}
        if self.labels is not None:
            batch["y"] = torch.from_numpy(self.labels)[index]
        return batch

    @property
    def summary(self) -> dict[str, Any]:
        """Facts for run.json and `ganworks data`: what was found and how it is split."""
        return {
            **self.facts,
            "bytes": self._x.nbytes,
            "count": len(self),
            "columns": self._x.shape[1],
            "dtype": "float32",
            "classes": class_counts(self.labels, self.spec.classes),
            "train": len(self.train),
            "held": len(self.held),
            "duplicates": self.duplicates,
            "fingerprint": self.fingerprint,
        }


def _scale_note(x: np.ndarray) -> list[str]:
    spread = x.std(0)
    if spread.max() <= 20 * max(spread.min(), 1e-30):
        return []
    ratio = spread.max() / max(spread.min(), 1e-30)
    return [
        f"column {spread.argmax()} spreads {ratio:,.0f} times as wide as column {spread.argmin()}: "
        "scale the columns alike, or the narrow one will hardly be learned"
    ]


@dataclass(frozen=True)
class Points:
    """How rows of numbers become tensors and back.

    count: points drawn from a named mixture.
    labels: whether to use a "label" column or the second array.
    held_out: the share that is never trained on (at most 10,000 points).
    """

    count: Annotated[int, within(2, 100_000_000, unit="points")] = 100_000
    labels: bool | str = True
    held_out: HeldOut = 0.1

    showing: ClassVar[int] = 2500  # samples in a picture

    def __post_init__(self) -> None:
        check(self)

    def open(
        self, path: Any, cache: str | Path | None = None, on_progress: Callable[[int, int], None] | None = None
    ) -> PointSet:
        """Points from "ring8", "grid25", "spiral", a .npy, .npz or .csv file, an array [N, D] or (x, y).

        .npz: arrays "x" and, for labels, "y". .csv: numbers, with or without a header; a column "label" may hold any
        words. Raises UsageError for anything else, and for values that are missing or not finite.
        """
        source, kind, x, y = self._read(path)
        if x.ndim != 2 or not 1 <= x.shape[1] <= 65536 or len(x) < 2 or x.dtype.kind not in "fiu":
            raise UsageError(
                f"{source}: points are numbers [N, D] with at least two rows; this is {x.dtype} {list(x.shape)}."
            )
        bad = ~np.isfinite(x).all(1)
        if bad.any():
            raise UsageError(
                f"{source}: {int(bad.sum()):,} of {counted(len(x), 'row holds', 'rows hold')} missing or "
                "infinite values, "
                f"first row {int(bad.argmax())} (counted from 0). Remove or fill them."
            )
        labels, classes = None, ()
        if y is not None and str(self.labels).lower() not in ("off", "false", "no"):
            if len(y) != len(x):
                raise UsageError(f"{source}: {counted(len(x), 'point')} but {counted(len(y), 'label')}.")
            names, labels = np.unique(y, return_inverse=True)
            classes = tuple(str(n) for n in names) if len(names) > 1 else ()
            labels = labels.reshape(-1).astype(np.int64)
        if on_progress is not None:
            on_progress(len(x), len(x))
        return PointSet(x, labels, classes, {"source": source, "kind": kind}, self.held_out)

    def _read(self, path: Any) -> tuple[str, str, np.ndarray, np.ndarray | None]:
        """(name, kind, x, y) of the given data."""
        if isinstance(path, tuple) and len(path) == 2:
            return "arrays", "array", np.asarray(path[0]), np.asarray(path[1])
        if not isinstance(path, str | Path):
            return "array", "array", np.asarray(path), None
        if str(path) in MIXTURES:
            return str(path), "mixture", mixture(str(path), self.count), None
        file = Path(path).expanduser()
        if not file.is_file():
            raise UsageError(f'"{path}" is no file and no mixture. {nearest(str(path), MIXTURES)}')
        readers = {".npy": _read_npy, ".npz": _read_npz, ".csv": _read_csv}
        if file.suffix.lower() not in readers:
            raise UsageError(f'"{path}": points come as .npy, .npz or .csv, not "{file.suffix}".')
        if file.stat().st_size > MAX_BYTES:
            raise UsageError(
                f'"{path}" has {file.stat().st_size / 1e9:.1f} GB; points are kept in memory, '
                f"at most {MAX_BYTES / 1e9:.1f} GB."
            )
        x, y = readers[file.suffix.lower()](file)
        return file.name, file.suffix[1:].lower(), x, y

    def batch(self, data: Any, indices: np.ndarray, draw: Draw) -> dict[str, Tensor]:
        """x [B, D] and, if labelled, y [B] at these indices, without augmentation."""
        return data.fetch(indices)

    def evaluator(self, data: Any, source: Any, config: Any, work: Any) -> SampleEvaluator:
        """Evaluates samples with the points themselves as features."""
        return SampleEvaluator(data, source, config, work)

    def alike(self, spec: Spec) -> Points:
        """The domain that opens other points, all of them as training examples."""
        return replace(self, held_out=0.0)

    def extractor(self, dataset: Any, cache: str | Path | None = None, on_progress: Any = None) -> Identity:
        """The features for metrics: the points themselves."""
        return Identity(dataset.spec)

    def show(
        self, x: Tensor | np.ndarray, columns: int | None = None, labels: Sequence[Any] | None = None
    ) -> Image.Image:
        """A scatter plot of the first two columns of points [n, D], coloured by label; a histogram if D is 1.

        Tensors are in network units, arrays in units of the data; the axes fit the points.
        """
        values = x.detach().float().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x, np.float32)
        if values.shape[1] == 1:
            return _histogram(values[:, 0])
        return _scatter(values[:, :2], labels)


def _read_npy(file: Path) -> tuple[np.ndarray, None]:
    return load_arrays(file)["x"], None


def _read_npz(file: Path) -> tuple[np.ndarray, np.ndarray | None]:
    held = load_arrays(file)
    if "x" not in held:
        raise UsageError(f'"{file}" has the arrays {sorted(held)}; points must be called "x".')
    return held["x"], held.get("y")


def _read_csv(file: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """(x [N, D], y [N] or None): "#" begins a comment line; the columns "label" and "name" are not coordinates."""
    with file.open("rb") as plain:
        check_cells(iter(lambda: plain.read(1 << 20), b""), f'"{file}"')
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.reader(line for line in stream if line.strip() and line[0] != "#"))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f'"{file}" is no readable .csv: {error}.') from error
    if not rows:
        raise UsageError(f'"{file}" is empty.')
    titled = not all(PLAIN.fullmatch(cell.strip()) for cell in rows[0])
    header = [cell.strip().lower() for cell in rows.pop(0)] if titled else []
    width = len(header) or len(rows[0])
    kept = [i for i in range(width) if not header or header[i] not in ("label", "name")]
    values = np.empty((len(rows), len(kept)), np.float32)
    for number, row in enumerate(rows):
        try:
            values[number] = [row[i] if row[i].strip() else "nan" for i in kept]
        except (ValueError, IndexError) as error:
            raise UsageError(
                f'"{file}", row {number + 1} of the numbers: "{",".join(row)[:80]}" is not {len(kept)} numbers.'
            ) from error
    column = header.index("label") if "label" in header else None
    return values, None if column is None else np.array([row[column] for row in rows])


def _scatter(xy: np.ndarray, labels: Sequence[Any] | None) -> Image.Image:
    reach = _reach(xy)
    sheet, pen = _sheet(reach)
    names = sorted({str(v) for v in labels}) if labels is not None else []
    kind = np.array([names.index(str(v)) for v in labels]) if labels is not None else np.zeros(len(xy), int)
    at = MARGIN + (SIDE - 2 * MARGIN) * (xy * [1, -1] / reach + 1) / 2
    for (left, top), k in zip(at[np.isfinite(at).all(1)].tolist(), kind[np.isfinite(at).all(1)], strict=True):
        pen.ellipse((left - 1.5, top - 1.5, left + 1.5, top + 1.5), fill=(*COLOURS[k % len(COLOURS)], 110))
    for k, name in enumerate(names):
        pen.text((MARGIN + 60 * k, 8), name[:9], COLOURS[k % len(COLOURS)], ImageFont.load_default(11))
    return sheet


def _histogram(x: np.ndarray) -> Image.Image:
    reach = _reach(x)
    sheet, pen = _sheet(reach)
    counts, edges = np.histogram(x[np.isfinite(x)], 60, (-reach, reach))
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        a, b = (MARGIN + (SIDE - 2 * MARGIN) * (edge / reach + 1) / 2 for edge in (left, right))
        top = SIDE - MARGIN - (SIDE - 2 * MARGIN) * count / max(1, counts.max())
        pen.rectangle((a, top, b - 1, SIDE - MARGIN), fill=(*COLOURS[0], 200))
    return sheet


def _reach(x: np.ndarray) -> float:
    """Half the width of the axes: the next of 1, 2, 3, 5 times a power of ten above nearly all absolute values."""
    size = float(np.quantile(np.abs(x[np.isfinite(x)]), 0.99)) * 1.1 if np.isfinite(x).any() else 1.0
    power = 10.0 ** math.floor(math.log10(max(size, 1e-30)))
    return next(power * step for step in (1, 2, 3, 5, 10) if power * step >= size)


def _sheet(reach: float) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A white square with axes from -reach to reach and five labelled ticks per side."""
    sheet = Image.new("RGB", (SIDE, SIDE), "white")
    pen, font = ImageDraw.Draw(sheet, "RGBA"), ImageFont.load_default(11)
    pen.rectangle((MARGIN, MARGIN, SIDE - MARGIN, SIDE - MARGIN), outline=(150, 150, 150))
    for step in range(5):
        at, value = MARGIN + (SIDE - 2 * MARGIN) * step / 4, reach * (step / 2 - 1)
        pen.line((at, SIDE - MARGIN, at, SIDE - MARGIN + 4), fill=(150, 150, 150))
        pen.line((MARGIN - 4, SIDE - at, MARGIN, SIDE - at), fill=(150, 150, 150))
        pen.text((at, SIDE - MARGIN + 6), f"{value:g}", (90, 90, 90), font, anchor="ma")
        pen.text((MARGIN - 6, SIDE - at), f"{value:g}", (90, 90, 90), font, anchor="rm")
    return sheet, pen
