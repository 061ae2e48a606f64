"""Chooses the recipe for data at a path and says why in one sentence, from file names and headers, without torch.

The `recognise` module of each kind of data brings RULES, pairs of a rank and a function from `Clues` to `Found`,
`Nearly` or None, and OBJECT_RULES, the same for Python objects. The rules of all kinds are tried in the order of their
ranks, and the first that returns a `Found` decides; what nearly applied before it is named as another meaning. They are
not used when the user names a recipe.
"""

from __future__ import annotations

import math
import os
import shlex
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from ganworks.core import registry
from ganworks.core.console.text import printable
from ganworks.core.errors import UsageError
from ganworks.files.array_files import shapes
from ganworks.files.glance import Clues, Head, suffixes
from ganworks.files.rows import Rows, parse, table
from ganworks.files.tables.index import indexed

MOST, CLOSE = 0.8, 0.4  # share of what was looked at that decides; share from which another meaning is named


@dataclass(frozen=True)
class Found:
    """A recipe, a sentence that says why, and a command for another meaning of the data ("" if there is none)."""

    recipe: str
    because: str
    otherwise: str = ""

    @property
    def text(self) -> str:
        """Both sentences as one text."""
        return f"{self.because} {self.otherwise}".rstrip()


@dataclass(frozen=True)
class Nearly:
    """What a rule returns that does not apply, but nearly: the command for that meaning of the data."""

    otherwise: str


def recognise(data: Any) -> Found:
    """The recipe for a path, "digits", "hub:NAME", an array, a list of texts or a DataFrame.

    Raises UsageError that describes the data if no rule applies.
    """
    if not isinstance(data, str | os.PathLike):
        return _of_object(data)
    name = str(data)
    if built_in := _built_in(name):
        return built_in
    clues, otherwise = Clues(name), ""
    for rule in rules("RULES"):
        found = rule(clues)
        if isinstance(found, Nearly):
            otherwise = otherwise or found.otherwise
        elif found:
            return replace(found, otherwise=found.otherwise or otherwise)
    example = f"ganworks train image {shlex.quote(f'data={name}')}"
    raise UsageError(f"{_seen(clues)} Say which recipe to train, as in `{example}`: {_known()}.")


@cache
def rules(name: str) -> tuple[Callable[[Any], Found | Nearly | None], ...]:
    """The functions under this name (RULES or OBJECT_RULES) of all kinds, in the order of their ranks."""
    found = [ranked for kind in registry.kinds().values() for ranked in _rules_of(kind, name)]
    return tuple(rule for _, rule in sorted(found, key=lambda ranked: ranked[0]))


def _rules_of(kind: registry.Kind, name: str) -> tuple[tuple[float, Callable[[Any], Found | Nearly | None]], ...]:
    """The ranked rules of one kind; those of a plugin that cannot be imported are left out with a warning."""
    if not kind.recognise:
        return ()
    try:
        return tuple(getattr(kind.load(kind.recognise), name, ()))
    except Exception as error:  # code of a plugin may raise anything
        if not kind.plugin:
            raise
        warnings.warn(f"The plugin {kind.plugin}: its kind {kind.name} is not recognised: {error}", stacklevel=2)
        return ()


def _built_in(name: str) -> Found | None:
    """The recipe for data in the package ("digits") or named by a prefix ("hub:NAME"); None for other data."""
    for kind in registry.kinds().values():
        for word, recipe in kind.built_in.items():
            if word.endswith(":") and name.startswith(word):
                return Found(recipe, f"{name} is taken for {kind.noun}, the recipe `{recipe}`.")
            if word == name and not Path(name).exists():
                return Found(recipe, f"`{name}` is built in and is learned with the recipe `{recipe}`.")
    return None


def _known() -> str:
    """The recipes that recognition suggests, and what each is for."""
    return ", ".join(f"{kind.default} ({kind.noun})" for kind in registry.kinds().values() if kind.default)


def is_source(word: str) -> bool:
    """Whether a word names data rather than a recipe: something that exists, is built in, or "hub:NAME"."""
    names = [name for kind in registry.kinds().values() for name in kind.built_in]
    named = word in names or word.startswith(tuple(name for name in names if name.endswith(":")))
    return named or Path(word).expanduser().exists() or ".zip/" in word


def _of_object(data: Any) -> Found:
    """The recipe for a Python object: an array, texts, a DataFrame."""
    if hasattr(data, "tolist") and hasattr(data, "iloc") and not hasattr(data, "columns"):
        data = data.tolist()  # a pandas Series
    for rule in rules("OBJECT_RULES"):
        if isinstance(found := rule(data), Found):
            return found
    raise UsageError(f"What a {type(data).__name__} holds is not recognised. Say which recipe to train: {_known()}.")


def _seen(clues: Clues) -> str:
    """What was found at a path, in a sentence for a user who must choose."""
    if not clues.names:
        return f'"{clues.name}" is empty.'
    if clues.kind == "file":
        return f'What "{clues.name}" is could not be recognised by its name or its first bytes.'
    counts = ", ".join(f"{family} files ({suffixes(clues.of(family))})" for family, _ in clues.counts.most_common())
    counts = counts or f"no kind of file that is known ({suffixes(clues.names) or 'no suffix'})"
    return f'"{clues.name}" holds {counts}, and what to learn from it is not clear.'


