"""`ganworks audit`: what is wrong with data before a training, and what a trained run gives away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganworks.cli.words import Options, import_own, one, only, whole
from ganworks.core.console.stop import told
from ganworks.core.console.voice import say


def audit(places: list[str], options: Options) -> None:
    """ganworks audit PATH|RUN key=value ..."""
    import_own(options)
    path = one(places, "a path of data, or a run", "audit")
    from ganworks.runs.run import Run

    if Path(path).is_dir() and Run.exists(path):
        _run(path, options)
    else:
        _data(path, options)


def _data(path: str, options: Options) -> None:
    from ganworks.audit.examine import audit_data, keep, next_steps
    from ganworks.report.terminal.meters import Meters

    recipe, out, features = (options.pop(name, None) for name in ("recipe", "out", "features"))
    settings = {name.removeprefix("domain."): value for name, value in options.items()}
    with (
        told(lambda: "Interrupted while the data was looked at; nothing was written. The same command starts again."),
        Meters() as meters,
    ):
        found = audit_data(path, recipe, features or "", settings, meters)
        meters("Writing the sheet", 0, 1)
        folder = keep(found, out)
        meters("Writing the sheet", 1, 1)
    say(*filter(None, (found.about["because"],)), *found.lines, *next_steps(found, folder))


def _run(path: str, options: Options) -> None:
    only(options, ("data", "count", "seed", "identifiers", "out"), "audit")
    from ganworks.audit.run.report import audit_and_keep
    from ganworks.report.terminal.meters import Meters

    asked: dict[str, Any] = {name: whole(options.pop(name), name) for name in ("count", "seed") if name in options}
    if "identifiers" in options:
        asked["identifiers"] = [name.strip() for name in options.pop("identifiers").split(",") if name.strip()]
    with told(lambda: "Interrupted; nothing was written. The same command starts again."), Meters() as meters:
        found, page = audit_and_keep(
            path, options.pop("out", None), data=options.pop("data", None), work=meters, **asked
        )
    say(*found.sentences, "", f"Audit      {page}")
