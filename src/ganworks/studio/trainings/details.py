"""All that the page shows of one run, its files that may be fetched, and runs side by side."""

from __future__ import annotations

import math
import shlex
from bisect import bisect_right
from pathlib import Path
from typing import Any

from ganworks.report import advice, grades, words
from ganworks.report.read import SHOWN, RunView, as_float, frames, mapping, size_on_disk
from ganworks.studio.places import RefusedError
from ganworks.studio.trainings.logs import NAME, SPEED, score_values
from ganworks.studio.trainings.state import Runs, Summary, url_of

REPORT = "report.html"
_TEXTS = ("config.yaml", "README.md", "eval.json", NAME, "plan.json", "spec.yaml")
_LINES = 40  # of what its process printed


def details(runs: Runs, name: str) -> dict[str, Any]:
    """The summary of a run and everything else. Raises RefusedError (404)."""
    summary, view = runs.summary(name), runs.view(name)
    job = runs.jobs.record(name)
    config = view.folder / "config.yaml"
    sizes = size_on_disk(view.folder) if view.folder.is_dir() else {}
    found = {
        "config": config.read_text(encoding="utf-8", errors="replace") if config.is_file() else "",
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
    """What the page offers for the use of a run: {"media", "takes", "resolution"}, by what its published file says."""
    shape, card = view.spec.get("shape") or [], view.card
    made = str(card.get("gives") or card.get("each") or (view.forms or ("",))[0])
    pictures = not made and len(shape) == 3
    accepted = [medium_of(str(suffix)) for suffix in card.get("takes") or ()] or ["image"]
    options, samples = mapping(card.get("options")), view.use == "sample"
    return {
        "media": medium_of(made, mapping(view.spec.get("facts"))) if made else "image" if pictures else "points",
        "takes": {
            "truncation": samples,
            "labels": samples and bool(view.spec.get("classes")),
            "latent": samples,
            "mask": "mask" in options,
            "media": accepted[0],
            "pair": False,
        },
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
    """Losses, speed and scores of a run over the examples seen: {"x", "series", "groups", "floors"}.

    A score holds until the next one is measured. floors: the scores that real data get.
    """
    x, series = runs.curves(name, points)
    view = runs.view(name)
    scores, floors = [], dict[str, float]()
    for event in view.scored:
        values, real = score_values(event)
        scores.append((as_float(event.get("seen")), values))
        floors |= real
    groups = {"losses": [n for n in series if n != SPEED], "scores": list(floors), "speed": [SPEED]}
    groups["scores"] += [title for _, values in scores for title in values if title not in groups["scores"]]
    for title in dict.fromkeys(groups["scores"]):
        known = [(seen, values[title]) for seen, values in scores if title in values]
        at = [bisect_right(known, seen, key=lambda pair: pair[0]) for seen in x]
        series[title] = [known[k - 1][1] if k else None for k in at]
    groups["scores"] = list(dict.fromkeys(groups["scores"]))
    return {"x": x, "series": series, "groups": groups, "floors": floors}


_COLUMNS = {
    "recipe": "Recipe", "data": "Data", "status": "State", "seen": "Examples seen", "seconds": "Seconds",
    "speed": "Examples per second", "parameters": "Parameters",
}  # fmt: skip


def compared(runs: Runs, names: list[str]) -> dict[str, Any]:
    """Runs side by side: {"columns": [{"key", "title"}], "rows": [{"run", "cells"}]}; None where a run has no value."""
    rows, titles = [], dict(_COLUMNS)
    for name in names:
        view, summary = runs.view(name), runs.summary(name)
        scores = {score["id"]: score for score in map(_scored, words.scores_of(view))}
        speed = round(summary["seen"] / summary["seconds"], 1) if summary["seconds"] else None
        size = sum(n for n in mapping(view.plan.get("parameters")).values() if isinstance(n, int)) or None
        known = {**summary, "speed": speed, "parameters": size}
        titles |= {key: score["name"] for key, score in scores.items()}
        cells = {key: known.get(key) for key in _COLUMNS} | {key: score["value"] for key, score in scores.items()}
        rows.append({"run": name, "cells": cells})
    for row in rows:
        row["cells"] = {key: row["cells"].get(key) for key in titles}
    return {"columns": [{"key": key, "title": title} for key, title in titles.items()], "rows": rows}
