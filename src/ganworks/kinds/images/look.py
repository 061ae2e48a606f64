"""Describes a set of pictures for a person: sizes, modes, near duplicates, corrupt files, a sheet of examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ganworks.core.console.text import counted
from ganworks.core.spec import Draw, key
from ganworks.files.rasters.pixels import to_image, viewable
from ganworks.files.rasters.sheet import side_by_side
from ganworks.use.findings import Findings, byte_count, choose, class_counts, top

NEAR_AMONG, NEAR_RMS, NEAR_BITS, MAX_PAIRS = 20_000, 0.03, 3, 200_000
_AT_ONCE = 1 << 20  # values of pictures that are made smaller together: a few copies of them are in memory
SHOWN = 12  # examples on a sheet of what is given and what is wanted


def look(
    path: Any,
    domain: Any,
    cache: str | Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    near: bool = True,
) -> Findings:
    """Open (and pack) a source and describe it; corrupt files are left out and counted. Raises UsageError."""
    data = replace(domain, on_corrupt="skip").open(path, cache=cache, on_progress=on_progress)
    facts = {**data.summary, "near": near_duplicates(data) if near else []}
    return Findings(facts, describe(facts), contact_sheet(data, domain), data)


def look_given(
    path: Any,
    domain: Any,
    what: str,
    on_progress: Callable[[int, int], None] | None = None,
    pictured: Callable[[Any, dict[str, torch.Tensor]], tuple[torch.Tensor, torch.Tensor]] | None = None,
) -> Findings:
    """As `look`, for a domain whose networks are given a picture: the sheet shows what is given beside what is wanted.

    what: its examples, in the plural. pictured(data, batch): what is given and what is wanted, [B, C, H, W] in [-1, 1]
    each; None: `src` and `x` of the batch. Raises UsageError where a training would refuse the data as a whole.
    """
    data = replace(domain, on_corrupt="skip").open(path, on_progress=on_progress)
    facts = {**data.summary, "near": []}
    some = data.train[choose(None, len(data.train), SHOWN)]
    batch = domain.batch(data, some, Draw(key("examples"), len(some), slice(None)))
    both = pictured(data, batch) if pictured else (batch["src"], batch["x"])
    sides = [[to_image(x).convert("RGB") for x in viewable(side)] for side in both]
    sheet = side_by_side([("given, wanted", *pair) for pair in zip(*sides, strict=True)]) if len(some) else None
    return Findings(facts, describe(facts, what), sheet, data)


def contact_sheet(data: Any, domain: Any, count: int = 64) -> Any:
    """A grid of up to `count` items, spread evenly over the classes; the choice is the same every time."""
    chosen = choose(data.labels, len(data), count)
    names = None if data.labels is None else [data.spec.classes[k] for k in data.labels[chosen]]
    x = torch.as_tensor(data.fetch(chosen)["x"])
    return domain.show(x, labels=names)


def describe(facts: dict[str, Any], what: str = "images") -> list[str]:
    """The facts as lines of text. what: the examples, in the plural."""
    classes, one = facts["classes"], what.removesuffix("s")
    lines = [
        f"{counted(facts['count'], one, what)} from {facts['source']} ({facts['kind']}, {byte_count(facts['bytes'])})",
        f"sizes (height x width): {top(facts['sizes'], facts['distinct_sizes'])}",
        f"pixels: {top(facts['modes'], len(facts['modes']))}",
        f"becomes: {' x '.join(map(str, (facts['channels'], *facts['size'])))} {facts['dtype']}",
        f"packed in: {facts['packed']}",
        f"classes: {class_counts(classes)}",
        f"split: {facts['train']:,} to train on, {facts['held']:,} held out",
        f"exact duplicates: {facts['duplicates']:,}",
    ]
    if facts["near"]:
        pairs = ", ".join(f"{a} ~ {b}" for a, b in facts["near"][:5])
        more = ", ..." if len(facts["near"]) > 5 else ""
        lines.append(f"near duplicates: {counted(len(facts['near']), 'pair')} (rows {pairs}{more})")
    lines.append(f"corrupt: {facts['corrupt']:,}")
    lines += [f"  {name}" for name in facts["corrupt_names"]]
    lines += [f"warning: {text} ({counted(times, one, what)})" for text, times in facts["warnings"].items()]
    return lines + [f"note: {text}" for text in facts["notes"]]


def near_duplicates(data: Any, among: int = NEAR_AMONG) -> list[tuple[int, int]]:
    """Pairs of rows that look alike without being exact copies.

    A difference hash of 8 x 8 bits (Krawetz 2013) finds candidates: they share one of four 16-bit bands and differ in
    at most 3 bits. Grey thumbnails decide: their root mean square difference is at most 3 % of the range. The first
    `among` rows are compared.
    """
    rows = np.arange(min(len(data), among))
    step = max(1, _AT_ONCE // int(np.prod(data.spec.shape)))
    parts = [_thumbnails(data.fetch(rows[k : k + step])["x"]) for k in range(0, len(rows), step)]
    bits, small = np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    found = []
    for a, b in sorted(_candidates(bits)):
        distance = float(np.sqrt(np.square(small[a].astype(np.float32) - small[b]).mean())) / 255
        if distance <= NEAR_RMS and (data.hashes[a] != data.hashes[b]).any():
            found.append((a, b))
    return found


def _thumbnails(x: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """[B, C, H, W] -> hashes uint64 [B] and grey uint8 thumbnails of at most 4,096 pixels."""
    grey = x.mean(1, keepdim=True)
    shrink = min(1.0, (4096 / (x.shape[2] * x.shape[3])) ** 0.5)
    size = max(1, int(x.shape[2] * shrink)), max(1, int(x.shape[3] * shrink))
    small = functional.interpolate(grey, size, mode="area")[:, 0]
    return _difference_hash(grey), ((small + 1) * 127.5).round().byte().numpy()


def _difference_hash(x: torch.Tensor) -> np.ndarray:
    """[B, 1, H, W] -> uint64 [B]: whether each of 8 x 8 cells is brighter than its right neighbour."""
    small = functional.interpolate(x, (8, 9), mode="area")[:, 0]
    brighter = (small[:, :, 1:] > small[:, :, :-1] + 1e-3).flatten(1).numpy()
    return np.packbits(brighter, 1).view(np.uint64)[:, 0]


def _candidates(bits: np.ndarray) -> set[tuple[int, int]]:
    pairs: set[tuple[int, int]] = set()
    for band in range(4):
        part = (bits >> np.uint64(16 * band)) & np.uint64(0xFFFF)
        order = np.argsort(part, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(part[order])) + 1):
            if 1 < len(group) <= 256:
                differ = np.bitwise_count(bits[group][:, None] ^ bits[group][None])
                left, right = np.nonzero(np.triu(differ <= NEAR_BITS, 1))
                pairs.update(
                    (min(a, b), max(a, b)) for a, b in zip(group[left].tolist(), group[right].tolist(), strict=True)
                )
        if len(pairs) > MAX_PAIRS:
            break
    return pairs
