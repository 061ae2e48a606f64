"""Photos of any size in one memory-map, and random crops of them: what restoration and inpainting train on.

cache/<name>-<key>/pixels.npy holds all photos one after the other, shapes.npy their (C, H, W), hash.npy one hash of
each content, fingerprint.json the rest. Packed once, like data of one size (`pack.py`); later opens are instant.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganworks.core.errors import UsageError
from ganworks.core.spec import Draw, Spec
from ganworks.files.arrays import ArraySource, Source, release, stored_range
from ganworks.files.packing.pack import (
    LEAVE_OUT,
    Item,
    Progress,
    cache_folder,
    clean,
    converted,
    npy_header,
    sync,
    temporary,
)
from ganworks.files.packing.packed import RELEASE_AFTER, plain_facts, split
from ganworks.files.rasters.decode import DecodeError, Notes, all_grey, colour, decode, printable
from ganworks.files.sources import open_source

FORMAT = "photos 1"
LEAST = 8  # pixels a side
LOOK = 128  # images that are looked at to see whether all is grey


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

    path: whatever `open_source` takes; classes are ignored. channels: 1, 2, 3 or 4 for files (2 and 4 keep
    alpha), None: 1 if all is grey, else 3; arrays keep theirs. held_out: share that is never trained on, split
    by content. Raises UsageError for a corrupt or too small image (on_corrupt "error"), an empty source, a
    cache that cannot be written or a full disk.
    """
    source = open_source(path, False)
    if not len(source):
        raise UsageError(f'"{source.path}" holds no images.')
    root, notes = cache_folder(cache)
    settings = {"channels": channels, "background": colour(background)}
    text = json.dumps([FORMAT, source.stamp(), settings], sort_keys=True, default=str)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(source.path).stem)[:40].strip("-") or "data"
    folder = root / f"{name}-{hashlib.blake2b(text.encode('utf-8', 'surrogateescape'), digest_size=10).hexdigest()}"
    ready = _open(folder, held_out)
    if ready is None:
        clean(root)
        with temporary(root, folder, lambda made: _open(made, held_out)) as work:
            _write(source, _Plan(source, channels, background), work, notes, on_corrupt, on_progress)
        ready = _open(folder, held_out)
    if ready is None:
        raise UsageError(f'The pack in "{folder}" is damaged as soon as it is written; check the disk.')
    if on_corrupt == "error" and ready.facts["corrupt"]:
        raise UsageError(f"{DecodeError(*ready.facts['corrupt'][0])} {LEAVE_OUT}")
    return ready


def _open(folder: Path, held_out: float) -> Photos | None:
    try:
        facts = json.loads((folder / "fingerprint.json").read_text(encoding="utf-8"))
        return Photos(folder, facts, held_out) if facts["format"] == FORMAT else None
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None


