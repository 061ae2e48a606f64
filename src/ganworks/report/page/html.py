"""One self-contained report.html per run: what was trained, how good it is, how it went, what to do next.

The page loads nothing: styles, scripts, charts and pictures are inside, and its content security policy allows
nothing else. Templates escape whatever came from the run (names, paths, messages).
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from ganworks.core.console.text import on_page
from ganworks.report import words
from ganworks.report.page import audits, course, fill, scores, sections, tasks
from ganworks.report.read import RunView

_STYLES = ("vendor/uplot-1.6.32.min.css", "page.css")
_SCRIPTS = ("vendor/uplot-1.6.32.iife.min.js", "page.js", "charts.js")


def render(run: RunView) -> str:
    """The page as text, well-formed UTF-8, in which no character hides or turns what stands there."""
    from markupsafe import Markup

    css, script = ("\n".join(map(_part, names)) for names in (_STYLES, _SCRIPTS))
    policy = (
        f"default-src 'none'; img-src data:; media-src data:; style-src '{_hash(css)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    page = fill.html(
        "page.html",
        csp=policy,
        css=Markup(css),
        script=Markup(script),
        name=run.name,
        hero=sections.hero(run),
        trained=sections.trained(run),
        pairs=tasks.pairs(run),
        good=scores.good(run),
        unscored=words.unscored(run),
        audit=audits.audited(run),
        went=course.went(run),
        commands=sections.next_steps(run),
        details=sections.details(run),
    )
    return on_page(page)


def beside(template: str, **values: object) -> str:
    """A page beside the report, of this template and these values, with the same styles and no script."""
    from markupsafe import Markup

    css = _part("page.css")
    policy = f"default-src 'none'; img-src data:; style-src '{_hash(css)}'; base-uri 'none'; form-action 'none'"
    return on_page(fill.html(template, csp=policy, css=Markup(css), **values))


def summary(run: RunView) -> str:
    """The verdict in one plain sentence, for the end of a training."""
    verdict = words.verdict(run)
    return verdict.text if verdict.grade == "unknown" else f"{verdict.grade.capitalize()}. {verdict.text}"


def _part(name: str) -> str:
    return resources.files("ganworks.report.page").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")
