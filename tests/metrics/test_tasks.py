"""What the evaluators of tasks share."""

import math

import numpy as np

from ganworks.metrics.estimate import Estimate
from ganworks.metrics.tasks import TaskReport, TimedByTrial, clustered, metric, metric_over, metrics_of


def test_metrics_carry_their_floor_and_meaning():
    meanings = {"l1": ("lower", "An error."), "ssim": ("higher", "A likeness."), "unused": ("lower", "")}
    found = metrics_of({"ssim": 0.5, "l1": [1.0, 3.0]}, {"l1": 4.0}, meanings)
    assert list(found) == ["ssim", "l1"]
    assert repr(found["l1"]) == repr(metric([1.0, 3.0], 4.0, better="lower", meaning="An error."))
    assert (found["l1"].value, found["l1"].floor, found["l1"].ratio) == (2.0, 4.0, 0.5)
    assert (found["ssim"].better, found["ssim"].meaning, found["ssim"].ratio) == ("higher", "A likeness.", None)


def test_estimates_bring_their_intervals():
    found = metric(Estimate(0.5, 0.4, 0.6), Estimate(1.0, 0.9, 1.1), better="higher")
    assert (found.value, found.low, found.high, found.floor, found.floor_low, found.floor_high, found.ratio) == (
        0.5, 0.4, 0.6, 1.0, 0.9, 1.1, 0.5)  # fmt: skip


def test_examples_that_are_alike_do_not_narrow_an_interval():
    once = np.random.default_rng(0).normal(size=20)
    found, alone = clustered(np.repeat(once, 4), np.repeat(np.arange(20), 4)), metric(once)
    assert np.allclose([found.value, found.low, found.high], [alone.value, alone.low, alone.high])
    assert math.isnan(clustered(once, np.zeros(20, int)).low)


def test_numbers_that_are_not_finite_are_left_out():
    rows = [{"psnr": 20.0}, {"psnr": math.inf}, {"psnr": 30.0}, {"psnr": math.nan}]
    assert metric_over(rows, "psnr", None, better="higher").value == 25.0
    assert math.isnan(metric_over(rows[1:2], "psnr", 1.0).value)


def test_a_report_of_nothing_says_why():
    found = TaskReport.of_nothing("Too few.", {"seen": 3}, count=2, pictures={"Clips": "a.gif"}).to_dict()
    assert (found["metrics"], found["count"], found["warnings"]) == ({}, 2, ["Too few."])
    assert (found["about"], found["pictures"]) == ({"seen": 3}, {"Clips": "a.gif"})


def test_a_score_that_cannot_be_made_costs_nothing():
    class Looks(TimedByTrial):
        ready = False
        made = ""

        def show(self, nets):
            self.made += "shown "

        def score(self, nets):
            self.made += "scored"

    looks = Looks()
    assert looks.costs({})[0] == 0.0 and looks.made == "shown "
    looks.ready = True
    scoring, showing = looks.costs({})
    assert looks.made == "shown shown scored" and np.isfinite([scoring, showing]).all()
