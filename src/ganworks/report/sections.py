"""The parts of a report, each a piece of HTML from a `Run`; everything that comes from the run is escaped here."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path

from ganworks.report import advice, words
from ganworks.report.curves import Floor, Series, line_chart
from ganworks.report.pictures import Picture, embed, spread
from ganworks.report.read import Run, frames, mapping, number
from ganworks.report.words import Score

_HERO_BYTES, _FRAME_BYTES, _EVAL_BYTES = 900_000, 220_000, 450_000  # 0.9 + 10 x 0.22 + 6 x 0.45 = 5.8 MB of files
_FRAMES, _EVAL_PICTURES = 10, 6

_STATES = {
    "finished": "Finished", "stopped": "Stopped early; can go on", "running": "Still training",
    "interrupted": "Interrupted; can go on", "empty": "Not started",
}
_REASONS = {"budget": "the budget was used up", "target": "the target score was reached",
            "interrupted": "it was interrupted", "stopped": "it was stopped"}

_WHAT_IS_A_GAN = """<details><summary>What is a GAN, in one minute?</summary>
<p>Two networks play against each other. The <b>generator</b> turns random numbers into made-up examples. The
<b>discriminator</b> sees real and made-up examples and says which is which. Each learns from the other: the
discriminator from its mistakes, the generator from what gave it away. When the game goes well, the made-up examples
become hard to tell from real ones. After training only the generator is needed.</p>
<p>The game has no natural end and its losses do not say how good the samples are. That is why a run is judged by
comparing samples with real data that the training never saw.</p></details>"""


def hero(run: Run) -> str:
    """Name, verdict in one sentence, the latest samples, and the few numbers that matter most."""
    verdict = words.headline(words.scores_of(run))
    grade = {"unknown": "Not judged yet"}.get(verdict.grade, verdict.grade.capitalize())
    picture = _picture_at(run)
    figure = ""
    if picture:
        seen, image = picture
        alt = f"Grid of generated samples after {words.count(seen)} training examples"
        figure = (f"<figure>{_image(image, alt)}<figcaption>Made by this generator"
                  f"{f' after {words.count(seen)} examples' if seen else ''}. None of these are real.</figcaption></figure>")
    intro = (f'<div><p class="kicker">Training report</p><h1>{escape(run.name)}</h1><p class="lead">{_what(run)}</p>'
             f'<div class="verdict"><span class="pill {verdict.grade}">{grade}</span></div>'
             f'<p>{escape(verdict.text)}</p></div>')
    return f'<header class="hero{"" if figure else " plain"}">{intro}{figure}</header>{_tiles(run)}'


def _what(run: Run) -> str:
    """One sentence: which generator, of what data."""
    data = mapping(run.plan.get("data"))
    size = number(data.get("count", data.get("images", data.get("examples"))))
    path = advice.data_path(run)
    name = str(data.get("name") or (Path(path).name if path else "")) or "the data"
    kind = str(run.spec.get("kind") or "examples")
    many = f"{words.count(size)} {kind}" if math.isfinite(size) else kind
    return f"A generator that learned from {escape(many)} of {escape(name)}."


def _tiles(run: Run) -> str:
    part = f" of {words.count(run.total)}" if run.total and run.seen < run.total else ""
    tiles = [("Status", _STATES[run.state]), ("Examples seen", words.count(run.seen) + part),
             ("Training time", words.duration(run.seconds))]
    if run.seconds > 0 and run.seen:
        tiles.append(("Speed", f"{words.short_number(run.seen / run.seconds)} per second"))
    main = next((s for s in words.scores_of(run) if s.metric.name in ("frechet", "kernel")), None)
    if main and math.isfinite(main.ratio):
        tiles.append(("Distance to real data", f"{words.times(main.ratio)} the floor"))
    return '<dl class="facts">' + "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in tiles) + "</dl>"


def _picture_at(run: Run) -> tuple[int, Picture] | None:
    for seen, path in reversed(frames(run)):
        if image := embed(path, _HERO_BYTES):
            return seen, image
    return None


def _image(picture: Picture, alt: str) -> str:
    pixels = ' class="pixels"' if picture.small else ""
    return (f'<img{pixels} src="{picture.uri}" width="{picture.width}" height="{picture.height}" '
            f'alt="{escape(alt)}">')


def trained(run: Run) -> str:
    """What was trained: data, networks, game, and why."""
    rows = _data_rows(run) + _method_rows(run)
    notes = run.plan.get("notes") or run.config.get("notes") or []
    notes = [str(n) for n in notes] if isinstance(notes, list | tuple) else []
    why = ""
    if notes:
        why = "<h3>Why these choices</h3><ul class=\"notes\">" + "".join(f"<li>{escape(n)}</li>" for n in notes) + "</ul>"
    table = _keys(rows) if rows else '<p class="dim">The run folder does not say.</p>'
    return f'<section id="trained"><h2>What was trained</h2>{table}{why}{_WHAT_IS_A_GAN}</section>'


def _keys(rows: list[tuple[str, str]]) -> str:
    body = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in rows)
    return f'<div class="table"><table class="keys"><tbody>{body}</tbody></table></div>'


def _data_rows(run: Run) -> list[tuple[str, str]]:
    rows = []
    shape, classes = run.spec.get("shape"), run.spec.get("classes")
    if path := advice.data_path(run):
        rows.append(("Data", path))
    if isinstance(shape, list) and shape:
        text = " × ".join(str(n) for n in shape)
        if len(shape) == 3:
            colours = {1: "grey", 3: "colour", 4: "colour with transparency"}.get(shape[0], f"{shape[0]} channels")
            text = f"{shape[2]} × {shape[1]} pixels, {colours}"
        rows.append(("One example", text))
    if isinstance(classes, list):
        names = ", ".join(str(c) for c in classes[:12]) + (", …" if len(classes) > 12 else "")
        rows.append(("Classes", f"{len(classes)}: {names}" if classes else "none: it makes any kind of example"))
    for key, value in mapping(run.plan.get("data")).items():
        if key not in ("path", "source", "root", "shape", "classes") and isinstance(value, str | int | float):
            text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else _plain(value)
            rows.append((key.replace("_", " ").capitalize(), text))
    return rows


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
    name = str(tree.get("is", "")).rpartition(".")[2]
    rest = ", ".join(f"{k} {_plain(v)}" for k, v in tree.items() if k != "is" and not isinstance(v, dict) and v != "")
    return f"{name}: {rest}" if name and rest else name or rest


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "–".join(_plain(v) for v in value[:8])
    return "none" if value is None else str(value)


def good(run: Run) -> str:
    """How good it is: every score beside its floor, with a verdict in words, and the evaluation's pictures."""
    scores = words.scores_of(run)
    head = '<section id="good"><h2>How good it is</h2>'
    if not scores:
        return head + ("<p>This run has not been judged yet. Samples may look fine to the eye and still miss half of "
                       "the data, so have it judged before you rely on it; the command is below.</p></section>")
    source = ("From the full evaluation." if words.from_report(run.evaluation) else
              "From the quick scores during training; the full evaluation, with confidence intervals, is one command.")
    extractors = sorted({s.extractor for s in scores if s.extractor})
    if extractors:
        source += f" Features: {', '.join(extractors)}. Scores of other features cannot be compared with these."
    intro = ("<p>Each score stands beside its <b>floor</b>: the same score of real examples that were held out and "
             "never trained on. Real data does not score perfectly either, so the floor is what perfect looks like.</p>")
    rows = "".join(_score_row(s) for s in scores)
    table = ('<div class="table"><table class="scores"><thead><tr><th scope="col">What is measured</th>'
             '<th scope="col">This generator</th><th scope="col">Held-out real data</th>'
             f'<th scope="col">What it means</th></tr></thead><tbody>{rows}</tbody></table></div>')
    return f'{head}{intro}{table}<p class="dim">{escape(source)}</p>{_explain(scores)}{_evaluation_pictures(run)}</section>'


