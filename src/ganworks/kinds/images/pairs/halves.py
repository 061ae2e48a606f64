"""The shapes of pairs side by side: what the halves of a set have in common, and which images are no pairs of it.

A single picture among pairs would be cut in half, and its halves taken for source and target.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.files.rasters.decode import DecodeError, upright_size
from ganworks.kinds.images.pairs.reading import PairSource

LOOKED_AT = 500
USUAL, UNEVEN = 0.8, 0.02  # share of the halves that makes a shape the usual one; log ratio of proportions that differ


class PairError(DecodeError):
    """A pair cannot be used. name: its file; reason: why."""

    def __init__(self, name: str, reason: str):
        super().__init__(name, reason)
        self.args = (f'"{name}" cannot be taken for a pair: {reason}',)


@dataclass(frozen=True)
class Halves:
    """The shape that halves of a set have.

    shapes: (height, width) of the halves, or of the images of side A, of some of the pairs that train. usual: the
    commonest of them. side_by_side: whether a file holds both halves.
    """

    shapes: tuple[tuple[int, int], ...]
    usual: tuple[int, int]
    side_by_side: bool

    @classmethod
    def of(cls, source: PairSource) -> Halves:
        """Read the headers of some pairs. Raises UsageError when none can be read."""
        train = np.arange(len(source)) if source.labels is None else np.flatnonzero(source.labels == 0)
        some = train[np.unique(np.linspace(0, len(train) - 1, LOOKED_AT).round().astype(int))]
        shapes = []
        for index in some:
            try:
                name, encoded = source.get(int(index))[0]
                height, width = upright_size(encoded, name)
            except DecodeError:
                continue
            shapes.append((height, max(1, width // 2 if source.side_by_side else width)))
        if not shapes:
            raise UsageError(f'"{source.path}": none of the images looked at can be read.')
        return cls(tuple(shapes), Counter(shapes).most_common(1)[0][0], source.side_by_side)

    @property
    def alike(self) -> bool:
        """Whether the usual proportions are those of at least four fifths."""
        near = sum(abs(_proportions(shape) - _proportions(self.usual)) <= UNEVEN for shape in self.shapes)
        return near >= USUAL * len(self.shapes)

    def check(self, shape: tuple[int, ...], name: str, held: bool) -> None:
        """Raise PairError for halves of the shape (height, width) that do not belong to this set.

        Where most are alike, those of other proportions do not belong; where they differ, held-out ones whose
        proportions lie outside those of the training. held: whether the pair is held out.
        """
        if not self.side_by_side or not (held or self.alike):
            return
        known = [_proportions(s) for s in ((self.usual,) if self.alike else self.shapes)]
        if min(known) - UNEVEN <= _proportions(shape) <= max(known) + UNEVEN:
            return
        whose = "those of the pairs that train" if held else "those of most others"
        raise PairError(
            name,
            f"its halves are {_said(shape)} pixels (width x height), {whose} {_said(self.usual)}. It may be a picture "
            "alone.",
        )

    def note(self) -> str:
        """What was found, in a sentence."""
        if not self.side_by_side:
            return ""
        differ = "" if self.alike else ", of several proportions"
        return f"halves of {_said(self.usual)} pixels (width x height){differ}"


def _proportions(shape: tuple[int, ...]) -> float:
    """The logarithm of width over height."""
    return float(np.log(shape[1] / shape[0]))


def _said(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
