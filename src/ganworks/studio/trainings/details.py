"""All that the page shows of one run, its files that may be fetched, and runs side by side."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Any

from ganworks.report import advice, grades, words
from ganworks.report.read import SHOWN, RunView, frames, mapping, size_on_disk
from ganworks.studio.places import RefusedError
from ganworks.studio.trainings.logs import NAME, score_values
from ganworks.studio.trainings.state import Runs, Summary, url_of

REPORT = "report.html"
_TEXTS = ("config.yaml", "README.md", "eval.json", NAME, "plan.json", "spec.yaml")
_LINES = 40  # of what its process printed


def details(runs: Runs, name: str) -> dict[str, Any]:
    """The summary of a run and everything else. Raises RefusedError (404)."""
    summary, view = runs.summary(name), runs.view(name)
    job = runs.jobs.record(name)
    sizes = size_on_disk(view.folder) if view.folder.is_dir() else {}
    found = {
        "config": _config(view),
        "command": command_of(view, job, summary),
        "python": python_of(view, summary),
        "next": [{"command": c.text, "why": c.why} for c in advice.commands(view)] if view.plan else [],
        "advice": [f"{found.title.rstrip('.')}. {found.advice}" for found in advice.findings(view)],
        "verdict": words.verdict(view).text if view.scored or view.evaluation else "",
        "notes": [str(note) for note in view.started.get("notes") or view.plan.get("notes") or ()],
        "scores": scores_of(view),
        "classes": [str(name) for name in view.spec.get("classes") or ()],
        "options": {key: str(meaning) for key, meaning in mapping(view.card.get("options")).items()},
        "alarms": [{"seen": e.get("seen"), "text": f"{e.get('message')} {e.get('advice', '')}"} for e in view.alarms],
        **abilities(view),
        "files": [
            {"name": entry, "bytes": size, "url": None if entry.endswith("/") else url_of(name, entry)}
            for entry, size in sizes.items() if entry.endswith("/") or entry in named(view)
        ],
        "report": url_of(name, REPORT) if (view.folder / REPORT).is_file() else None,
        "snapshots": [
            {"seen": seen, "url": url_of(name, path.relative_to(view.folder).as_posix())} for seen, path in frames(view)
        ],
        "log": runs.jobs.said(name)[-_LINES:] if job else [],
        "given": {key: str(value) for key, value in (job.get("settings") or mapping(view.plan.get("given"))).items()},
    }  # fmt: skip
    return {**summary, **runs.place.clean(found)}


def _config(view: RunView) -> str:
    path = view.folder / "config.yaml"
    return "" if path.is_symlink() or not path.is_file() else path.read_text(encoding="utf-8", errors="replace")


def named(view: RunView) -> set[str]:
    """The files of a run that a page may fetch, relative to its folder."""
    found = {path.relative_to(view.folder).as_posix() for _, path in frames(view)}
    folder = view.folder / "eval"
    found |= {f"eval/{path.name}" for path in folder.glob("*") if path.suffix.lower() in SHOWN}
    found |= {path.name for path in view.folder.glob("*.safetensors")}
    return found | {name for name in (*_TEXTS, REPORT) if (view.folder / name).is_file()}


def file_of(runs: Runs, name: str, path: str) -> Path:
    """A file of a run that its state names, links followed only within the run. Raises RefusedError (404)."""
    view = runs.view(name)
    if path in named(view):
        root, found = view.folder.resolve(), (view.folder / path).resolve()
        if found.is_file() and found.is_relative_to(root):
            return found
    raise RefusedError("This run has no such file.", 404)


def command_of(view: RunView, job: dict[str, Any], summary: Summary) -> str:
    """The command line that made the run, to be given in the studio's folder."""
    if job.get("words"):
        return shlex.join(["ganworks", *job["words"]])
    return advice.train_command(view) if view.plan else f"ganworks info runs/{summary['name']}"


