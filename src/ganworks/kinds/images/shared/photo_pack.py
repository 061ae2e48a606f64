"""Photos of any size in one memory-mapped file, and crops of them: the data of restoration and inpainting.

cache/<name>-<key>/pixels.npy holds the photos one after the other, shapes.npy their (C, H, W), hash.npy a hash of each
one's content, fingerprint.json the rest. They are packed once, like data of one size (`files.packing.pack`); later
opens take no time.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganworks.core.console.text import counted
from ganworks.core.contracts import Progress
from ganworks.core.errors import UsageError
from ganworks.core.schema.plain import read_json
from ganworks.core.spec import Draw, Spec
from ganworks.files.array_files import load_npy, map_npy
from ganworks.files.arrays import ArraySource, Source, stored_range
from ganworks.files.packing.cache import open_or_pack, refuse_corrupt
from ganworks.files.packing.packed import RELEASE_AFTER, MappedPages, plain_facts, split
from ganworks.files.packing.used import RangeUsed, of_colours
from ganworks.files.packing.writer import ConvertedItem, PackWriter
from ganworks.files.rasters.decode import DecodeError, Notes, all_grey, colour, decode
from ganworks.files.rasters.stored import Range, common_range, files_of, range_facts, range_notes
from ganworks.files.sources import open_source

FORMAT = "photos 2"
LEAST = 8  # pixels a side
LOOK = 128  # images that are read to find out whether all are grey


def open_photos(
    path: Any,
    channels: int | None = None,
    cache: str | Path | None = None,
    held_out: float = 0.1,
    *,
    background: str = "white",
    on_corrupt: str = "error",
    on_progress: Progress | None = None,
) -> Photos:
    """Pack the photos of a source (or open their pack) at their own sizes.

    path: whatever `open_source` takes; classes are ignored. channels: 1, 2, 3 or 4 for files (2 and 4 keep alpha);
    None: 1 if all are grey, else 3; arrays keep theirs. held_out: share that is never trained on; exact copies are
    never split. Raises UsageError for an image that is corrupt or too small (on_corrupt "error"), an empty source, a
    cache that cannot be written and a full disk.
    """
    source = open_source(path, False)
    if not len(source):
        raise UsageError(f'"{source.path}" holds no images.')
    key = [FORMAT, source.stamp(), {"channels": channels, "background": colour(background)}]

    def write(work: Path, notes: list[str]) -> None:
        _write(PackWriter(source, work), _Plan(source, channels, background), notes, on_corrupt, on_progress)

    ready = open_or_pack(source.path, key, lambda folder: _open(folder, held_out), write, cache=cache)[1]
    refuse_corrupt(ready.facts, on_corrupt)
    return ready


def _open(folder: Path, held_out: float) -> Photos | None:
    try:
        facts = read_json((folder / "fingerprint.json").read_bytes(), str(folder))
        return Photos(folder, facts, held_out) if facts["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError, IndexError, UsageError):
        return None


class Photos:
    """Photos of different sizes in one memory-mapped file.

    spec: what one example is; `describe` changes it. shapes: int64 [N, 3], (C, H, W) of each photo.
    train, held: int64 indices; exact duplicates are always on the same side. labels: always None.
    fingerprint: sha256 (hex) of all content. hashes: uint64 [N, 2].
    """

    labels: np.ndarray | None = None

    def __init__(self, folder: Path, facts: dict[str, Any], held_out: float = 0.1):
        self.folder, self.facts = folder, facts
        self.spec = Spec.from_dict(facts["spec"])
        mapped = map_npy(folder / "pixels.npy")
        self.shapes = load_npy(folder / "shapes.npy")
        self.hashes = load_npy(folder / "hash.npy")
        self._ends = np.cumsum(self.shapes.prod(1))
        count = facts["count"]
        if self.shapes.shape != (count, 3) or self.hashes.shape != (count, 2) or mapped.shape != (self._ends[-1],):
            raise ValueError("the pack does not hold what it says")
        self._pages, self._pixels = MappedPages(mapped), np.asarray(mapped)
        self._middle = (self.spec.high + self.spec.low) / 2
        self._half = (self.spec.high - self.spec.low) / 2
        plain = json.dumps({k: v for k, v in facts["spec"].items() if k != "shape"}, sort_keys=True)
        digest = hashlib.sha256(plain.encode())
        digest.update(self.shapes.astype("<i8").tobytes() + self.hashes.tobytes())
        self.fingerprint = digest.hexdigest()
        self.train, self.held, self.duplicates, self._notes = split(self.hashes, held_out)

    def __len__(self) -> int:
        return len(self.shapes)

    def describe(self, *notes: str, **changes: Any) -> Photos:
        """Set fields of `spec` (kind, shape, source, ...) to those of the domain's examples; add facts and notes."""
        changes["facts"] = {**self.spec.facts, **changes.get("facts", {})}
        self.spec = replace(self.spec, **changes)
        self._notes = [*self._notes, *notes]
        return self

    def whole(self, index: int) -> np.ndarray:
        """One photo [C, H, W] as stored; read-only."""
        end, shape = self._ends[index], self.shapes[index]
        return self._pixels[end - shape.prod() : end].reshape(shape)

    def scaled(self, pixels: np.ndarray) -> Tensor:
        """Stored values -> float32 in [-1, 1], a copy."""
        return torch.from_numpy(pixels.astype(np.float32)).sub_(self._middle).div_(self._half)

    def crops(self, indices: Any, size: tuple[int, int], draw: Draw, flip: bool = True, turn: bool = False) -> Tensor:
        """One random crop of each of these photos: float32 [B, C, *size] in [-1, 1].

        flip: mirror half of them. turn: turn half of them by 90 degrees; flip and turn together give all 8 symmetries
        of the square. A crop that is turned is cut as (width, height), so that any `size` works. A photo that is
        smaller than the crop is reflected at its borders.
        """
        where = draw.uniform(5).tolist()
        rows = []
        for index, (top, left, mirrored, turned, upside) in zip(indices, where, strict=True):
            turning = turn and turned < 0.5
            part = self._cut(int(index), size[::-1] if turning else size, top, left)
            part = part.transpose(0, 2, 1) if turning else part
            part = part[:, :, ::-1] if flip and mirrored < 0.5 else part
            rows.append(part[:, ::-1] if flip and turn and upside < 0.5 else part)
        return self.scaled(np.stack(rows))

    def middles(self, indices: Any, size: tuple[int, int]) -> Tensor:
        """The middle of each of these photos, float32 [B, C, *size] in [-1, 1]: the same every time."""
        return self.scaled(np.stack([self._cut(int(i), size, 0.5, 0.5) for i in indices]))

    def _cut(self, index: int, size: tuple[int, int], top: float, left: float) -> np.ndarray:
        """[C, *size] of one photo; top and left are fractions in [0, 1) of the free space along each axis."""
        photo = self.whole(index)
        if self._pixels.nbytes > RELEASE_AFTER:
            self._pages.touched(photo.nbytes)
        short = [max(0, n - m) for n, m in zip(size, photo.shape[1:], strict=True)]
        if any(short):
            photo = np.pad(photo, [(0, 0), *((n // 2, n - n // 2) for n in short)], mode="reflect")
        y, x = (int(f * (m - n + 1)) for f, m, n in zip((top, left), photo.shape[1:], size, strict=True))
        return photo[:, y : y + size[0], x : x + size[1]]

    def smaller(self, size: tuple[int, int]) -> int:
        """How many photos are smaller than a crop of `size`, so that they will be reflected at their borders."""
        return int((self.shapes[:, 1:] < np.asarray(size)).any(1).sum())

    @property
    def summary(self) -> dict[str, Any]:
        """The facts about source, pack and split as plain values."""
        return plain_facts(self, {}, self._notes)


class _Plan:
    """How one item of a source becomes an array [C, H, W] of any size."""

    def __init__(self, source: Source, channels: int | None, background: str):
        self.arrays, self.background = isinstance(source, ArraySource), background
        self.notes: list[str] = []
        if isinstance(source, ArraySource):
            own = source.item_shape[0]
            if channels not in (None, own):
                raise UsageError(
                    f'"{source.path}" has {counted(own, "channel")}; channels={channels} cannot be made from them.'
                )
            self.to_stored, spec_range, self.notes = stored_range(source)
            self.channels, self.mode = own, f"{source.dtype} with {counted(own, 'channel')}"
            self.known: Range | None = None
        else:
            if channels is not None and channels > 4:
                raise UsageError(f"channels={channels}: image files have 1 to 4; give arrays (.npy, .npz) for more.")
            self.known = common_range(files_of(source))
            spec_range = range_facts(self.known)
            self.notes = range_notes(self.known)
            self.channels = channels or (1 if all_grey(source, background, LOOK) else 3)
            if channels is None:
                found = "all images are grey: one channel" if self.channels == 1 else "colour images: three channels"
                self.notes.append(found)
        self.spec = Spec("photos", (self.channels, LEAST, LEAST), **spec_range)

    def convert(self, data: Any, name: str) -> ConvertedItem:
        found = Notes()
        if self.arrays:
            if data.dtype.kind == "f" and not np.isfinite(data).all():
                raise DecodeError(name, "it holds values that are not finite.")
            array, size, mode = self.to_stored(data), data.shape[1:], self.mode
        else:
            how = {"channels": self.channels, "background": self.background, "known": self.known}
            array = decode(data, name, notes=found, **how)
            size, mode = found.size, found.mode
        if min(array.shape[1:]) < LEAST:
            raise DecodeError(name, f"{size[1]} x {size[0]} pixels; it needs at least {LEAST} x {LEAST}.")
        return ConvertedItem(array, size, mode, tuple(found.warnings))


def _write(writer: PackWriter, plan: _Plan, notes: list[str], on_corrupt: str, on_progress: Progress | None) -> None:
    """pixels.npy, shapes.npy, hash.npy and, last, fingerprint.json."""
    shapes: list[tuple[int, ...]] = []
    how = {"chunk": 32, "on_corrupt": on_corrupt, "on_progress": on_progress, "hash_shape": True}
    used = RangeUsed(of_colours(plan.channels))

    def accept(index: int, data: np.ndarray) -> None:
        used.add(data)
        shapes.append(data.shape)

    writer.write("pixels.npy", (), plan.spec.dtype, plan.convert, accept=accept, **how)
    writer.save("shapes.npy", np.array(shapes, np.int64))
    facts = {
        **writer.about(FORMAT),
        "spec": plan.spec.to_dict(),
        "count": len(shapes),
        "corrupt": writer.corrupt,
        "distinct_sizes": len(writer.sizes),
        "sizes": dict(writer.sizes.most_common(50)),
        "modes": dict(writer.modes.most_common(50)),
        "warnings": dict(writer.warnings.most_common(50)) | dict.fromkeys(used.warnings, len(shapes)),
        "notes": [*writer.source.notes, *notes, *plan.notes],
    }
    writer.finish(facts, indent=1)
