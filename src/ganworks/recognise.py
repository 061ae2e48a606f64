"""Which recipe fits what lies at a path, and why, in one sentence: from names and heads of files, without torch.

RULES are asked one after the other; the first that recognises what it knows decides. A recipe that the user names
always wins, so nothing here is asked then.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ganworks.data.clues import Clues, suffixes
from ganworks.data.decode import SUFFIXES
from ganworks.data.files import shapes
from ganworks.data.rows import ALIKE, Rows, parse, table
from ganworks.errors import UsageError

BUILT_IN = {"digits": "image", "ring8": "points", "grid25": "points", "spiral": "points"}
STRIP = 6  # a picture so many times as wide as it is tall is a strip of frames
SEAM = 3.0  # the step between the halves beside the steps near it: about 1 in a photo, more where two pictures meet
FEW = 16  # columns up to which rows of an array are points
_MARKUP = (".json", ".jsonl", ".ndjson", ".xml", ".html", ".yaml", ".yml")
_SIDE = re.compile(r"(train|training|test|testing|val|valid|validation)?[_-]?([ab])")
_IDX = re.compile(r"[^/]*images[^/]*")
_FRAME = re.compile(r"frame[_-]?\d+|.*[_-]f(rame)?\d+")
KNOWN = (
    "image (pictures), pix2pix (pairs of pictures), cyclegan (two sets of pictures), audio (sounds), video (clips), "
    "text (lines), table (rows), series (steps in time), points (rows of 2 or 3 numbers)"
)


@dataclass(frozen=True)
class Found:
    """A recipe, the sentence that says why, and what to type when it is not what was meant ("" when it is plain)."""

    recipe: str
    because: str
    otherwise: str = ""

    @property
    def text(self) -> str:
        """Both, to be read."""
        return f"{self.because} {self.otherwise}".rstrip()


def recognise(data: Any) -> Found:
    """The recipe for a path, "digits", "hub:NAME", an array, a list of texts or a DataFrame.

    Raises UsageError that says what was seen when nothing fits, or when several things lie together.
    """
    if not isinstance(data, str | os.PathLike):
        return _of_object(data)
    name = str(data)
    if name in BUILT_IN and not Path(name).exists():
        return Found(BUILT_IN[name], f"`{name}` is built in and is learned with the recipe `{BUILT_IN[name]}`.")
    if name.startswith("hub:"):
        return Found("image", f"{name} is taken for pictures, the recipe `image`.")
    clues = Clues(name)
    for rule in RULES:
        if found := rule(clues):
            return found
    raise UsageError(f"{_seen(clues)} Say which recipe to train, as in `ganworks train image data={name}`: {KNOWN}.")


def is_source(word: str) -> bool:
    """Whether a word names data rather than a recipe: something that exists, is built in, or "hub:NAME"."""
    return word in BUILT_IN or word.startswith("hub:") or Path(word).expanduser().exists() or ".zip/" in word


def _seen(clues: Clues) -> str:
    """What a glance showed, for somebody who must decide."""
    if not clues.names:
        return f'"{clues.name}" is empty.'
    if clues.kind == "file":
        return f'What "{clues.name}" is could not be recognised by its name or its first bytes.'
    counts = ", ".join(f"{family} files ({suffixes(clues.of(family))})" for family, _ in clues.counts.most_common())
    counts = counts or f"no kind of file that is known ({suffixes(clues.names) or 'no suffix'})"
    return f'"{clues.name}" holds {counts}, and what to learn from it is not clear.'


def _of(clues: Clues, what: str, recipe: str, why: str = "", otherwise: str = "") -> Found:
    """What it has or holds, why that matters, and the recipe, as one sentence."""
    return Found(recipe, f"{clues.name} {what}{why}, so the recipe is `{recipe}`.", otherwise)


def _instead(clues: Clues, when: str, recipe: str) -> str:
    return f"If {when}: ganworks train {recipe} data={clues.path}"


def _leads(clues: Clues, family: str) -> bool:
    """Whether a family is what the place is about: four fifths of its files, or of its media where texts lie beside."""
    media = sum(clues.counts[f] for f in ("picture", "sound", "film"))
    all_of = sum(clues.counts.values())
    mine = clues.counts[family]
    beside = media if family in ("picture", "sound", "film") and mine >= 0.4 * all_of else all_of
    return mine > 0 and mine >= 0.8 * beside


# --- folders, zips and single files of media ---


def _idx(clues: Clues) -> Found | None:
    at_top = [name for name in clues.of("idx") if clues.kind == "file" or _IDX.fullmatch(name)]
    return _of(clues, "holds pictures in the IDX format", "image") if at_top and _leads(clues, "idx") else None


def _two_sets(clues: Clues) -> Found | None:
    sides: dict[str, list[str]] = {}
    for name in clues.of("picture"):
        matches = (_SIDE.fullmatch(part.lower()) for part in PurePosixPath(name).parts[:-1])
        if side := next((m[2] for m in matches if m), None):
            sides.setdefault(side, []).append(name)
    if set(sides) != {"a", "b"} or sum(map(len, sides.values())) < 0.8 * clues.counts["picture"]:
        return None
    if len(sides["a"]) == len(sides["b"]) == 1:
        return _of(clues, "holds one picture A and one picture B", "sincut")
    if not _same_names(clues, sides["a"]):
        return _of(clues, "holds folders A and B with different names", "cyclegan", ", two sets without pairs")
    if all(PurePosixPath(name).stem.isdigit() for name in sides["a"]) and "train" in str(clues.names).lower():
        otherwise = _instead(clues, "the pictures of one number belong together", "pix2pix")
        return _of(clues, "holds folders trainA and trainB of numbered pictures", "cyclegan", otherwise=otherwise)
    otherwise = _instead(clues, "they are two sets without pairs", "cyclegan")
    return _of(clues, "holds folders A and B with the same names", "pix2pix", ", which makes pairs", otherwise)


def _same_names(clues: Clues, names: list[str]) -> bool:
    """Whether nearly all pictures of A have one of the same name in B."""
    some = names[:: max(1, len(names) // 20)]
    return sum(any(map(clues.has, _twins(name))) for name in some) >= 0.8 * len(some)


def _twins(name: str) -> list[str]:
    *folders, last = name.split("/")
    other = [part[:-1] + {"a": "b", "A": "B"}[part[-1]] if _SIDE.fullmatch(part.lower()) else part for part in folders]
    stem = PurePosixPath(last).stem
    return ["/".join([*other, last]), *("/".join([*other, stem + suffix]) for suffix in SUFFIXES)]


def _sounds(clues: Clues) -> Found | None:
    what = f"holds sounds ({suffixes(clues.of('sound'))})"
    return _of(clues, what, "audio") if _leads(clues, "sound") else None


def _films(clues: Clues) -> Found | None:
    if _leads(clues, "film"):
        return _of(clues, f"holds films ({suffixes(clues.of('film'))})", "video")
    if _leads(clues, "picture") and clues.heads and sum(h.frames > 1 for h in clues.heads) >= 0.8 * len(clues.heads):
        return _of(clues, f"holds pictures that move ({suffixes(clues.of('picture'))})", "video")
    return None


def _strips(clues: Clues) -> Found | None:
    sizes = {(head.width, head.height) for head in clues.heads}
    if not _leads(clues, "picture") or clues.kind == "file" or len(sizes) != 1:
        return None
    wide, tall = sizes.pop()
    if wide < STRIP * tall or wide % tall:
        return None
    why = f", {wide // tall} frames of {tall} x {tall} side by side"
    otherwise = _instead(clues, "they are wide pictures", "image")
    return _of(clues, f"holds strips of {wide} x {tall} pixels", "video", why, otherwise)


def _frame_folders(clues: Clues) -> Found | None:
    names = clues.of("picture")
    framed = [name for name in names if "/" in name and _FRAME.fullmatch(PurePosixPath(name).stem.lower())]
    if not _leads(clues, "picture") or len(framed) < 0.9 * len(names):
        return None
    otherwise = _instead(clues, "each picture stands for itself", "image")
    return _of(clues, "holds folders of pictures that are called frames", "video", otherwise=otherwise)


def _side_by_side(clues: Clues) -> Found | None:
    doubles = clues.heads and all(head.width == 2 * head.height for head in clues.heads)
    if not _leads(clues, "picture") or clues.kind == "file" or not doubles or _seam(clues.pixels) < SEAM:
        return None
    otherwise = _instead(clues, "each is one picture", "image")
    return _of(clues, "holds pictures twice as wide as tall", "pix2pix",
               " whose halves do not go on into each other, pairs side by side", otherwise)  # fmt: skip


def _seam(pictures: list[np.ndarray]) -> float:
    """The median, over pictures, of the step across the middle beside the mean of the steps near it."""
    found = []
    for x in pictures:
        steps = np.abs(np.diff(x.astype(np.float32), axis=2)).mean((0, 1))
        middle = x.shape[2] // 2 - 1
        near = np.concatenate([steps[max(0, middle - 12) : middle - 2], steps[middle + 3 : middle + 13]])
        if len(near):
            found.append(float(steps[middle]) / (float(near.mean()) + 1.0))
    return float(np.median(found)) if found else 0.0


def _pictures(clues: Clues) -> Found | None:
    if not _leads(clues, "picture"):
        return None
    if clues.kind == "file":
        raise UsageError(
            f'"{clues.name}" is one picture; give the folder or zip that holds many of them. `sincut` learns from two '
            "pictures, in folders A/ and B/."
        )
    ratios = {head.width / max(1, head.height) for head in clues.heads}
    otherwise = _instead(clues, "each holds a pair side by side", "pix2pix") if ratios == {2.0} else ""
    if len(ratios) == 1 and min(ratios) in (4.0, 5.0):
        otherwise = _instead(clues, "each holds frames side by side", "video")
    return _of(clues, f"holds pictures ({suffixes(clues.of('picture'))})", "image", otherwise=otherwise)


# --- arrays and rows ---


def _arrays(clues: Clues) -> Found | None:
    if clues.kind != "file" or not clues.counts["array"]:
        return None
    found = shapes(clues.path)
    largest = max(found, key=lambda name: math.prod(found[name]))
    return _of_shape(clues.name, found[next((name for name in ("x", "images") if name in found), largest)])


def _of_shape(name: str, shape: tuple[int, ...]) -> Found:
    if len(shape) == 2 and shape[1] <= FEW:
        return Found("points", f"{name} holds {shape[0]:,} rows of {shape[1]} numbers, so the recipe is `points`.")
    return Found("image", f"{name} holds an array {list(shape)}, taken for pictures, so the recipe is `image`.")


def _sequences(clues: Clues) -> Found | None:
    """Many tables of numbers in one place: a file for each sequence."""
    names = [name for name in clues.of("table") if not name.lower().endswith(".parquet")]
    if clues.kind == "file" or not _leads(clues, "table") or len(names) < 3:
        return None
    some = [parse(clues.head(name), False) for name in names[:: max(1, len(names) // 8)]]
    numbers = [rows for rows in some if rows and not rows.of("word")]
    if len(numbers) < 0.75 * len(some):
        return None
    return _of(clues, "holds many tables of numbers, a sequence in each file", "series")


def _one_table(clues: Clues) -> Found | None:
    """A table alone in a folder or zip, or several that are no sequences: which one is meant must be said."""
    names = clues.of("table")
    if clues.kind == "file" or not names or not _leads(clues, "table"):
        return None
    raise UsageError(f'"{clues.name}" holds tables ({", ".join(names[:5])}{", ..." if len(names) > 5 else ""}); say '
                     f"which to learn from: ganworks train data={clues.path / names[0]}")  # fmt: skip


def _rows_of(clues: Clues) -> Rows | None:
    if clues.kind != "file":
        return None
    if clues.name.lower().endswith(".parquet"):
        return _parquet(clues)
    data = clues.head(clues.names[0])
    named = bool(clues.counts["table"])
    rows = parse(data, len(data) < 1 << 20, 1 if named else 2) if _is_text(data) else None
    return rows if rows and (named or rows.of("number") or rows.of("date")) else None


def _parquet(clues: Clues) -> Rows | None:
    """The first rows of a Parquet file; None when it cannot be looked into, which opening it will explain."""
    try:
        from pyarrow import parquet

        batch = next(parquet.ParquetFile(clues.path).iter_batches(batch_size=200), None)
    except Exception:
        return None
    if batch is None:
        return None
    cells = [[_cell(value) for value in batch.column(k).to_pylist()] for k in range(batch.num_columns)]
    return table([list(row) for row in zip(*cells, strict=True)], list(batch.schema.names))


def _cell(value: Any) -> str:
    return "" if value is None else str(value)[:200]


def _texts(clues: Clues) -> Found | None:
    rows = _rows_of(clues)
    column = rows.prose() if rows else None
    if not rows or column is None:
        return None
    what = "holds texts with labels" if rows.wide == 2 else "holds texts"
    return _of(clues, what, "text", otherwise=_instead(clues, "they are a table", "table"))


def _series(clues: Clues) -> Found | None:
    rows = _rows_of(clues)
    return _of_steps(clues.name, rows, str(clues.path)) if rows else None


def _of_steps(name: str, rows: Rows, path: str = "") -> Found | None:
    """Rows that are steps in time: by a column of stamps in steady steps, else by neighbours that are alike."""
    otherwise = f"If its rows stand for themselves: ganworks train table data={path}" if path else ""
    if clock := rows.clock():
        column, step = clock
        because = f'{name} has the column "{column}" that goes on in steps of {step}'
        return Found("series", f"{because}, so its rows are steps in time and the recipe is `series`.", "")
    if not rows.of("word") and not rows.of("date") and rows.alike() >= ALIKE:
        because = f"{name} has rows of {rows.wide} numbers, each much like the last (correlation {rows.alike():.2f})"
        return Found("series", f"{because}, so they are steps in time and the recipe is `series`.", otherwise)
    return None


def _points(clues: Clues) -> Found | None:
    rows = _rows_of(clues)
    if not rows or not clues.counts["table"]:
        return None
    values = [column for column in rows.columns if column.name.lower() not in ("label", "name")]
    plain = all(column.kind == "number" and len(column.given) == len(column.cells) for column in values)
    if not plain or not 2 <= len(values) <= 3 or all("." not in cell for c in values for cell in c.cells[:50]):
        return None
    otherwise = _instead(clues, "they are columns of a table", "table")
    return _of(clues, f"holds rows of {len(values)} numbers", "points", otherwise=otherwise)


def _table(clues: Clues) -> Found | None:
    rows = _rows_of(clues)
    if not rows:
        return _of(clues, "is a table by its name", "table") if clues.name.lower().endswith(".parquet") else None
    return _of_rows(clues.name, rows, str(clues.path))


def _of_rows(name: str, rows: Rows, path: str = "") -> Found:
    kinds = [f"{len(rows.of(kind))} of {kind}s" for kind in ("number", "word", "date") if rows.of(kind)]
    otherwise = f"If its rows are steps in time: ganworks train series data={path}" if path and len(kinds) == 1 else ""
    because = f"{name} has {rows.wide} columns ({', '.join(kinds)}) and rows that do not follow from each other"
    return Found("table", f"{because}, so the recipe is `table`.", otherwise)


def _lines(clues: Clues) -> Found | None:
    """A file of words, or a folder of such files."""
    if clues.name.lower().removesuffix(".gz").endswith(_MARKUP):
        return None
    names = clues.names if clues.kind == "file" else clues.of("text")
    if not names or (clues.kind != "file" and not _leads(clues, "text")) or not _is_text(clues.head(names[0])):
        return None
    return _of(clues, "holds lines of text" if clues.kind == "file" else "holds files of text", "text")


def _is_text(data: bytes) -> bool:
    """Whether bytes are UTF-8 (the end may be cut) without control characters."""
    for cut in range(4):
        try:
            text = data[: len(data) - cut].decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
        return bool(text.strip()) and not any(c < " " and c not in "\t\n\r\f" for c in text[:10_000])
    return False


RULES: tuple[Callable[[Clues], Found | None], ...] = (
    _idx, _arrays, _two_sets, _sounds, _films, _strips, _frame_folders, _side_by_side, _pictures,
    _sequences, _one_table, _texts, _series, _points, _table, _lines,
)  # fmt: skip


# --- what Python hands over ---


def _of_object(data: Any) -> Found:
    if hasattr(data, "columns") and hasattr(data, "iloc"):
        return _of_frame(data)
    if hasattr(data, "tolist") and hasattr(data, "iloc"):
        data = data.tolist()  # a pandas Series
    if _all_text(data):
        return Found("text", "A list of texts is learned with the recipe `text`.")
    if isinstance(data, tuple) and 2 <= len(data) <= 3 and isinstance(data[1], int):
        return Found("audio", f"Arrays with a rate of {data[1]:,} are sounds, so the recipe is `audio`.")
    if isinstance(data, tuple) and len(data) == 2 and _all_text(data[0]):
        return Found("text", "A list of texts with labels is learned with the recipe `text`.")
    if isinstance(data, list) and all(getattr(item, "ndim", 0) == 2 for item in data[:100]):
        return Found("series", "A list of arrays [T, C] is a set of series, so the recipe is `series`.")
    x = data[0] if isinstance(data, tuple) and len(data) == 2 else data
    return _of_shape("It", tuple(getattr(x, "shape", ())))


def _all_text(data: Any) -> bool:
    return isinstance(data, list | tuple) and len(data) > 0 and all(isinstance(item, str) for item in data[:100])


def _of_frame(frame: Any) -> Found:
    """A DataFrame by its first 200 rows; an index of dates counts as a column."""
    part = frame.iloc[:200]
    titles, cells = [str(name) for name in part.columns], part.to_numpy(dtype=object).tolist()
    if str(part.index.dtype).startswith("datetime"):
        titles = ["date", *titles]
        cells = [[stamp, *row] for stamp, row in zip(part.index, cells, strict=True)]
    if not cells or not titles:
        raise UsageError("This DataFrame is empty.")
    rows = table([[_cell(value) for value in row] for row in cells], titles)
    return _of_steps("The DataFrame", rows) or _of_rows("The DataFrame", rows)
