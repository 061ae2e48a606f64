"""The domain of inpainting: photos with drawn holes, and the use of a trained network on pictures of any size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.console.text import counted
from ganworks.core.contracts import Progress
from ganworks.core.errors import UsageError, pixels
from ganworks.core.schema.declare import within
from ganworks.core.spec import Draw, Spec
from ganworks.kinds.images.inpainting.masks import Masks
from ganworks.kinds.images.look import look_given
from ganworks.kinds.images.shared.photo_pack import LEAST, Photos
from ganworks.kinds.images.shared.reading import FromPhotos, Size, both_sides, check_size
from ganworks.kinds.images.shared.tiles import tiled
from ganworks.use.findings import Findings

DEFAULT_SIDE = 64
CONTEXT = 64  # pixels around a hole, and around a tile's own part, that the network sees
TILE = 768
STEP = 64  # tiles begin at multiples of this, so that the grain, which repeats every 64 pixels, continues across them


@dataclass(frozen=True)
class Holes(FromPhotos):
    """How photos become crops with holes, and how a hole in any picture is filled.

    channels: 1 or 3; None: 1 if all are grey, else 3.
    size: side, or (height, width), of the crops; None: 64, or the median short side if that is less.
    masks: kinds of holes, equally likely: strokes, scratches, box, border, centre, text.
    area: smallest and largest share of a crop that is missing.
    width: smallest and largest width of a piece of a stroke, in pixels.
    length: smallest and largest length of a piece of a stroke, in pixels.
    zoom: crops are cut up to this many times larger and reduced, so that objects are seen at several scales.
    flip: mirror half of the crops.
    """

    size: Size = None
    masks: str = "strokes,box"
    area: tuple[float, float] = (0.1, 0.4)
    width: tuple[float, float] = (4.0, 16.0)
    length: tuple[float, float] = (8.0, 48.0)
    zoom: Annotated[float, within(1, 64)] = 2.5
    flip: bool = True

    options: ClassVar[dict[str, str]] = {
        "mask": "an image of the same size, white where the picture is to be filled (needed)",
        "tile": f"side in pixels of the part that is filled at once (default {TILE}); 0: everything",
    }
    keeps_grey: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_size(self.size, LEAST)
        if self.channels not in (None, 1, 3):
            raise UsageError(f"channels must be 1 (grey) or 3 (RGB), not {self.channels!r}.")
        self.holes()

    def holes(self) -> Masks:
        """The masks that this domain draws."""
        return Masks(self.masks, self.area, self.width, self.length)

    def open(self, path: Any, cache: str | Path | None = None, on_progress: Progress | None = None) -> Photos:
        """Pack the photos at their own sizes (or open their pack). path: whatever `open_source` takes."""
        photos = self.photos(path, cache, on_progress)
        notes, size = [], both_sides(self.size)
        if size is None:
            side = max(LEAST, min(DEFAULT_SIDE, int(np.median(photos.shapes[:, 1:].min(1)))))
            size = (side, side)
            notes.append(f"crops of {side} x {side} pixels (size= chooses another)")
        if photos.smaller(size):
            notes.append(
                f"{counted(photos.smaller(size), 'photo is', 'photos are')} smaller than a crop: reflected "
                "at the borders"
            )
        channels = photos.spec.shape[0]
        return photos.describe(*notes, kind="holes", shape=(channels, *size), source=(channels + 1, *size))

    def look(self, path: Any, on_progress: Progress | None = None) -> Findings:
        """What a source holds for this domain, with a sheet of what is given and what is wanted; see `look_given`."""
        return look_given(path, self, "photos", on_progress, lambda _, batch: (batch["src"][:, :-1], batch["x"]))

    def batch(self, data: Photos, indices: np.ndarray, draw: Draw) -> dict[str, Tensor]:
        """x [B, C, H, W], the photo; mask [B, 1, H, W], 1 = hole; src [B, C + 1, H, W], x with 0 in the hole, and mask.

        Random numbers come from `draw`, for each row by itself.
        """
        _, height, width = data.spec.shape
        numbers = draw.uniform(6)
        rows = [self._crop(data, int(i), (height, width), n) for i, n in zip(indices, numbers, strict=True)]
        x, mask = torch.cat(rows), self.holes()(height, width, draw)
        return {"x": x, "mask": mask, "src": with_hole(x, mask)}

    def _crop(self, data: Photos, index: int, size: tuple[int, int], numbers: Tensor) -> Tensor:
        """One crop [1, C, *size], cut up to `zoom` times larger, as far as the photo allows, and reduced.

        The filter is bicubic, as is usual for photos; a bilinear one would leave less texture to learn from.
        """
        room = min(m / n for m, n in zip(data.shapes[index, 1:].tolist(), size, strict=True))
        scale = max(1.0, min(self.zoom ** float(numbers[5]), room))
        cut = math.floor(size[0] * scale), math.floor(size[1] * scale)
        part = data.crops([index], cut, _Fixed(numbers), self.flip)  # pyrefly: ignore
        if cut == size:
            return part
        return F.interpolate(part, size, mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)

    def evaluator(self, data: Photos, source: Any, config: Any, work: Any) -> Any:
        """The evaluator of a training: see `InpaintingEvaluator`."""
        from ganworks.kinds.images.inpainting.evaluator import InpaintingEvaluator

        return InpaintingEvaluator(self, data)

    def channels_of(self, spec: Spec) -> int:
        """Channels of the pictures that `apply` takes; the mask is given apart."""
        return spec.shape[0]

    def apply(self, net: nn.Module, x: Tensor, spec: Spec, options: dict[str, Any]) -> Tensor:
        """Fill the hole of x [1, C, H, W] in [-1, 1], of any size; all other pixels are returned unchanged.

        options: mask [1, 1, H, W], hole where it is above 0.5; tile: side in pixels of the part that goes through the
        network at once (0: everything). The network sees the hole and `CONTEXT` pixels around it. Raises UsageError for
        a missing mask or one of another size.
        """
        mask = options.get("mask")
        if not isinstance(mask, Tensor):
            raise UsageError(
                "This network fills holes and needs to know where: give mask=FILE, an image of the same size that is "
                "white where the picture is to be filled and black where it is kept (or a folder of such images)."
            )
        if mask.shape != (len(x), 1, *x.shape[2:]):
            raise UsageError(
                f"The mask is {mask.shape[-1]} x {mask.shape[-2]} pixels, the picture {x.shape[3]} x {x.shape[2]}; "
                "make them the same."
            )
        hole = mask > 0.5
        if not hole.any():
            return x
        tile = _tile(options.get("tile", TILE))
        rows, columns = _around(hole[0, 0].any(1)), _around(hole[0, 0].any(0))
        src = with_hole(x, hole.to(x.dtype))[:, :, rows, columns]
        out = x.clone()
        out[:, :, rows, columns] = tiled(net, src, tile, CONTEXT, multiple=STEP).to(x.dtype).clamp(-1, 1)
        return torch.where(hole, out, x)


@dataclass(frozen=True)
class _Fixed:
    """Stands in for a `Draw` of one row whose numbers [n] are already drawn."""

    numbers: Tensor

    def uniform(self, count: int) -> Tensor:
        return self.numbers[None, :count]


def with_hole(x: Tensor, mask: Tensor) -> Tensor:
    """Pictures [B, C, H, W], masks [B, 1, H, W] -> network input [B, C + 1, H, W]: 0 in the hole, and the mask."""
    return torch.cat([x * (1 - mask), mask], 1)


def _around(inside: Tensor) -> slice:
    """The range of one axis that holds the hole, with CONTEXT pixels on both sides; inside: bool [side]."""
    at = torch.nonzero(inside)[:, 0]
    return slice(max(0, int(at[0]) - CONTEXT), min(len(inside), int(at[-1]) + 1 + CONTEXT))


def _tile(value: Any) -> int:
    tile = pixels("tile", value)
    if tile and tile < 4 * CONTEXT:
        raise UsageError(f"tile must be 0 (everything at once) or at least {4 * CONTEXT} pixels, not {tile}.")
    return tile
