"""The log of a run as it grows: nothing twice, nothing lost, peaks kept, and a rewritten log is noticed."""

import json
import math

import numpy as np
import pytest

from ganworks.report.read import read_run
from ganworks.studio.trainings.logs import Course, Curves, Follower, Position, end_of


def line(event, seen, **facts):
    return json.dumps({"event": event, "seen": seen, **facts}) + "\n"


def rounds(values, start=10):
    return "".join(
        line("round", start + 10 * k, total=9999, seconds=k, speed=5.0, losses={"a": v}) for k, v in enumerate(values)
    )


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(line("started", 0, total=9999))
    return path


def test_lines_come_once_and_only_when_they_are_whole(log):
    follower = Follower(log)
    assert len(follower.read()[0]) == 1
    assert follower.read() == ([], False)
    whole = line("round", 10)
    with log.open("a") as file:
        file.write(whole[:15])
    assert follower.read() == ([], False)
    with log.open("a") as file:
        file.write(whole[15:])
    assert follower.read() == ([whole.strip().encode()], False)


def test_reading_goes_on_from_the_position_of_every_line(log):
    log.write_text(rounds(range(40)))
    first = Follower(log)
    lines, _ = first.read()
    for k, place in enumerate(first.places()):
        assert Follower(log, place).read() == (lines[k + 1 :], False)
    assert place == first.position == end_of(log)


@pytest.mark.parametrize("new", ["", line("started", 0, total=1), rounds(range(100))])
def test_a_rewritten_log_is_read_from_its_beginning(log, new):
    log.write_text(rounds(range(30), 11))
    follower = Follower(log)
    follower.read()
    log.unlink()
    log.write_text(new)
    lines, other = follower.read()
    assert other and len(lines) == new.count("\n")
    assert Follower(log, Position(10**9, 5)).read()[1]


def test_a_course_says_what_a_report_reads(log, tmp_path):
    with log.open("a") as file:
        file.write(rounds([1, 2, 3]) + line("scored", 30, scores={"fd": 3.0}, floor={"fd": 1.0}, best=True))
        file.write("damaged\n" + line("alarm", 30, kind="k", message="m", advice="a"))
    course = Course(tmp_path)
    course.read()
    with log.open("a") as file:  # it goes back to 20 and ends
        file.write(line("started", 20, total=9999) + rounds([7, 8], 20) + line("shown", 30, path="samples/30.png"))
        file.write(line("scored", 30, scores={"fd": 2.0}, floor={"fd": 1.0}, best=True))
        file.write(line("finished", 30, seconds=3, reason="budget"))
    found, told = course.read(), read_run(tmp_path)
    for name in ("shown", "scored", "alarms", "started", "finished"):
        assert found[name] == getattr(told, name), name
    assert found["rounds"] == told.rounds[-1:]
    with log.open("a") as file:
        file.write(rounds([1], 40))
    assert course.read()["finished"] == {}


def test_curves_follow_a_training_that_goes_back(log, tmp_path):
    curves = Curves(tmp_path)
    with log.open("a") as file:
        file.write(rounds([1, 2, 3, 4]))
    assert curves.read(100)[0] == [10, 20, 30, 40]
    with log.open("a") as file:
        file.write(rounds([math.nan, 6], 30))
    x, series = curves.read(100)
    assert x == [10, 20, 30, 40] and series["a"] == [1, 2, None, 6]


@pytest.mark.parametrize("points", [10, 100, 2000])
def test_no_peak_is_lost_and_gaps_stay(log, tmp_path, points):
    rng = np.random.default_rng(0)
    values = rng.normal(size=5000)
    values[[77, 4123]] = 50, -60
    values[1000:3000] = math.nan
    log.write_text(rounds(values.tolist()))
    x, series = Curves(tmp_path).read(points)
    kept = [v for v in series["a"] if v is not None]
    assert len(x) <= points and x == sorted(x) and (x[0], x[-1]) == (10, 50_000)
    assert max(kept) == 50 and min(kept) == -60
    assert {kept[0], kept[1]} <= set(values.tolist())
    assert any(v is None for v in series["a"])
    at = x[series["a"].index(50)]
    assert abs(at - 780) <= 2 * 50_000 / points
