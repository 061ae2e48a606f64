"""What an audit of data found, as an object, as plain types and as a list of what should be left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ganworks import __version__
from ganworks.audit.evidence import Evidence, Finding
from ganworks.files.packing.exclusions import exclusions_csv


@dataclass
class DataAudit:
    """What an audit found: the evidence that was looked at, and a finding of every check that was made.

    about: path, recipe, domain settings, seconds, ...
    """

    evidence: Evidence
    findings: list[Finding]
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def out(self) -> dict[int, list[str]]:
        """Row -> the reasons why it should be left out, rising by row."""
        reasons: dict[int, list[str]] = {}
        if self.evidence.digest is None:
            return reasons
        for finding in self.findings:
            for row, why in finding.out.items():
                reasons.setdefault(row, []).append(why)
        return dict(sorted(reasons.items()))

    @property
    def lines(self) -> list[str]:
        """The verdict of every check as text."""
        width = max((len(f.title) for f in self.findings), default=0)
        return [f"{f.title:<{width}}  {f.says}" for f in self.findings]

    def to_dict(self) -> dict[str, Any]:
        """Plain types: what audit.json holds."""
        return {
            "software": "ganworks",
            "version": __version__,
            **self.about,
            "count": self.evidence.count,
            "facts": self.evidence.facts,
            "findings": [finding.to_dict(self.evidence.names) for finding in self.findings],
            "left_out": len(self.out),
        }

    def exclusions(self) -> str:
        """The list of what should be left out, as CSV."""
        e = self.evidence
        if e.digest is None:
            return exclusions_csv([])
        return exclusions_csv((e.names(row), e.digest(row), "; ".join(why)) for row, why in self.out.items())
