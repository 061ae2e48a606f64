"""The pages of a run that people read: report.html, and the model card README.md."""

from __future__ import annotations

from pathlib import Path

from ganworks.report.page.html import render
from ganworks.report.page.model_card import card
from ganworks.report.read import read_run
from ganworks.runs.run import Run


def write_pages(folder: Path, run: Run | None = None) -> Path:
    """Read a run once, write both pages and enter them in its manifest; returns the report.

    run: the run in this folder, where it is open already. Raises UsageError when the folder is none, GanworksError when
    it cannot be written.
    """
    found = read_run(folder)
    run = run or Run.open(found.folder)
    run.write({"report.html": render(found), "README.md": card(found)})
    return run.path("report.html")
