"""Rules that recognise clips."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePosixPath

from ganworks.files.glance import Clues, suffixes
from ganworks.files.recognise import CLOSE, MOST, Found, Nearly, concluded, instead, leads, most

STRIP, SHORT_STRIP = 6, 4  # a picture at least so many times as wide as tall is, or may be, a strip of frames
_FRAME = re.compile(r"frame[_-]?\d+|.*[_-]f(rame)?\d+")


def _films(clues: Clues) -> Found | Nearly | None:
    if leads(clues, "film"):
        return concluded(clues, f"holds films ({suffixes(clues.of('film'))})", "video")
    share, others = most(clues, lambda head: head.frames > 1)
    if not leads(clues, "picture") or share < CLOSE:
        return None
    if share < MOST:
        return Nearly(instead(clues, "those that move are meant", "video"))
    return concluded(clues, f"holds pictures that move ({suffixes(clues.of('picture'))}){others}", "video")


def _strips(clues: Clues) -> Found | Nearly | None:
    if not leads(clues, "picture") or clues.kind == "file" or not clues.heads:
        return None
    wide, tall = Counter((head.width, head.height) for head in clues.heads).most_common(1)[0][0]
    share, others = most(clues, lambda head: (head.width, head.height) == (wide, tall))
    if wide < SHORT_STRIP * tall or wide % tall or share < CLOSE:
        return None
    if wide < STRIP * tall or share < MOST:
        return Nearly(instead(clues, "each holds frames side by side", "video"))
    why = f", {wide // tall} frames of {tall} x {tall} side by side{others}"
    otherwise = instead(clues, "they are wide pictures", "image")
    return concluded(clues, f"holds strips of {wide} x {tall} pixels", "video", why, otherwise)


def _frame_folders(clues: Clues) -> Found | Nearly | None:
    names = clues.of("picture")
    framed = [name for name in names if "/" in name and _FRAME.fullmatch(PurePosixPath(name).stem.lower())]
    if not leads(clues, "picture") or len(framed) < CLOSE * len(names):
        return None
    if len(framed) < MOST * len(names):
        return Nearly(instead(clues, "they are frames, those of a clip in each folder", "video"))
    otherwise = instead(clues, "each picture stands for itself", "image")
    return concluded(clues, "holds folders of pictures that are called frames", "video", otherwise=otherwise)


RULES = ((50, _films), (60, _strips), (70, _frame_folders))
