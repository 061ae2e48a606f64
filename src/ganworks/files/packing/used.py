"""How much of its range a set of pictures uses, while it is packed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ganworks.files.rasters.stored import FEW

WHOLE = (slice(None),)


class RangeUsed:
    """Gathers the smallest and the largest value of each group of channels, uint8 [C, H, W].

    groups: the channels that belong together; channels in none of them (class numbers, alpha) are passed over.
    """

    def __init__(self, groups: Sequence[slice] = WHOLE):
        self.groups = tuple(groups)
        self.ends = [(255, 0)] * len(self.groups)

    def add(self, data: np.ndarray) -> None:
        """Count one example; values of other types than uint8 have a range of their own."""
        if data.dtype != np.uint8:
            return
        for place, group in enumerate(self.groups):
            low, high = self.ends[place]
            self.ends[place] = min(low, int(data[group].min())), max(high, int(data[group].max()))

    @property
    def warnings(self) -> list[str]:
        """A sentence for each group that uses less than a tenth of the range."""
        found = []
        for low, high in self.ends:
            if 0 <= high - low < FEW * 255:
                found.append(
                    f"all pixels lie from {low} to {high} of 0 to 255, less than a tenth of the range, and look alike; "
                    "if the files hold 12 bits in 16, or class numbers, scale their values to the whole range first"
                )
        return found


def of_colours(channels: int) -> tuple[slice, ...]:
    """The group of the channels of colour of pictures with this many channels: alpha, the last of 2 or 4, left out."""
    return (slice(0, channels - 1),) if channels in (2, 4) else WHOLE
