"""Odd examples by their features, on made-up features where what is odd is known, and by brute force."""

import numpy as np
import pytest

from ganworks.metrics.judges.oddities import doubts, evened, left_out, strangers, twins, unit


def clusters(seed=0, each=30, classes=3, d=40):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, d)) * 2
    labels = np.repeat(np.arange(classes), each)
    return centres[labels] + rng.normal(size=(len(labels), d)), labels


def test_leaving_out_in_closed_form_is_leaving_out():
    x, labels = clusters(each=8)
    x = unit(x)
    found = left_out(x, labels, 3, 0.7)
    shares = np.eye(3)[labels].mean(0)
    for row in range(len(x)):
        rest = np.delete(np.arange(len(x)), row)
        kernel = x[rest] @ x[rest].T + 0.7 * np.eye(len(rest))
        weights = np.linalg.solve(kernel, np.eye(3)[labels[rest]] - shares)
        np.testing.assert_allclose(found[row], x[row] @ x[rest].T @ weights + shares, atol=1e-9)


def test_planted_copies_are_found_and_nothing_else():
    x, _ = clusters()
    rng = np.random.default_rng(1)
    pick = rng.permutation(90)[:12]
    near = x[pick] + 0.15 * rng.normal(size=(12, 40))
    found = twins(np.concatenate([x, near]))
    assert {(i, j) for i, j, _ in found} == {(int(p), 90 + k) for k, p in enumerate(pick)}
    assert [s for *_, s in found] == sorted((s for *_, s in found), reverse=True)


def test_views_of_one_turning_object_are_no_copies():
    angle = np.arange(72) * np.pi / 36
    turning = np.stack([np.cos(angle), np.sin(angle)], 1) @ np.random.default_rng(0).normal(size=(2, 20))
    assert not twins(turning)
    assert len(twins(np.concatenate([turning, turning[:1]]))) == 1


def test_what_is_far_from_all_is_an_outlier():
    x, _ = clusters()
    assert not strangers(x)
    far = np.random.default_rng(5).normal(size=(1, 40)) * 6
    found = strangers(np.concatenate([x, far]))
    assert [row for row, _ in found] == [90] and found[0][1] > 4
    assert strangers(x[:5]) == []


def test_swapped_labels_are_doubted_and_rows_without_one_are_not():
    x, labels = clusters(each=40)
    given, rng = labels.copy(), np.random.default_rng(2)
    wrong = rng.permutation(120)[:4]
    given[wrong] = (given[wrong] + 1) % 3
    given[[r for r in range(120) if r not in wrong][:6]] = -1
    found = doubts(x, given, 3)
    assert {row for row, *_ in found} == set(wrong.tolist())
    assert all(other == labels[row] and margin < 0 for row, other, margin in found)
    assert not doubts(x, labels, 3) and not doubts(x[:2], labels[:2], 3)


def test_blocks_that_are_evened_count_alike():
    rng = np.random.default_rng(0)
    a, b = evened(rng.normal(size=(50, 10)) * 1000), evened(rng.normal(size=(50, 400)))
    assert np.square(a).sum(1).mean() == pytest.approx(np.square(b).sum(1).mean(), rel=1e-3)
