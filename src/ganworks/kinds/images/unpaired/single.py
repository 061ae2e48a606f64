"""The domain of translation in the style of one picture: crops of one large image, or a few, on each side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ganworks.core.spec import Draw, Spec, key
from ganworks.files.rasters.pixels import grid
from ganworks.kinds.images.unpaired.domain import Sides, Unpaired, jitter
from ganworks.kinds.images.unpaired.evaluator import UnpairedEvaluator, translate

_CROPS = 128  # of each side, for scores


@dataclass(frozen=True)
class Single(Unpaired):
    """`Unpaired` with one image a side: training takes crops of `size` pixels of the image at `zoom` times that size.

    The image is stored as a square of size x zoom pixels (cropped, stretched or padded, as `fit` says). `apply`
    translates
    an image at that scale: its short side becomes size x zoom pixels, and the result is scaled back.
    """

    size: int | tuple[int, int] | None = 64
    zoom: float = 6.0

    def open(self, path: Any, cache: str | Path | None = None, on_progress: Any = None) -> Crops:
        """Pack both sides (or open their packs); data as for `unpaired`. Raises UsageError."""
        whole = super().open(path, cache, on_progress)
        return Crops([whole.source, whole.target], None, whole.size, self.direction, False)

    def evaluator(self, data: Sides, source: Any, config: Any, work: Any) -> SingleEvaluator:
        """What evaluates crops of the translated image against crops of the target."""
        return SingleEvaluator(data, config.train.device)

    def apply(self, net: nn.Module, x: Tensor, spec: Spec, options: dict[str, Any]) -> Tensor:
        """Translate x [1, C, H, W] in [-1, 1], of any size, at the scale of the training; the result has x's size."""
        sides = tuple(round(self.zoom * n) for n in spec.source[1:])
        return super().apply(net, x, replace(spec, source=(spec.source[0], *sides)), options)


class Crops(Sides):
    """Both images, packed. The examples for pictures and scores are crops, the same in every process.

    Nothing is held out: `unseen` crops lie at other places than `seen` ones, but in the same images.
    """

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.held = np.arange(_CROPS)

    def seen(self, which: Literal["source", "target"], count: int) -> np.ndarray:
        """`count` crops of one side (at most 128), [n, C, H, W] as stored."""
        return self._crops(which, count, "seen")

    def unseen(self, which: Literal["source", "target"], count: int = _CROPS) -> np.ndarray:
        """As `seen`, at other places."""
        return self._crops(which, count, "unseen")

    def whole(self, which: Literal["source", "target"]) -> np.ndarray:
        """The first image of one side at the scale of the training, [1, C, size x zoom, size x zoom] as stored."""
        side = self.source if which == "source" else self.target
        return side.raw(side.train[:1])

    def _crops(self, which: Literal["source", "target"], count: int, name: str) -> np.ndarray:
        side, count = (self.source if which == "source" else self.target), min(count, _CROPS)
        draw = Draw(key("crops", which, name), count, slice(None))
        images = side.raw(side.train[np.arange(count) % len(side.train)])
        return jitter(torch.from_numpy(images), self.size, draw, flip=False).numpy()


class SingleEvaluator(UnpairedEvaluator):
    """Scores G on crops, and shows the whole image."""

    def show(self, nets: Mapping[str, nn.Module]) -> Image.Image:
        """The image, its translation, and the image whose style is the target."""
        given, wanted = self.data.whole("source"), self.data.whole("target")
        return grid(np.concatenate([given, translate(nets["G"], given, self.spec), wanted]), 3)
