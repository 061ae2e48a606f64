"""What the domains of pictures share: settings of how files are read, and the sizes that are taken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from ganworks.core.contracts import Progress
from ganworks.core.errors import UsageError, nearest
from ganworks.core.schema.declare import OnCorrupt, Sparing, check, within
from ganworks.core.spec import Spec
from ganworks.files.packing.exclusions import without
from ganworks.files.rasters.decode import colour
from ganworks.files.sources import open_source
from ganworks.kinds.images.shared.photo_pack import Photos, open_photos

MAX_SIDE = 4096
Size = int | tuple[int, int] | None
Fit = Literal["crop", "stretch", "pad"]


def check_size(size: Size, least: int = 1) -> None:
    """Raise UsageError unless a side, or (height, width), lies between `least` and MAX_SIDE pixels."""
    sides = both_sides(size) or ()
    if any(isinstance(side, bool) or not least <= side <= MAX_SIDE for side in sides) or len(sides) > 2:
        raise UsageError(f"size must be {least} to {MAX_SIDE} pixels, or [height, width], not {size!r}.")


def both_sides(size: Size) -> tuple[int, int] | None:
    """(height, width) of a size that is one side or both; None where it is looked up in the data."""
    return (size, size) if isinstance(size, int) else size


def class_number(spec: Spec, label: Any) -> int:
    """The number of the class that a user gives by name or number; UsageError for a missing or unknown one."""
    some = ", ".join(spec.classes[:20]) + (", ..." if spec.num_classes > 20 else "")
    if label is None or str(label) == "":
        raise UsageError(f"Say which class to make: label=NAME, one of {some}.")
    names = [name.casefold() for name in spec.classes]
    wanted = str(label).strip().casefold()
    if wanted in names:
        return names.index(wanted)
    if wanted.isdecimal() and int(wanted) < len(names):
        return int(wanted)
    raise UsageError(f"There is no class {str(label)!r}. {nearest(wanted, spec.classes)}")


@dataclass(frozen=True)
class Reading:
    """Settings of how pictures of one size are read, split and augmented.

    size: side, or (height, width); None looks: the size that all share, else the median short side, at most 64.
    channels: 1, 2, 3 or 4 for files (2 and 4 keep alpha), any for arrays; None: 1 if all is grey, else 3.
    labels: whether to use the classes that are found ("off" or False: no).
    flip: mirror half of the images while training.
    crop: while training, images are shifted by up to this much, with reflected borders.
    rotate: while training, images are turned by up to this much.
    fit: how another aspect ratio is made to fit: cut the middle out, stretch, or pad with the background.
    background: the colour behind transparent pixels and padding.
    on_corrupt: stop at the first unreadable file, or skip, count and name them.
    held_out: the share that is never trained on (at most 10,000 images).
    exclude: a list of pictures to leave out, as `ganworks audit` writes it (exclude.csv); "" for none.
    """

    size: Size = None
    channels: Annotated[int, within(1, 1024)] | None = None
    labels: bool | str = True
    flip: bool = False
    crop: Annotated[int, within(0, MAX_SIDE, unit="pixels")] = 0
    rotate: Annotated[float, within(0, 180, unit="degrees")] = 0.0
    fit: Fit = "crop"
    background: str = "white"
    on_corrupt: OnCorrupt = "error"
    held_out: Sparing = 0.1
    exclude: str = ""


@dataclass(frozen=True, kw_only=True)
class FromPhotos:
    """Settings of domains that are trained on crops of photos.

    channels: channels of files; None: 1 if all is grey, else 3.
    background: the colour behind transparent pixels and padding.
    on_corrupt: stop at the first unreadable file, or skip, count and name them.
    held_out: share of the photos that is never trained on.
    exclude: a list of photos to leave out, as `ganworks audit` writes it (exclude.csv); "" for none.
    """

    channels: int | None = None
    background: str = "white"
    on_corrupt: OnCorrupt = "error"
    held_out: Sparing = 0.1
    exclude: str = ""

    def __post_init__(self) -> None:
        check(self)
        colour(self.background)

    def photos(self, path: Any, cache: str | Path | None, on_progress: Progress | None) -> Photos:
        """Pack the photos at their own sizes (or open their pack). path: whatever `open_source` takes."""
        return open_photos(
            without(open_source(path), self.exclude) if self.exclude else path,
            self.channels,
            cache,
            self.held_out,
            background=self.background,
            on_corrupt=self.on_corrupt,
            on_progress=on_progress,
        )
