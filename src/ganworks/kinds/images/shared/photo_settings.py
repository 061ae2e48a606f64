"""Settings that the domains of photos share: which files are read, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ganworks.core.contracts import Progress
from ganworks.core.schema.declare import Sparing, check
from ganworks.files.rasters.decode import colour
from ganworks.kinds.images.shared.photo_pack import Photos, open_photos


@dataclass(frozen=True, kw_only=True)
class FromPhotos:
    """Settings of domains whose examples are crops of photos.

    channels: channels of files; None: 1 if all are grey, else 3.
    background: the colour behind transparent pixels and padding.
    on_corrupt: stop at the first unreadable file, or skip, count and name them.
    held_out: share of the photos that is never trained on.
    """

    channels: int | None = None
    background: str = "white"
    on_corrupt: Literal["error", "skip"] = "error"
    held_out: Sparing = 0.1

    def __post_init__(self) -> None:
        check(self)
        colour(self.background)

    def photos(self, path: Any, cache: str | Path | None, on_progress: Progress | None) -> Photos:
        """Pack the photos at their own sizes (or open their pack). path: whatever `open_source` takes."""
        return open_photos(
            path,
            self.channels,
            cache,
            self.held_out,
            background=self.background,
            on_corrupt=self.on_corrupt,
            on_progress=on_progress,
        )
