"""A budget of time is kept where a phase is slower than measured; a budget of examples is never changed."""

from types import SimpleNamespace

import pytest
import toys

from ganworks.training import session
from ganworks.training.pacing import Pacing
from ganworks.training.session import Session

BATCH = 32


class SlowPhases:
    """A clock, and an engine whose steps take `costs` seconds for an example, the second from half of the budget on."""

    def __init__(self, monkeypatch, costs, total):
        self.now, self.progress = 0.0, []
        self.engine = toys.engine(total=total)
        plain = self.engine.step

        def step():
            self.progress.append(self.engine.progress)
            self.now += BATCH * costs[self.engine.progress >= 0.5]
            plain()

        self.engine.step = step
        monkeypatch.setattr(session, "time", SimpleNamespace(monotonic=lambda: self.now))

    def run(self, pacing):
        made = Session(self.engine, None, pacing=pacing)
        list(made.events())
        return made


def pacing(seconds=100.0, total=3200):
    return Pacing(seconds, (0.0, 0.5), (0.03, 0.03), 0.0, total)


def test_a_last_phase_ten_times_slower_than_measured_keeps_the_budget(monkeypatch):
    """The defect: 280 seconds took 532."""
    slow = SlowPhases(monkeypatch, (0.03, 0.3), 3200)
    made = slow.run(pacing())
    assert 85 < slow.now < 105, "without a correction it takes 528 seconds"
    assert slow.engine.clock.seen == slow.engine.total < 1900 and slow.engine.progress == 1.0
    steps = [b - a for a, b in zip(slow.progress, slow.progress[1:], strict=False)]
    assert min(steps) > 0, "schedules go on from where they are"
    assert made.seconds == pytest.approx(slow.now, rel=0.02)


def test_what_was_cut_for_a_busy_moment_comes_back(monkeypatch):
    slow = SlowPhases(monkeypatch, (0.06, 0.015), 3200)
    slow.run(pacing())
    assert 80 < slow.now < 105 and slow.engine.total <= 3200


@pytest.mark.parametrize("costs", [(0.03, 0.03), (0.03, 0.031)], ids=["as-measured", "nearly"])
def test_a_pace_near_the_measured_one_changes_nothing(monkeypatch, costs):
    slow = SlowPhases(monkeypatch, costs, 3168)
    slow.run(pacing(total=3168))
    assert slow.engine.total == 3168 and slow.engine.turned == (0, 0.0)


def test_a_budget_of_examples_is_never_changed(monkeypatch):
    slow = SlowPhases(monkeypatch, (0.3, 3.0), 640)
    slow.run(None)
    assert slow.engine.total == 640 and slow.progress == [k * BATCH / 640 for k in range(20)]


def test_a_corrected_training_goes_on_where_it_was():
    first = toys.run(toys.engine(total=640), 4)
    first.retime(256)
    assert first.progress == 0.2
    toys.run(first, 2)
    assert first.progress == pytest.approx(0.2 + 0.8 / 2)
    tensors, counters = first.state()
    second = Session(toys.engine(total=640), None)
    second.resume(tensors, {**counters, "total": 256, "turned": [128, 0.2]})
    assert second.engine.progress == first.progress and second.engine.total == 256
    assert toys.same(toys.run(first, 2), toys.run(second.engine, 2))
