"""`ganworks eval`: a run's generator against held-out real data; writes eval.json and the pictures under eval/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ganworks.builder import Work, judging, rows
from ganworks.errors import UsageError
from ganworks.metrics.evaluate import Report, evaluate
from ganworks.model import Model
from ganworks.run import Run


def judge(folder: Path, *, data: Any = None, work: Work, count: int = 10_000, seed: int = 0) -> Report:
    """Judge the published generator of a run on `count` samples; returns what eval.json holds.

    data: an open data set, a path, or None for the path that the run was trained on. Raises UsageError when the
    data is not found or is not the data of the run.
    """
    run = Run.open(folder)
    plan, config = run.plan(), run.config()
    if data is None or isinstance(data, str | Path):
        path = str(data) if data is not None else plan["given"]["data"]
        if path == "<array>":
            raise UsageError("This run was trained on an array in memory; give it again with data=.")
        data = config.domain.open(path, on_progress=lambda done, total: work("Reading the data", done, total))
    if data.fingerprint != plan["data"]["fingerprint"]:
        raise UsageError(
            "This is not the data that the run was trained on (its fingerprint differs), so held-out and "
            "training examples cannot be told apart. Name the original with data=PATH."
        )
    model = Model.load(folder)
    extractor, reference = judging(data, work)
    about = {
        "generator": model.fingerprint,
        "seen": model.info.get("seen"),
        "half_life": model.info.get("half_life"),
        "truncation": 1.0,
    }
    report = evaluate(
        lambda start, n: rows(model, start, n, seed=seed + 1),
        data,
        extractor,
        count=count,
        seed=seed,
        reference=reference,
        pictures=folder / "eval",
        progress=work,
        about=about,
    )
    run.write("eval.json", json.dumps(report.to_dict(), indent=1))
    for path in sorted((folder / "eval").glob("*.png")):
        run.adopt(f"eval/{path.name}")
    run.seal()
    return report