def _score_row(score: Score) -> str:
    verdict = words.judge(score)
    arrow = {"lower": "lower is better", "higher": "higher is better", "near": ""}[score.metric.better]
    sub = f'<span class="sub">{escape(score.metric.short)} {arrow and f"({arrow})"}</span>'
    pill = "" if verdict.grade == "unknown" else f'<span class="pill {verdict.grade}">{verdict.grade.capitalize()}</span>'
    return (f'<tr><th scope="row">{escape(score.metric.title)}{sub}</th>'
            f'<td class="num" data-name="This generator">{_with_interval(score.value, score.low, score.high)}</td>'
            f'<td class="num" data-name="Held-out real data">'
            f'{_with_interval(score.floor, score.floor_low, score.floor_high)}</td>'
            f'<td>{pill}<span class="sub">{escape(verdict.text)}</span></td></tr>')


def _with_interval(value: float, low: float, high: float) -> str:
    text = words.short_number(value)
    if math.isfinite(low) and math.isfinite(high):
        text += f"<small>{words.short_number(low)} to {words.short_number(high)}</small>"
    return text


def _explain(scores: list[Score]) -> str:
    items = "".join(f"<p><b>{escape(s.metric.title)}.</b> {escape(s.metric.long)}</p>" for s in scores if s.metric.long)
    bands = ("<p>The intervals are 95 % confidence intervals: with other random samples the value would mostly fall "
             "inside. A distance up to 1.5 times the floor counts as excellent, up to 3 as good, up to 8 as fair. "
             "A share counts as excellent from 95 % of the floor, good from 80 %, fair from 55 %.</p>")
    return f"<details><summary>What these numbers measure</summary>{items}{bands}</details>"


