"""What a data source holds, for a person: counts, sizes, classes, duplicates, corrupt files, a contact
sheet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ganworks.data.spec import key

NEAR_AMONG, NEAR_RMS, NEAR_BITS, MAX_PAIRS = 20_000, 0.03, 3, 200_000


@dataclass
class Findings:
    """facts: the summary of the pack and `near`, pairs of row numbers that look alike. lines: the same as
    text.

    sheet: a PIL picture of some items with their classes; save it where you like. data: the opened data set.
    """

    facts: dict[str, Any]
    lines: list[str]
    sheet: Any
    data: Any


def look(
    path: Any,
    domain: Any,
    cache: str | Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    near: bool = True,
) -> Findings:
    """Open (and pack) a source with corrupt files left out and counted, and describe it. Raises
    UsageError.
    """
    data = replace(domain, on_corrupt="skip").open(path, cache=cache, on_progress=on_progress)
    facts = {**data.summary, "near": near_duplicates(data) if near else []}
    return Findings(facts, describe(facts), contact_sheet(data, domain), data)


def contact_sheet(data: Any, domain: Any, count: int = 64) -> Any:
    """A grid of up to `count` items, as many of each class as possible, chosen alike each time."""
    chosen = choose(data.labels, len(data), count)
    names = None if data.labels is None else [data.spec.classes[k] for k in data.labels[chosen]]
    x = torch.as_tensor(data.fetch(chosen)["x"])
    return domain.show(x, labels=names)


def choose(labels: np.ndarray | None, total: int, count: int) -> np.ndarray:
    """Up to `count` row numbers, spread evenly over the classes and sorted by class."""
    order = np.random.default_rng(key("contact sheet")).permutation(total)
    if labels is None:
        return np.sort(order[:count])
    ranked = order[np.argsort(labels[order], kind="stable")]
    starts = np.searchsorted(labels[ranked], np.arange(labels.max() + 1))
    within = np.arange(total) - starts[labels[ranked]]
    picked = np.sort(np.argsort(within, kind="stable")[:count])
    return ranked[picked]


def describe(facts: dict[str, Any]) -> list[str]:
    """The facts as lines of text."""
    classes, count = facts["classes"], facts["count"]
    lines = [
        f"{count:,} images from {facts['source']} ({facts['kind']}, {_bytes(facts['bytes'])})",
        f"sizes (height x width): {_top(facts['sizes'], facts['distinct_sizes'])}",
        f"pixels: {_top(facts['modes'], len(facts['modes']))}",
        f"becomes: {' x '.join(map(str, (facts['channels'], *facts['size'])))} {facts['dtype']}",
        f"packed in: {facts['packed']}",
        f"classes: {_classes(classes)}",
        f"split: {facts['train']:,} to train on, {facts['held']:,} held out",
        f"exact duplicates: {facts['duplicates']:,}",
    ]
    if facts["near"]:
        pairs = ", ".join(f"{a} ~ {b}" for a, b in facts["near"][:5])
        more = ", ..." if len(facts["near"]) > 5 else ""
        lines.append(f"near duplicates: {len(facts['near']):,} pairs (rows {pairs}{more})")
    lines.append(f"corrupt: {facts['corrupt']:,}")
    lines += [f"  {name}" for name in facts["corrupt_names"]]
    lines += [f"warning: {text} ({times:,} images)" for text, times in facts["warnings"].items()]
    return lines + [f"note: {text}" for text in facts["notes"]]


_COUNTED = ("count", "train", "held", "duplicates", "corrupt")
_SHOWN_APART = (*_COUNTED, "source", "kind", "bytes", "classes", "notes", "warnings", "corrupt_names", "fingerprint",
                "dtype", "packed")  # fmt: skip


def describe_any(facts: dict[str, Any]) -> list[str]:
    """The summary of any data set as lines of text: the counts, what only this kind has, and the notes."""
    size = f", {_bytes(facts['bytes'])}" if isinstance(facts.get("bytes"), int | float) else ""
    lines = [f"{facts.get('count', 0):,} examples from {facts.get('source', '?')} ({facts.get('kind', '?')}{size})"]
    if "train" in facts and "held" in facts:
        lines.append(f"split: {facts['train']:,} to train on, {facts['held']:,} held out")
    lines += [f"exact duplicates: {facts['duplicates']:,}"] if "duplicates" in facts else []
    if facts.get("classes") is not None:
        found = facts["classes"]
        lines.append(f"classes: {_classes(found) if isinstance(found, dict) else ', '.join(map(str, found)) or 'none'}")
    for name, value in facts.items():
        if name not in _SHOWN_APART and (said := _said(value)):
            lines.append(f"{name.replace('_', ' ')}: {said}")
    lines += [f"could not be read: {facts['corrupt']:,}"] if facts.get("corrupt") else []
    lines += [f"  {name}" for name in facts.get("corrupt_names", [])]
    warned = facts.get("warnings")
    warned = warned if isinstance(warned, dict) else {}
    lines += [f"warning: {text} ({times:,} times)" for text, times in warned.items()]
    return lines + [f"note: {text}" for text in facts.get("notes", [])]


def _said(value: Any, most: int = 400) -> str:
    """A fact as text: numbers, words, short lists and tables of them; "" for anything else."""
    if isinstance(value, bool) or value is None:
        return "" if value is None else "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        parts = [f"{k} {_said(v)}".strip() for k, v in list(value.items())[:20]]
    elif isinstance(value, list | tuple):
        parts = [_said(v) for v in value[:20]]
    else:
        return str(value)[:most]
    more = ", ..." if len(value) > 20 else ""
    return (", ".join(parts) + more)[:most]


def _top(counts: dict[str, int], distinct: int) -> str:
    shown = ", ".join(f"{name} ({times:,})" for name, times in list(counts.items())[:5])
    return shown if distinct <= 5 else f"{shown} and {distinct - 5:,} more"


def _classes(classes: dict[str, int]) -> str:
    if not classes:
        return "none"
    shown = ", ".join(f"{name} {times:,}" for name, times in list(classes.items())[:20])
    few, most = min(classes.values()), max(classes.values())
    uneven = f"; the largest has {most / max(few, 1):.0f} times the smallest" if most > 3 * few else ""
    return f"{len(classes)}: {shown}{' ...' if len(classes) > 20 else ''}{uneven}"


def _bytes(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"


def near_duplicates(data: Any, among: int = NEAR_AMONG) -> list[tuple[int, int]]:
    """Pairs of rows that are no exact copies but look alike.

    A difference hash of 8 x 8 bits (Krawetz 2013) finds candidates that share one of four 16-bit bands and
    differ in at most 3 bits; grey thumbnails decide: root mean square difference at most 3
    % of the range. The first `among` rows are compared.
    """
    rows = np.arange(min(len(data), among))
    step = max(1, (16 << 20) // int(np.prod(data.spec.shape)))
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
