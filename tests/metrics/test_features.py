"""Extractors: any shape, the same from a seed, alone or in a batch, no trace in global random states."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.metrics import classifier
from ganworks.metrics.classifier import ClassifierNet, classifier_of, extractor_for
from ganworks.metrics.features import NEEDS, Identity, RandomConv, choices, score_key, to_unit


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def dataset(x, y, classes, held=4, fingerprint="ab" * 32):
    rows = np.arange(len(x))
    return SimpleNamespace(
        spec=Spec("images", x.shape[1:], tuple(map(str, range(classes)))),
        labels=y,
        fingerprint=fingerprint,
        train=rows[rows % held != 0],
        held=rows[rows % held == 0],
        raw=lambda i: x[i],
    )


def digits(held=10):
    x, y = load_digits(return_X_y=True)
    return dataset((x.reshape(-1, 1, 8, 8) * 15.9375).astype(np.uint8), y.astype(np.int64), 10, held)


def states():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


SHAPES = [(1, 8, 8), (3, 5, 41), (4, 64, 48), (7, 33, 2), (1, 1, 1), (3, 200, 90)]


@pytest.mark.parametrize("shape", SHAPES)
def test_random_features_take_any_shape_and_do_not_depend_on_the_batch(shape):
    x = np.random.default_rng(0).integers(0, 256, (7, *shape), dtype=np.uint8)
    extractor = RandomConv(Spec("images", shape))
    features = extractor(x)
    assert features.shape == (7, extractor.dim) and features.dtype == np.float32
    assert np.allclose(extractor(x[3:4]), features[3:4], atol=1e-5)
    assert features.std(axis=0).min() > 0, "a feature that never changes sees nothing"


@pytest.mark.parametrize("shape", SHAPES)
def test_the_classifier_is_built_for_any_shape(shape):
    features, logits = ClassifierNet(shape, 5).eval()(torch.zeros(2, *shape))
    assert features.shape == (2, 64) and logits.shape == (2, 5)


def test_random_features_are_named_by_their_weights_and_leave_no_trace():
    spec, before = Spec("images", (3, 16, 16)), states()
    one, same, other = RandomConv(spec), RandomConv(spec), RandomConv(spec, seed=1)
    one(np.zeros((2, 3, 16, 16), np.uint8))
    assert states() == before
    assert score_key(one) == score_key(same) and one.sha256 != other.sha256
    assert score_key(one).startswith("randconv-s0-72d@")
    assert one(np.zeros((0, 3, 16, 16), np.uint8)).shape == (0, 72)


def test_float_data_is_scaled_by_the_spec_and_uint8_by_255():
    spec = Spec("points", (2,), low=-4.0, high=4.0, dtype="float32")
    assert Identity(spec)(np.array([[-4.0, 2.0]], np.float32)).tolist() == [[-1.0, 0.5]]
    assert to_unit(np.array([0, 255], np.uint8), Spec("images", (1, 1, 1))).tolist() == [-1.0, 1.0]


def test_the_classifier_learns_digits_it_never_saw_and_leaves_no_trace(tmp_path, monkeypatch):
    data, before = digits(), states()
    made = classifier_of(data, tmp_path)
    assert made.accuracy >= 0.97 and states() == before
    labels, chances = made.predict(data.raw(data.held))
    assert (labels == data.labels[data.held]).mean() == made.accuracy
    assert np.allclose(chances.sum(1), 1, atol=1e-5) and not made.net.training
    features = made(data.raw(data.train))
    assert features.shape == (len(data.train), 64)
    assert features.var(0).mean() == pytest.approx(1, rel=0.05)
    monkeypatch.setattr(classifier, "_train", None)  # from now on only the cache can answer
    kept = classifier_of(data, tmp_path)
    assert kept.sha256 == made.sha256 and kept.accuracy == made.accuracy and states() == before
    assert (kept(data.raw(data.held)) == made(data.raw(data.held))).all()


def small(monkeypatch):
    monkeypatch.setattr(classifier, "_examples", lambda count: 256)
    return digits(held=4)


def test_training_reads_the_training_split_only_and_is_repeatable(monkeypatch):
    data, read = small(monkeypatch), []
    raw = data.raw
    data.raw = lambda i: read.append(np.asarray(i)) or raw(i)
    classifier._train(data, data.labels, 0, None, "cpu")
    assert not np.isin(np.concatenate(read), data.held).any()
    data.raw = raw
    one = classifier_of(data)
    assert classifier_of(data, seed=1).sha256 != one.sha256
    torch.set_num_threads(2)
    torch.manual_seed(99)
    assert classifier_of(data).sha256 == one.sha256 and torch.get_num_threads() == 2


def test_a_damaged_or_foreign_cache_is_remade(tmp_path, monkeypatch):
    data = small(monkeypatch)
    made = classifier_of(data, tmp_path)
    (file,) = tmp_path.iterdir()
    good = file.read_bytes()
    for bad in (b"", good[:200], good[:-8], b"\xff" * 64):
        file.write_bytes(bad)
        assert classifier_of(data, tmp_path).sha256 == made.sha256
        assert file.read_bytes() == good
    data.held, data.train = data.train[:50], np.setdiff1d(np.arange(len(data.labels)), data.train[:50])
    assert classifier_of(data, tmp_path).sha256 != made.sha256, "another split is another classifier"


def test_pick_takes_what_the_data_allows(monkeypatch):
    data = small(monkeypatch)
    assert score_key(extractor_for(data)).startswith("clf-abababab@")
    data.labels = None
    assert extractor_for(data).name.startswith("randconv")
    with pytest.raises(UsageError, match="at least 2 classes"):
        classifier_of(data)
    points = SimpleNamespace(spec=Spec("points", (2,), low=-1.0, high=1.0, dtype="float32"), labels=None)
    assert extractor_for(points).name == "identity"


def test_extractors_are_picked_by_name():
    some = digits()
    assert choices(some) == ("classifier", "random", "identity")
    assert isinstance(extractor_for(some, name="random"), RandomConv) and isinstance(
        extractor_for(some, name="identity"), Identity
    )
    some.labels = None
    assert choices(some) == ("random", "identity")
    with pytest.raises(UsageError, match=r'no features "classifier".*images with labels.*identity, random'):
        extractor_for(some, name="classifier")
    with pytest.raises(UsageError, match=r'no features "randm".*Did you mean "random"'):
        extractor_for(some, name="randm")


def test_help_names_every_extractor():
    from ganworks.cli.help import HELP

    assert all(name in HELP["eval"] for name in NEEDS)