def python_of(view: RunView, summary: Summary) -> str:
    """Python for the use of the run."""
    together = ".zip" if view.card.get("each") or not view.forms else view.forms[0]
    given = f"file{view.passes[0]}" if view.passes[0] else "picture.png"
    uses = {
        "sample": f'model.sample(16, seed=0).save("samples{together}")',
        "apply": f'result = model.apply("{given}")',
        "predict": 'model.predict("pictures/").save("classes.csv")',
    }
    return f'import ganworks as gw\n\nmodel = gw.load("runs/{summary["name"]}")\n{uses[view.use]}\n'


def abilities(view: RunView) -> dict[str, Any]:
    """What the page offers for the use of a run, by its published file: {"media", "takes", "can", "resolution"}."""
    shape, card = view.spec.get("shape") or [], view.card
    made = str(card.get("gives") or card.get("each") or (view.forms or ("",))[0])
    pictures = not made and len(shape) == 3
    samples = view.use == "sample"
    return {
        "media": medium_of(made, mapping(view.spec.get("facts"))) if made else "image" if pictures else "points",
        "takes": [str(suffix) for suffix in card.get("takes") or ()],
        "can": {"truncation": samples, "latent": samples, "mask": "mask" in mapping(card.get("options"))},
        "resolution": shape[-1] if pictures else None,
    }


_MEDIA = {
    "image": (".png", ".gif", ".webp", ".jpg"), "audio": (".wav", ".flac", ".ogg"), "video": (".mp4", ".webm"),
    "text": (".txt",), "table": (".csv", ".parquet"),
}  # fmt: skip
_ROWS = _MEDIA["table"]


def medium_of(suffix: str, facts: dict[str, Any] | None = None) -> str:
    """What a page shows a file of this suffix as. facts: of the data; those of series have a clock."""
    if suffix in _ROWS and "steps" in (facts or {}):
        return "series"
    return next((medium for medium, known in _MEDIA.items() if suffix in known), "points")


def scores_of(view: RunView) -> list[dict[str, Any]]:
    """The scores of a run, each with a grade from "excellent" to "poor", or None where there is none."""
    scores = words.scores_of(view)
    return [
        {
            **_scored(score),
            "grade": None if verdict.grade == "unknown" else verdict.grade,
            "meaning": score.metric.short,
        }
        for score, verdict in zip(scores, grades.verdicts(scores), strict=True)
    ]


def _scored(score: Any) -> dict[str, Any]:
    def number(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "name": score.metric.title,
        "id": score.metric.name,
        "value": number(score.value),
        "real": number(score.floor),
        "low": number(score.low),
        "high": number(score.high),
    }


def curves_of(runs: Runs, name: str, points: int) -> dict[str, Any]:
    """{"x": examples seen, "series": name -> losses and speed, "scores": {"x", "series", "real"}} of a run.

    real: the scores that real data get.
    """
    x, series = runs.curves(name, points)
    scored = runs.view(name).scored
    scores: dict[str, Any] = {"x": [event.get("seen") for event in scored], "series": {}, "real": {}}
    for k, event in enumerate(scored):
        values, real = score_values(event)
        scores["real"] |= real
        for title, value in values.items():
            scores["series"].setdefault(title, [None] * len(scored))[k] = value
    return {"x": x, "series": series, "scores": scores}


_COLUMNS = {
    "name": "Run", "recipe": "Recipe", "data": "Data", "status": "State", "seen": "Examples seen",
    "seconds": "Seconds", "speed": "Examples per second", "parameters": "Parameters",
}  # fmt: skip


def compared(runs: Runs, names: list[str]) -> dict[str, Any]:
    """Runs side by side: {"columns": titles, "rows": [[values]]}; None where a run has no value."""
    tables, scores = [], dict[str, None]()
    for name in names:
        view, summary = runs.view(name), runs.summary(name)
        own = {score["name"]: score["value"] for score in map(_scored, words.scores_of(view))}
        speed = round(summary["seen"] / summary["seconds"], 1) if summary["seconds"] else None
        size = sum(n for n in mapping(view.plan.get("parameters")).values() if isinstance(n, int)) or None
        tables.append({**summary, "speed": speed, "parameters": size} | own)
        scores |= dict.fromkeys(own)
    keys = [*_COLUMNS, *scores]
    return {"columns": [*_COLUMNS.values(), *scores], "rows": [[table.get(key) for key in keys] for table in tables]}
