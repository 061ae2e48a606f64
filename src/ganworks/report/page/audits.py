"""The audit of a run on its pages: audit/audit.json as rows and sentences, tolerant of what it holds."""

from __future__ import annotations

import math
from typing import Any

from ganworks.report.read import RunView, as_float, mapping

NAMES = {
    "nearest": "Distance to the nearest sample",
    "calibrated": "The same, beside real examples",
    "density": "Density of samples over real ones",
    "critic": "Score of the discriminator",
    "likelihood": "Likelihood under the generator",
}
_HEAD = ["Attack", "Area", "95 % interval", "Told from chance", "Found at 1 % false alarms", "at 0.1 %"]


def audited(run: RunView) -> dict[str, Any] | None:
    """The section of the report; None for a run without an audit."""
    found = run.audit
    said = found.get("sentences")
    if not isinstance(said, list) or not said:
        return None
    seen = as_float(mapping(found.get("about")).get("seen"))
    old = "The training has gone on since this audit was made." if math.isfinite(seen) and seen < run.seen else ""
    return {
        "headline": str(said[0]),
        "power": str(said[1]) if len(said) > 1 and mapping(found.get("attacks")) else "",
        "attacks": attack_table(found),
        "caveat": str(said[-1]) if len(said) > 1 else "",
        "old": old,
    }


def attack_table(found: dict[str, Any]) -> dict[str, Any]:
    """A table for `parts.table`: one row for each attack on membership."""
    rows = [_row(name, mapping(told)) for name, told in mapping(found.get("attacks")).items()]
    return {"kind": "classes", "head": _HEAD, "rows": rows}


def _row(name: str, told: dict[str, Any]) -> list[str]:
    area = mapping(told.get("auc"))
    rates = told.get("rates")
    rates = [mapping(r) for r in rates] if isinstance(rates, list) else []
    return [
        NAMES.get(name, name[:60]),
        _number(area.get("value")),
        f"{_number(area.get('low'))} to {_number(area.get('high'))}",
        "yes" if told.get("known") is True or any(r.get("known") is True for r in rates) else "no",
        *[_found(r) for r in [*rates, {}, {}][:2]],
    ]


def _number(value: object) -> str:
    number = as_float(value)
    return f"{number:.3f}" if math.isfinite(number) else ""


def _found(rate: dict[str, Any]) -> str:
    found = mapping(rate.get("found"))
    share, least = as_float(found.get("value")), as_float(rate.get("least"))
    if not math.isfinite(share):
        return "cannot tell"
    return f"{share:.1%} (chance: below {least:.1%})" if math.isfinite(least) else f"{share:.1%}"
