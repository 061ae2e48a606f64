"""Sources of clips and their labels: films, animations, strips of frames, folders of frames, arrays.

| in the source | read as |
|---|---|
| .mp4 .m4v .mov .mkv .webm .avi, and .gif | a clip each |
| animated .webp and .png (decided by a sample of the files) | a clip each |
| images whose width is a multiple, at least 4, of their height | strips: a clip each, of square or `strip` frames |
| other images | frames in the order of their names; a folder of them is a clip |

Classes: labels.csv or one folder for each class, as for images; with folders of frames, the folders above them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ganworks.core.console.text import counted, printable
from ganworks.core.errors import UsageError
from ganworks.files.listings import read_whole
from ganworks.files.rasters.decode import MAX_BYTES, SUFFIXES, DecodeError, header
from ganworks.files.sources import FileSource, labels_of, listing_of, natural_key, stamp_of

FILMS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")
MOVING = (".gif", *FILMS)
STRIP = 4  # images at least so many times as wide as tall are strips
_LOOKED_AT = 16


class ClipError(DecodeError):
    """A clip that cannot be read. name: its file; reason: a phrase that says why."""

    def __init__(self, name: str, reason: str):
        UsageError.__init__(self, f'"{name}" cannot be read as a clip: {reason}')
        self.name, self.reason = name, reason


@dataclass(frozen=True)
class Opened:
    """A clip before it is decoded.

    form and payload: "film" (a path or bytes), "moving" or "strip" (bytes), "frames" (names and functions that read
    each frame) or "array" (uint8 [F, C, H, W]).
    """

    form: str
    payload: Any


class ClipFiles(FileSource):
    """Clips in a folder, a zip or a file. layout: what images are, "strips", "folders" or "auto" (a sample decides)."""

    suffixes: ClassVar[tuple[str, ...]] = (*MOVING, *(s for s in SUFFIXES if s != ".gif"))
    what: ClassVar[str] = "clips"

    def __init__(self, path: Path, listing: Any, labels: bool = True, layout: str = "auto"):
        super().__init__(path, listing, labels)
        names = [listing.names[i] for i in self.indices]
        moving = [n.lower().endswith(MOVING) for n in names]
        self.form = self._look(layout) if not all(moving) else "moving"
        self.groups: list[list[int]] = []
        folders: dict[str, list[int]] = {}
        for index, name, moves in zip(self.indices.tolist(), names, moving, strict=True):
            if moves or self.form != "frames":
                self.groups.append([index])
            else:
                folders.setdefault(name.rpartition("/")[0], []).append(index)
        self.groups += [sorted(group, key=lambda i: natural_key(listing.names[i])) for group in folders.values()]
        self.notes.append(self._said(len(folders), sum(moving)))

    def _look(self, layout: str) -> str:
        """What the images are: "moving", "strip" or "frames"."""
        if layout != "auto":
            return {"strips": "strip", "folders": "frames"}[layout]
        still = [i for i in self.indices.tolist() if not self.listing.names[i].lower().endswith(MOVING)]
        forms: Counter[str] = Counter()
        for place in np.unique(np.linspace(0, len(still) - 1, min(_LOOKED_AT, len(still))).round().astype(int)):
            try:
                image = header(self._bytes(still[place]), self.listing.names[still[place]])
                wide, tall = image.size
            except DecodeError:
                continue
            strip = wide >= STRIP * tall and wide % tall == 0
            forms["moving" if getattr(image, "is_animated", False) else "strip" if strip else "frames"] += 1
        return forms.most_common(1)[0][0] if forms else "frames"

    def _said(self, folders: int, moving: int) -> str:
        films = [f"{counted(moving, 'film or animation', 'films or animations')}"] if moving else []
        others = len(self.indices) - moving
        if folders:
            return " and ".join(
                [*films, f"{counted(folders, 'folder of frames', 'folders of frames')} ({counted(others, 'picture')})"]
            )
        what = {"strip": "strips of frames", "moving": "animations"}[self.form]
        return " and ".join([*films, *([f"{others:,} {what}"] if others else [])])

    @cached_property
    def _labelled(self) -> tuple[np.ndarray | None, tuple[str, ...]]:
        if self.form != "frames":
            given: tuple[np.ndarray | None, tuple[str, ...]] = FileSource._labelled.func(self)
            return given
        places = [self.listing.names[group[0]][len(self.base) :].split("/")[:-1] for group in self.groups]
        deep = [len(place) - (len(group) > 1) for place, group in zip(places, self.groups, strict=True)]
        if not self._use_labels or min(deep, default=0) < 1:
            return None, ()
        classes = sorted({place[0] for place in places}, key=natural_key)
        found = np.array([classes.index(place[0]) for place in places], np.int64)
        return found, tuple(printable(c) for c in classes)

    def __len__(self) -> int:
        return len(self.groups)

    def name(self, index: int) -> str:
        """The path of a clip's file, or of its folder of frames."""
        name = self.listing.names[self.groups[index][0]]
        return printable(name.rpartition("/")[0] or name if len(self.groups[index]) > 1 else name)

    def get(self, index: int) -> Opened:  # pyrefly: ignore
        """A clip, not yet read if it is a film in a folder; raises ClipError for bytes that cannot be read."""
        group = self.groups[index]
        name = self.listing.names[group[0]]
        if name.lower().endswith(FILMS):
            outside = self.listing.kind in ("folder", "file")
            return Opened("film", Path(self.listing.root) / name if outside else self._bytes(group[0]))
        if name.lower().endswith(MOVING) or self.form == "moving":
            return Opened("moving", self._bytes(group[0]))
        if self.form == "strip":
            return Opened("strip", self._bytes(group[0]))
        return Opened("frames", [(self.listing.names[i], self._reader(i)) for i in group])

    def files(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """(name, function that reads it) of every file."""
        return ((self.listing.names[i], self._reader(i)) for i in self.indices.tolist())

    def _reader(self, at: int) -> Callable[[], bytes]:
        return lambda: self._bytes(at)

    def _bytes(self, at: int) -> bytes:
        return read_whole(self.listing, at, MAX_BYTES, ClipError)


class ClipArrays:
    """Clips in memory: arrays [F, C, H, W], [F, H, W, C] or [F, H, W], uint8 or float in 0..1; or (arrays, labels)."""

    path, kind = "arrays", "arrays"

    def __init__(self, given: Any):
        clips, y = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
        self.items = [as_clip(np.asarray(x), k) for k, x in enumerate(clips)]
        if not self.items:
            raise UsageError("There are no clips in the list.")
        self.labels, self.classes = (None, ()) if y is None else labels_of(y, len(self.items), "clips")
        self.notes: list[str] = []
        self.bytes = sum(x.nbytes for x in self.items)

    def __len__(self) -> int:
        return len(self.items)

    def name(self, index: int) -> str:
        """The name of a clip in messages."""
        return f"clip {index}"

    def files(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """None: arrays come from no files."""
        return iter(())

    def get(self, index: int) -> Opened:
        """A clip as it was given."""
        return Opened("array", self.items[index])

    def stamp(self) -> str:
        """A hash of all frames and labels."""
        return stamp_of(str(self.classes), self.items, self.labels)


def as_clip(x: np.ndarray, number: int) -> np.ndarray:
    """An array in one of the orders above -> uint8 [F, C, H, W]; UsageError for other arrays."""
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and x.shape[1] not in (1, 3) and x.shape[3] in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    if x.ndim != 4 or x.shape[1] not in (1, 3) or not x.size:
        raise UsageError(f"clip {number} is {list(x.shape)}; it must be [F, C, H, W], [F, H, W, C] or [F, H, W].")
    if x.dtype == np.uint8:
        return x
    if x.dtype.kind != "f" or not np.isfinite(x).all() or x.min() < 0 or x.max() > 1:
        raise UsageError(f"clip {number} is {x.dtype}; frames are uint8, or floats from 0 to 1.")
    return np.rint(x * 255).astype(np.uint8)


def open_clips(path: Any, labels: bool = True, layout: str = "auto") -> ClipFiles | ClipArrays:
    """The clips of a folder, a zip (or zip/folder/inside), one film or arrays; UsageError when there are none."""
    if not isinstance(path, str | os.PathLike):
        return ClipArrays(path)
    where, listing = listing_of(path, "Give a folder or zip of clips, or a film.", MAX_BYTES + 1)
    try:
        return ClipFiles(where, listing, labels, layout)
    except OSError as error:
        raise UsageError(f'"{printable(str(path))}" cannot be opened: {error.strerror or error}.') from error
