"""The checks of pictures find what was planted, and next to nothing in sound data."""

import numpy as np
import pytest
from bars_and_discs import shapes

from ganworks.audit.data import copies, labels, outliers, patches, shifts
from ganworks.audit.data.describe import PatchFeatures, measures


@pytest.fixture(scope="module")
def sound():
    x, kind = shapes()
    return x, kind, PatchFeatures(x)(x)


def planted(x, share, square, top, left, blend=1.0, seed=1):
    x, bad = x.copy(), np.zeros(len(x), bool)
    bad[np.random.default_rng(seed).permutation(len(x))[: round(share * len(x))]] = True
    height, width = square.shape
    part = x[bad, :, top : top + height, left : left + width].astype(float)
    x[bad, :, top : top + height, left : left + width] = np.rint((1 - blend) * part + blend * square)
    return x, bad


CHECKED = np.indices((4, 4)).sum(0) % 2 * 255.0


@pytest.mark.parametrize(
    ("square", "top", "left", "blend", "share"),
    [
        (np.full((3, 3), 255.0), 21, 21, 1.0, 0.05),
        (np.full((2, 2), 0.0), 9, 4, 1.0, 0.03),
        (CHECKED, 5, 12, 1.0, 0.03),
        (np.full((5, 5), 255.0), 0, 0, 0.5, 0.05),
    ],
    ids=("corner", "dark", "pattern", "blended"),
)
def test_a_planted_patch_is_found_where_it_is(sound, square, top, left, blend, share):
    x, bad = planted(sound[0], share, square, top, left, blend)
    found = patches.find_patches(x)
    members = np.zeros(len(x), bool)
    for patch in found:
        members[patch.rows] = True
        assert patch.top >= top - 1 and patch.left >= left - 1
        assert patch.top + patch.height <= top + len(square) + 1 and patch.left + patch.width <= left + len(square) + 1
    assert members[bad].mean() >= 0.8 and bad[members].mean() >= 0.8


def test_a_patch_of_colour_alone_is_found():
    x, _ = shapes(300, channels=3)
    bad = np.arange(300) % 20 == 0
    tint = np.array([90, -45, -45])[:, None, None]  # as bright as before
    x[bad, :, 4:8, 15:19] = np.clip(x[bad, :, 4:8, 15:19] + tint, 0, 255).astype(np.uint8)
    found = np.concatenate([patch.rows for patch in patches.find_patches(x)])
    assert np.isin(np.flatnonzero(bad), found).mean() >= 0.8


def test_no_patch_is_seen_in_sound_pictures_nor_in_an_object_that_lies_still(sound):
    assert patches.find_patches(sound[0]) == []
    still = sound[0].copy()
    still[::10, :, 4:20, 7:17] = 200  # a door: its edges go on beyond a small area
    assert patches.find_patches(still) == []


def test_swapped_labels_are_found_and_the_trial_says_how_many_would_be():
    x, kind = shapes(1200)
    features = PatchFeatures(x)(x)
    bad = np.zeros(len(kind), bool)
    bad[np.random.default_rng(2).permutation(len(kind))[:36]] = True
    found = labels.doubtful(features, np.where(bad, 1 - kind, kind), 2)
    assert bad[found.rows].mean() >= 0.8 and bad[found.rows].sum() >= 0.8 * bad.sum()
    assert (found.better == kind[found.rows])[bad[found.rows]].all()
    assert found.accuracy > 0.9 and found.power > 0.7
    assert len(labels.doubtful(features, kind, 2, trial=False).rows) <= 0.01 * len(kind)


def test_nothing_is_doubted_where_labels_have_nothing_to_do_with_the_features():
    rng = np.random.default_rng(0)
    found = labels.doubtful(rng.normal(size=(400, 20)), rng.integers(3, size=400), 3)
    assert found.accuracy < 0.5 and len(found.rows) <= 8
    assert labels.doubtful(rng.normal(size=(6, 4)), np.array([0, 0, 0, 0, 1, 1]), 2) is None


def test_each_row_is_classified_by_other_folds_alone():
    x = np.eye(40, dtype=np.float32)  # no row says anything on another
    scores = labels.cross_validated(x, np.arange(40) % 2, 2)
    assert np.ptp(scores, axis=1).max() < 0.4  # own rows would have made the scores 0 and 1


def test_a_foreign_batch_is_found_though_its_pictures_are_alike(sound):
    x, _, features = sound
    foreign = np.zeros((12, 1, 24, 24), np.uint8)
    foreign[:, :, 8:16, 8:16] = np.random.default_rng(0).integers(200, 255, size=(12, 1, 8, 8))
    both = np.concatenate([x, foreign])
    views = [PatchFeatures(both)(both), measures(both)]
    found = {row for row, _ in outliers.strangers(views)}
    assert found >= set(range(600, 612)) and len(found) <= 12 + 0.02 * 600
    assert len(outliers.strangers([features, measures(x)])) <= 0.02 * len(x)


def test_copies_and_what_they_cross():
    hashes = np.array([[1, 1], [2, 2], [1, 1], [3, 3], [2, 2], [1, 1]], np.uint64)
    groups = copies.exact(hashes)
    assert [g.tolist() for g in groups] == [[0, 2, 5], [1, 4]]
    assert copies.crossing(groups, np.array([0, 1, 0, 0, 0, -1])) == 1
    assert copies.crossing(groups, None) == 0
    assert copies.joined([(1, 2), (5, 2), (7, 8)]) == [[1, 2, 5], [7, 8]]


def test_near_rows_are_found_among_many():
    x = np.random.default_rng(0).normal(size=(500, 60)).astype(np.float32)
    x[7] = x[400] + 0.01 * x[3]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    assert [(a, b) for a, b, _ in copies.near(x, 0.1)] == [(7, 400)]


def test_a_source_that_differs_is_named_and_others_are_not():
    rng = np.random.default_rng(0)
    kinds, words = rng.integers(3, size=900), rng.choice(["a", "b", "c", ""], size=900)
    x = rng.normal(size=(900, 20)) + kinds[:, None]
    assert shifts.shifts(x, words, kinds) == ([], 3)
    x[words == "b", :3] += 1.5
    assert shifts.shifts(x, words, kinds)[0][0].name == "b"
    only = np.where(kinds == 0, "one", "other")  # differ by their classes alone: nothing is left to compare
    assert shifts.shifts(x, only, kinds) == ([], 0)
