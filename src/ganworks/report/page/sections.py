"""The parts of a report, each a piece of HTML from a `Run`, whose words are all escaped here."""

from __future__ import annotations

import math
import re
from html import escape
from pathlib import Path

from ganworks.report import advice, units, words
from ganworks.report.page import media
from ganworks.report.read import Run, frames, mapping, number

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
_WHAT_IS_A_GAN = """<details><summary>What is a GAN, in one minute?</summary>
<p>Two networks play against each other. The <b>generator</b> turns random numbers into made-up examples. The
<b>discriminator</b> sees real and made-up examples and says which is which. Each learns from the other: the
discriminator from its mistakes, the generator from what gave it away. When the game goes well, the made-up
examples become hard to tell from real ones. After training only the generator is needed.</p>
<p>The game has no natural end and its losses do not say how good the samples are. That is why a run is
judged by comparing samples with real data that the training never saw.</p></details>"""


def hero(run: Run) -> str:
    """Name, verdict in one sentence, the latest samples, and the few numbers that matter most."""
    verdict = words.verdict(run)
    unknown = "Measured" if run.task and words.scores_of(run) else "Not judged yet"
    grade = unknown if verdict.grade == "unknown" else verdict.grade.capitalize()
    figure = _latest(run)
    intro = (
        f'<div><p class="kicker">Training report</p><h1>{escape(run.name)}</h1><p '
        f'class="lead">{_what(run)}</p>'
        f'<div class="verdict"><span class="pill {verdict.grade}">{grade}</span></div>'
        f"<p>{escape(verdict.text)}</p></div>"
    )
    return f'<header class="hero{"" if figure else " plain"}">{intro}{figure}</header>{_tiles(run)}'


_SHOWN = {  # text alternative and caption of the latest picture
    "sample": ("Generated samples{}", "Made by this generator{}. None of these are real."),
    "apply": ("Examples and what the network makes of them{}", "Held-out examples, and what it makes of them{}."),
    "predict": ("Examples and what the network says of them{}", "Held-out examples, and what it says of them{}."),
}
_TURNS = {"vocoder": "A network that turns mel frames into sound, trained on"}
_ARE = {
    "sample": "A generator that learned from",
    "apply": "A network that turns pictures into pictures, trained on",
    "predict": "A classifier that learned from",
}


