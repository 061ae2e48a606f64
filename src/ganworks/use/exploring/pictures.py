"""Pictures of what was found: labelled rows, a picture beside its projection, and a picture made ready for a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ganworks.core.errors import UsageError
from ganworks.core.machine.places import explain
from ganworks.core.spec import Spec
from ganworks.files.provenance import encode, replace_result
from ganworks.files.rasters.arrange import Frame, arrange
from ganworks.files.rasters.decode import decode
from ganworks.files.shown import enlarged, picture
from ganworks.use.exploring.project import Projection
from ganworks.use.samples import Samples

_TIMES = 4  # a difference is shown so many times as large


def fitted(path: Path, spec: Spec) -> Tensor:
    """A picture file as the model's own size and channels, [C, H, W] float32 in [-1, 1]: scaled, cut at the centre.

    Raises UsageError for what is no picture.
    """
    if spec.shape[0] not in (1, 3, 4) or spec.dtype != "uint8":
        raise UsageError(f"A picture cannot be looked for among samples of shape {spec.shape} and type {spec.dtype}.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(str(explain(error, path, doing="read"))) from error
    values = decode(content, path.name, channels=spec.shape[0])
    shown = Image.fromarray(values[0] if len(values) == 1 else np.ascontiguousarray(values.transpose(1, 2, 0)))
    height, width = spec.shape[1:]
    x = np.asarray(ImageOps.fit(shown, (width, height), Image.Resampling.LANCZOS), np.float32)
    x = x[None] if x.ndim == 2 else x.transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(x) / 127.5 - 1)


def rows_of(samples: Samples, names: Sequence[str], steps: Sequence[str], path: Path) -> None:
    """Write a sheet of rows of samples, the name of each row at its left and that of each column above it."""
    columns = len(samples) // len(names)
    pictures = [enlarged(image).convert("RGB") for image in samples.images()]
    width, height = pictures[0].size
    blank = [Image.new("RGB", (max(48, width), height), "white")]
    cells, captions = [], []
    for row, name in enumerate(names):
        cells += [*blank, *pictures[row * columns : (row + 1) * columns]]
        captions += [name, *(steps if row == len(names) - 1 else [""] * columns)]
    frame = Frame((width, height), caption=14, drop=1)
    captions = [text if k % (columns + 1) else "" for k, text in enumerate(captions)]
    for row, name in enumerate(names):
        cells[row * (columns + 1)] = _named(blank[0], name)
    _write(path, arrange(cells, columns + 1, frame, captions), samples)


def _named(blank: Image.Image, name: str) -> Image.Image:
    frame = Frame(blank.size, caption=14, drop=-blank.height // 2)
    return arrange([blank], 1, frame, [name]).crop((0, 0, *blank.size))


def beside(wanted: Tensor, found: Projection, path: Path) -> None:
    """Write the picture [C, H, W] in [-1, 1], its projection, and their difference, enlarged in its values."""
    made = found.made
    given = np.clip(np.rint((wanted.numpy() + 1) * 127.5), 0, 255).astype(np.uint8)
    apart = np.clip(_TIMES * np.abs(given.astype(np.int64) - made.data[0].astype(np.int64)), 0, 255)
    rows = [given, made.data[0], apart.astype(np.uint8)]
    pictures = [enlarged(picture(x, made.spec)).convert("RGB") for x in rows]
    captions = ["given", "nearest found", f"difference x {_TIMES}"]
    frame = Frame((max(110, pictures[0].width), pictures[0].height), gap=6, margin=4, caption=16, drop=2)
    _write(path, arrange(pictures, 3, frame, captions), made)


def _write(path: Path, sheet: Image.Image, samples: Samples) -> None:
    if path.suffix.lower() not in (".png", ".webp"):
        raise UsageError(f"A sheet is a .png or .webp file, not {path.name}.")
    replace_result(path, encode([sheet], path.suffix.lower()[1:], samples.note()))
