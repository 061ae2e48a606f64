"""Nearest neighbours, overlap and copying against plain O(n^2) loops and known cases."""

import numpy as np
import pytest

from ganworks.metrics import neighbours
from ganworks.metrics.neighbours import (
    Index,
    Manifold,
    authentic,
    closeness,
    closeness_of_others,
    copied,
    nearest,
    overlap,
)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Several chunks even for small inputs, the last one partial."""
    monkeypatch.setattr(neighbours, "CHUNK", 37)


def gauss(seed, n, d=8, shift=0.0):
    return np.random.default_rng(seed).normal(size=(n, d)) + shift


def distances(a, b):
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))


def kth(a, k):
    return np.sort(distances(a, a), axis=1)[:, k]


def test_overlap_is_prdc_written_out():
    real, fake = gauss(0, 90), gauss(1, 110, shift=0.4)
    d = distances(real, fake)
    said = overlap(Manifold.of(real), fake)
    assert (said.precise == (d < kth(real, 3)[:, None]).any(0)).all()
    assert (said.recalled == (d < kth(fake, 3)[None]).any(1)).all()
    assert np.allclose(said.dense, (d < kth(real, 5)[:, None]).sum(0) / 5)
    assert (said.covered == (d.min(1) < kth(real, 5))).all()
    assert np.allclose(said.gap, d.min(1) / kth(real, 5))


def test_equal_gaussians_have_the_published_values():
    """Naeem et al., section 3.2.3: at equal counts coverage tends to 1 - 2^-5 = 0.97, density to 1."""
    said = overlap(Manifold.of(gauss(2, 1500, 16)), gauss(3, 1500, 16))
    assert said.covered.mean() == pytest.approx(0.97, abs=0.015)
    assert said.dense.mean() == pytest.approx(1.0, abs=0.06)


def test_real_data_with_copies_stands_by_itself():
    """Each row five times, or half of all rows a usual one: the radius of a ball is that of distinct rows."""
    noise = 1e-9 * gauss(12, 1500)

    def half(x):
        return np.concatenate([x, np.repeat(x[[np.square(x).sum(1).argmin()]], len(x), 0)])

    for repeated in (lambda x: np.tile(x, (5, 1)), half):
        real, other = repeated(gauss(13, 300)), repeated(gauss(14, 300))
        said = overlap(Manifold.of(real + noise[: len(real)]), other)
        for values in (said.precise, said.recalled, said.covered):
            assert values.mean() > 0.8
        assert 0.5 < said.dense.mean() < 4
    plain = Manifold.of(gauss(13, 300))
    assert np.allclose(Manifold.of(np.tile(gauss(13, 300), (2, 1))).radius[:300], plain.radius)
    assert len(set(neighbours.copies(real + noise[:600]))) == 300
    line = np.random.default_rng(0).random((20_000, 1))  # close numbers are no copies
    assert len(set(neighbours.copies(line))) == 20_000 and len(set(neighbours.copies(np.tile(line, (2, 1))))) == 20_000


def test_a_generator_of_few_things_does_not_reach_the_space_between_them():
    real, few = gauss(15, 300), np.repeat(gauss(16, 10), 30, 0)
    said = overlap(Manifold.of(real), few)
    assert not said.recalled.any() and said.covered.mean() < 0.3
    nothing = overlap(Manifold.of(np.ones((20, 8))), np.ones((20, 8)))
    assert not nothing.precise.any() and np.isfinite(nothing.gap).all()


def test_dropping_a_mode_lowers_coverage_and_recall_but_not_precision():
    modes = np.concatenate([gauss(s, 100, 4, shift=20 * s) for s in range(4)])
    fake = np.concatenate([gauss(s + 50, 133, 4, shift=20 * s) for s in range(3)])
    said = overlap(Manifold.of(modes), fake)
    assert said.covered[:300].mean() > 0.95 and not said.covered[300:].any() and not said.recalled[300:].any()
    assert said.precise.mean() > 0.8


def test_nearest_is_exact_far_from_the_origin_and_leaves_itself_out():
    base = gauss(4, 200) + 1e4
    queries = base[:50] + 0.01 * gauss(5, 50)
    order = np.argsort(distances(queries, base), axis=1)[:, :4]
    found = nearest(queries, base, 4)
    assert (found.index == order).all()
    assert np.allclose(found.distance, np.sort(distances(queries, base), axis=1)[:, :4], rtol=1e-9)
    own = nearest(base, base, 1, own=np.arange(200))
    assert np.allclose(own.distance[:, 0], kth(base, 1)) and (own.index[:, 0] != np.arange(200)).all()


def test_copies_are_at_distance_zero_and_not_authentic():
    training = Index(gauss(6, 300))
    copies = training.nearest(gauss(6, 300)[:100])
    assert (copies.distance == 0).all() and not authentic(copies, training).any()
    near = training.nearest(gauss(6, 300)[:100] + 1e-3)
    assert not authentic(near, training).any()


def test_held_out_examples_are_authentic_about_half_the_time_as_defined():
    train, held = gauss(7, 1000), gauss(8, 500)
    index = Index(train)
    found = index.nearest(held)
    said = authentic(found, index)
    assert (said == (distances(held, train).min(1) > kth(train, 1)[distances(held, train).argmin(1)])).all()
    assert 0.4 < said.mean() < 0.65


def test_a_copy_of_a_duplicated_example_is_not_authentic():
    train = np.concatenate([gauss(9, 50), gauss(9, 50)])
    index = Index(train)
    assert not authentic(index.nearest(train[:50]), index).any()
    assert not authentic(index.nearest(train[:50] + 1e-3), index).any()
    assert (
        authentic(index.nearest(gauss(8, 50)), index) == authentic(nearest(gauss(8, 50), train[:50]), Index(train[:50]))
    ).all()


def test_closeness_is_a_share_of_the_way_to_the_next_row():
    train = np.array([[0.0, 0], [4, 0], [4, 0], [0, 10]])
    index = Index(train)
    asked = np.array([[1.0, 0], [2, 0], [4, 1], [4, 0], [0, 7]])
    assert closeness(index.nearest(asked), index) == pytest.approx([0.25, 0.5, 0.25, 0, 0.3])
    assert copied(closeness(index.nearest(asked), index)).tolist() == [True, False, True, True, True]


def test_each_row_as_if_it_were_unseen_is_as_close_as_without_it():
    train = np.concatenate([gauss(10, 120), gauss(10, 30)])  # thirty rows twice
    wanted = []
    for row in range(120):
        rest = Index(np.delete(train[:120], row, 0))
        wanted.append(closeness(rest.nearest(train[row : row + 1]), rest)[0])
    assert sorted(closeness_of_others(Index(train))) == pytest.approx(sorted(wanted))
    assert len(closeness_of_others(Index(train), 50)) == 50 and len(closeness_of_others(Index(train[:2]))) == 0


def test_near_copies_are_found_and_what_lies_between_is_none():
    train, more = gauss(10, 800), gauss(12, 2000)
    index = Index(train)
    noise = 0.05 * gauss(13, 800)
    between = (train + train[nearest(train, train, 2, np.arange(800)).index[:, 1]]) / 2

    def share(x):
        return copied(closeness(index.nearest(x), index)).mean()

    assert share(train + noise) > 0.95 and share(between) == 0
    unseen = copied(closeness_of_others(index)).mean()
    assert share(more) == pytest.approx(unseen, abs=0.02)


def test_few_rows_lower_k_and_none_is_refused():
    assert nearest(gauss(0, 3), gauss(1, 2), 5).index.shape == (3, 2)
    with pytest.raises(ValueError, match="No neighbour"):
        nearest(gauss(0, 1), gauss(0, 1), own=np.arange(1))
