"""One self-contained report.html per run: what was trained, how good it is, how it went, what to do next.

The page loads nothing: styles, script, charts and pictures are inside, and its content security policy allows
nothing else. Whatever came from the run (names, paths, messages) is escaped.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

from ganworks.report import words
from ganworks.report.page import course, judged, sections, tasks
from ganworks.report.read import Run, read_run


def write_report(folder: str | Path) -> Path:
    """Writes report.html into a run folder, atomically, and returns its path. Under 8 MB.

    Raises UsageError when the folder is no run folder; OSError when it cannot be written.
    """
    run = read_run(folder)
    target = run.folder / "report.html"
    handle, name = tempfile.mkstemp(dir=run.folder, prefix=".report-", suffix=".html")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(render(run))
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return target


def render(run: Run) -> str:
    """The page as text, well-formed UTF-8."""
    template, css = _part("page.html"), _part("page.css")
    script = template.partition("<script>")[2].partition("</script>")[0]
    body = "\n".join(
        (
            sections.hero(run),
            sections.trained(run),
            tasks.sliders(run),
            judged.good(run),
            course.went(run),
            sections.next_steps(run),
            sections.details(run),
        )
    )
    policy = (
        f"default-src 'none'; img-src data:; media-src data:; style-src '{_hash(css)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    page = Template(template).substitute(
        csp=escape(policy),
        css=css,
        body=body,
        title=escape(f"{run.name} · ganworks report"),
        footer="Written by ganworks from the files of this run. Everything is inside this one file; it "
        "loads nothing and sends nothing. Pictures that a network made are generated, not real.",
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def summary(run: Run) -> str:
    """The verdict in one plain sentence, for the end of a training."""
    verdict = words.verdict(run)
    return verdict.text if verdict.grade == "unknown" else f"{verdict.grade.capitalize()}. {verdict.text}"


def _part(name: str) -> str:
    return resources.files("ganworks.report.page").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")
