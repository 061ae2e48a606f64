"""The domain of restoration and super-resolution: photos, their degraded versions, and the use of a trained network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ganworks.core.console.text import counted
from ganworks.core.contracts import Progress
from ganworks.core.errors import UsageError, number, pixels, switch
from ganworks.core.schema.declare import within
from ganworks.core.spec import Draw, Spec
from ganworks.kinds.images.look import look_given
from ganworks.kinds.images.restoration.degrade import Degrade, to_grey
from ganworks.kinds.images.shared.photo_pack import Photos
from ganworks.kinds.images.shared.reading import FromPhotos
from ganworks.kinds.images.shared.tiles import tiled
from ganworks.use.findings import Findings

TILE = 256  # side of a tile in pixels of the input
OVERLAP = 64  # pixels at most; with a larger receptive field the cross-fade hides the difference
SIDE = {1: 64, 2: 48, 3: 72, 4: 96}  # side of a training crop of the result, by scale: 24 x scale where it is enlarged


@dataclass(frozen=True)
class Restore(FromPhotos):
    """How photos become pairs of a degraded and an original crop, and how a trained network is used on an image.

    degrade: a chain of steps such as "blur=1.5+noise=10+jpeg=60", "grey" or "realistic"; `ganworks help restoration`
        lists the steps.
    scale: how many times the result is larger than the input, 1 to 4.
    size: side of a training crop of the result, a multiple of scale; None: 64, or 24 x scale.
    turn: turn half of the crops by 90 degrees, besides mirroring.
    Raises UsageError for values outside their range.
    """

    options: ClassVar[dict[str, str]] = {
        "tile": f"side in pixels of the part that is restored at once (default {TILE}); 0: the whole image",
        "detail": "0: nearest to the original, nothing invented; 1 (default): all that the discriminator asked for",
        "ensemble": "on: mean over the 8 mirrored and turned versions; 8 times slower, a little closer",
    }

    degrade: str = "realistic"
    scale: int = 1
    size: Annotated[int, within(16, 4096, unit="pixels")] | None = None
    turn: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale not in SIDE:
            raise UsageError(f"scale must be 1, 2, 3 or 4, not {self.scale!r}.")
        if self.size is not None and self.size % self.scale:
            raise UsageError(f"size must be a multiple of scale={self.scale}, not {self.size}.")
        if self.channels is not None and not 1 <= self.channels <= 1024:
            raise UsageError(f"channels must be 1 (grey), 3 (RGB), or 2 and 4 with alpha, not {self.channels!r}.")
        _ = self.chain

    @cached_property
    def chain(self) -> Degrade:
        """The degradation."""
        return Degrade(self.degrade, self.scale)

    @property
    def keeps_grey(self) -> bool:
        """Whether a grey picture stays grey; False where the network is trained to colour it."""
        return all(step.name != "grey" for step in self.chain.steps)

    def open(self, path: Any, cache: str | Path | None = None, on_progress: Progress | None = None) -> Photos:
        """Pack the photos at their own sizes (or open their pack). path: whatever `open_source` takes."""
        photos = self.photos(path, cache, on_progress)
        side, channels = self.size or SIDE[self.scale], photos.spec.shape[0]
        if photos.spec.dtype != "uint8" and any(step.name == "jpeg" for step in self.chain.steps):
            raise UsageError("degrade=jpeg needs 8-bit images; these are floats with a range of their own.")
        source = (self.chain.channels(channels), side // self.scale, side // self.scale)
        small = photos.smaller((side, side))
        note = f"{small:,} of {counted(len(photos), 'photo')} smaller than a crop: reflected at the borders"
        notes = [note] if small else []
        facts = {"scale": self.scale, "degrade": self.degrade}
        return photos.describe(*notes, kind="restore", shape=(channels, side, side), source=source, facts=facts)

    def look(self, path: Any, on_progress: Progress | None = None) -> Findings:
        """What a source holds for this domain, with a sheet of what is given and what is wanted; see `look_given`."""
        return look_given(path, self, "photos", on_progress)

    def batch(self, data: Photos, indices: np.ndarray, draw: Draw) -> dict[str, Tensor]:
        """x [B, C, size, size], random crops, and src [B, C', size / scale, size / scale], the same degraded.

        Crops are cut with a margin, degraded, and trimmed, so that at the border of src the filter that shrinks sees
        the photo, as it does in use.
        """
        margin, side = self.chain.margin, data.spec.shape[1]
        x = data.crops(indices, (side + 2 * margin,) * 2, draw, flip=True, turn=self.turn)
        src = self.chain(x, draw, data.spec.dtype == "uint8")
        return {"src": _trimmed(src, margin // self.scale), "x": _trimmed(x, margin)}

    def evaluator(self, data: Photos, source: Any, config: Any, work: Any) -> Any:
        """The evaluator of a training: see `RestorationEvaluator`."""
        from ganworks.kinds.images.restoration.evaluator import RestorationEvaluator

        return RestorationEvaluator(self, data, config)

    def channels_of(self, spec: Spec) -> None:
        """None: `apply` itself converts pictures with another number of channels where that has a meaning."""

    def apply(self, net: nn.Module, x: Tensor, spec: Spec, options: dict[str, Any]) -> Tensor:
        """Restore x [1, C, H, W] in [-1, 1], any size: [1, C', scale H, scale W] in [-1, 1].

        options: see `Restore.options`. Raises UsageError for a number of channels that the network cannot take.
        """
        reach, multiple = getattr(net, "reach", OVERLAP), getattr(net, "shrink", 1)
        tile, scale = pixels("tile", options.get("tile", TILE)), int(spec.facts.get("scale", 1))
        overlap = min(OVERLAP, -(-4 * reach // 3))  # tiles keep what has 3/4 of the overlap around it
        tile = max(tile, 2 * overlap + 16) if tile else 0
        ensemble = switch("ensemble", options.get("ensemble", "off"))
        between = getattr(net, "between", None)
        if between is not None:
            net = between(number("detail", options.get("detail", 1), 0, 1))

        def run(part: Tensor) -> Tensor:
            return _ensemble(net, part) if ensemble else net(part).float()

        def whole(given: Tensor) -> Tensor:
            return tiled(run, given, tile, overlap, scale, multiple).clamp(-1, 1)

        return _with_channels(whole, x, spec.source[0], spec.shape[0])


@dataclass(frozen=True)
class Enlarge(Restore):
    """Super-resolution: `Restore` that enlarges, by default 4 times, after Pillow's bicubic reduction."""

    degrade: str = "bicubic"
    scale: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale == 1:
            raise UsageError("scale=1 enlarges nothing; use the recipe `restore`, or scale=2, 3 or 4.")


def _trimmed(x: Tensor, margin: int) -> Tensor:
    return x[:, :, margin:-margin, margin:-margin] if margin else x


def _with_channels(run: Callable[[Tensor], Tensor], x: Tensor, inputs: int, outputs: int) -> Tensor:
    """Run a network on x [1, C, H, W] that has another number of channels, where that has a meaning."""
    given = x.shape[1]
    if given == inputs:
        return run(x)
    if inputs == outputs == 1:  # each channel by itself
        return run(x.transpose(0, 1)).transpose(0, 1)
    if inputs == 1 and given == 3:  # a colour image to be coloured: its luma
        return run(to_grey(x))
    if inputs == outputs == 3 and given == 1:  # a grey image stays grey
        return to_grey(run(x.expand(-1, 3, -1, -1)))
    raise UsageError(f"This network works on images with {counted(inputs, 'channel')}; this one has {given}.")


def _ensemble(net: nn.Module, x: Tensor) -> Tensor:
    """Mean over the 8 symmetries of the square, each result turned back (Lim et al. 2017, 1707.02921, section 3.3)."""
    total = torch.zeros(())
    for turns in range(4):
        for mirrored in (False, True):
            seen = torch.rot90(x, turns, (2, 3))
            made = net((seen.flip(3) if mirrored else seen).contiguous()).float()
            made = made.flip(3) if mirrored else made
            total = total.to(made.device) + torch.rot90(made, -turns, (2, 3)) / 8
    return total
