"""Rules that recognise clips."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from ganworks.files.glance import Clues, suffixes
from ganworks.files.recognise import (
    Found,
    concluded,
    instead,
    leads,
)

STRIP = 6  # a picture at least so many times as wide as tall is a strip of frames
_FRAME = re.compile(r"frame[_-]?\d+|.*[_-]f(rame)?\d+")


def _films(clues: Clues) -> Found | None:
    if leads(clues, "film"):
        return concluded(clues, f"holds films ({suffixes(clues.of('film'))})", "video")
    if leads(clues, "picture") and clues.heads and sum(h.frames > 1 for h in clues.heads) >= 0.8 * len(clues.heads):
        return concluded(clues, f"holds pictures that move ({suffixes(clues.of('picture'))})", "video")
    return None


def _strips(clues: Clues) -> Found | None:
    sizes = {(head.width, head.height) for head in clues.heads}
    if not leads(clues, "picture") or clues.kind == "file" or len(sizes) != 1:
        return None
    wide, tall = sizes.pop()
    if wide < STRIP * tall or wide % tall:
        return None
    why = f", {wide // tall} frames of {tall} x {tall} side by side"
    otherwise = instead(clues, "they are wide pictures", "image")
    return concluded(clues, f"holds strips of {wide} x {tall} pixels", "video", why, otherwise)


def _frame_folders(clues: Clues) -> Found | None:
    names = clues.of("picture")
    framed = [name for name in names if "/" in name and _FRAME.fullmatch(PurePosixPath(name).stem.lower())]
    if not leads(clues, "picture") or len(framed) < 0.9 * len(names):
        return None
    otherwise = instead(clues, "each picture stands for itself", "image")
    return concluded(clues, "holds folders of pictures that are called frames", "video", otherwise=otherwise)


RULES = ((50, _films), (60, _strips), (70, _frame_folders))
