"""Finds pairs of images: by name, or side by side in one file.

Layouts, in a folder or a zip: one image per pair, A left and B right; folders A/ and B/ (trainA/ and trainB/, A/train/
and B/train/, ...) or any two folders whose files have the same names; two paths. Where there are such folders, images
below train/ are for training and those below test/ (else val/) are held out.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ganworks.core.console.text import counted
from ganworks.core.errors import UsageError
from ganworks.files.rasters.decode import SUFFIXES
from ganworks.files.sources import SPLITS, FileSource, natural_key, open_source

GROUPS = ("train", "held")
_SIDE = re.compile(rf"({'|'.join(SPLITS)})?[_-]?([ab])", re.IGNORECASE)
_PARTS = {"training": "train", "testing": "test", "valid": "val", "validation": "val", "dev": "val"}


@dataclass(frozen=True)
class Place:
    """One image: its source and index there, its part ("", train, val or test), side, other folders and name."""

    source: FileSource
    index: int
    part: str
    side: str
    folders: tuple[str, ...]
    stem: str

    @property
    def name(self) -> str:
        """The path below the root, as it is shown."""
        return self.source.name(self.index)

    @property
    def key(self) -> tuple[str, ...]:
        """What both images of a pair have in common."""
        return (self.part, *self.folders, self.stem)


class PairSource:
    """Pairs as a source that `pack` reads: an item is one encoded file that holds A and B, or two, A and B.

    labels: 0 for training pairs and 1 for held-out ones, or None where the data does not say.
    """

    def __init__(self, path: str, pairs: list[tuple[Place, ...]], notes: list[str]):
        parts = {pair[0].part for pair in pairs}
        self.path, self.notes, self.kind = path, list(notes), pairs[0][0].source.kind
        if {"val", "test"} <= parts and len(parts) > 2:
            pairs = [pair for pair in pairs if pair[0].part != "val"]
            self.notes.append("the pairs of test/ are held out; those of val/ are left out")
        held = np.array([pair[0].part in ("test", "val") for pair in pairs], np.int64)
        said = 0 < held.sum() < len(held)
        self.pairs = pairs
        self.labels: np.ndarray | None = held if said else None
        self.classes: tuple[str, ...] = GROUPS if said else ()
        self.bytes = sum(p.source.listing.sizes[p.source.indices[p.index]] for pair in pairs for p in pair)

    @property
    def side_by_side(self) -> bool:
        """Whether A and B are the halves of one image."""
        return len(self.pairs[0]) == 1

    def __len__(self) -> int:
        return len(self.pairs)

    def name(self, index: int) -> str:
        """The name of A's file."""
        return self.pairs[index][0].name

    def get(self, index: int) -> Any:
        """[(name, encoded bytes)] of a pair: one file or two."""
        return [(place.name, place.source.get(place.index)) for place in self.pairs[index]]

    def files(self, side: int) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """(name, function that reads it) of the files of A (0) or B (-1)."""
        places = (pair[side] for pair in self.pairs)
        return ((place.name, partial(place.source.get, place.index)) for place in places)

    def stamp(self) -> str:
        """Changes when a file is added, removed or changed."""
        sources = {id(p.source): p.source for p in self.pairs[0]}
        names = hashlib.blake2b("\n".join(p.name for pair in self.pairs for p in pair).encode(), digest_size=8)
        return " ".join([s.stamp() for s in sources.values()] + [names.hexdigest()])


def open_pairs(data: Any) -> PairSource:
    """Pairs from a folder, a zip (or zip/folder/inside), or two of them: (A, B) or "A,B".

    Raises UsageError, which names a file without a partner or says which layout was expected.
    """
    two = _two_paths(data)
    if two:
        a, b = (_files(path) for path in two)
        notes = [f'A is "{a.path}", B is "{b.path}"']
        return _matched(f"{a.path},{b.path}", _places(a, "a"), _places(b, "b"), notes)
    source = _files(data)
    places = _places(source)
    if any(place.side for place in places):
        lost = [place.name for place in places if not place.side]
        if lost:
            raise UsageError(
                f'"{source.path}" has folders A and B, but {counted(len(lost), "image lies", "images lie")} '
                "in neither, the first is "
                f'"{lost[0]}". Move them away.'
            )
        return _matched(source.path, *_sides(places), source.listing.notes)
    named = _named_folders(places)
    if named:
        same = f'A is "{named[0][0]}", B is "{named[0][1]}": same names'
        return _matched(source.path, *_sides(named[1]), [*source.listing.notes, same])
    notes = [*source.listing.notes, "one image per pair: A is its left half, B its right half"]
    return PairSource(source.path, [(place,) for place in places], notes)


