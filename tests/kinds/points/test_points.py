"""The domain of points: protocol, sources, refusals, pictures and files."""

import math
import warnings

import numpy as np
import pytest
import torch

from ganworks.core.errors import UsageError
from ganworks.core.settings import Budget, Facts
from ganworks.core.spec import Draw
from ganworks.kinds.points.domain import Points, centres, mixture, quality
from ganworks.kinds.points.recipes import points


def test_the_mixtures_themselves_reach_the_ceiling_of_the_protocol():
    for name, modes in (("ring8", 8), ("grid25", 25)):
        found = quality(mixture(name, 25_000, seed=1), *centres(name))
        assert found["modes"] == modes
        assert found["high_quality"] == pytest.approx(100 * (1 - math.exp(-4.5)), abs=0.3)
        assert found["reverse_kl"] < 0.002


def test_quality_counts_modes_distance_and_imbalance():
    middle, sd = centres("grid25")
    found = quality(np.repeat(middle[:1], 10, 0), middle, sd)
    assert found == {"modes": 1, "high_quality": 100, "reverse_kl": pytest.approx(math.log(25))}
    far = middle + np.array([3.01 * sd, 0])
    assert quality(np.concatenate([middle + np.array([2.99 * sd, 0]), far]), middle, sd)["high_quality"] == 50
    assert quality(far, middle, sd) == {"modes": 0, "high_quality": 0, "reverse_kl": math.inf}
    two = quality(np.concatenate([np.repeat(middle[:1], 3, 0), middle[1:2]]), middle, sd)
    assert two["reverse_kl"] == pytest.approx(0.75 * math.log(0.75 * 25) + 0.25 * math.log(0.25 * 25))


def test_ring_is_the_published_one():
    middle, sd = centres("ring8")
    np.testing.assert_allclose(np.linalg.norm(middle, axis=1), 1)
    assert sd == 0.01 and len(middle) == 8
    with pytest.raises(UsageError, match="ring8"):
        centres("spiral")


@pytest.mark.parametrize("name", ["ring8", "grid25", "spiral"])
def test_a_dataset_is_standardised_split_and_reproducible(name):
    data, again = Points(count=2000).open(name), Points(count=2000).open(name)
    assert data.spec.kind == "points" and data.spec.shape == (2,) and data.spec.dtype == "float32"
    assert data.fingerprint == again.fingerprint != Points(count=2001).open(name).fingerprint
    x = data.fetch(np.arange(len(data)))["x"]
    assert x.min() == -1 and x.max() == 1 and x.dtype == torch.float32
    back = (x.numpy() + 1) / 2 * (data.spec.high - data.spec.low) + data.spec.low
    np.testing.assert_allclose(back, data.raw(np.arange(len(data))), atol=1e-5)
    assert len(data.held) == 200 and len(data.train) == 1800 and not set(data.held) & set(data.train)
    assert data.labels is None and data.summary["count"] == 2000


def test_duplicates_lie_on_one_side():
    x = np.repeat(np.random.default_rng(0).random((50, 3)), 4, 0)
    data = Points().open(x)
    held, train = ({row.tobytes() for row in data.raw(side)} for side in (data.held, data.train))
    assert held and not held & train and data.duplicates == 150


def test_files_give_the_same_points(tmp_path):
    x = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    y = np.array(["cat", "dog"])[np.arange(40) % 2]
    np.save(tmp_path / "a.npy", x)
    np.savez(tmp_path / "b.npz", x=x, y=y)
    lines = [",".join([*(repr(float(v)) for v in row), name]) for row, name in zip(x, y, strict=True)]
    (tmp_path / "c.csv").write_text("# a comment\nu,v,w,label\n" + "\n".join(lines) + "\n")
    (tmp_path / "d.csv").write_text("\n".join(line.rsplit(",", 1)[0] for line in lines))
    plain, b, c, d = (Points().open(tmp_path / n) for n in ("a.npy", "b.npz", "c.csv", "d.csv"))
    for data in (b, c, d):
        np.testing.assert_array_equal(data.raw(np.arange(40)), x)
    assert b.spec.classes == c.spec.classes == ("cat", "dog") and b.fingerprint == c.fingerprint
    assert plain.fingerprint == d.fingerprint != b.fingerprint
    assert c.fetch(np.arange(3))["y"].tolist() == [0, 1, 0] and c.summary["classes"] == {"cat": 20, "dog": 20}
    assert Points(labels="off").open(tmp_path / "b.npz").spec.classes == ()


