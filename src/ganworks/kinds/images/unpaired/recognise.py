"""The rule that recognises two sets of pictures: folders A and B, whose files' names tell whether they are pairs."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from ganworks.files.glance import Clues
from ganworks.files.rasters.decode import SUFFIXES
from ganworks.files.recognise import CLOSE, MOST, Found, concluded, instead

_SIDE = re.compile(r"(train|training|test|testing|val|valid|validation)?[_-]?([ab])")


def _two_sets(clues: Clues) -> Found | None:
    sides: dict[str, list[str]] = {}
    for name in clues.of("picture"):
        matches = (_SIDE.fullmatch(part.lower()) for part in PurePosixPath(name).parts[:-1])
        if side := next((m[2] for m in matches if m), None):
            sides.setdefault(side, []).append(name)
    if set(sides) != {"a", "b"} or sum(map(len, sides.values())) < 0.8 * clues.counts["picture"]:
        return None
    if len(sides["a"]) == len(sides["b"]) == 1:
        return concluded(clues, "holds one picture A and one picture B", "sincut")
    alike = _same_names(clues, sides["a"])
    if alike < MOST:
        otherwise = instead(clues, "those of the same name are pairs", "pix2pix") if alike >= CLOSE else ""
        found = "with different names" if alike < CLOSE else f"of which {100 * alike:.0f} % have the same name"
        return concluded(clues, f"holds folders A and B {found}", "cyclegan", ", two sets without pairs", otherwise)
    if all(PurePosixPath(name).stem.isdigit() for name in sides["a"]) and "train" in str(clues.names).lower():
        otherwise = instead(clues, "the pictures of one number belong together", "pix2pix")
        return concluded(clues, "holds folders trainA and trainB of numbered pictures", "cyclegan", otherwise=otherwise)
    otherwise = instead(clues, "they are two sets without pairs", "cyclegan")
    return concluded(clues, "holds folders A and B with the same names", "pix2pix", ", which makes pairs", otherwise)


def _same_names(clues: Clues, names: list[str]) -> float:
    """The share of the pictures of A that have one of the same name in B."""
    some = names[:: max(1, len(names) // 20)]
    return sum(any(map(clues.has, _twins(name))) for name in some) / len(some)


def _twins(name: str) -> list[str]:
    *folders, last = name.split("/")
    other = [part[:-1] + {"a": "b", "A": "B"}[part[-1]] if _SIDE.fullmatch(part.lower()) else part for part in folders]
    stem = PurePosixPath(last).stem
    return ["/".join([*other, last]), *("/".join([*other, stem + suffix]) for suffix in SUFFIXES)]


RULES = ((30, _two_sets),)
