"""What the domains that train on crops of photos of any size share: which files are read, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ganworks.core.contracts import Progress
from ganworks.core.errors import UsageError
from ganworks.files.rasters.decode import colour
from ganworks.kinds.images.shared.crops import Photos, open_photos


@dataclass(frozen=True, kw_only=True)
class FromPhotos:
    """channels: of files, None: 1 if all is grey, else 3. background, on_corrupt: as for `images`.

    held_out: share of the photos that is never trained on. Raises UsageError for values outside these.
    """

    channels: int | None = None
    background: str = "white"
    on_corrupt: Literal["error", "skip"] = "error"
    held_out: float = 0.1

    def __post_init__(self) -> None:
        if self.on_corrupt not in ("error", "skip"):
            raise UsageError(f"on_corrupt must be error or skip, not {self.on_corrupt!r}.")
        if not 0 <= self.held_out <= 0.5:
            raise UsageError(f"held_out must be a share from 0 to 0.5, not {self.held_out!r}.")
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
