"""The settings of a recipe, read from its source code: importing it would import torch, which is too slow here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from ganworks.core import registry

Settings = dict[str, tuple[str, ...]]  # dotted name -> its values, () where they are not few


class _Class(NamedTuple):
    module: str
    name: str


def settings_of(recipe: str) -> Settings:
    """The dotted settings of a recipe: of its domain, of the networks and games that it may choose, and common ones."""
    found = registry.recipes().get(recipe)
    roots = [("train", _Class("ganworks.core.settings", "Train"))]
    roots += [(side, _Class("ganworks.core.settings", "Optimizer")) for side in ("g", "d")]
    if found is not None:
        domain = registry.parts().get(found.domain)
        roots += [("domain", _Class(domain.module, domain.name))] if domain is not None else []
        roots += list(_chosen(found.module, found.function))
    return {f"{root}.{name}": values for root, place in roots for name, values in fields(place).items()}


def _chosen(module: str, function: str) -> Iterator[tuple[str, _Class]]:
    """(category, class) of the networks and games that a recipe function names, itself or through its helpers."""
    parts = {
        (part.module, part.name): id_.rpartition(":")[2].partition("/")[0] for id_, part in registry.parts().items()
    }
    waiting, seen = [_Class(module, function)], set()
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        if (category := parts.get(place)) in ("networks", "game"):
            yield category, place
        if category is not None or place.module.partition(".")[0] != module.partition(".")[0]:
            continue
        tree = registry.source(place.module)
        known = _names(tree, place.module)
        node = next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == place.name), None)
        if node is not None:
            used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
            waiting += [known[name] for name in sorted(used & known.keys())]


def _names(tree: ast.Module, module: str) -> dict[str, _Class]:
    """Where the names of a module come from: its own functions and classes, and what it imports from others."""
    own = {n.name: _Class(module, n.name) for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            own |= {alias.asname or alias.name: _Class(node.module, alias.name) for alias in node.names}
    return own


def fields(place: _Class) -> Settings:
    """Field -> its values of a dataclass and of those that it extends."""
    tree = registry.source(place.module)
    node = next((n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == place.name), None)
    if node is None:
        return {}
    known = _names(tree, place.module)
    bases = [known[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in known]
    found = {name: values for base in bases for name, values in fields(base).items()}
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            kind = ast.unparse(line.annotation)
            if not kind.startswith(("ClassVar", "InitVar")) and not line.target.id.startswith("_"):
                found[line.target.id] = _values(line.annotation, kind)
    return found


def _values(annotation: ast.expr, kind: str) -> tuple[str, ...]:
    if kind == "bool":
        return ("on", "off")
    if kind.startswith("Literal["):
        return tuple(str(n.value) for n in ast.walk(annotation) if isinstance(n, ast.Constant))
    return ()


def keys_of(module: str, table: str) -> tuple[str, ...]:
    """The keys of a dictionary with this name in a module, from its source."""
    for node in registry.source(module).body:
        target = node.target if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [None])[0]
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and target.id == table and isinstance(value, ast.Dict):
            return tuple(str(key.value) for key in value.keys if isinstance(key, ast.Constant))
    return ()
