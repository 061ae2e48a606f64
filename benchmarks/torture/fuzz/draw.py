"""Draws cases, the same ones every time, and tries them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from typing import Any

import hypothesis
import hypothesis.configuration
from hypothesis import strategies as st

from torture.fuzz.children import attempt

Case = dict[str, Any]


def drawn(make: Callable[[Any], Case], count: int) -> list[Case]:
    """The first `count` different cases that a function makes of hypothesis's `draw`."""
    found: dict[str, Case] = {}
    case = st.composite(lambda draw: make(draw))()  # noqa: PLW0108 - a partial has no name
    hypothesis.configuration.set_hypothesis_home_dir(tempfile.gettempdir())  # not into the checkout
    for round_ in range(20):

        @hypothesis.seed(round_)
        @hypothesis.settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case)
        def collect(one: Case) -> None:
            found.setdefault(json.dumps(one), one)

        collect()
        if len(found) >= count:
            break
    return list(found.values())[:count]


def tried(case: Case) -> str | None:
    """What went wrong with a case; None when it was done or refused as it should be."""
    return attempt(case)["error"] or None
