"""Images of which only some carry labels: layouts, what is hidden, what is held out, and that hidden is hidden."""

import numpy as np
import pytest
import torch
from PIL import Image

import ganworks as gw
from ganworks.core.errors import UsageError
from ganworks.core.spec import Draw
from ganworks.kinds.images.classification.domain import Partial, shares
from ganworks.runs.run import Run


def write(folder, count, seed):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for k in range(count):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(folder / f"{seed}-{k}.png")


def arrays(count=400, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 255, (count, 8, 8), np.uint8), rng.integers(0, classes, count)


def test_class_folders_beside_an_unlabelled_one(tmp_path):
    for number, name in enumerate(("cat", "dog", "Unlabelled")):
        write(tmp_path / name, 30, number)
    data = Partial().open(tmp_path)
    assert data.spec.classes == ("cat", "dog")
    assert set(data.labels[data.known]) == {0, 1} and (data.labels == -1).sum() == 30
    assert (data.labels[data.held] >= 0).all(), "an image without a label cannot judge"
    assert len(data.train) + len(data.held) == 90 and not set(data.train) & set(data.held)
    assert data.summary["labelled"] == len(data.known) == 60 - len(data.held)


def test_labels_csv_with_empty_cells(tmp_path):
    write(tmp_path, 40, 0)
    names = sorted(p.name for p in tmp_path.glob("*.png"))
    lines = [f"{n},{('cat', 'dog', '', '')[k % 4]}" for k, n in enumerate(names)]
    (tmp_path / "labels.csv").write_text("file,label\n" + "\n".join(lines))
    data = Partial().open(tmp_path)
    assert data.spec.classes == ("cat", "dog") and (data.labels >= 0).sum() == 20


def test_minus_one_in_arrays_is_no_label():
    x, y = arrays()
    y[::2] = -1
    data = Partial().open((x, y))
    assert data.spec.classes == ("0", "1", "2")
    assert np.array_equal(data.labels, y)


def test_per_class_and_labels_keep_so_many_of_the_training_part():
    x, y = arrays()
    data = Partial(per_class=5).open((x, y))
    assert data.counts.tolist() == [5, 5, 5]
    assert (data.labels[np.setdiff1d(data.train, data.known)] == -1).all(), "the other labels are gone"
    assert np.array_equal(data.labels[data.known], y[data.known])
    assert np.array_equal(data.labels[data.held], y[data.held]) and len(data.held) == 40
    assert Partial(labels=20).open((x, y)).counts.sum() == 20
    other = Partial(per_class=5, label_seed=1).open((x, y))
    assert not np.array_equal(other.known, data.known) and other.fingerprint != data.fingerprint
    assert np.array_equal(other.held, data.held)


def test_shares_are_in_proportion_and_leave_no_class_out():
    assert shares(np.array([50, 50]), 10).tolist() == [5, 5]
    assert shares(np.array([900, 90, 2]), 10).tolist() == [8, 1, 1]
    assert shares(np.array([3, 3, 3]), 9).tolist() == [3, 3, 3]
    with pytest.raises(UsageError, match="labels=10"):
        shares(np.array([3, 3]), 10)


def test_a_copy_of_a_held_out_image_is_not_trained_on():
    """An unlabelled image with the content of a held-out one would give the answer away."""
    x, y = arrays(100)
    x, y = np.concatenate([x, x]), np.concatenate([y, np.full(100, -1)])
    data = Partial(held_out=0.3).open((x, y))
    held = {x[i].tobytes() for i in data.held}
    assert held and not any(x[i].tobytes() in held for i in data.train)


def test_hidden_labels_have_no_influence(tmp_path):
    """Training with hidden labels is, bit for bit, training on data that never had them."""
    x, y = arrays(120, 2)
    settings = {"batch": 8, "budget": 64, "train.judge": False, "train.precision": "fp32", "train.threads": 1}
    settings |= {"game.variant": "both", "networks.width": 4, "networks.g_width": 1}
    kept = Partial(per_class=4).open((x, y))
    bare = np.full(120, -1)
    bare[kept.known], bare[kept.held] = y[kept.known], y[kept.held]
    assert (bare == -1).sum() > 90
    list(gw.train("classify", data=(x, y), out=tmp_path / "a", **settings, **{"domain.per_class": 4}))
    list(gw.train("classify", data=(x, bare), out=tmp_path / "b", **settings))
    first, second = (Run.open(tmp_path / name).load_state()[0] for name in "ab")
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_a_known_label_has_influence(tmp_path):
    """The other side of the test above: swap the known labels and the training differs."""
    x, y = arrays(120, 2)
    settings = {"batch": 8, "budget": 16, "train.judge": False, "train.precision": "fp32", "networks.width": 4}
    for name, labels in (("a", y), ("b", 1 - y)):
        list(gw.train("classify", data=(x, labels), out=tmp_path / name, **settings))
    first, second = (Run.open(tmp_path / name).load_state()[0] for name in "ab")
    assert not torch.equal(first["param/C"], second["param/C"])


def test_batches_are_keyed_and_labels_belong_to_their_images():
    x, y = arrays()
    domain = Partial(per_class=5)
    data = domain.open((x, y))
    one, two = (domain.batch(data, data.train[:16], Draw(3, 16, slice(None))) for _ in range(2))
    assert all(torch.equal(one[k], two[k]) for k in one) and set(one) == {"x", "xl", "y", "prior"}
    assert torch.equal(one["x"], data.images(data.train[:16]))
    known = {data.images([i])[0].numpy().tobytes(): data.labels[i] for i in data.known}
    assert all(known[image.numpy().tobytes()] == label for image, label in zip(one["xl"], one["y"], strict=True))
    torch.testing.assert_close(one["prior"], torch.full((16, 3), 1 / 3))
    other = domain.batch(data, data.train[:16], Draw(4, 16, slice(None)))
    assert not torch.equal(one["xl"], other["xl"])


def test_two_processes_see_the_rows_of_one():
    x, y = arrays()
    domain = Partial(per_class=5, flip=True)
    data = domain.open((x, y))
    whole = domain.batch(data, data.train[:8], Draw(3, 8, slice(None)))
    for rank in range(2):
        rows = slice(rank, None, 2)
        part = domain.batch(data, data.train[:8][rows], Draw(3, 8, rows))
        assert all(torch.equal(part[k], whole[k][rows]) for k in whole)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": "off"}, "labels must be on"),
        ({"labels": 1}, "2 or more"),
        ({"per_class": -1}, "0 or more"),
        ({"per_class": 3, "labels": 30}, "not both"),
        ({"size": 0}, "size must be"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(UsageError, match=message):
        Partial(**settings)


def test_data_without_labels_or_with_one_class_is_refused(tmp_path):
    write(tmp_path / "flat", 5, 0)
    with pytest.raises(UsageError, match="has no labels"):
        Partial().open(tmp_path / "flat")
    write(tmp_path / "one" / "cat", 5, 0)
    write(tmp_path / "one" / "unlabelled", 5, 1)
    with pytest.raises(UsageError, match="two are needed"):
        Partial().open(tmp_path / "one")
