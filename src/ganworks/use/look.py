"""`ganworks data PATH` for every kind of data: what was found, and some examples as the networks get them."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ganworks.core import registry
from ganworks.core.abilities.teaching import LooksThroughNetworks
from ganworks.core.config import find_class, override
from ganworks.core.console.stop import told
from ganworks.core.console.text import json_text
from ganworks.core.console.voice import say
from ganworks.core.contracts import LooksAtData, MakesFiles, ShowsExamples, SkipsUnreadable, labels_of
from ganworks.core.errors import UsageError
from ganworks.core.machine.places import place
from ganworks.core.schema.plain import read_json
from ganworks.core.spec import Draw, key
from ganworks.files.atomic import replace_file
from ganworks.files.packing.cache import cache_folder
from ganworks.files.provenance import refuse_strange, replace_result
from ganworks.files.rasters.write import save_sheet
from ganworks.files.recognise import Found, recognise
from ganworks.report.terminal.meters import Meters
from ganworks.report.terminal.preview import preview_lines
from ganworks.use.findings import Findings, choose, describe_any
from ganworks.use.samples import Samples, make_folder

_FILES, _PICTURED = 8, 500  # files to listen to or watch; points in a picture
_RECORD = "examples.json"


def look(path: Any, recipe: str | None, options: Mapping[str, str], out: str | None) -> list[str]:
    """Print what there is, write some examples, and return the lines that say where they are and how to train.

    recipe: None recognises it. options: settings of the recipe's domain. out: where the examples go; None: the cache.
    Raises UsageError.
    """
    if out is not None:
        place(out)
    found = recognise(path) if recipe is None else Found(recipe, "")
    settings = {name.removeprefix("domain."): value for name, value in options.items()}
    features = settings.pop("features", "")
    asked = "".join(f" {shlex.quote(f'domain.{name}={value}')}" for name, value in settings.items())
    domain = kind_of(found.recipe)
    named = f" {found.recipe}" if recipe is not None or found.otherwise else ""
    lines = [line for line in (found.because, found.otherwise) if line]
    say(*lines, *([""] if lines else []))
    with told(lambda: "Interrupted while the data was read; nothing was written. The same command starts again."):
        there = open_any(path, domain, settings, features)
    say(*there.lines)
    left = "" if "on_corrupt" in settings else left_out(there, domain)
    if left:
        say(f"A training stops at what cannot be read.{left} leaves it out.")
    return [
        "",
        *_examples(there, path, found.recipe, out),
        f"Train on it:   ganworks train{named} {shlex.quote(f'data={path}')}{asked}{left}",
    ]


def left_out(there: Findings, domain_id: str) -> str:
    """The setting without which a training would refuse the data for what cannot be read; "" if none is needed."""
    domain = find_class(domain_id)()
    stops = isinstance(domain, SkipsUnreadable) and domain.on_corrupt == "error"
    return " domain.on_corrupt=skip" if stops and there.facts.get("corrupt") else ""


def kind_of(recipe: str) -> str:
    """The id of the domain that opens the data of a recipe."""
    return registry.find_recipe(recipe).domain


def open_any(
    path: Any,
    domain_id: str,
    settings: Mapping[str, Any],
    features: str = "",
    on_progress: Callable[[int, int], None] | None = None,
) -> Findings:
    """Open a source with the domain of this id; unreadable items are counted and left out, where it can do that.

    features: a published network to look through, "" for none. UsageError for data that none looks at.
    on_progress: told (done, total) in place of the terminal.
    """
    domain = find_class(domain_id)()
    lenient = {"on_corrupt": "skip"} if isinstance(domain, SkipsUnreadable) else {}
    domain = override(domain, {**lenient, **settings})
    with Meters() as meters:

        def report(done: int, total: int) -> None:
            if on_progress is None:
                meters("Reading the data", done, total)
            else:
                on_progress(done, total)

        if features and isinstance(domain, LooksThroughNetworks):
            return domain.look_through(path, features, report)
        if features:
            raise UsageError(
                f"features={features}: published networks look at sets of single pictures; this data is read as "
                f"{domain_id.rpartition('/')[2]}. Leave features out, or name recipe=image."
            )
        if isinstance(domain, LooksAtData):
            return domain.look(path, report)
        data = domain.open(path, on_progress=report)
    return Findings({**data.summary, "domain": domain}, describe_any(data.summary), None, data)


def _examples(found: Findings, path: Any, recipe: str, out: str | None) -> list[str]:
    """Show or write some examples, evenly of all classes; the lines that say where they are."""

    def target(suffix: str) -> Path:
        return _in_cache(path, recipe, suffix) if out is None else Path(out)

    if (picture := pictured(found)) is not None:
        title = "Picture:      " if found.sheet is None else "Contact sheet:"
        return [f"{title} {save_sheet(picture, target('.png'))}"]
    domain = found.facts["domain"]
    if (samples := _as_samples(found)) is None:
        return []
    if not domain.each:
        say("", "Some examples, as the networks get them:", *preview_lines(samples.items))
        if out is None:
            return []
        replace_result(Path(out), domain.encode(samples, Path(out).suffix.lower(), False))
        return [f"Examples:      {out}"]
    folder = target("")
    _fill(folder, _each(samples))
    return [f"Examples:      {folder}/ ({len(samples)} {domain.each}, as the networks get them)"]


def pictured(found: Findings) -> Any:
    """Some examples as one PIL picture: the contact sheet, or what the domain draws; None where it draws nothing."""
    return found.sheet if found.sheet is not None else _drawn(found.data, found.facts["domain"])


def examples_of(found: Findings) -> tuple[Any, dict[str, bytes]]:
    """Some examples, as the networks get them: (texts or tables to read, name -> content of files to hear or watch)."""
    samples = _as_samples(found)
    if samples is None:
        return [], {}
    return ([], _each(samples)) if samples.maker.each else (samples.items, {})


def _as_samples(found: Findings) -> Samples | None:
    """Some examples as if a network had made them; None for a domain that writes no files."""
    data, domain = found.data, found.facts["domain"]
    if not isinstance(domain, MakesFiles):
        return None
    x, _ = _some(data, domain, _FILES)
    return Samples(x.numpy(), data.spec, None, np.arange(len(x)), maker=domain)


def _each(samples: Samples) -> dict[str, bytes]:
    each = samples.maker.each
    return {f"{k}{each}": samples.maker.encode(samples[k], each, False) for k in range(len(samples))}


def _in_cache(path: Any, recipe: str, suffix: str) -> Path:
    """Where examples of this data go in the cache: the same place each time, and free."""
    where = Path(path).expanduser().absolute()
    name = f"{where.stem[:40] or 'data'}-{recipe}-{key(str(where), recipe) % 16**8:08x}{suffix}"
    folder = cache_folder(None)[0] / "looks"
    make_folder(folder)
    if (folder / name).is_dir():
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / name).unlink(missing_ok=True)
    return folder / name


def _fill(folder: Path, files: dict[str, bytes]) -> None:
    """Write files into a folder, with a record of them, which tells the next time whose they are."""
    make_folder(folder)
    record = folder / _RECORD
    own = read_json(record.read_bytes(), str(record)).get("files", []) if record.is_file() else []
    for name in (_RECORD, *files):
        refuse_strange(folder / name, True if name in own or (own and name == _RECORD) else None)
    replace_file(record, json_text({"software": "ganworks", "files": list(files)}))
    for name, content in files.items():
        replace_file(folder / name, content)


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