def concluded(clues: Clues, what: str, recipe: str, why: str = "", otherwise: str = "") -> Found:
    """A `Found` whose sentence joins what the data are, why that matters, and the recipe."""
    return Found(recipe, f"{clues.name} {what}{why}, so the recipe is `{recipe}`.", otherwise)


def instead(clues: Clues, when: str, recipe: str) -> str:
    """The sentence with the command for another meaning of the data."""
    return command(when, recipe, clues.path)


def command(when: str, recipe: str, path: Any) -> str:
    """The sentence with the command that trains a recipe on a path, to be pasted into a shell."""
    return f"If {when}: ganworks train {recipe} {shlex.quote(f'data={path}')}"


def most(clues: Clues, fits: Callable[[Head], bool]) -> tuple[float, str]:
    """(share of the pictures looked at whose headers fit, words that name the others; "" if there are none)."""
    others = [head.name for head in clues.heads if not fits(head)]
    share = 1 - len(others) / max(1, len(clues.heads)) if clues.heads else 0.0
    some = ", ".join(map(printable, others[:3])) + (", ..." if len(others) > 3 else "")
    return share, f" (but not {len(others)} of the {len(clues.heads)} looked at: {some})" if others else ""


def leads(clues: Clues, family: str) -> bool:
    """Whether a family makes up four fifths of the files, or of the media files if it is at least 40 % of all files."""
    media = sum(clues.counts[f] for f in ("picture", "sound", "film"))
    all_of = sum(clues.counts.values())
    mine = clues.counts[family]
    beside = media if family in ("picture", "sound", "film") and mine >= 0.4 * all_of else all_of
    return mine > 0 and mine >= 0.8 * beside


def rows_of(clues: Clues) -> Rows | None:
    """The first rows of a file that is a table or a text of several columns; None for all others."""
    if clues.kind != "file":
        return None
    if clues.name.lower().endswith(".parquet"):
        return _parquet(clues)
    data = clues.head(clues.names[0])
    named = bool(clues.counts["table"])
    readable = is_text(data) or (named and is_text(data.decode("latin-1").encode()))
    rows = parse(data, len(data) < 1 << 20, 1 if named else 2) if readable else None
    return rows if rows and (named or rows.of("number") or rows.of("date")) else None


def _parquet(clues: Clues) -> Rows | None:
    """The first rows of a Parquet file; None if it cannot be read: opening it as data will report why."""
    try:
        from pyarrow import parquet

        batch = next(parquet.ParquetFile(clues.path).iter_batches(batch_size=200), None)
    except Exception:
        return None
    if batch is None:
        return None
    cells = [[cell(value) for value in batch.column(k).to_pylist()] for k in range(batch.num_columns)]
    return table([list(row) for row in zip(*cells, strict=True)], list(batch.schema.names))


def cell(value: Any) -> str:
    """A value as the text of a cell; "" where there is none."""
    return "" if value is None else str(value)[:200]


def is_text(data: bytes) -> bool:
    """Whether bytes are UTF-8 (perhaps cut within a character at the end) without control characters."""
    for cut in range(4):
        try:
            text = data[: len(data) - cut].decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
        return bool(text.strip()) and not any(c < " " and c not in "\t\n\r\f" for c in text[:10_000])
    return False


def all_text(data: Any) -> bool:
    """Whether the first 100 items of a list or tuple are all texts."""
    return isinstance(data, list | tuple) and len(data) > 0 and all(isinstance(item, str) for item in data[:100])


def rows_of_frame(data: Any) -> Rows | None:
    """The first 200 rows of a DataFrame, its index as columns where it is no mere number of the row; None for other
    objects. Raises UsageError if it is empty.
    """
    if not (hasattr(data, "columns") and hasattr(data, "iloc")):
        return None
    part, series = indexed(data.iloc[:200])
    titles, cells = [str(name) for name in part.columns], part.to_numpy(dtype=object).tolist()
    if not cells or not titles:
        raise UsageError("This DataFrame is empty.")
    titles = ["series" if name == series else name for name in titles] if series else titles
    return table([[cell(value) for value in row] for row in cells], titles)


def shape_of(data: Any) -> tuple[int, ...]:
    """The shape of an array, or of x in a pair (x, y); () for objects without a shape."""
    x = data[0] if isinstance(data, tuple) and len(data) == 2 else data
    return tuple(getattr(x, "shape", ()))


def array_shape(clues: Clues) -> tuple[int, ...] | None:
    """The shape of the array in an .npy or .npz file: x, images, or the largest; None for other files."""
    if clues.kind != "file" or not clues.counts["array"]:
        return None
    found = shapes(clues.path)
    largest = max(found, key=lambda name: math.prod(found[name]))
    return found[next((name for name in ("x", "images") if name in found), largest)]
