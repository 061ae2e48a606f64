"""Long work is shown while it reports nothing: in a stage, between stages, inside a step of a training."""

import time

import pytest

from ganworks.core.events import Round
from ganworks.report.terminal import meters as module
from ganworks.report.terminal.heartbeat import Heartbeat
from ganworks.report.terminal.meters import Meters
from ganworks.report.terminal.progress import Display
from ganworks.report.terminal.screen import Screen


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr("ganworks.report.terminal.screen.time.monotonic", made)
    monkeypatch.setattr(Screen, "spoke", 0.0)
    return made


def test_a_stage_that_reports_nothing_is_shown_every_ten_seconds(clock, capsys):
    """The defect: minutes without a line, since only a report could show one."""
    meters = Meters(clock)
    meters("Measuring", 1, 5)
    for _ in range(60):
        clock.now += 0.5
        meters.beat()
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"Measuring: 20 % 1/5, {time} s so far" for time in (2, 12, 22)]
    meters("Measuring", 5, 5)
    assert capsys.readouterr().err == "Measuring: 5 in 30 s\n" and meters.meter is None


def test_work_between_stages_is_shown(clock, capsys):
    meters = Meters(clock)
    for _ in range(50):
        clock.now += 0.5
        meters.beat()
    assert capsys.readouterr().err.splitlines() == [
        "Still at work, 10 s so far",
        "Still at work, 20 s so far",
    ]


def test_a_stage_that_has_not_begun_to_count_says_how_long_it_takes(clock, capsys):
    meters = Meters(clock)
    meters("Scoring", 0, 1)
    clock.now += 3
    meters.beat()
    assert capsys.readouterr().err == "Scoring: 3 s so far\n"


def test_a_long_step_of_a_training_is_shown(clock, capsys):
    display = Display(clock=clock, unicode=False)
    display(Round(64, 640, 1.0, 64.0, {}))
    capsys.readouterr()
    for _ in range(50):
        clock.now += 0.5
        display.beat()
    assert capsys.readouterr().err.splitlines() == [
        "10 % 64/640 | nothing new for 10 s",
        "10 % 64/640 | nothing new for 20 s",
    ]


def test_nothing_beats_after_the_end():
    beats = []
    heart = Heartbeat(lambda: beats.append(1), 0.01)
    heart.start()
    time.sleep(0.1)
    heart.stop()
    count = len(beats)
    time.sleep(0.05)
    assert count > 1 and len(beats) == count
    with module.Meters() as first:
        pass
    with first:
        first("Again", 0, 2)
    assert first.meter is None