def bad_sources(folder):
    (folder / "words.csv").write_text("a,b\n1,2\n3,four\n")
    (folder / "short.csv").write_text("1,2\n3\n")
    (folder / "gap.csv").write_text("a,b\n1,2\n3,\n4,5\n")
    (folder / "empty.csv").write_text("")
    np.save(folder / "flat.npy", np.zeros(5))
    np.save(folder / "same.npy", np.ones((5, 2)))
    np.save(folder / "objects.npy", np.array([{}, {}]), allow_pickle=True)
    np.savez(folder / "other.npz", z=np.zeros((5, 2)))
    (folder / "torn.npy").write_bytes((folder / "flat.npy").read_bytes()[:90])
    return {
        "words.csv": "four",
        "short.csv": "not 2 numbers",
        "gap.csv": "row 1",
        "empty.csv": "empty",
        "flat.npy": r"\[5\]",
        "same.npy": "all values",
        "objects.npy": "cannot be read: it holds pickled objects",
        "other.npz": "'z'",
        "torn.npy": "cannot be read",
        "none.csv": "no file",
        "picture.png": "mixture",
    }


def test_wrong_sources_are_refused_with_the_reason(tmp_path):
    for name, words in bad_sources(tmp_path).items():
        with pytest.raises(UsageError, match=words):
            Points().open(tmp_path / name)
    with pytest.raises(UsageError, match="grid25"):
        Points().open("grid")
    with pytest.raises(UsageError, match="1 label"):
        Points().open((np.zeros((3, 2)), np.zeros(1)))
    with pytest.raises(UsageError, match="count"):
        Points(count=1)


def test_unlike_columns_are_noted():
    x = np.random.default_rng(0).standard_normal((100, 2)) * [1, 500]
    assert any("column 1" in note for note in Points().open(x).summary["notes"])


def test_pictures_show_the_points():
    data = Points(count=500).open("ring8")
    picture = np.asarray(Points().show(data.raw(np.arange(500))))
    assert picture.shape == (480, 480, 3)
    blue = picture[..., 2].astype(int) - picture[..., 0] > 60
    middle = slice(200, 280)
    assert blue.sum() > 100 and not blue[middle, middle].any(), "a ring is hollow"
    odd = torch.full((3, 2), math.nan)
    for x in (torch.randn(20, 1), torch.randn(20, 5), odd, np.zeros((1, 2), np.float32)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert Points().show(x, labels=[0] * len(x)).size == (480, 480)


def test_points_are_trained_on_as_they_are_and_judged_by_themselves():
    data = Points(count=100).open("grid25")
    x = data.fetch(data.train)["x"]
    batch = Points().batch(data, data.train[:4], Draw(0, 4, slice(0, 4)))
    assert torch.equal(batch["x"], data.fetch(data.train[:4])["x"])
    features = Points().extractor(data)(data.raw(data.train))
    np.testing.assert_allclose(features, x.numpy(), atol=1e-6)


def test_the_recipe_follows_the_columns_and_its_deep_players_keep_the_signal():
    data = Points(count=500).open(np.random.default_rng(0).standard_normal((500, 5)))
    config = points(Facts(data.spec, len(data.train), Budget(), "cpu", 50.0, Points()))
    torch.manual_seed(0)
    nets = config.networks.build(data.spec)
    assert nets["G"].z_dim == 5 and config.game.gammas(0)[0] >= 100 * config.game.gammas(1)[0] > 0
    z = torch.randn(512, 5)
    assert nets["G"](z).shape == (512, 5) and 0.3 < nets["G"](z).std() < 3, "torch's default leaves 0.0004"
    assert nets["D"](z).std() > 0.3
