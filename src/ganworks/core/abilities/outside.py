"""The contract of parts that reach outside of what they are given. Nothing here imports torch."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class ReadsFiles(Protocol):
    """A domain with options whose values are paths, which it opens.

    A service takes no such value as text from others: they would read files of its machine.
    """

    @property
    def file_options(self) -> tuple[str, ...]:
        """The names of these options."""


def file_options(domain: Any) -> tuple[str, ...]:
    """The options of a domain whose values are paths; by default none, and the mask of pictures that are changed."""
    return ("mask", *domain.file_options) if isinstance(domain, ReadsFiles) else ("mask",)
