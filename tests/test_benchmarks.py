"""The scripts below benchmarks/ name what the package has: they run rarely, and would else break unseen."""

import ast
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


def named(tree: ast.AST) -> set[tuple[str, str]]:
    """(module, name) of everything that a script takes from ganworks, by import or as an attribute of a module."""
    found, modules = set(), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ganworks":
            found |= {(str(node.module), alias.name) for alias in node.names}
            modules |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            found.add((modules[node.value.id], node.attr))
    return found


def there(module: str, name: str) -> bool:
    """Whether a module has the name, or a module of that name; of what is no module but a class, nothing is asked."""
    parent, _, last = module.rpartition(".")
    try:
        return hasattr(import_module(module), name) or bool(import_module(f"{module}.{name}"))
    except ModuleNotFoundError:
        return hasattr(import_module(parent), last) and not isinstance(getattr(import_module(parent), last), ModuleType)


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda p: str(p.relative_to(FOLDER)))
def test_what_a_script_names_is_there(path):
    missing = [f"{m}.{n}" for m, n in sorted(named(ast.parse(path.read_text()))) if not there(m, n)]
    assert not missing
