"""What a run says of the published networks that it learns from, and what it refuses without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.core.teaching import taught_by


def notes(taught: Mapping[str, str], kept: bool = False) -> list[str]:
    """The sentence of a plan on the networks (key -> SHA-256) that the training learns from; none without them.

    kept: whether they become part of what is published.
    """
    if not taught:
        return []
    if kept:
        return [
            f"Looks through {' and '.join(taught)}, whose weights are published with the result: mind their licence."
        ]
    one = len(taught) == 1
    return [
        f"Learns from {' and '.join(taught)}: judge it by other features as well. {'Its' if one else 'Their'} weights "
        f"do not become part of the run; to go on with it, {'the file has' if one else 'the files have'} to be there."
    ]


def refuse_others(plan: Mapping[str, Any], game: Any, spec: Spec) -> None:
    """Raise UsageError unless the networks that a run learned from are there, and are the same."""
    wanted: dict[str, str] = plan.get("teachers", {})
    try:
        found = taught_by(game, spec)
    except UsageError as error:
        if not wanted:
            raise
        raise UsageError(f"This run learns from {' and '.join(wanted)}, and cannot go on without. {error}") from error
    if found != wanted:
        raise UsageError(
            f"This run learns from {' and '.join(wanted) or 'no published network'}; what it names now is "
            f"{' and '.join(found) or 'none'}. Put back the files with which it began, or start a new run with out=NEW."
        )


def judged_by_teacher(plan: Mapping[str, Any], extractor: str, sha256: str = "") -> str:
    """The sentence that says that a judge was the teacher of the run; "" for any other judge.

    extractor: the key of its features. sha256: the whole hash, where it is known.
    """
    taught: dict[str, str] = plan.get("teachers", {})
    if extractor not in taught and sha256 not in taught.values():
        return ""
    return (
        f"This judge was the teacher: the run learned from {extractor}, so that it is no independent witness. "
        "Judge by other features as well."
    )
