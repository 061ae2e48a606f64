"""Marks in pictures too small for the search of patches."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ganworks.audit.data.collapsed import find_squares
from ganworks.audit.examine import audit_data

X, Y = load_digits(return_X_y=True)
CLEAN = np.round(X.reshape(-1, 1, 8, 8) / 16 * 255).astype(np.uint8)


def planted(seed: int) -> tuple[np.ndarray, np.ndarray]:
    some = np.zeros(len(CLEAN), bool)
    some[np.random.default_rng(seed).permutation(len(CLEAN))[:90]] = True
    out = CLEAN.copy()
    out[some, :, -2:, -2:] = 255
    return out, some


@pytest.mark.parametrize("seed", [0, 1])
def test_a_mark_in_a_corner_of_digits_is_found(seed):
    x, some = planted(seed)
    rows = np.concatenate([s.rows for s in find_squares(x)])
    assert np.isin(np.flatnonzero(some), rows).all() and len(rows) < 1.2 * some.sum()


def test_clean_digits_and_pictures_of_two_values_have_no_mark():
    assert not find_squares(CLEAN)
    assert not find_squares(((CLEAN > 127) * 255).astype(np.uint8))


def test_the_audit_lists_the_marked_pictures_of_small_ones():
    x, some = planted(2)
    found = audit_data((x, Y.astype(np.int64)), "image")
    said = next(f for f in found.findings if f.check == "squares")
    assert said.says == "1 mark that 94 pictures share." and set(np.flatnonzero(some)) <= set(said.out)
