"""Settings that a message, a help text or a page names: each is one that the command line or Python takes."""

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

import ganworks
from ganworks.core import registry
from ganworks.core.schema.document import schema_of
from ganworks.core.schema.words import ALIASES
from ganworks.core.settings import Train

SOURCE = Path(ganworks.__file__).parent
PAGES = [*SOURCE.rglob("*.md"), *(SOURCE.parents[1] / "docs").glob("*.md"), SOURCE.parents[1] / "README.md"]
VERBS = {
    *(
        "data",
        "out",
        "evaluate",
        "tensorboard",
        "plugin",
        "format",
        "mark",
        "seed",
        "seeds",
        "labels",
        "device",
        "count",
    ),
    *(
        "truncation",
        "interpolate",
        "steps",
        "mask",
        "sheet",
        "top",
        "features",
        "extractor",
        "recipe",
        "cache",
        "metrics",
        "method",
        "watermark",
        "sign",
        "trust",
        "newkey",
        "newcert",
        "reproduce",
    ),
}
STUDIO = {"host", "port", "token", "open", "root_path", "hosts"}
SERVICE = {
    "keys",
    "cert",
    "memory",
    "cost",
    "audit",
    "file",
    "stream_format",
    "income",
}  # of verbs, requests and examples
MODELS = {"temperature", "where", "tile", "chunk", "label", "native", "noise", "reverse", "overlap", "balanced"}
PYTHON = {"allow_nonfinite", "weights_only", "info", "returns", "key"}
FOREIGN = {  # XMP, codecs, shells, HTTP, HTML, SQL
    *("provenance.py", "film.py", "writing.py", "scripts.py", "guard.py", "processes.py", "xmp.py", "gate.py"),
    *("store.py", "forms.py", "native.py", "handbook.py", "health.py"),
}
QUOTED = re.compile(r'"[^"]*"')  # what a setting's value may name is its own affair
NAMED = re.compile(r"(?<![\w.<\"/?&;$=+-])((?:(?:domain|networks|game|g|d|train)\.)?[a-z_0-9]+)=(?=[^=\s])")


def _below(schema: dict, name: str, parts: dict) -> set[str]:
    found = set()
    for key, inner in schema.get("properties", {}).items():
        found.add(full := f"{name}.{key}".strip("."))
        if "$ref" in inner:
            found |= _below(parts[inner["$ref"].removeprefix("#/$defs/")], full, parts)
    return found


@pytest.fixture(scope="module")
def known() -> set[str]:
    schemas = [schema_of(recipe) for recipe in registry.recipes()]
    settings = set().union(*(_below(schema, "", schema["$defs"]) for schema in schemas))
    short = {name.removeprefix("domain.") for name in settings if name.startswith("domain.")}
    games = {f"game.{f.name}" for id_ in registry.named("game").values() for f in fields(registry.part(id_))}
    words = VERBS | STUDIO | SERVICE | MODELS | PYTHON
    return settings | games | short | {f.name for f in fields(Train)} | set(ALIASES) | words


def _texts(path: Path) -> list[tuple[int, str]]:
    """(line, text) of the strings in a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    owners = [n for n in ast.walk(tree) if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef) and n.body]
    docs = {id(n.body[0].value) for n in owners if isinstance(n.body[0], ast.Expr)}
    strings = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return [(n.lineno, n.value) for n in strings if id(n) not in docs]


@pytest.mark.parametrize("module", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_messages_name_settings_that_exist(module, known):
    if module.name in FOREIGN:
        return
    named = {(line, name) for line, text in _texts(module) for name in NAMED.findall(text)}
    assert not sorted((line, name) for line, name in named if name not in known)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_pages_name_settings_that_exist(page, known):
    commands = [line for line in page.read_text(encoding="utf-8").splitlines() if "ganworks train " in line]
    named = {name for line in commands for name in NAMED.findall(QUOTED.sub("", line.partition("ganworks train ")[2]))}
    assert not sorted(named - known)
