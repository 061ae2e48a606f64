"""Membership inference on made-up generators: one that copies, one that is honest."""

import numpy as np
import pytest

from ganworks.audit.run import members
from ganworks.audit.run.copying import COPYING, c_t, copying, z_of_ranks
from ganworks.audit.run.roc import telling
from ganworks.metrics.neighbours import nearest

RNG = np.random.default_rng(0)
TRAIN, HELD = RNG.normal(size=(300, 6)).astype(np.float32), RNG.normal(size=(300, 6)).astype(np.float32)
HONEST = RNG.normal(size=(900, 6)).astype(np.float32)
COPIER = (TRAIN[RNG.integers(300, size=900)] + 0.05 * RNG.normal(size=(900, 6))).astype(np.float32)


@pytest.mark.parametrize("score", [members.calibrated, members.density])
def test_members_of_a_copier_are_found(score):
    told = telling(*members.by_reference(score, TRAIN, HELD, COPIER))
    assert told.known and told.auc.value > 0.95 and told.rates[0].found.value > 0.5


@pytest.mark.parametrize("score", [members.calibrated, members.density])
def test_nobody_is_found_by_an_honest_generator(score):
    told = telling(*members.by_reference(score, TRAIN, HELD, HONEST))
    assert not told.known and told.auc.low < 0.5 < told.auc.high


def test_the_reference_never_holds_the_example_itself():
    """Else the distance of every other example to the reference would be 0."""
    seen = []

    def score(x, made, reference):
        seen.append(nearest(x, reference).distance[:, 0].min())
        return np.zeros(len(x))

    inside, outside = members.by_reference(score, TRAIN[:50], HELD[:60], HONEST)
    assert min(seen) > 0 and len(inside) == 50 and len(outside) == 60


def test_calibration_tells_more_where_some_examples_are_near_to_everything():
    """Half of the world lies dense, half sparse: plain distances tell which half, not who was a member."""

    def world(n):
        return (RNG.normal(size=(n, 4)) * np.where(RNG.random((n, 1)) < 0.5, 0.05, 5)).astype(np.float32)

    train, held = world(500), world(500)
    made = np.concatenate([world(1500), train + 0.3 * np.abs(train) * RNG.normal(size=train.shape).astype(np.float32)])
    plain = telling(*members.by_distance(train, held, made)).auc.value
    beside = telling(*members.by_reference(members.calibrated, train, held, made)).auc.value
    assert beside > plain + 0.05


def test_contents_that_both_sides_hold_are_left_out_evenly():
    """Of few possible contents, chance decides on which side a rare one is: no side may keep rarer ones."""
    shares = RNG.dirichlet(np.full(300, 0.3))
    rows = np.eye(300, dtype=np.float32)
    train, held = (rows[RNG.choice(300, n, p=shares)] for n in (4000, 500))
    found = members.sides(train, held)
    ins, outs = train[found.members].argmax(1), held[found.others].argmax(1)
    assert not set(ins) & set(outs) and len(set(ins)) == len(ins) and len(set(outs)) == len(outs)
    assert np.log(shares[ins]).mean() == pytest.approx(np.log(shares[outs]).mean(), abs=1.0)


def test_copies_are_seen_by_every_measure():
    found, honest = copying(TRAIN, HELD, COPIER), copying(TRAIN, HELD, HONEST)
    assert found.repeats and found.copied.value > 0.9 and found.c_t < COPYING
    assert not honest.repeats and abs(honest.c_t) < 3.5
    sample, place, close = found.near[0]
    assert nearest(COPIER[sample : sample + 1], TRAIN).index[0, 0] == place and close < 0.1


def test_c_t_is_the_weighted_mean_of_the_cells_u_statistics():
    """One cell, as training examples in one place have no others: the plain Z of Mann and Whitney."""
    train = np.zeros((3, 2)) + np.arange(3)[:, None] * 1e-9
    held, made = RNG.normal(size=(40, 2)), 0.8 * RNG.normal(size=(60, 2))
    apart = [np.linalg.norm(x, axis=1) for x in (held, made)]
    import ganworks.audit.run.copying as module

    old, module.CELLS = module.CELLS, 1
    try:
        assert c_t(train, *apart, held, made) == pytest.approx(z_of_ranks(apart[1], apart[0]))
    finally:
        module.CELLS = old


def test_z_of_ranks_is_standard_normal_by_chance():
    found = [z_of_ranks(RNG.normal(size=30), RNG.normal(size=50)) for _ in range(600)]
    assert np.std(found) == pytest.approx(1, abs=0.1) and abs(np.mean(found)) < 0.15
