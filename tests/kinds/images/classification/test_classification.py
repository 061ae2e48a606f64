"""Accuracy, calibration, confusion and the baseline on the labels alone."""

import numpy as np
import pytest
import torch
from torch import nn

import ganworks as gw
from ganworks.kinds.images.classification import evaluator as c
from ganworks.kinds.images.classification.domain import Partial
from ganworks.kinds.images.classification.pictures import confusion_picture, reliability_picture
from ganworks.metrics.estimate import wilson
from ganworks.runs.published import published


def chances(rows):
    return np.asarray(rows, np.float32)


def test_calibration_error_by_hand():
    """Two bins: sure 0.9 and right half of the time, sure 0.6 and always right: (0.4 x 4 + 0.4 x 2) / 6."""
    sure = [[0.9, 0.1]] * 4 + [[0.4, 0.6]] * 2
    y = np.array([0, 0, 1, 1, 1, 1])
    assert c.calibration_error(chances(sure), y) == pytest.approx((0.4 * 4 + 0.4 * 2) / 6, abs=1e-6)


def test_calibration_error_of_perfect_and_of_false_confidence():
    y = np.array([0, 1, 0, 1])
    right = chances(np.eye(2)[y])
    assert c.calibration_error(right, y) == 0
    assert c.calibration_error(right, 1 - y) == 1


def test_confusion_and_the_tables():
    p = chances([[0.8, 0.2, 0], [0.1, 0.9, 0], [0.3, 0.1, 0.6], [0.2, 0.7, 0.1]])
    table = c.confusion(p, np.array([0, 1, 2, 2]))
    assert table.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    rows = c.per_class(table, ["a", "b", "c"])["rows"]
    assert rows[1] == ["b", 1, 1.0, 0.5, 0.6667] and rows[2][2:] == [0.5, 1.0, 0.6667]
    assert c.confusion_table(table, ["a", "b", "c"])["rows"][2] == ["c", 0, 1, 1]
    many = np.eye(30, dtype=int)
    many[3, 4] = 7
    assert c.confusion_table(many, [str(i) for i in range(30)])["rows"] == [["3", "4", 7]]


def test_log_loss():
    found = c.log_loss(chances([[0.25, 0.75], [1.0, 0.0]]), np.array([0, 0]))
    assert found.tolist() == pytest.approx([np.log(4), 0.0], abs=1e-6)


def test_accuracy_has_wilsons_interval():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    p = np.where((rng.random(200) < 0.9)[:, None], np.eye(2)[y], 1 - np.eye(2)[y])
    found, right = c.measured(chances(p), y), (p.argmax(1) == y).mean()
    known = wilson(float(right), 200)
    assert (found["accuracy"].value, found["accuracy"].low, found["accuracy"].high) == (right, known.low, known.high)
    assert found["ece"].low <= found["ece"].value <= found["ece"].high


def test_reliability_bins_hold_everybody():
    rng = np.random.default_rng(1)
    p = rng.dirichlet([1, 1, 1], 300).astype(np.float32)
    bins = c.reliability(p, rng.integers(0, 3, 300))
    assert sum(n for *_, n in bins) == 300 and all(0 <= right <= 1 for _, right, _ in bins)
    assert [s for s, *_ in bins] == sorted(s for s, *_ in bins)


def test_nearest_labelled_image():
    known, y = np.array([[[0]], [[100]]], np.uint8), np.array([3, 5])
    assert c.nearest_labelled(known, y, np.array([[[20]], [[90]], [[51]]], np.uint8)).tolist() == [3, 5, 5]


def test_predict_gives_chances_whatever_the_batch():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    x = torch.rand(10, 1, 8, 8)
    found = Partial().predict(net, x)
    torch.testing.assert_close(found, net(x).softmax(1).detach())
    torch.testing.assert_close(c.probabilities(net, x, batch=3), found)
    assert found.sum(1).tolist() == pytest.approx([1] * 10)


def test_pictures_are_drawn_for_few_and_many_classes():
    for classes in (2, 10, 120):
        table = np.random.default_rng(0).integers(0, 9, (classes, classes))
        names = [f"a rather long name {i}" for i in range(classes)]
        assert min(confusion_picture(table, names).size) > 60
    assert reliability_picture([(0.55, 0.5, 3), (0.95, 1.0, 9)]).size[0] > 300


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A short training on digits with 50 labels, evaluated."""
    out = tmp_path_factory.mktemp("classify") / "run"
    settings = {"budget": 12_000, "labels": 50, "domain.held_out": 0.5, "networks.width": 16}
    settings |= {"train.precision": "fp32", "train.threads": 1, "networks.generator": "dense"}
    gw.fit("classify", "digits", out, evaluate=False, **settings)
    return out, gw.evaluate(out, count=10_000)


def test_the_report_of_a_training(judged):
    out, report = judged
    found, alone = report.metrics, report.baselines["same network, labels alone"]
    assert report.count == 898 and found["accuracy"].low > 0.6
    assert found["gain"].value == pytest.approx(found["accuracy"].value - alone["accuracy"], abs=1e-9)
    assert alone["accuracy"] > 0.5 and report.baselines["nearest labelled image"]["accuracy"] > 0.6
    assert {"Confusion", "Reliability", "Surest mistakes"} <= set(report.pictures)
    assert all((out / "eval" / name).is_file() for name in report.pictures.values())
    assert "50 labels" in " ".join(report.protocol)
    assert sum(sum(row[1:]) for row in report.tables[1]["rows"]) == 898


def test_the_last_weights_are_published_whatever_the_held_out_labels_say(judged):
    """Choosing by the held-out labels would train on them."""
    out, report = judged
    assert c.ClassEvaluator.objective == ""
    assert published(out)["C"].card["seen"] == report.about["seen"] >= 12_000


def test_few_held_out_images_are_said_to_be_few(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (60, 8, 8), np.uint8), np.arange(60) % 2
    domain = Partial()
    data = domain.open((x, y))
    assert any("rough" in note for note in data.notes)
    evaluator = c.ClassEvaluator(data, None, lambda *_: None)
    assert not evaluator.ready
    assert any(
        "interval is wide" in line for line in evaluator.warnings(np.eye(2, dtype=int), ["a", "b"], len(data.held))
    )
