"""The report of a run: tolerant reading, honest verdicts, one escaped page that loads nothing."""

from __future__ import annotations

from pathlib import Path

import fake_run

from ganworks.report.html import write_report


def test_a_hostile_run_cannot_write_into_the_page(tmp_path: Path) -> None:
    page = write_report(fake_run.build(tmp_path, hostile=True)).read_text("utf-8")
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
    assert page.count("<script>") == 1