_KINDS: dict[str, tuple[str, str]] = {  # kind of data -> what many are called, and one example as its axes say it
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
    sides = [int(n) for n in map(number, shape) if math.isfinite(n)]
    if kind in _KINDS and sides:
        rate = number(facts.get("rate"))
        words = {"first": sides[0], "third": [*sides, 0, 0][2], "last": sides[-1], "rate": rate}
        return _KINDS[kind][1].format(**words, seconds=sides[-1] / rate if rate > 0 else math.nan)
    if len(sides) == 3:
        colours = {1: "grey", 3: "colour", 4: "colour with transparency"}.get(sides[0], f"{sides[0]} channels")
        return f"{sides[2]} × {sides[1]} pixels, {colours}"
    return " × ".join(str(n) for n in shape)


def _what(run: Run) -> str:
    """One sentence: which network, of what data."""
    data = mapping(run.plan.get("data"))
    size = number(data.get("count", data.get("images", data.get("examples"))))
    path = advice.data_path(run)
    name = str(data.get("name") or (Path(path).name if path else "")) or "the data"
    kind = str(run.spec.get("kind") or "examples")
    are = _TURNS.get(kind, _ARE[run.use])
    kind = _KINDS.get(kind, (kind if run.use == "sample" else "pictures", ""))[0]
    many = f"{units.count(size)} {kind}" if math.isfinite(size) else kind
    return f"{are} {escape(many)} of {escape(name)}."


def _tiles(run: Run) -> str:
    part = f" of {units.count(run.total)}" if run.total and run.seen < run.total else ""
    tiles = [
        ("Status", STATES[run.state]),
        ("Examples seen", units.count(run.seen) + part),
        ("Training time", units.duration(run.seconds)),
    ]
    if run.seconds > 0 and run.seen:
        tiles.append(("Speed", f"{units.short_number(run.seen / run.seconds)}/s"))
    main = next((s for s in words.scores_of(run) if s.metric.name in ("frechet", "kernel")), None)
    if main and math.isfinite(main.ratio):
        tiles.append(("Distance to real data", f"{main.ratio:.{1 if main.ratio < 9.95 else 0}f}× the floor"))
    return (
        '<dl class="facts">'
        + "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in tiles)
        + "</dl>"
    )


def _latest(run: Run) -> str:
    """The newest of what was shown during the training that can be shown here, as a figure."""
    alt, caption = _SHOWN[run.use]
    caption = "What this generator makes{}." if run.forms else caption
    for seen, path in reversed(frames(run)):
        after = f" after {units.count(seen)} examples" if seen else ""
        if inside := media.shown(run, path, _HERO_BYTES, alt.format(after)):
            return f"<figure>{inside}<figcaption>{caption.format(after)}</figcaption></figure>"
    return ""


def trained(run: Run) -> str:
    """What was trained: data, networks, game, and why."""
    tables = [
        (title, rows) for title, rows in (("The data", _data_rows(run)), ("The method", _method_rows(run))) if rows
    ]
    notes = run.plan.get("notes") or run.config.get("notes") or []
    notes = [str(n) for n in notes] if isinstance(notes, list | tuple) else []
    why = ""
    if notes:
        why = '<h3>Why these choices</h3><ul class="notes">' + "".join(f"<li>{said(n)}</li>" for n in notes) + "</ul>"
    table = "".join(f"<div><h3>{title}</h3>{_keys(rows)}</div>" for title, rows in tables)
    table = f'<div class="pair">{table}</div>' if tables else '<p class="dim">The run folder does not say.</p>'
    return f'<section id="trained"><h2>What was trained</h2>{table}{why}{_WHAT_IS_A_GAN}</section>'


def said(note: str) -> str:
    """A note, with what stands between backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(note))


def _keys(rows: list[tuple[str, str]]) -> str:
    body = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in rows)
    return f'<div class="table"><table class="keys"><tbody>{body}</tbody></table></div>'


def _data_rows(run: Run) -> list[tuple[str, str]]:
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


def _method_rows(run: Run) -> list[tuple[str, str]]:
    rows = []
    if recipe := run.config.get("recipe"):
        rows.append(("Recipe", str(recipe)))
    for key, title in (("networks", "Networks"), ("game", "Game")):
        if tree := mapping(run.config.get(key)):
            rows.append((title, _tree(tree)))
    for key, title in (("g", "Generator learns by"), ("d", "Discriminator learns by")):
        tree = mapping(run.config.get(key))
        if tree:
            rate = number(tree.get("lr"))
            rows.append((title, f"{tree.get('name', 'adam')}, learning rate {rate:g}"))
    train = mapping(run.config.get("train"))
    if train:
        rows.append(("Batch", f"{train.get('batch', '?')} examples at a time, budget {train.get('budget', '?')}"))
    return rows


def _tree(tree: dict[str, object]) -> str:
    """A part of the configuration in one line: its name and what is switched on; all of it stands at the
    end."""
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


def next_steps(run: Run) -> str:
    """The commands to type next."""
    rows = "".join(
        f'<h3 class="why">{escape(c.why.capitalize() if c.why[:1].islower() else c.why)}</h3>'
        f'<div class="cmd"><code>{escape(c.text)}</code></div>'
        for c in advice.commands(run)
    )
    return f'<section id="next"><h2>What to do next</h2>{rows or "<p>Start the training first.</p>"}</section>'


def details(run: Run) -> str:
    """Machine, versions, configuration, and what could not be read."""
    rows = [
        (k.replace("_", " ").capitalize(), _plain(v))
        for part in ("machine", "versions")
        for k, v in mapping(run.plan.get(part)).items()
        if not isinstance(v, dict)
    ]
    if started := run.plan.get("started"):
        rows.insert(0, ("Started", str(started)))
    parts = ['<section id="details"><h2>For the record</h2>', _keys(rows) if rows else ""]
    if run.problems:
        parts.append('<ul class="notes">' + "".join(f"<li>{escape(p)}</li>" for p in run.problems) + "</ul>")
    try:
        text = (run.folder / "config.yaml").read_text("utf-8", "replace")[:200_000]
        parts.append(f"<details><summary>The complete configuration</summary><pre>{escape(text)}</pre></details>")
    except OSError:
        pass
    return "".join(parts) + "</section>"