class Photos:
    """Photos of different sizes as one memory-map.

    spec: what one example is; `describe` changes it. shapes: int64 [N, 3], (C, H, W) of each photo.
    train, held: int64 indices; every exact duplicate lies on the same side. labels: always None.
    fingerprint: sha256 (hex) of all content. hashes: uint64 [N, 2].
    """

    labels: np.ndarray | None = None

    def __init__(self, folder: Path, facts: dict[str, Any], held_out: float = 0.1):
        self.folder, self.facts = folder, facts
        self.spec = Spec.from_dict(facts["spec"])
        mapped = np.load(folder / "pixels.npy", mmap_mode="r", allow_pickle=False)
        self.shapes = np.load(folder / "shapes.npy", allow_pickle=False)
        self.hashes = np.load(folder / "hash.npy", allow_pickle=False)
        self._ends = np.cumsum(self.shapes.prod(1))
        count = facts["count"]
        if self.shapes.shape != (count, 3) or self.hashes.shape != (count, 2) or mapped.shape != (self._ends[-1],):
            raise ValueError("the pack does not hold what it says")
        self._map, self._pixels, self._touched = mapped, np.asarray(mapped), 0
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
        """Change fields of `spec` (kind, shape, source, facts, ...) to what a domain makes of the photos."""
        self.spec = replace(self.spec, **changes)
        self._notes = [*self._notes, *notes]
        return self

    def whole(self, index: int) -> np.ndarray:
        """One photo [C, H, W] as on disk; read-only."""
        end, shape = self._ends[index], self.shapes[index]
        return self._pixels[end - shape.prod() : end].reshape(shape)

    def scaled(self, pixels: np.ndarray) -> Tensor:
        """Stored values -> float32 in [-1, 1], a copy."""
        return torch.from_numpy(pixels.astype(np.float32)).sub_(self._middle).div_(self._half)

    def crops(self, indices: Any, size: tuple[int, int], draw: Draw, flip: bool = True, turn: bool = False) -> Tensor:
        """A random crop of each photo asked for: float32 [B, C, *size] in [-1, 1].

        flip: mirror half of them; turn: also turn half of them by 90 degrees (flip and turn together give all 8
        positions; a turned crop is cut as (width, height), so that any `size` works). A photo that is smaller
        than the crop is reflected at its borders.
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
        """The middle of each photo asked for, float32 [B, C, *size]: the same every time."""
        return self.scaled(np.stack([self._cut(int(i), size, 0.5, 0.5) for i in indices]))

    def _cut(self, index: int, size: tuple[int, int], top: float, left: float) -> np.ndarray:
        """[C, *size] at a place given as fractions in [0, 1) of the room there is."""
        photo = self.whole(index)
        self._release(photo.nbytes)
        short = [max(0, n - m) for n, m in zip(size, photo.shape[1:], strict=True)]
        if any(short):
            photo = np.pad(photo, [(0, 0), *((n // 2, n - n // 2) for n in short)], mode="reflect")
        y, x = (int(f * (m - n + 1)) for f, m, n in zip((top, left), photo.shape[1:], size, strict=True))
        return photo[:, y : y + size[0], x : x + size[1]]

    def _release(self, touched: int) -> None:
        """Give mapped pages back now and then, so that a big pack does not count as resident memory."""
        self._touched += touched if self._pixels.nbytes > RELEASE_AFTER else 0
        if self._touched > RELEASE_AFTER:
            release(self._map)
            self._touched = 0

    def smaller(self, size: tuple[int, int]) -> int:
        """How many photos are smaller than a crop of `size` and will be reflected."""
        return int((self.shapes[:, 1:] < np.asarray(size)).any(1).sum())

    @property
    def summary(self) -> dict[str, Any]:
        """Plain facts: what was found, what it became, how it is split."""
        return plain_facts(self, {}, self._notes)


class _Plan:
    """How one item of a source becomes an array [C, H, W] of any size."""

    def __init__(self, source: Source, channels: int | None, background: str):
        self.arrays, self.background = isinstance(source, ArraySource), background
        self.notes: list[str] = []
        if isinstance(source, ArraySource):
            own = source.item_shape[0]
            if channels not in (None, own):
                raise UsageError(f'"{source.path}" has {own} channels; channels={channels} cannot be made from them.')
            self.to_stored, spec_range, self.notes = stored_range(source)
            self.channels, self.mode = own, f"{source.dtype} with {own} channel{'s' * (own > 1)}"
        else:
            if channels is not None and channels > 4:
                raise UsageError(f"channels={channels}: image files have 1 to 4; give arrays (.npy, .npz) for more.")
            spec_range = {}
            self.channels = channels or (1 if all_grey(source, background, LOOK) else 3)
            if channels is None:
                self.notes = [["all images are grey: one channel", "colour images: three channels"][self.channels > 1]]
        self.spec = Spec("photos", (self.channels, LEAST, LEAST), **spec_range)

    def convert(self, data: Any, name: str) -> Item:
        found = Notes()
        if self.arrays:
            if data.dtype.kind == "f" and not np.isfinite(data).all():
                raise DecodeError(name, "it holds values that are not finite.")
            array, size, mode = self.to_stored(data), data.shape[1:], self.mode
        else:
            array = decode(data, name, channels=self.channels, background=self.background, notes=found)
            size, mode = found.size, found.mode
        if min(array.shape[1:]) < LEAST:
            raise DecodeError(name, f"{size[1]} x {size[0]} pixels; it needs at least {LEAST} x {LEAST}.")
        return Item(array, size, mode, tuple(found.warnings))


def _write(
    source: Source, plan: _Plan, work: Path, notes: list[str], on_corrupt: str, on_progress: Progress | None
) -> None:
    """pixels.npy, shapes.npy, hash.npy and, last, fingerprint.json."""
    shapes, hashes, corrupt = [], [], []
    counts: dict[str, Counter] = {"sizes": Counter(), "modes": Counter(), "warnings": Counter()}
    with (work / "pixels.npy").open("wb") as file:
        npy_header(file, (2**62,), plan.spec.dtype)
        start = file.tell()
        for _, item in converted(source, plan.convert, 32, on_progress):
            if not isinstance(item, Item):
                if on_corrupt == "error":
                    raise UsageError(f"{item} {LEAVE_OUT}") from item
                corrupt.append((item.name, item.reason))
                continue
            data = np.ascontiguousarray(item.array, plan.spec.dtype)
            file.write(data.data)
            shapes.append(data.shape)
            hashes.append(hashlib.blake2b(f"{data.shape}".encode() + data.tobytes(), digest_size=16).digest())
            counts["sizes"]["x".join(map(str, item.size))] += 1
            counts["modes"][item.mode] += 1
            counts["warnings"].update(item.warnings)
        if not shapes:
            name, reason = corrupt[0]
            raise UsageError(f'"{source.path}": none of its {len(source):,} images can be read. {name}: {reason}')
        file.seek(0)
        npy_header(file, (int(np.prod(shapes, 1).sum()),), plan.spec.dtype)
        if file.tell() != start:
            raise ValueError("the header of pixels.npy changed its length")
        sync(file)
    np.save(work / "shapes.npy", np.array(shapes, np.int64), allow_pickle=False)
    np.save(work / "hash.npy", np.frombuffer(b"".join(hashes), "<u8").reshape(-1, 2), allow_pickle=False)
    facts = {
        "format": FORMAT,
        "source": printable(source.path),
        "kind": source.kind,
        "bytes": source.bytes,
        "spec": plan.spec.to_dict(),
        "count": len(shapes),
        "corrupt": corrupt,
        "distinct_sizes": len(counts["sizes"]),
        **{name: dict(counter.most_common(50)) for name, counter in counts.items()},
        "notes": [*source.notes, *notes, *plan.notes],
    }
    with (work / "fingerprint.json").open("wb") as file:
        file.write(json.dumps(facts, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace"))
        sync(file)
