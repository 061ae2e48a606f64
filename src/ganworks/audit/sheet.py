"""The page of an audit: the verdict of every check with its limits, and pictures or texts of what was found."""

from __future__ import annotations

import base64
import io
from typing import Any

from ganworks.audit.evidence import Evidence, Finding
from ganworks.audit.found import DataAudit
from ganworks.core.console.text import counted, on_line
from ganworks.report.page import html

GROUPS, CELLS, SIDE = 12, 8, 96  # groups of a finding, cells of a group, longest side of a picture in pixels
_LETTERS = 200


def page(audit: DataAudit) -> str:
    """The page as text; everything is inside, and it loads nothing."""
    found = [f for f in audit.findings if f.found]
    return html.beside(
        "data_audit.html",
        name=on_line(audit.about["path"]),
        count=f"{audit.evidence.count:,} {audit.evidence.what}",
        lead=_lead(audit, found),
        verdicts=[(f.title, f.says, bool(f.found), f.check) for f in audit.findings],
        findings=[_shown(f, audit.evidence) for f in audit.findings],
        facts=_facts(audit),
    )


def _lead(audit: DataAudit, found: list[Finding]) -> str:
    if not found:
        return f"{len(audit.findings)} checks were made, and none found anything."
    rest = (
        f" {counted(len(audit.out), 'example is', 'examples are')} proposed to be left out; nothing was dropped."
        if audit.out
        else ""
    )
    return f"{len(found)} of {len(audit.findings)} checks found something.{rest}"


def _facts(audit: DataAudit) -> list[tuple[str, str]]:
    about = audit.about
    return [
        ("Read as", about["recipe"]),
        ("Looked at through", about["features"] or "no features"),
        ("With features", f"{about['looked_at_with_features']:,} of {audit.evidence.count:,}"),
        ("Took", f"{about['seconds']:.0f} s"),
    ]


def _shown(finding: Finding, evidence: Evidence) -> dict[str, Any]:
    """A finding for the template; single rows stand together, groups of several one below the other."""
    single = [g for g in finding.groups if len(g.rows) == 1]
    several = [g for g in finding.groups if len(g.rows) > 1][:GROUPS]
    rows = [(g.says, [_cell(r, evidence) for r in g.rows[:CELLS]], max(0, len(g.rows) - CELLS)) for g in several]
    if single:
        rows.append(("", [_cell(g.rows[0], evidence, g.says) for g in single[: 3 * CELLS]], len(single) - 3 * CELLS))
    return {
        "id": finding.check,
        "title": finding.title,
        "says": finding.says,
        "limits": finding.limits,
        "clear": not finding.found,
        "rows": rows,
        "notes": [g.says for g in finding.groups if not g.rows][:60],
        "more": max(0, sum(len(g.rows) > 1 for g in finding.groups) - GROUPS),
    }


def _cell(row: int, evidence: Evidence, says: str = "") -> dict[str, str]:
    what = None if evidence.shown is None else evidence.shown(row)
    cell = {"name": on_line(evidence.names(row)), "says": on_line(says), "picture": "", "text": ""}
    if isinstance(what, str):
        return cell | {"text": on_line(what)[:_LETTERS]}
    return cell | ({"picture": _uri(what)} if what is not None else {})


def _uri(picture: Any) -> str:
    picture = picture.convert("RGB")
    if max(picture.size) > SIDE:
        picture.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