def _two_paths(data: Any) -> tuple[Any, Any] | None:
    if isinstance(data, tuple | list):
        if len(data) != 2 or not all(isinstance(path, str | os.PathLike) for path in data):
            raise UsageError("Pairs come from one path or from two paths: (A, B).")
        return data[0], data[1]
    if "," in str(data) and not Path(str(data)).expanduser().exists():
        first, _, second = str(data).partition(",")
        return first.strip(), second.strip()
    return None


def _files(path: Any) -> FileSource:
    """All images of a path, of training and test parts alike."""
    source = open_source(path, labels=False)
    if not isinstance(source, FileSource):
        raise UsageError(f'"{source.path}" holds arrays; pairs come from image files, side by side or in two folders.')
    source.indices = np.array(source.listing.chosen(SUFFIXES), np.int64)
    return source


def _places(source: FileSource, side: str = "") -> list[Place]:
    """Every image with the part and the side that its folders name; side: that of all images, where it is known."""
    places = []
    for index, at in enumerate(source.indices):
        *above, file = source.listing.names[at].split("/")
        part, own, folders = "", side, []
        for folder in above:
            match = None if side else _SIDE.fullmatch(folder)
            if folder.lower() in SPLITS:
                part = folder.lower()
            elif match:
                own, part = match[2].lower(), (match[1] or part).lower()
            else:
                folders.append(folder)
        places.append(Place(source, index, _PARTS.get(part, part), own, tuple(folders), file.rpartition(".")[0]))
    return places


def _sides(places: list[Place]) -> tuple[list[Place], list[Place]]:
    return [p for p in places if p.side == "a"], [p for p in places if p.side == "b"]


def _named_folders(places: list[Place]) -> tuple[list[str], list[Place]] | None:
    """((name of A, name of B), images with sides) where two folders hold images of the same names, else None."""
    if not all(place.folders for place in places):
        return None
    names = sorted({place.folders[-1] for place in places}, key=natural_key)
    if len(names) != 2:
        return None
    sided = [replace(p, side="ab"[names.index(p.folders[-1])], folders=p.folders[:-1]) for p in places]
    a, b = ({p.key for p in side} for side in _sides(sided))
    return (names, sided) if a & b else None


def _matched(path: str, a: list[Place], b: list[Place], notes: list[str]) -> PairSource:
    """Pairs of images with the same key; UsageError names the first one without a partner."""
    sides = [_unique(path, places) for places in (a, b)]
    lost = [(place, "B") for key, place in sides[0].items() if key not in sides[1]]
    lost += [(place, "A") for key, place in sides[1].items() if key not in sides[0]]
    if lost:
        raise UsageError(
            f'"{path}": {counted(len(lost), "image has", "images have")} no partner; the first is '
            f'"{lost[0][0].name}", which has none of '
            f"that name on side {lost[0][1]}. Both sides need the same names; their endings may differ."
        )
    keys = sorted(sides[0], key=lambda key: [natural_key(part) for part in key])
    return PairSource(path, [(sides[0][key], sides[1][key]) for key in keys], notes)


def _unique(path: str, places: list[Place]) -> dict[tuple[str, ...], Place]:
    again = [key for key, times in Counter(place.key for place in places).items() if times > 1]
    if again:
        first, second = [place.name for place in places if place.key == again[0]][:2]
        raise UsageError(f'"{path}": "{first}" and "{second}" would be the same side of the same pair; rename one.')
    return {place.key: place for place in places}
