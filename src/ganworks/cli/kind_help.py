"""Help on the kinds of data, from their declarations (`core.plugins.kind.Kind`), within 118 columns."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Callable, Iterable
from importlib import util
from pathlib import Path

from ganworks.core import registry
from ganworks.core.plugins.kind import Kind

WIDE = 118
_GAP = " " * 6  # between short lists on one line


def path() -> str:
    """What the kinds learn from, in a sentence."""
    return wrapped("PATH holds ", f"{registry.nouns()}: which of them is recognised, and told.", 0)


def kind_names() -> str:
    """The names of all kinds, which are topics of help."""
    return wrapped("KIND is ", f"{', '.join(registry.kinds())}.", 2)


def recipes() -> str:
    """The recipes of all kinds by groups, short groups side by side."""
    groups: dict[str, list[str]] = {}
    for remark, group, names in _lists():
        groups.setdefault(group, []).append(f"{names} ({remark})" if remark else names)
    return side_by_side((f"{group}: {'; '.join(lists)}" for group, lists in groups.items()), 9)


def _lists() -> list[tuple[str, str, str]]:
    """(remark, group, recipes) of each kind; neighbours with the same remark in one list."""
    found: list[tuple[str, str, str]] = []
    for kind in registry.kinds().values():
        own = [f"{name} ({kind.about[name]})" if name in kind.about else name for name in _recipes_of(kind)]
        if not own:
            continue
        remark = ", ".join(filter(None, (kind.remark, f"plugin {kind.plugin}" if kind.plugin else "")))
        group, names = kind.group or kind.title or kind.name, ", ".join(own)
        if remark and found and found[-1][:2] == (remark, group):
            names = f"{found.pop()[2]}, {names}"
        found.append((remark, group, names))
    return found + [("", f"plugin {p}", ", ".join(names)) for p, names in _without_kind().items()]


def _recipes_of(kind: Kind) -> list[str]:
    return [name for name, recipe in registry.recipes().items() if recipe.kind is kind and recipe.plugin == kind.plugin]


def _without_kind() -> dict[str, list[str]]:
    """Plugin -> its recipes for kinds that are not its own."""
    found: dict[str, list[str]] = {}
    for name, recipe in registry.recipes().items():
        if recipe.plugin and recipe.plugin != recipe.kind.plugin:
            found.setdefault(recipe.plugin, []).append(name)
    return found


def reads() -> str:
    """What PATH may be, for each kind."""
    entries = [" ".join(line.strip() for line in kind.reads) for kind in registry.kinds().values() if kind.reads]
    return side_by_side(entries, 9).lstrip()


def often() -> str:
    """Settings of single kinds that are often used."""
    return "\n".join(f"  {line}" for line in _unique(line for kind in registry.kinds().values() for line in kind.often))


def settings() -> str:
    """The names of the domains' settings."""
    named = "; ".join(kind.settings for kind in registry.kinds().values() if kind.settings)
    return wrapped("  domain.   ", f"how data is read; {named}; domain=NAME or MODULE.CLASS", 12)


def options() -> str:
    """The options of models that `apply` has, each with the recipes that know it."""
    takers: dict[str, list[str]] = {}
    for kind in registry.kinds().values():
        for line in kind.options:
            takers.setdefault(line, []).extend(_recipes_of(kind))
    return "\n".join(_option(line, names) for line, names in takers.items())


def _option(line: str, recipes: list[str]) -> str:
    """NAME=VALUE and its meaning; the recipes stand behind it unless the line names its own."""
    name, _, meaning = line.partition("  ")
    told = "" if line.endswith(")") else f" ({', '.join(recipes)})"
    return wrapped(f"  {name:14} ", f"{meaning.strip()}{told}", 17)


def examples(verb: str) -> str:
    """The kinds' examples of a verb."""
    lines = (line for kind in registry.kinds().values() for line in kind.examples)
    return "\n".join(f"  {line}" for line in lines if line.split()[1:2] == [verb])


def losses() -> str:
    """The losses of plugins, to be read after ganworks' own."""
    return "".join(f", {name}" for name in registry.named("loss"))


LISTS: dict[str, Callable[[], str]] = {
    "path": path,
    "kinds": kind_names,
    "recipes": recipes,
    "reads": reads,
    "often": often,
    "settings": settings,
    "options": options,
    "losses": losses,
}


def kind_page(kind: Kind) -> str:
    """The page of one kind: help.md of its package, or a page made of its docstring and declaration."""
    if written := _written(kind):
        return written
    origin = f" (plugin {kind.plugin})" if kind.plugin else ""
    about = (importlib.import_module(kind.package).__doc__ or "").strip()
    first = {name: next(iter(registry.describe(name).splitlines()), "") for name in _recipes_of(kind)}
    lists = {
        "Recipes": [f"{name:10} {said}" for name, said in first.items()],
        "PATH": kind.reads,
        "Often used": kind.often,
        "Settings, as domain.NAME=VALUE": [kind.settings] if kind.settings else [],
        "Options of apply": kind.options,
        "Examples": kind.examples,
    }
    blocks = [f"{name}\n" + "\n".join(f"  {line}" for line in lines) for name, lines in lists.items() if lines]
    return "\n\n".join([f"{kind.name}: {kind.title or kind.noun or kind.name}{origin}", about, *blocks]) + "\n"


def _written(kind: Kind) -> str:
    place = util.find_spec(kind.package)
    for folder in (place.submodule_search_locations or []) if place is not None else []:
        if (file := Path(folder) / "help.md").is_file():
            return file.read_text(encoding="utf-8")
    return ""


def wrapped(first: str, text: str, indent: int) -> str:
    """A text in lines of at most 118 columns, the later ones indented."""
    blank = " " * indent
    return textwrap.fill(text, WIDE, initial_indent=first, subsequent_indent=blank, break_on_hyphens=False)


def side_by_side(entries: Iterable[str], indent: int) -> str:
    """Entries below one another, several on a line where they fit; long ones are wrapped with two more columns."""
    lines: list[str] = []
    for entry in entries:
        joined = f"{lines[-1]}{_GAP}{entry}" if lines else ""
        if joined and len(joined) <= WIDE and not lines[-1].startswith(" " * (indent + 1)):
            lines[-1] = joined
        else:
            lines += wrapped(" " * indent, entry, indent + 2).splitlines()
    return "\n".join(lines)


def _unique(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(lines))
