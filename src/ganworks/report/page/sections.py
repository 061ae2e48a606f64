"""The content of a report's sections, for the templates: names, numbers, rows and sentences as plain text."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganworks.core.console.text import counted
from ganworks.report import advice, units, words
from ganworks.report.page import media
from ganworks.report.read import RunView, as_float, frames, mapping

if TYPE_CHECKING:
    from markupsafe import Markup

Rows = list[tuple[str, str]]
_CODE = re.compile(r"`([^`<>]{1,80})`")  # of a note that is escaped already
_HERO_BYTES = 900_000
_SETTINGS = 5  # of each part of the configuration, in the summary

STATES = {
    "finished": "Finished",
    "stopped": "Stopped early; can go on",
    "running": "Still training",
    "interrupted": "Interrupted; can go on",
    "empty": "Not started",
}


def hero(run: RunView) -> dict[str, Any]:
    """Name, verdict in one sentence, the latest samples, and the few numbers that matter most."""
    verdict = words.verdict(run)
    scores = words.scores_of(run)
    unknown = "Measured" if scores and run.task else "No verdict" if scores or run.evaluation else "Not judged yet"
    return {
        "what": _what(run),
        "grade": verdict.grade,
        "pill": unknown if verdict.grade == "unknown" else verdict.grade.capitalize(),
        "verdict": verdict.text,
        "figure": _latest(run),
        "tiles": _tiles(run),
    }


_SHOWN = {  # text alternative and caption of the latest picture
    "sample": ("Generated samples{}", "Made by this generator{}. None of these are real."),
    "apply": ("Examples and what the network makes of them{}", "Held-out examples, and what it makes of them{}."),
    "predict": (
        "Examples and the classes that the network names{}",
        "Held-out examples with the classes named{}.",
    ),
}
_TURNS = {"vocoder": "A network that turns mel frames into sound, trained on"}
_ARE = {
    "sample": "A generator that learned from",
    "apply": "A network that turns pictures into pictures, trained on",
    "predict": "A classifier that learned from",
}


_KINDS: dict[str, tuple[str, str]] = {  # kind of data -> the plural, and one example in the words of its axes
    "audio": ("recordings", "{seconds:.3g} s at {rate:,.0f} Hz"),
    "vocoder": ("recordings", "{seconds:.3g} s at {rate:,.0f} Hz"),
    "text": ("texts", "a text of up to {last:,} symbols"),
    "video": ("clips", "{first} frames of {last} × {third} pixels"),
    "table": ("rows", "a row, {last:,} numbers to the networks"),
    "series": ("series", "a series, {last:,} numbers to the networks"),
    "points": ("points", "{last} numbers"),
}


def example(kind: str, shape: list[object], facts: dict[str, object]) -> str:
    """One example in words, from the shape that the networks see."""
    sides = [int(n) for n in map(as_float, shape) if math.isfinite(n)]
    if kind in _KINDS and sides:
        rate = as_float(facts.get("rate"))
        words = {"first": sides[0], "third": [*sides, 0, 0][2], "last": sides[-1], "rate": rate}
        return _KINDS[kind][1].format(**words, seconds=sides[-1] / rate if rate > 0 else math.nan)
    if len(sides) == 3:
        colours = {1: "grey", 3: "colour", 4: "colour with transparency"}.get(sides[0], counted(sides[0], "channel"))
        return f"{sides[2]} × {sides[1]} pixels, {colours}"
    return " × ".join(str(n) for n in shape)


def _what(run: RunView) -> str:
    """One sentence: which network, trained on which data."""
    data = mapping(run.plan.get("data"))
    size = as_float(data.get("count", data.get("images", data.get("examples"))))
    path = advice.data_path(run)
    name = str(data.get("name") or (Path(path).name if path else "")) or "the data"
    kind = str(run.spec.get("kind") or "examples")
    are = _TURNS.get(kind, _ARE[run.use])
    kind = _KINDS.get(kind, (kind if run.use == "sample" else "pictures", ""))[0]
    many = f"{units.count(size)} {kind}" if math.isfinite(size) else kind
    return f"{are} {many} of {name}."


def _tiles(run: RunView) -> Rows:
    part = f" of {units.count(run.total)}" if run.total and run.seen < run.total else ""
    tiles = [
        ("Status", STATES[run.state]),
        ("Examples seen", units.count(run.seen) + part),
        ("Training time", units.duration(run.seconds)),
    ]
    if run.seconds > 0 and run.seen:
        tiles.append(("Speed", f"{units.short_number(run.seen / run.seconds)}/s"))
    main = next((s for s in words.scores_of(run) if s.metric.name in ("frechet", "kernel")), None)
    if main and math.isfinite(main.ratio) and not main.unsure:
        tiles.append(("Distance to real data", f"{main.ratio:.{1 if main.ratio < 9.95 else 0}f}× the floor"))
    return tiles


def _latest(run: RunView) -> dict[str, Any] | None:
    """The newest output of the training that the page can show, with its caption."""
    alt, caption = _SHOWN[run.use]
    caption = "What this generator makes{}." if run.forms else caption
    for seen, path in reversed(frames(run)):
        after = f" after {units.count(seen)} examples" if seen else ""
        if inside := media.shown(run, path, _HERO_BYTES, alt.format(after)):
            return {"inside": inside, "caption": caption.format(after)}
    return None


def trained(run: RunView) -> dict[str, Any]:
    """What was trained: data, networks, game, and why."""
    notes = run.plan.get("notes") or run.config.get("notes") or []
    tables = (("The data", _data_rows(run)), ("The method", _method_rows(run)))
    return {
        "tables": [(title, rows) for title, rows in tables if rows],
        "notes": [said(str(n)) for n in notes] if isinstance(notes, list | tuple) else [],
    }


def said(note: str) -> Markup:
    """A note as HTML, with what stands between backticks as code."""
    from markupsafe import Markup, escape

    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(note))))


def _data_rows(run: RunView) -> Rows:
    rows = []
    shape, classes = run.spec.get("shape"), run.spec.get("classes")
    if path := advice.data_path(run):
        rows.append(("Data", path))
    if isinstance(shape, list) and shape:
        rows.append(("One example", example(str(run.spec.get("kind")), shape, mapping(run.spec.get("facts")))))
    if isinstance(classes, list) and (classes or run.use == "sample"):
        names = ", ".join(str(c) for c in classes[:12]) + (", …" if len(classes) > 12 else "")
        rows.append(("Classes", f"{len(classes)}: {names}" if classes else "none: it makes any kind of example"))
    rows += [(title, f"{value:,}") for title, value in units.facts(mapping(run.plan.get("data")))]
    notes = mapping(run.plan.get("data")).get("notes")
    return rows + [("How it was read", str(note)) for note in (notes[:6] if isinstance(notes, list) else [])]


def _method_rows(run: RunView) -> Rows:
    rows = []
    if recipe := run.config.get("recipe"):
        rows.append(("Recipe", str(recipe)))
    for key, title in (("networks", "Networks"), ("game", "Game")):
        if tree := mapping(run.config.get(key)):
            rows.append((title, _tree(tree)))
    for key, title in (("g", "Generator learns by"), ("d", "Discriminator learns by")):
        tree = mapping(run.config.get(key))
        if tree:
            rate = as_float(tree.get("lr"))
            rows.append((title, f"{tree.get('name', 'adam')}, learning rate {rate:g}"))
    train = mapping(run.config.get("train"))
    if train:
        rows.append(("Batch", f"{train.get('batch', '?')} examples at a time, budget {train.get('budget', '?')}"))
    return rows


def _tree(tree: dict[str, object]) -> str:
    """A part of the configuration in one line: its name and its first settings; the page's end has all of them."""
    name = str(tree.get("is", "")).rpartition(".")[2]
    usual = [(k, v) for k, v in tree.items() if k != "is" and v and not isinstance(v, dict)]
    rest = ", ".join(f"{k} {_plain(v)}" for k, v in usual[:_SETTINGS])
    return f"{name}: {rest}" if name and rest else name or rest


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "–".join(_plain(v) for v in value[:8])
    return "none" if value is None else str(value)


def next_steps(run: RunView) -> Rows:
    """The commands to type next: (what it does, the command)."""
    return [(c.why.capitalize() if c.why[:1].islower() else c.why, c.text) for c in advice.commands(run)]


def details(run: RunView) -> dict[str, Any]:
    """Machine, versions, configuration, and what could not be read."""
    rows = [
        (k.replace("_", " ").capitalize(), _plain(v))
        for part in ("machine", "versions")
        for k, v in mapping(run.plan.get(part)).items()
        if not isinstance(v, dict)
    ]
    if started := run.plan.get("started"):
        rows.insert(0, ("Started", str(started)))
    try:
        config = (run.folder / "config.yaml").read_text("utf-8", "replace")[:200_000]
    except OSError:
        config = None
    return {"rows": rows, "problems": run.problems, "config": config}