def _evaluation_pictures(run: Run) -> str:
    """What the evaluation drew; a file's name says what it shows."""
    folder = run.folder / "eval"
    figures = []
    for path in sorted(folder.glob("*.png"))[:_EVAL_PICTURES] if folder.is_dir() else []:
        image = embed(path, _EVAL_BYTES) if path.resolve().is_relative_to(run.folder.resolve()) else None
        if image:
            title = path.stem.replace("_", " ").replace("-", " ").capitalize()
            text = _CAPTIONS.get(path.stem, "")
            figures.append(f"<figure>{_image(image, title)}<figcaption><b>{escape(title)}.</b> {text}</figcaption></figure>")
    return f'<div class="pictures">{"".join(figures)}</div>' if figures else ""


_CAPTIONS = {
    "samples": "New samples, not chosen by hand.",
    "neighbours": "Each sample beside the training examples closest to it. The same picture twice would be a copy.",
    "nearest": "Each sample beside the training examples closest to it. The same picture twice would be a copy.",
    "classes": "One row for each class that was asked for.",
    "failures": "The samples furthest from real data: the worst to expect.",
    "missing": "Real examples that no sample comes near: what the generator leaves out.",
}


def went(run: Run) -> str:
    """How the training went: samples through time, curves, alarms."""
    reason = str(run.finished.get("reason", ""))
    lead = f'{_STATES[run.state]}{f": {_REASONS.get(reason, reason)}" if reason else ""}.'
    parts = [f'<section id="went"><h2>How it went</h2><p class="lead">{escape(lead)}</p>']
    parts += [_finding(f) for f in advice.findings(run)]
    parts += [_film(run), _charts(run)]
    return "".join(parts) + "</section>"


def _finding(finding: advice.Finding) -> str:
    return (f'<div class="finding {finding.kind}"><h3>{escape(finding.title)}</h3>'
            f"<p>{escape(finding.advice)}</p></div>")


def _film(run: Run) -> str:
    """The sample grids as a strip to scroll; the script turns it into one picture with a slider."""
    best = number(run.best.get("seen"))
    chosen = spread(frames(run), _FRAMES, int(best) if math.isfinite(best) else None)
    if len(chosen) < 2:
        return ""
    figures = []
    for seen, path in chosen:
        if image := embed(path, _FRAME_BYTES):
            text = f"After {words.count(seen)} examples" if seen else "Before training"
            figures.append(f"<figure>{_image(image, f'Generated samples: {text.lower()}')}"
                           f"<figcaption>{text}</figcaption></figure>")
    return ("<h3>Samples through time</h3><p>The same random numbers every time, so each place in the grid shows one "
            "sample as it grows.</p>"
            f'<div class="film" tabindex="0" role="group" aria-label="Samples through time">{"".join(figures)}</div>')


