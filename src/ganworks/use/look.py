"""`ganworks data PATH` for every kind of data: what was found, and some examples as the networks get them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ganworks.core import registry
from ganworks.core.config import find_class, override
from ganworks.core.console.stop import told
from ganworks.core.console.voice import say
from ganworks.core.contracts import LooksAtData, MakesFiles, ShowsExamples, SkipsUnreadable, labels_of
from ganworks.core.errors import UsageError
from ganworks.core.machine.places import place
from ganworks.core.spec import Draw, key
from ganworks.files.atomic import replace_file
from ganworks.files.rasters.write import save_picture
from ganworks.files.recognise import Found, recognise
from ganworks.report.terminal.meters import Meters
from ganworks.use.findings import Findings, choose, describe_any
from ganworks.use.samples import Samples, make_folder, preview_lines

_FILES, _PICTURED = 8, 500  # files to listen to or watch; points in a picture


def look(path: Any, recipe: str | None, options: Mapping[str, str], out: str | None) -> list[str]:
    """Print what there is, write some examples, and return the lines that say where they are and how to train.

    recipe: None recognises it. options: settings of the recipe's domain. out: where the examples go; None: a place
    named by their kind. Raises UsageError.
    """
    if out is not None:
        place(out)
    found = recognise(path) if recipe is None else Found(recipe, "")
    settings = {name.removeprefix("domain."): value for name, value in options.items()}
    asked = "".join(f" domain.{name}={value}" for name, value in settings.items())
    domain = kind_of(found.recipe)
    named = f" {found.recipe}" if recipe is not None or found.otherwise else ""
    lines = [line for line in (found.because, found.otherwise) if line]
    say(*lines, *([""] if lines else []))
    with told(lambda: "Interrupted while the data was read; nothing was written. The same command starts again."):
        there = open_any(path, domain, settings)
    say(*there.lines)
    return ["", *_examples(there, out), f"Train on it:   ganworks train{named} data={path}{asked}"]


def kind_of(recipe: str) -> str:
    """The id of the domain that opens the data of a recipe: the one that its kind `looks` with, else its own."""
    found = registry.find_recipe(recipe)
    return found.kind.looks or found.domain


def open_any(path: Any, domain_id: str, settings: Mapping[str, Any]) -> Findings:
    """Open a source with the domain of this id; unreadable items are counted and left out, where it can do that."""
    domain = find_class(domain_id)()
    lenient = {"on_corrupt": "skip"} if isinstance(domain, SkipsUnreadable) else {}
    domain = override(domain, {**lenient, **settings})
    with Meters() as meters:

        def report(done: int, total: int) -> None:
            meters("Reading the data", done, total)

        if isinstance(domain, LooksAtData):
            return domain.look(path, report)
        data = domain.open(path, on_progress=report)
    return Findings({**data.summary, "domain": domain}, describe_any(data.summary), None, data)


def _examples(found: Findings, out: str | None) -> list[str]:
    """Show or write some examples, evenly of all classes; the lines that say where they are."""
    if found.sheet is not None:
        sheet = Path(out or "contact-sheet.png")
        save_picture(found.sheet, sheet)
        return [f"Contact sheet: {sheet}"]
    data, domain = found.data, found.facts["domain"]
    if drawn := _drawn(data, domain):
        target = Path(out or "examples.png")
        save_picture(drawn, target)
        return [f"Picture:       {target}"]
    if not isinstance(domain, MakesFiles):
        return []
    x, _ = _some(data, domain, _FILES)
    samples = Samples(x.numpy(), data.spec, None, np.arange(len(x)), maker=domain)
    if not domain.each:
        items = samples.items
        say("", "Some examples, as the networks get them:", *preview_lines(items))
        if out is None:
            return []
        replace_file(Path(out), domain.encode(samples, Path(out).suffix.lower(), False))
        return [f"Examples:      {out}"]
    folder = Path(out or "examples")
    make_folder(folder)
    for k in range(len(samples)):
        replace_file(folder / f"{k}{domain.each}", domain.encode(samples[k], domain.each, False))
    return [f"Examples:      {folder}/ ({len(samples)} {domain.each}, as the networks get them)"]


def _drawn(data: Any, domain: Any) -> Any:
    """Examples as one picture, or None where the domain cannot draw them alone."""
    if not isinstance(domain, ShowsExamples):
        return None
    x, names = _some(data, domain, _PICTURED)
    try:
        return domain.show(x, labels=names)
    except UsageError:
        return None


def _some(data: Any, domain: Any, count: int) -> tuple[Any, list[str] | None]:
    """(network values [n, *shape], class names) of up to `count` examples, the same ones each time."""
    labels = labels_of(data)
    chosen = choose(labels, len(data), count)
    batch = domain.batch(data, chosen, Draw(key("examples"), len(chosen), slice(None)))
    names = None if labels is None or not data.spec.classes else [data.spec.classes[k] for k in labels[chosen]]
    return batch["x"], names
