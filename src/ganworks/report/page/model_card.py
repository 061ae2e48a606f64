"""README.md of a run: the model card that a person or a model hub reads first."""

from __future__ import annotations

import math
import os
import re
import tempfile
from pathlib import Path

import yaml

from ganworks.report import advice, units, words
from ganworks.report.page.sections import example
from ganworks.report.read import Run, mapping, number, read_run

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!$&])")


def write_card(folder: str | Path) -> Path:
    """Writes README.md into a run folder, atomically, and returns its path.

    Raises UsageError when the folder is no run folder; OSError when it cannot be written.
    """
    run = read_run(folder)
    handle, name = tempfile.mkstemp(dir=run.folder, prefix=".card-", suffix=".md")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(card(run))
        Path(name).chmod(0o644)
        Path(name).replace(run.folder / "README.md")
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return run.folder / "README.md"


def card(run: Run) -> str:
    """The card's text: Markdown below a YAML head that model hubs read."""
    head = {"library_name": "ganworks", "tags": ["gan", "generative-adversarial-network", *_kind(run)]}
    parts = [
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n", f"# {text(run.name)}\n", _intro(run), _use(run),
        _data(run), _training(run), _scores(run), _limits(run),
    ]  # fmt: skip
    return "\n".join(part for part in parts if part)


def text(value: object) -> str:
    """Text that stays text in Markdown: one line, nothing in it is markup."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    return _SPECIAL.sub(r"\\\1", line)


def code(value: object) -> str:
    """Text as inline code, whatever backticks it holds."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    pad = " " if "`" in line else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def _kind(run: Run) -> list[str]:
    kind = run.spec.get("kind")
    return [str(kind)] if isinstance(kind, str) and kind.isidentifier() else []


def _intro(run: Run) -> str:
    verdict = words.verdict(run)
    state = "" if run.state in ("finished", "empty") else f" The training is not complete ({run.state})."
    return (f"A generative adversarial network trained with ganworks. {text(verdict.text)}{state} "
            "What it makes is generated, not real.\n")  # fmt: skip


_FILES = {"sample": "generator.safetensors", "apply": "generator.safetensors", "predict": "classifier.safetensors"}
_CALLS = {
    "sample": "samples = model.sample(16, seed=0)\n{save}",
    "apply": 'picture = model.apply("picture.jpg")',
    "predict": 'found = model.predict("pictures/")\nprint(found.names[0], found.best(0))',
}


def _use(run: Run) -> str:
    return (
        "## How to use it\n\n```python\nimport ganworks as gw\n\n"
        f'model = gw.load("{_literal(run)}")  # or {_FILES[run.use]} alone; the data is not needed\n'
        f"{_call(run)}\n```\n\n"
        f"The file `{_FILES[run.use]}` describes itself and holds no code.\n"
    )


def _call(run: Run) -> str:
    """The line that uses the model."""
    if run.use == "apply" and run.passes[0]:
        takes, gives = (re.sub(r"[^\w.]", "_", suffix) for suffix in run.passes)
        return f'gw.apply("{_literal(run)}", "file{takes}", "result{gives}")'
    return _CALLS[run.use].format(save=_save(run))


def _save(run: Run) -> str:
    """What becomes of samples: a file of their kind."""
    if run.card.get("each") or not run.forms:
        return 'samples.save("samples")  # a folder; samples.items holds them'
    return f'samples.save("samples{run.forms[0]}")  # samples.items holds them'


def _literal(run: Run) -> str:
    """The folder's name inside a Python string inside a code block."""
    return re.sub(r"[^\w./ -]", "_", run.name)


def _data(run: Run) -> str:
    data = mapping(run.plan.get("data"))
    lines = [f"- Source: {code(path)}"] if (path := advice.data_path(run)) else []
    shape, classes = run.spec.get("shape"), run.spec.get("classes")
    if isinstance(shape, list):
        said = example(str(run.spec.get("kind")), shape, mapping(run.spec.get("facts")))
        lines.append(f"- One example: {text(said)}")
    if isinstance(classes, list) and classes:
        names = ", ".join(code(c) for c in classes[:20]) + (", ..." if len(classes) > 20 else "")
        lines.append(f"- {len(classes)} classes: {names}")
    lines += [f"- {title}: {value:,}" for title, value in units.facts(data)]
    return "## Data\n\n" + "\n".join(lines) + "\n" if lines else ""


def _training(run: Run) -> str:
    lines = [f"- Recipe: {code(run.config['recipe'])}"] if run.config.get("recipe") else []
    if run.seen:
        lines.append(f"- {run.seen:,} examples seen in {units.duration(run.seconds)}")
    for part in ("machine", "versions"):
        facts = ", ".join(f"{text(k)} {text(v)}" for k, v in mapping(run.plan.get(part)).items()
                          if isinstance(v, str | int | float))  # fmt: skip
        if facts:
            lines.append(f"- {part.capitalize()}: {facts}")
    notes = run.plan.get("notes")
    lines += [f"- {text(note)}" for note in notes] if isinstance(notes, list) else []
    return "## Training\n\n" + "\n".join(lines) + "\n" if lines else ""


def _scores(run: Run) -> str:
    scores = words.scores_of(run)
    if not scores:
        return "## Scores\n\nThis model has not been judged. Run `ganworks eval` on its folder.\n"
    rows = ["| metric | this model | 95 % interval | held-out real data | verdict |", "|---|---|---|---|---|"]
    for score in scores:
        value, floor, low, high = (
            words.score_text(score.metric, v) for v in (score.value, score.floor, score.low, score.high)
        )
        span = f"{low} to {high}" if math.isfinite(score.low) and math.isfinite(score.high) else ""
        grade = words.judge(score).grade
        rows.append(
            f"| {text(score.metric.title)} | {value} | {span} | {floor} | {'' if grade == 'unknown' else grade} |"
        )
    names = sorted({s.extractor for s in scores if s.extractor})
    count = number(run.evaluation.get("count"))
    tail = f"\nFeatures: {', '.join(code(n) for n in names)}." if names else ""
    tail += f" {units.count(count)} samples." if math.isfinite(count) else ""
    return "## Scores\n\n" + "\n".join(rows) + "\n" + tail + (
        "\nScores of different features or counts cannot be compared. Each stands beside the score of real "
        "data that the "
        "training never saw.\n")  # fmt: skip


def _limits(run: Run) -> str:
    lines = ["- It can make only what resembles its training data, with that data's gaps and biases.",
             "- Whoever publishes samples answers for the rights in the training data and for saying that "
             "they are "
             "generated."]  # fmt: skip
    lines += [f"- {text(f.title).rstrip('.')}. {text(f.advice)}" for f in advice.findings(run) if f.kind == "bad"]
    return "## Limits\n\n" + "\n".join(lines) + "\n"
