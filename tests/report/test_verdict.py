"""The verdict is held back where the scores cannot carry it."""

import pytest

from ganworks.report import words
from ganworks.report.read import RunView


def run(held: int, extractor: str) -> RunView:
    scores = {
        "event": "scored",
        "seen": 1,
        "scores": {"fd": 1.1, "coverage": 0.97},
        "floor": {"fd": 1.0, "coverage": 0.98},
    }
    return RunView(None, plan={"data": {"held": held}}, scored=[scores | {"best": True, "extractor": extractor}])


@pytest.mark.parametrize(
    ("held", "extractor", "grade", "said"),
    [
        (1000, "clf-1@2", "excellent", "very hard to tell"),
        (1000, "randconv-s0@2", "good", "untrained network"),
        (16, "clf-1@2", "unknown", "Only 16 examples"),
    ],
)
def test_verdict(held, extractor, grade, said):
    found = words.verdict(run(held, extractor))
    assert found.grade == grade and said in found.text
