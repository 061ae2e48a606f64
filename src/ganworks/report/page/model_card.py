"""README.md of a run: the model card for people and for model hubs."""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from ganworks.core.console.text import counted
from ganworks.report import advice, grades, units, words
from ganworks.report.page import fill
from ganworks.report.page.fill import Markdown
from ganworks.report.page.sections import example
from ganworks.report.read import RunView, as_float, mapping


def card(run: RunView) -> str:
    """The card as text, well-formed UTF-8: Markdown below a YAML head that model hubs read.

    The template escapes what came from the run.
    """
    head = {"library_name": "ganworks", "tags": ["gan", "generative-adversarial-network", *_kind(run)]}
    text = fill.markdown(
        "card.md",
        head=Markdown(yaml.safe_dump(head, sort_keys=False)),
        name=run.name,
        verdict=words.verdict(run).text,
        incomplete="" if run.state in ("finished", "empty") else run.state,
        folder=Markdown(_literal(run)),
        file=Markdown(_FILES[run.use]),
        call=Markdown(_call(run)),
        limits=[(f.title.rstrip("."), f.advice) for f in advice.findings(run) if f.kind == "bad"],
        **_data(run),
        **_training(run),
        **_scores(run),
    )
    return text.encode("utf-8", "replace").decode("utf-8")


def _kind(run: RunView) -> list[str]:
    kind = run.spec.get("kind")
    return [str(kind)] if isinstance(kind, str) and kind.isidentifier() else []


_FILES = {"sample": "generator.safetensors", "apply": "generator.safetensors", "predict": "classifier.safetensors"}
_CALLS = {
    "sample": "samples = model.sample(16, seed=0)\n{save}",
    "apply": 'picture = model.apply("picture.jpg")',
    "predict": 'found = model.predict("pictures/")\nprint(found.names[0], found.best(0))',
}


def _call(run: RunView) -> str:
    """The line that uses the model."""
    if run.use == "apply" and run.passes[0]:
        takes, gives = (re.sub(r"[^\w.]", "_", suffix) for suffix in run.passes)
        return f'gw.apply("{_literal(run)}", "file{takes}", "result{gives}")'
    return _CALLS[run.use].format(save=_save(run))


def _save(run: RunView) -> str:
    """The line that saves samples as a file of their kind."""
    if run.card.get("each") or not run.forms:
        return 'samples.save("samples")  # a folder; samples.items holds them'
    return f'samples.save("samples{run.forms[0]}")  # samples.items holds them'


def _literal(run: RunView) -> str:
    """The folder's name inside a Python string inside a code block."""
    return re.sub(r"[^\w./ -]", "_", run.name)


def _data(run: RunView) -> dict[str, Any]:
    shape, classes = run.spec.get("shape"), run.spec.get("classes")
    one = isinstance(shape, list)
    return {
        "source": advice.data_path(run),
        "example": example(str(run.spec.get("kind")), shape, mapping(run.spec.get("facts"))) if one else "",
        "classes": classes if isinstance(classes, list) else [],
        "facts": units.facts(mapping(run.plan.get("data"))),
    }


def _training(run: RunView) -> dict[str, Any]:
    surroundings = []
    for part in ("machine", "versions"):
        items = [(k, v) for k, v in mapping(run.plan.get(part)).items() if isinstance(v, str | int | float)]
        surroundings += [(part.capitalize(), items)] if items else []
    notes = run.plan.get("notes")
    return {
        "recipe": run.config.get("recipe"),
        "seen": f"{counted(run.seen, 'example')} seen in {units.duration(run.seconds)}" if run.seen else "",
        "surroundings": surroundings,
        "notes": notes if isinstance(notes, list) else [],
    }


def _scores(run: RunView) -> dict[str, Any]:
    scores, count = words.scores_of(run), as_float(run.evaluation.get("count"))
    return {
        "scores": [_score_row(s, v) for s, v in zip(scores, grades.verdicts(scores), strict=True)],
        "features": sorted({s.extractor for s in scores if s.extractor}),
        "count": units.count(count) if math.isfinite(count) else "",
    }


def _score_row(score: grades.Score, verdict: grades.Verdict) -> dict[str, str]:
    value, floor, low, high = (
        grades.score_text(score.metric, v) for v in (score.value, score.floor, score.low, score.high)
    )
    return {
        "title": score.metric.title,
        "value": value,
        "span": f"{low} to {high}" if math.isfinite(score.low) and math.isfinite(score.high) else "",
        "floor": floor,
        "grade": "" if verdict.grade == "unknown" else verdict.grade,
    }