def _charts(run: Run) -> str:
    charts = [
        ("Score against the floor", "The distance from real data, over time. The dashed line is what held-out real "
         "data gets: the closer to it, the better.", _score_chart(run)),
        ("What the discriminator thinks", "Its output on real and on made-up examples; higher means “looks real”. Two "
         "lines that fly apart mean that it has won and the generator learns little.", _logit_chart(run)),
        ("Losses", "They balance each other and need not fall. Sudden jumps or a flat zero are warnings.",
         _loss_chart(run)),
        ("Speed", "Training examples per second.", _speed_chart(run)),
    ]
    figures = "".join(f"<figure><h3>{title}</h3>{svg}<figcaption>{text}</figcaption></figure>"
                      for title, text, svg in charts if svg)
    return f'<div class="charts">{figures}</div>' if figures else ""


def _score_chart(run: Run) -> str:
    lines: dict[str, list[tuple[float, float]]] = {}
    floors: dict[str, float] = {}
    for event in run.scored:
        for score in words.from_report(event):
            lines.setdefault(score.metric.name, []).append((_seconds_at(run, event), score.value))
            floors[score.metric.name] = score.floor
    name = next((n for n in ("frechet", "kernel") if n in lines), next(iter(lines), ""))
    if not name:
        return ""
    values = [v for _, v in lines[name] if math.isfinite(v)]
    wide = bool(values) and min(values) > 0 and max(values) > 10 * min(values)
    floor = Floor("held-out real data", floors[name]) if math.isfinite(floors[name]) else None
    return line_chart([Series(words.metric_for(name).title, lines[name], marks=len(values) < 30)], floor=floor, log=wide,
                      title="Score against the floor", x_label="training time", x_format=words.duration, y_zero=True)


def _seconds_at(run: Run, event: dict[str, object]) -> float:
    """The training time of an event; of the round closest before it when it does not say."""
    if math.isfinite(own := number(event.get("seconds"))):
        return own
    seen = number(event.get("seen"))
    before = [e for e in run.rounds if number(e.get("seen")) <= seen]
    return number(before[-1].get("seconds")) if before else 0.0


def _term_lines(run: Run) -> dict[str, list[tuple[float, float]]]:
    lines: dict[str, list[tuple[float, float]]] = {}
    for event in run.rounds:
        for name, value in mapping(event.get("losses")).items():
            lines.setdefault(name, []).append((number(event.get("seen")), number(value)))
    return lines


def _logit_chart(run: Run) -> str:
    names = {"_real": "real examples", "_fake": "made-up examples"}
    lines = _term_lines(run)
    return line_chart([Series(text, lines[name]) for name, text in names.items() if name in lines],
                      title="Discriminator outputs", x_label="examples seen")


def _loss_chart(run: Run) -> str:
    names = {"g_loss": "generator", "d_loss": "discriminator"}
    lines = {n: p for n, p in _term_lines(run).items() if not n.startswith("_")}
    order = sorted(lines, key=lambda n: (list(names).index(n) if n in names else 9, n))
    return line_chart([Series(names.get(n, n), lines[n]) for n in order[:6]], title="Losses", x_label="examples seen")


def _speed_chart(run: Run) -> str:
    points = [(number(e.get("seen")), number(e.get("speed"))) for e in run.rounds]
    return line_chart([Series("examples per second", points)], title="Speed", x_label="examples seen", y_zero=True)


def next_steps(run: Run) -> str:
    """The commands to type next."""
    rows = "".join(f'<h3 class="why">{escape(c.why.capitalize() if c.why[:1].islower() else c.why)}</h3>'
                   f'<div class="cmd"><code>{escape(c.text)}</code></div>' for c in advice.commands(run))
    return f'<section id="next"><h2>What to do next</h2>{rows or "<p>Start the training first.</p>"}</section>'


def details(run: Run) -> str:
    """Machine, versions, configuration, and what could not be read."""
    rows = [(k.replace("_", " ").capitalize(), _plain(v)) for part in ("machine", "versions")
            for k, v in mapping(run.plan.get(part)).items() if not isinstance(v, dict)]
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
