"""One look at a data set, in a process of its own: `python -m ganworks.studio.data.looking DATA RECIPE FOLDER`.

It says how far it is in lines of JSON, and writes look.json into the folder last.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from ganworks.core import registry
from ganworks.core.console.text import json_text
from ganworks.core.console.voice import make_steady, say
from ganworks.core.errors import GanworksError
from ganworks.files.atomic import replace_file
from ganworks.files.recognise import Found, recognise
from ganworks.studio.making.reading import readable

_EVERY = 0.2  # seconds between two lines of progress
_NAMED, _CLASSES = 20, 500


def main(word: str, recipe: str, folder: Path) -> None:
    """Look at `data=word` as this recipe reads it ("": the one that is recognised), and write what was found."""
    try:
        found = looked(word, recipe, folder)
    except GanworksError as error:
        found = {"error": str(error)}
    except MemoryError:
        found = {"error": "There is not enough memory to look at all of it."}
    replace_file(folder / "look.json", json_text(found))


def looked(word: str, recipe: str, folder: Path) -> dict[str, Any]:
    """What a look finds; pictures and other examples go into the folder. Raises UsageError."""
    chosen = Found(recipe, "") if recipe else recognise(word)
    from ganworks.files.rasters.write import save_sheet
    from ganworks.use import look

    last = [0.0]

    def tell(done: int, total: int) -> None:
        if time.monotonic() - last[0] >= _EVERY or done >= total:
            last[0] = time.monotonic()
            say(json_text({"done": int(done), "total": int(total)}))

    domain = look.kind_of(chosen.recipe)
    found = look.open_any(word, domain, {}, on_progress=tell)
    picture = look.pictured(found)
    if picture is not None:
        save_sheet(picture, folder / "sheet.png")
    items, files = ([], {}) if picture is not None else look.examples_of(found)
    for name, content in files.items():
        replace_file(folder / name, content)
    setting = look.left_out(found, domain).strip().partition("=")
    return {
        "kind": registry.find_recipe(chosen.recipe).kind.name,
        "recipe": chosen.recipe,
        "because": chosen.because,
        "otherwise": chosen.otherwise,
        "count": int(found.facts.get("count", len(found.data))),
        "classes": _classes(found.facts.get("classes")),
        "problems": _problems(found.facts),
        "notes": [str(note) for note in found.facts.get("notes", ())],
        "lines": [str(line) for line in found.lines],
        "sheet": "sheet.png" if picture is not None else None,
        "examples": [{"file": name} for name in files] or readable(items)[0],
        "columns": readable(items)[1],
        "settings": {setting[0]: setting[2]} if setting[1] else {},
    }


def _classes(found: Any) -> list[dict[str, Any]]:
    counts = found.items() if isinstance(found, dict) else ((name, None) for name in found or ())
    return [{"name": str(name), "count": count} for name, count in list(counts)[:_CLASSES]]


def _problems(facts: dict[str, Any]) -> list[str]:
    """What a user should know before training, in sentences."""
    found = []
    if corrupt := facts.get("corrupt"):
        names = ", ".join(str(name) for name in facts.get("corrupt_names", [])[:_NAMED])
        found.append(f"{corrupt:,} could not be read and are left out{f': {names}' if names else ''}.")
    if copies := facts.get("duplicates"):
        found.append(f"{copies:,} are exact copies of others.")
    if near := facts.get("near"):
        found.append(f"{len(near):,} pairs are nearly alike.")
    warned = facts.get("warnings")
    found += [f"{text} ({times} times)" for text, times in (warned if isinstance(warned, dict) else {}).items()]
    return found


if __name__ == "__main__":
    make_steady()
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
