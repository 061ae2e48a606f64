"""Rules that recognise pictures: IDX files, folders of image files, arrays."""

from __future__ import annotations

import re
from typing import Any

from ganworks.core.errors import UsageError
from ganworks.files.glance import Clues, suffixes
from ganworks.files.recognise import Found, array_shape, concluded, leads, shape_of

_IDX = re.compile(r"[^/]*images[^/]*")


def _idx(clues: Clues) -> Found | None:
    at_top = [name for name in clues.of("idx") if clues.kind == "file" or _IDX.fullmatch(name)]
    return concluded(clues, "holds pictures in the IDX format", "image") if at_top and leads(clues, "idx") else None


def _pictures(clues: Clues) -> Found | None:
    if not leads(clues, "picture"):
        return None
    if clues.kind == "file":
        raise UsageError(
            f'"{clues.name}" is one picture; give the folder or zip that holds many of them. `sincut` learns from two '
            "pictures, in folders A/ and B/."
        )
    return concluded(clues, f"holds pictures ({suffixes(clues.of('picture'))})", "image")


def _array(clues: Clues) -> Found | None:
    shape = array_shape(clues)
    return None if shape is None else _of_shape(clues.name, shape)


def _object(data: Any) -> Found:
    return _of_shape("It", shape_of(data))


def _of_shape(name: str, shape: tuple[int, ...]) -> Found:
    return Found("image", f"{name} holds an array {list(shape)}, taken for pictures, so the recipe is `image`.")


RULES = ((10, _idx), (21, _array), (90, _pictures))
OBJECT_RULES = ((80, _object),)
