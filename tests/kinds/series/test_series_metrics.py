"""Metrics of series: known answers, floors that must be caught, and defects of the common scores."""

import numpy as np
import pytest
from PIL import Image

import ganworks as gw
from ganworks.kinds.series.domain import SeriesDomain as Domain
from ganworks.kinds.series.metrics import measures as alike
from ganworks.kinds.series.metrics import posthoc as judges
from ganworks.kinds.series.metrics.measures import DecodedSeries
from ganworks.metrics.estimate import ks


def bunch(values, lengths=None, labels=None):
    values = np.asarray(values, float)
    n = np.full(len(values), values.shape[1]) if lengths is None else np.asarray(lengths)
    over = np.arange(values.shape[1]) >= n[:, None]
    codes = np.zeros((*values.shape[:2], 0), np.int64)
    return DecodedSeries(np.where(over[:, :, None], np.nan, values), codes, n, {}, labels)


def waves(count, seed, steps=24):
    rng = np.random.default_rng(seed)
    at, phase = np.arange(steps), rng.uniform(0, 6.28, (count, 1))
    a = np.sin(at / 3 + phase) + 0.1 * rng.standard_normal((count, steps))
    return bunch(np.stack([a, np.roll(a, 1, 1) + 0.1 * rng.standard_normal((count, steps))], 2))


def shuffled(one, seed=0):
    rng, values = np.random.default_rng(seed), one.values.copy()
    for k in range(len(values)):
        values[k] = values[k, rng.permutation(values.shape[1])]
    return bunch(values)


def test_autocorrelation_of_a_known_process():
    rng = np.random.default_rng(0)
    x = np.zeros((400, 500, 1))
    for t in range(1, 500):
        x[:, t] = 0.8 * x[:, t - 1] + rng.standard_normal((400, 1))
    found = alike.autocorrelation(bunch(x[:, 20:]))[:, 0]
    assert np.abs(found - 0.8 ** np.arange(1, 9)).max() < 0.04  # a series of 480 steps knows its own mean only so well


def test_real_against_real_is_near_zero_and_shuffled_steps_are_seen():
    a, b = waves(400, 0), waves(400, 1)
    assert alike.acf_error(a, b) < 0.02 and alike.acf_error(a, shuffled(b)) > 0.2
    assert alike.cross_error(a, b) < 0.02 and alike.cross_error(a, bunch(b.values[..., ::-1] * [1, -1])) > 0.05
    assert alike.marginal_error(a, shuffled(b)) < 0.05, "shuffling leaves marginals as they are"
    assert alike.range_error(a, b) < 0.1 and alike.range_coverage(a, b) > 0.9


def test_judges_tell_noise_and_not_real_series():
    a, b = waves(300, 0), waves(300, 1)
    noise = bunch(np.random.default_rng(2).standard_normal((300, 24, 2)) * 0.7)
    assert judges.trees(a, b) < 0.12 and judges.trees(a, noise) > 0.4
    assert judges.gru(a, b, steps=40) < 0.15 and judges.gru(a, noise, steps=80) > 0.35


