"""The rule that recognises pairs of pictures side by side."""

from __future__ import annotations

import numpy as np

from ganworks.files.glance import Clues
from ganworks.files.recognise import CLOSE, MOST, Found, Nearly, concluded, instead, leads, most

SEAM = 3.0  # step between the halves over the steps near it: about 1 in a photo, more where two pictures meet


def _side_by_side(clues: Clues) -> Found | Nearly | None:
    if not leads(clues, "picture") or clues.kind == "file":
        return None
    share, others = most(clues, lambda head: head.width == 2 * head.height)
    if share < CLOSE:
        return None
    if share < MOST or _seam([x for x in clues.pixels if x.shape[2] == 2 * x.shape[1]]) < SEAM:
        return Nearly(instead(clues, "each holds a pair side by side", "pix2pix"))
    otherwise = instead(clues, "each is one picture", "image")
    why = f" whose halves do not go on into each other, pairs side by side{others}"
    return concluded(clues, "holds pictures twice as wide as tall", "pix2pix", why, otherwise)


def _seam(pictures: list[np.ndarray]) -> float:
    """Median over pictures of the step across the middle column, divided by the mean of the steps near it."""
    found = []
    for x in pictures:
        steps = np.abs(np.diff(x.astype(np.float32), axis=2)).mean((0, 1))
        middle = x.shape[2] // 2 - 1
        near = np.concatenate([steps[max(0, middle - 12) : middle - 2], steps[middle + 3 : middle + 13]])
        if len(near):
            found.append(float(steps[middle]) / (float(near.mean()) + 1.0))
    return float(np.median(found)) if found else 0.0


RULES = ((80, _side_by_side),)
