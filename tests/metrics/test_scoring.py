"""The report as a whole: order of damage, floors, memorisation, classes, random state, JSON, pictures."""

import json
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.metrics import classifier
from ganworks.metrics import samples as module
from ganworks.metrics.classifier import classifier_of
from ganworks.metrics.features import Identity, RandomConv
from ganworks.metrics.reference import Reference
from ganworks.metrics.scoring import evaluate, score


def blobs(seed, count, classes=4):
    """Images 1x8x8 of four kinds: a bright quarter of varying brightness, on noise."""
    g = np.random.default_rng(seed)
    y = g.integers(0, classes, count)
    x = g.normal(60, 25, (count, 1, 8, 8))
    for i, label in enumerate(y):
        row, column = 4 * (label // 2), 4 * (label % 2)
        x[i, 0, row : row + 4, column : column + 4] += g.normal(120, 15)
    return x.clip(0, 255).astype(np.uint8), y.astype(np.int64)


@pytest.fixture(scope="module")
def data():
    torch.set_num_threads(1)
    x, y = blobs(0, 1400)
    rows = np.arange(1400)
    return SimpleNamespace(
        spec=Spec("images", (1, 8, 8), ("a", "b", "c", "d")),
        fingerprint="cd" * 32,
        labels=y,
        train=rows[:1100],
        held=rows[1100:],
        raw=lambda i: x[i],
    )


@pytest.fixture(scope="module")
def judge(data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "_examples", lambda count: 8000)  # these four classes are easy
        return classifier_of(data)


@pytest.fixture(scope="module")
def real(data, judge):
    return Reference.of(data, judge)


def source(x, y=None):
    return lambda start, n: (x[start : start + n], None if y is None else y[start : start + n])


def judged(data, judge, real, x, y=None, **more):
    return evaluate(source(x, y), data, judge, count=len(x), reference=real, **more)


def test_fresh_real_data_stands_at_the_floor(data, judge, real):
    report = judged(data, judge, real, *blobs(9, 600))
    m = report.metrics
    assert report.n == 300 and report.count == 600 and report.protocol[0].count("300") == 2
    assert m["fd"].ratio < 1.6 and m["fd"].low <= m["fd"].value <= m["fd"].high
    assert m["coverage"].value > 0.93 and m["coverage"].floor > 0.93
    assert abs(m["authenticity"].value - m["authenticity"].floor) < 0.1
    assert m["agreement"].value > 0.95 and m["agreement"].floor == judge.accuracy
    assert not report.memorisation["flagged"] and report.extractor.startswith("clf-cdcdcdcd@")


def test_more_damage_scores_worse(data, judge, real):
    x, y = blobs(10, 600)
    noise = np.random.default_rng(0).normal(size=x.shape)
    noisy = [(x + s * noise).clip(0, 255).astype(np.uint8) for s in (0, 60, 150)]
    reports = [judged(data, judge, real, n, y).metrics for n in noisy]
    for name, sign in (("fd", 1), ("kid", 1), ("coverage", -1), ("agreement", -1)):
        values = [sign * r[name].value for r in reports]
        assert values == sorted(values) and values[0] < values[2], name


def test_a_dropped_class_is_seen_by_distance_coverage_and_share(data, judge, real):
    x, y = blobs(11, 1000)
    report = judged(data, judge, real, x[y != 2][:600])
    assert report.metrics["fd"].ratio > 3 and report.metrics["coverage"].value < 0.85
    worst = report.classes[2]
    assert worst["share"] < 0.02 and worst["real_share"] > 0.2 and worst["coverage"] < 0.2
    assert worst["agreement"] is None and worst["coverage_floor"] > 0.8
    assert "agreement" not in report.metrics, "no label was asked for"


def test_copies_beat_the_floor_but_are_flagged(data, judge, real):
    copies = data.raw(data.train[:600])
    report = judged(data, judge, real, copies)
    assert report.metrics["authenticity"].value == 0 and report.metrics["copied"].value == 1
    assert report.memorisation["flagged"] and "repeats training examples" in report.memorisation["sentence"]
    some = judged(data, judge, real, np.concatenate([copies[:100], blobs(20, 500)[0]]))
    assert some.memorisation["flagged"], "a sixth of the samples are copies"
    assert report.metrics["fd"].ratio < 1.5


def test_repeated_real_data_stands_at_the_floor_and_is_said(data, judge):
    """Every picture four times: training and held-out pictures still cover each other."""
    few = SimpleNamespace(**vars(data))
    few.fingerprint, few.train, few.held = "ef" * 32, np.tile(data.train[:100], 4), np.tile(data.held[:60], 4)
    report = judged(few, judge, Reference.of(few, judge), np.tile(blobs(18, 60)[0], (4, 1, 1, 1)))
    for name in ("precision", "recall", "density", "coverage"):
        assert report.metrics[name].floor > 0.7 and report.metrics[name].value > 0.7, name
    assert any("180 of 240 held-out examples repeat others" in said for said in report.warnings)


def test_few_held_out_examples_are_helped_by_training_examples_and_too_few_of_both_say_nothing(data, judge):
    few = SimpleNamespace(**vars(data))
    few.held = data.held[:12]
    report = judged(few, judge, Reference.of(few, judge), blobs(19, 300)[0])
    assert report.memorisation["sure"] and not report.memorisation["flagged"]
    assert report.metrics["copied"].floor_high < 0.05
    copied = judged(few, judge, Reference.of(few, judge), data.raw(data.train[:300]))
    assert copied.memorisation["flagged"] and copied.memorisation["sure"]
    few.train, few.fingerprint = data.train[:12], "aa" * 32
    unsure = judged(few, judge, Reference.of(few, judge), blobs(19, 300)[0]).memorisation
    assert not unsure["flagged"] and not unsure["sure"] and "not enough real data" in unsure["sentence"]


def test_wrong_labels_lower_agreement_alone(data, judge, real):
    x, y = blobs(12, 600)
    report = judged(data, judge, real, x, (y + (np.arange(600) % 2)) % 4)
    assert report.metrics["agreement"].value == pytest.approx(0.5, abs=0.05)
    assert report.metrics["agreement"].low < 0.5 < report.metrics["agreement"].high
    assert report.metrics["fd"].ratio < 1.6


def test_score_is_the_quick_view_of_the_same_thing_and_changes_no_random_state(data, judge, real):
    x, y = blobs(13, 600)

    def sample(start, n):  # a careless generator
        random.random(), np.random.rand(), torch.rand(1)
        return x[start : start + n], y[start : start + n]

    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    values, floors = score(sample, data, judge, count=600, reference=real)
    report = evaluate(sample, data, judge, count=600, reference=real)
    RandomConv(data.spec), Reference.of(data, judge)
    assert before == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
    for name in ("fd", "precision", "recall", "density", "coverage", "authenticity", "agreement"):
        assert values[name] == pytest.approx(report.metrics[name].value), name
        assert floors[name] == pytest.approx(report.metrics[name].floor), name
    assert values["fd_ratio"] == pytest.approx(report.metrics["fd"].ratio)


def test_the_result_does_not_depend_on_the_chunk_size(data, judge, real, monkeypatch):
    x, y = blobs(14, 400)
    whole = judged(data, judge, real, x, y).metrics
    monkeypatch.setattr(module, "CHUNK", 37)
    parts = judged(data, judge, real, x, y).metrics
    assert all(whole[k].value == pytest.approx(parts[k].value, rel=1e-4, abs=1e-6) for k in whole)


def test_the_report_is_json_with_its_origin_and_never_says_the_reserved_word(data, judge, real):
    report = judged(data, judge, real, blobs(15, 300)[0], about={"checkpoint": "0123"})
    text = json.dumps(report.to_dict(), allow_nan=False)
    found = json.loads(text)
    assert "FID" not in text and found["about"] == {"checkpoint": "0123"}
    assert found["extractor_sha256"] == judge.sha256 and found["split"] == real.split and found["seconds"] > 0
    assert found["quantised"].startswith("uint8") and {"torch", "numpy", "python"} <= set(found["versions"])
    assert any("held-out examples" in w for w in found["warnings"])


def test_features_are_kept_and_a_damaged_file_is_remade(data, judge, real, tmp_path):
    Reference.of(data, judge, tmp_path)
    (file,) = tmp_path.iterdir()

    def refuse(examples):
        raise AssertionError("the cache should have answered")

    stand_in = SimpleNamespace(sha256=judge.sha256, dim=judge.dim, name=judge.name, __call__=refuse)
    kept = Reference.of(data, stand_in, tmp_path)
    assert (kept.held == real.held).all() and (kept.train == real.train).all()
    assert np.allclose(judge(data.raw(kept.train_rows[:50])), kept.train[:50], atol=1e-4), "row by row"
    file.write_bytes(file.read_bytes()[:-100])
    assert (Reference.of(data, judge, tmp_path).train == real.train).all()


def test_pictures_are_drawn_in_visible_size(data, judge, real, tmp_path):
    report = judged(data, judge, real, *blobs(16, 300), pictures=tmp_path / "eval")
    assert set(report.pictures.values()) == {f.name for f in (tmp_path / "eval").iterdir()}
    assert len(report.pictures) == 6
    for name in report.pictures.values():
        with Image.open(tmp_path / "eval" / name) as image:
            assert min(image.size) >= 56 * 4
    with Image.open(tmp_path / "eval" / "samples.png") as image:
        first = np.asarray(image.convert("L"))[4:60, 4:60]
    assert (first == np.kron(blobs(16, 300)[0][0, 0], np.ones((7, 7)))).all(), "sample 0, enlarged 7 times"


def test_data_without_labels_and_points_are_judged_too(tmp_path):
    g = np.random.default_rng(3)
    x, rows = g.normal(size=(900, 2)).astype(np.float32), np.arange(900)
    spec = Spec("points", (2,), low=-4.0, high=4.0, dtype="float32")
    points = SimpleNamespace(
        spec=spec, fingerprint="ef" * 32, labels=None, train=rows[:700], held=rows[700:], raw=lambda i: x[i]
    )
    more = g.normal(size=(400, 2)).astype(np.float32)
    report = evaluate(source(more), points, Identity(spec), count=400, pictures=tmp_path / "none")
    assert report.metrics["coverage"].value > 0.9 and report.classes == [] and report.pictures == {}
    assert report.quantised.startswith("no")
    images, _ = blobs(4, 300)
    plain = SimpleNamespace(
        spec=Spec("images", (1, 8, 8)),
        fingerprint="01" * 32,
        labels=None,
        train=np.arange(200),
        held=np.arange(200, 300),
        raw=lambda i: images[i],
    )
    report = evaluate(source(blobs(5, 200)[0]), plain, RandomConv(plain.spec), count=200, pictures=tmp_path)
    assert report.metrics["coverage"].value > 0.8 and "classes.png" not in report.pictures.values()


def test_too_little_and_broken_samples_are_refused(data, judge, real):
    with pytest.raises(UsageError, match="3 samples are too few"):
        judged(data, judge, real, blobs(1, 3)[0])
    few = SimpleNamespace(**{**vars(data), "held": data.held[:4]})
    with pytest.raises(UsageError, match="this data has 4"):
        Reference.of(few, judge)
    x = np.full((50, 1, 8, 8), np.nan, np.float32)
    with pytest.raises(UsageError, match=r"50 of 50 samples .* not finite"):
        evaluate(source(x), data, RandomConv(data.spec), count=50)