def test_a_judge_is_not_tested_on_what_it_learnt():
    """The defect: with the training examples as test, pure chance looks like a difference."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    rng = np.random.default_rng(0)
    a, b = (bunch(rng.standard_normal((120, 12, 1))) for _ in range(2))
    x, y = np.concatenate([judges.tabular(a), judges.tabular(b)]), np.repeat([1, 0], 120)
    model = HistGradientBoostingClassifier(early_stopping=False).fit(x, y)
    assert abs(model.score(x, y) - 0.5) > 0.45
    assert judges.trees(a, b) < 0.2


def test_the_predictive_score_hardly_separates():
    """What `ganworks help series` says of it: shuffled steps cost little on slow series and nothing on noise."""
    rng = np.random.default_rng(0)
    real = bunch(rng.standard_normal((300, 24, 1)))
    assert abs(judges.predictive(real, real) - judges.predictive(shuffled(real), real)) < 0.01


def test_lengths_shares_and_labels():
    assert ks(np.arange(100.0), np.arange(100.0)) == 0 and ks(np.zeros(5), np.ones(5)) == 1
    assert alike.shares_error(np.array(["a", "a", "b"], object), np.array(["a", "b", "b"], object)) == pytest.approx(
        1 / 3
    )
    y = np.arange(200) % 2
    x = np.random.default_rng(0).standard_normal((200, 10, 1)) + 3 * y[:, None, None]
    one = bunch(x, labels=y)
    assert judges.label_accuracy(one[:100], one[100:]) > 0.95
    assert judges.label_accuracy(bunch(x[:100], labels=1 - y[:100]), one[100:]) < 0.05


def test_floors_keep_what_they_promise():
    data = Domain(length=12).open(np.sin(np.arange(600)[:, None] / np.array([5.0, 9.0])))
    real = DecodedSeries.of(data.layout, data.raw(data.train))
    found = alike.floors(data.layout, real, 300)
    assert set(found) == {"time-shuffled", "Gaussian", "copula"}
    assert alike.acf_error(real, found["time-shuffled"]) > 0.2 and alike.acf_error(real, found["Gaussian"]) < 0.1
    assert alike.marginal_error(real, found["copula"]) < 0.1


def test_copies_are_seen():
    train, held = waves(300, 0), waves(200, 1)
    assert alike.copies(train, held, train) > 0.95 and alike.copies(train, held, waves(300, 2)) < 0.05


def test_series_that_end_are_compared_by_what_they_have():
    rng = np.random.default_rng(0)
    one = bunch(rng.standard_normal((60, 20, 1)).cumsum(1), rng.integers(2, 21, 60))
    assert np.isfinite(alike.autocorrelation(one)).all() and np.isfinite(judges.summaries(one)).all()
    assert 0 <= judges.trees(one, one) <= 0.5 and 0 <= judges.gru(one, one, steps=5) <= 0.5


def test_steps_between_grids_are_told_by_their_differences():
    """Values on three grids of step 0.22, a series on one of them: the same values, drawn from all grids, are told."""
    rng = np.random.default_rng(3)
    steps = rng.integers(-1, 2, (400, 12, 1)).cumsum(1)
    real = 0.22 * steps + rng.integers(0, 3, (400, 1, 1)) * 0.07
    hops = 0.22 * steps + rng.integers(0, 3, (400, 12, 1)) * 0.07
    one, two, made = bunch(real[:200]), bunch(real[200:]), bunch(hops[200:])
    assert judges.trees(one, made) > 0.3 and judges.trees(one, two) < 0.15
    assert alike.marginal_error(one, made) < 0.1


def test_judges_have_the_interval_of_their_accuracy():
    sure, chance = judges.margin(0.45, 400), judges.margin(0.0, 40)
    assert sure.value == 0.45 and 0.41 < sure.low < 0.45 < sure.high < 0.48
    assert (chance.low, chance.value) == (0.0, 0.0) and 0.14 < chance.high < 0.16
    assert judges.gru_tested(100) == 20 and judges.gru_tested(1) == 0


def test_an_evaluation_stands_beside_floors_and_real_data(tmp_path, monkeypatch):
    monkeypatch.setattr(judges, "gru", lambda real, made, seed=0: 0.1)
    at = np.arange(500)[:, None] / np.array([4.0, 7.0])
    data = np.sin(at) + 0.1 * np.random.default_rng(0).standard_normal((500, 2))
    settings = {"domain.length": 8, "networks.hidden": (8,), "networks.d_hidden": (8,), "train.threads": 1}
    list(gw.train("series", data, out=tmp_path / "run", budget=64, batch=16, **settings))
    report = gw.evaluate(tmp_path / "run", data, count=60)
    assert {"told_by_gru", "told_by_trees", "acf_error", "cross_error", "marginal_ks"} <= set(report.metrics)
    assert {"real training series", "Gaussian", "copula", "time-shuffled"} <= set(report.baselines)
    told = report.metrics["told_by_trees"]
    assert told.low <= told.value <= told.high and report.real == report.count > 20
    with Image.open(tmp_path / "run" / "eval" / report.pictures["Real and generated"]) as image:
        assert image.width > 400
