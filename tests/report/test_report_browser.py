"""The page in a real browser: its scripts run under its policy and draw every chart."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import fake_run
import pytest
from report_page import page_of
from studio_browser import browser_paths


def test_every_chart_is_drawn_with_its_latest_values(tmp_path: Path) -> None:
    run = fake_run.build(tmp_path / "runs", hostile=True)
    page, text = page_of(run)
    (run / "report.html").write_text(text)
    charts = [a for a in page.all("div") if a.get("class") == "chart"]
    profile, address = f"--user-data-dir={tmp_path / 'profile'}", f"file://{run / 'report.html'}"
    command = [browser_paths()[0], "--headless", "--no-sandbox", "--disable-gpu", profile,
               "--virtual-time-budget=3000", "--dump-dom", address]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert shown.count("<canvas") == len(charts) == 5
    assert re.search(r'class="film live"', shown) and "Drag over a chart" in shown
    labels = re.findall(r'<div class="u-label">([^<]*)</div></th><td class="u-value">([^<]*)</td>', shown)
    named = dict(labels)
    assert named["held-out real data"] == "1.2" and float(named["Fréchet distance"]) == pytest.approx(3.16, abs=0.02)
    assert named["training time"] == "1 min 24 s" and "generator" in named and "examples per second" in named
