"""Looks at pictures through a published network: near duplicates, outliers, labels that do not fit, with pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image

from ganworks.core.console.text import counted
from ganworks.files.rasters.arrange import Frame, arrange
from ganworks.files.rasters.pixels import to_image, viewable
from ganworks.files.sources import open_source
from ganworks.metrics.judges.oddities import doubts, evened, strangers, twins
from ganworks.metrics.judges.pictures import middle_and_last
from ganworks.pretrained.load import Loaded
from ganworks.use.findings import Findings

MOST, TOGETHER = 20_000, 16  # pictures that are looked at; at a time
LISTED, DRAWN, SIDE = 20, 12, 96  # of each kind: in the text, as pictures, and their side in pixels


def look_through(
    found: Findings, domain: Any, path: Any, teacher: Loaded, on_progress: Callable[[int, int], None] | None = None
) -> Findings:
    """The findings of a source, with what a published network finds odd in it; its pictures come below the sheet.

    domain: an `Images`. Pictures are read at the size of the network, unless the domain has a size. Labels are those of
    `found.data`; -1 is none.
    """
    size = domain.size or teacher.net.size
    data = replace(domain, on_corrupt="skip", size=size).open(path)
    middle, last = _features(data, teacher, on_progress)
    labels = found.data.labels
    odd = {
        "twins": twins(np.concatenate([evened(middle), evened(last)], 1)),
        "strangers": strangers(last),
        "doubts": [] if labels is None else doubts(last, labels[: len(last)], len(found.data.spec.classes)),
    }
    name = _namer(path, domain, len(data))
    facts = {**found.facts, "by": teacher.key, "odd": odd}
    lines = [*found.lines, *_lines(odd, name, found.data.spec.classes, labels, teacher.key, len(last), len(data))]
    return replace(found, facts=facts, lines=lines, sheet=_sheet(found, odd, data, name, labels))


def _features(data: Any, teacher: Loaded, on_progress: Callable[[int, int], None] | None) -> tuple[np.ndarray, ...]:
    """(features of the middle stages, of the last stage) of the first rows."""
    count, parts = min(len(data), MOST), []
    for start in range(0, count, TOGETHER):
        x = torch.as_tensor(data.fetch(np.arange(start, min(start + TOGETHER, count)))["x"])
        parts.append(middle_and_last(teacher.net, x[:, :3] if x.shape[1] > 3 else x))
        if on_progress:
            on_progress(min(start + TOGETHER, count), count)
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def _namer(path: Any, domain: Any, count: int) -> Callable[[int], str]:
    """The name of a row: its file, or its number where files were left out or there are none."""
    source = open_source(path, True)
    return source.name if len(source) == count else lambda row: f"row {row}"


def _lines(
    odd: dict[str, Any], name: Callable[[int], str], classes: Sequence[str], labels: Any, key: str, seen: int, all_: int
) -> list[str]:
    some = f"; the first {seen:,} of {all_:,} pictures" if seen < all_ else ""
    lines = ["", f"Seen through {key}{some}:"]
    pairs, far, wrong = odd["twins"], odd["strangers"], odd["doubts"]
    lines.append(f"near duplicates: {counted(len(pairs), 'pair') if pairs else 'none'}")
    lines += [f"  {name(a)} ~ {name(b)} ({alike:.2f})" for a, b, alike in pairs[:LISTED]]
    lines.append(f"outliers: {counted(len(far), 'picture') if far else 'none'}")
    lines += [f"  {name(row)} ({score:.1f} deviations)" for row, score in far[:LISTED]]
    if labels is not None:
        lines.append(f"labels that may be wrong: {counted(len(wrong), 'picture') if wrong else 'none'}")
        lines += [
            f"  {name(row)}: {classes[labels[row]]}, looks like {classes[other]} ({margin:.2f})"
            for row, other, margin in wrong[:LISTED]
        ]
    return lines


def _sheet(found: Findings, odd: dict[str, Any], data: Any, name: Callable[[int], str], labels: Any) -> Any:
    """The contact sheet, and below it a row of pictures for each kind of oddity."""
    classes = found.data.spec.classes
    cells: list[tuple[int, str]] = []
    for a, b, _ in odd["twins"][-DRAWN // 2 :]:  # the least alike: those are for people to decide
        cells += [(a, f"like {_short(name(b))}"), (b, f"like {_short(name(a))}")]
    rows = [cells, [(row, f"outlier {score:.0f}") for row, score in odd["strangers"][:DRAWN]]]
    rows.append([(row, f"{classes[labels[row]]}: {classes[to]}?") for row, to, _ in odd["doubts"][:DRAWN]])
    drawn = [_row(data, cells) for cells in rows if cells]
    return _stacked([found.sheet, *drawn]) if found.sheet is not None and drawn else found.sheet


def _short(name: str) -> str:
    return name.rpartition("/")[2]


def _row(data: Any, cells: Sequence[tuple[int, str]]) -> Image.Image:
    x = torch.as_tensor(data.fetch(np.array([row for row, _ in cells]))["x"])
    pictures = [to_image(each).convert("RGB").resize((SIDE, SIDE)) for each in viewable(x)]
    frame = Frame((SIDE, SIDE), gap=4, margin=4, caption=14, font=10)
    return arrange(pictures, min(DRAWN, len(pictures)), frame, [said for _, said in cells])


def _stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    sheet = Image.new("RGB", (max(p.width for p in pictures), sum(p.height for p in pictures)), "white")
    top = 0
    for each in pictures:
        sheet.paste(each, (0, top))
        top += each.height
    return sheet
