"""Recipes: functions that return a complete configuration. A name leads to a function and to the domain it needs."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ganworks.errors import UsageError, nearest

IMAGES, POINTS = "domains.images.Images", "domains.points.Points"
PAIRS, UNPAIRED, MULTI = "domains.pairs.Pairs", "domains.unpaired.Unpaired", "domains.multi.Multi"
SINGLE = "domains.single.Single"
RESTORE, HOLES, PARTIAL = "domains.restore.Restore", "domains.holes.Holes", "domains.partial.Partial"
ENLARGE = "domains.restore.Enlarge"
AUDIO, VOCODER, TEXT = "domains.audio.Audio", "domains.vocoder.Vocoder", "domains.text.Text"
VIDEO, TABLES, SERIES = "domains.video.Video", "domains.table.Table", "domains.series.Series"

# name -> (module in this package, function, domain class)
TABLE: dict[str, tuple[str, str, str]] = {
    "image": ("images", "image", IMAGES),
    "r3gan": ("images", "r3gan", IMAGES),
    "dcgan": ("classic", "dcgan", IMAGES),
    "mlp": ("classic", "mlp", IMAGES),
    "wgan": ("classic", "wgan", IMAGES),
    "wgan-gp": ("classic", "wgan_gp", IMAGES),
    "lsgan": ("classic", "lsgan", IMAGES),
    "points": ("points", "points", POINTS),
    "pix2pix": ("translate", "pix2pix", PAIRS),
    "pix2pixhd": ("translate", "pix2pixhd", PAIRS),
    "spade": ("translate", "spade", PAIRS),
    "cyclegan": ("cycle", "cyclegan", UNPAIRED),
    "dualgan": ("cycle", "dualgan", UNPAIRED),
    "cut": ("contrastive", "cut", UNPAIRED),
    "fastcut": ("contrastive", "fastcut", UNPAIRED),
    "sincut": ("contrastive", "sincut", SINGLE),
    "stargan": ("star", "stargan", MULTI),
    "superres": ("restore", "superres", ENLARGE),
    "restore": ("restore", "restore", RESTORE),
    "inpaint": ("inpaint", "inpaint", HOLES),
    "classify": ("classify", "classify", PARTIAL),
    "acgan": ("classify", "acgan", PARTIAL),
    "audio": ("audio", "audio", AUDIO),
    "wavegan": ("audio", "wavegan", AUDIO),
    "specgan": ("audio", "specgan", AUDIO),
    "vocoder": ("vocoder", "vocoder", VOCODER),
    "text": ("text", "text", TEXT),
    "seqgan": ("text", "seqgan", TEXT),
    "relgan": ("text", "relgan", TEXT),
    "video": ("video", "video", VIDEO),
    "video3d": ("video", "video3d", VIDEO),
    "table": ("table", "table", TABLES),
    "ctgan": ("table", "ctgan", "domains.table.ModesTable"),
    "series": ("series", "series", SERIES),
    "timegan": ("series", "timegan", SERIES),
}


def find_name(name: str) -> None:
    """Raise UsageError, with the nearest name, unless there is such a recipe."""
    if name not in TABLE:
        raise UsageError(f'There is no recipe "{name}". {nearest(name, TABLE)}')


def find(name: str | Callable[..., Any]) -> tuple[Callable[..., Any], str]:
    """(recipe function, domain class path) of a name; UsageError names the nearest one.

    A function is a recipe of the caller's own; it comes with the domain that it is for (`domain=`).
    """
    if callable(name):
        return name, ""
    find_name(name)
    module, function, domain = TABLE[name]
    return getattr(importlib.import_module(f"ganworks.recipes.{module}"), function), domain


def describe(name: str) -> str:
    """A recipe's docstring, read from its source so that nothing heavy is imported."""
    find_name(name)
    module, function, _ = TABLE[name]
    tree = ast.parse((Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8"))
    found = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function)
    return ast.get_docstring(found) or ""
