"""Packing: a source is converted once into a memory-mapped array, so that later opens are instant and memory stays
flat.

A pack is cache/<name>-<key>/ with x.npy [N, C, H, W], y.npy [N], hash.npy [N, 2] and fingerprint.json; see `cache.py`
and `writer.py`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ganworks.core.contracts import Progress
from ganworks.core.errors import UsageError
from ganworks.core.machine import memory
from ganworks.core.spec import Spec
from ganworks.files.arrays import Source
from ganworks.files.packing.cache import cache_folder, open_or_pack, refuse_corrupt
from ganworks.files.packing.packed import FORMAT, Packed, open_pack
from ganworks.files.packing.used import RangeUsed, of_colours
from ganworks.files.packing.writer import ConvertedItem, PackWriter
from ganworks.files.rasters.decode import DecodeError

_COPIES = 4  # of an example while it is converted


@dataclass
class Conversion:
    """How items become rows of a pack.

    convert(item, name): a `ConvertedItem` whose array has `spec.shape` and `spec.dtype`. notes: sentences about choices
    that were made. groups: channels of brightness that belong together, see `RangeUsed`; None: all colours.
    """

    spec: Spec
    convert: Callable[[Any, str], ConvertedItem]
    notes: list[str] = field(default_factory=list)
    groups: tuple[slice, ...] | None = None


def pack(
    source: Source,
    plan: Callable[[], Conversion],
    settings: dict[str, Any],
    *,
    cache: str | Path | None = None,
    on_corrupt: str = "error",
    held_out: float = 0.1,
    on_progress: Progress | None = None,
    error: type[DecodeError] = DecodeError,
) -> Packed:
    """Open the pack of a source; it is written first if there is none.

    plan: called only to write a pack; it may look at the data. settings: plain values that decide the result; they are
    part of the key. held_out: share of the examples that is never trained on. on_progress(done, total) is called while
    packing. error: what an item that cannot be used is reported as. Raises UsageError for an unreadable item
    (on_corrupt "error"), an empty source, a cache that cannot be written and a full disk.
    """
    if not len(source):
        raise UsageError(f'"{source.path}" holds no images.')

    def write(work: Path, notes: list[str]) -> None:
        _write(PackWriter(source, work), plan(), notes, on_corrupt, on_progress)

    key = [FORMAT, source.stamp(), settings]
    ready = open_or_pack(source.path, key, lambda folder: open_pack(folder, held_out), write, cache=cache)[1]
    refuse_corrupt(ready.facts, on_corrupt, error)
    return ready


def _write(
    writer: PackWriter, conversion: Conversion, notes: list[str], on_corrupt: str, on_progress: Progress | None
) -> None:
    source, spec = writer.source, conversion.spec
    row = np.dtype(spec.dtype).itemsize * int(np.prod(spec.shape))
    memory.check_bytes(_COPIES * row, f'"{source.path}": one example of shape {spec.shape}')
    _check_space(writer, row * len(source))

    used = RangeUsed(of_colours(spec.shape[0]) if conversion.groups is None else conversion.groups)

    def accept(index: int, data: np.ndarray) -> None:
        used.add(data)
        if data.shape != spec.shape or data.dtype != spec.dtype:
            raise ValueError(f"item {index} became {data.dtype} {data.shape}, not {spec.dtype} {spec.shape}")

    chunk = max(1, min(1024, (32 << 20) // row))
    how = {"chunk": chunk, "on_corrupt": on_corrupt, "on_progress": on_progress}
    writer.write("x.npy", spec.shape, spec.dtype, conversion.convert, accept=accept, **how)
    facts = {
        **writer.about(FORMAT),
        "spec": spec.to_dict(),
        "count": writer.rows,
        "corrupt": writer.corrupt[:10_000],
        "corrupt_count": len(writer.corrupt),
        "sizes": dict(writer.sizes.most_common(50)),
        "distinct_sizes": len(writer.sizes),
        "modes": dict(writer.modes.most_common()),
        "warnings": dict(writer.warnings.most_common(50)) | dict.fromkeys(used.warnings, writer.rows),
        "notes": [*source.notes, *notes, *conversion.notes],
    }
    writer.finish(facts, source.labels if spec.classes else None, indent=1)


def _check_space(writer: PackWriter, size: int) -> None:
    free = shutil.disk_usage(writer.work).free
    if size * 1.02 + (1 << 20) > free:
        raise UsageError(
            f'Packing "{writer.source.path}" needs {size / 1e6:,.1f} MB and the cache "{writer.work.parent}" '
            f"has {free / 1e6:,.1f} MB left. Choose a smaller size, or set GANWORKS_CACHE to another disk."
        )


__all__ = ["Conversion", "ConvertedItem", "Packed", "Progress", "cache_folder", "pack"]
