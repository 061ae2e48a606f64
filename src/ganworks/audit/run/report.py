"""Audits a run and keeps what was found: audit/audit.json, audit/audit.html and its picture, in the manifest."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

from ganworks.audit.run import verdict
from ganworks.audit.run.audit import RunAudit, audit_run
from ganworks.core.machine.places import TakenError, place
from ganworks.files import atomic
from ganworks.report.page import audits, html
from ganworks.report.page.pages import write_pages
from ganworks.runs.run import Run
from ganworks.use.samples import make_folder

_COLOURS = ("#3b6fd4", "#d4702b", "#2e9b62", "#b0408c", "#8a7a1f")
_WIDE, _TALL, _LEFT, _TOP = 350, 250, 50, 10
_TITLE = "The samples nearest to a training example, and below each that example."


def files_of(found: RunAudit) -> dict[str, bytes]:
    """Name -> content of the files of an audit."""
    return {
        "audit.json": json.dumps(found.to_dict(), indent=1).encode(),
        "audit.html": page(found).encode(),
        **found.pictures,
    }


def audit_and_keep(path: str | Path, out: str | Path | None = None, **options: Any) -> tuple[RunAudit, Path]:
    """Audit a run, and write what was found into it, or into the folder `out`; returns it and its page.

    options: those of `audit_run`. In the run, the files are entered in its manifest and the report is written anew; out
    must be a new or empty folder. Raises UsageError and GanworksError.
    """
    if out is not None and (folder := place(out)).exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TakenError(f"{folder} exists already. Give another out=, or leave it out: audits are kept in the run.")
    run = Run.open(path)
    found = audit_run(path, **options)
    files = files_of(found)
    if out is None:
        run.write({f"audit/{name}": content for name, content in files.items()})
        write_pages(run.folder, run)
        return found, run.path("audit/audit.html")
    make_folder(folder := place(out))
    for name, content in files.items():
        atomic.replace_file(folder / name, content)
    return found, folder / "audit.html"


def page(found: RunAudit) -> str:
    """The page of an audit; everything is inside."""
    plain = found.to_dict()
    tellings = list(found.attacks.values())
    return html.beside(
        "audit_page.html",
        name=found.about["run"],
        headline=found.sentences[0],
        power=verdict.of_power(max(tellings, key=lambda t: t.others)) if tellings else "",
        attacks=audits.attack_table(plain),
        picture=_picture(found),
        not_asked=found.not_asked,
        copies=verdict.of_copies(found.copies) if found.copies else [],
        pictures=[_inside(content) for content in found.pictures.values()],
        records=[*map(verdict.of_gain, found.gains), *(row["says"] for row in found.returns)],
        meaning=found.meaning,
        protocol=found.protocol,
    )


def _inside(content: bytes) -> dict[str, str]:
    return {"source": f"data:image/png;base64,{base64.b64encode(content).decode()}", "title": _TITLE}


def _picture(found: RunAudit) -> dict[str, Any] | None:
    """The ROC curves on logarithmic axes from 1 / n to 1, as points of an SVG."""
    if not found.curves:
        return None
    low = min(1 / t.others for t in found.attacks.values()) * 0.9

    def at(share: float, wide: int) -> float:
        return wide * (1 - math.log(max(share, low)) / math.log(low))

    def points(line: list[tuple[float, float]]) -> str:
        return " ".join(f"{_LEFT + at(x, _WIDE):.1f},{_TOP + _TALL - at(y, _TALL):.1f}" for x, y in line)

    shares = [s for s in (0.001, 0.01, 0.1, 1.0) if s >= low]
    ticks = [(_LEFT + at(s, _WIDE), _TOP + _TALL + 16, f"{s:.3g}") for s in shares]
    ticks += [(_LEFT - 20, _TOP + _TALL - at(s, _TALL) + 4, f"{s:.3g}") for s in shares]
    lines = [
        {"name": audits.NAMES[name], "points": points(line), "colour": colour, "at": 26 + 15 * k}
        for k, ((name, line), colour) in enumerate(zip(found.curves.items(), _COLOURS, strict=False))
    ]
    return {"ticks": ticks, "guess": points([(low, low), (1.0, 1.0)]), "lines": lines}
