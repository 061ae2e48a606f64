"""The contract of domains whose data can be audited before a training: `ganworks audit PATH`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ganworks.core.contracts import Work


@runtime_checkable
class GivesEvidence(Protocol):
    """A domain that says what an audit may look at: the audit asks no kind of data, but for what is there."""

    def evidence(self, path: Any, features: str, work: Work) -> Any:
        """The `audit.evidence.Evidence` of a source. features: a published network to look through, "" for none.

        What cannot be read is left out and counted. Raises UsageError where a training would refuse the data as a
        whole, and for features that do not look at such data.
        """


@runtime_checkable
class GlancesAtData(Protocol):
    """A domain whose opened data a training can look at quickly before it begins."""

    def glance(self, data: Any, rows: int, values: int) -> Any:
        """The `audit.evidence.Evidence` of a random sample of opened data.

        rows: examples at most. values: numbers that these hold together at most.
        """
