"""The pages of a run that people read: report.html, and the model card README.md."""

from __future__ import annotations

from pathlib import Path

from ganworks.report.page.html import write_report
from ganworks.report.page.model_card import write_card
from ganworks.report.read import read_run
from ganworks.runs.run import Run


def write_pages(folder: Path, run: Run | None = None) -> Path:
    """Read a run once, write both pages and enter them in its manifest; returns the report.

    run: the run in this folder, where it is open already. Raises UsageError when the folder is none, OSError when it
    cannot be written.
    """
    found = read_run(folder)
    run = run or Run.open(folder)
    report, card = write_report(found), write_card(found)
    for page in (report, card):
        run.adopt(page.name)
    run.seal()
    return report
