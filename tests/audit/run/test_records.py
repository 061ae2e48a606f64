"""Attacks on records: a table that copies is found, an honest one is not."""

import numpy as np
import pandas as pd
import pytest

from ganworks.audit.run import records
from ganworks.core.errors import UsageError

RNG = np.random.default_rng(0)


def people(n: int) -> pd.DataFrame:
    age = RNG.integers(18, 90, n).astype(float)
    return pd.DataFrame(
        {
            "age": age,
            "town": RNG.choice(list("abcdefghij"), n),
            "work": RNG.choice(list("uvwxyz"), n),
            "income": (age * 100 + RNG.normal(0, 900, n)).round(),
            "ill": RNG.choice(["yes", "no"], n, p=[0.1, 0.9]),
        }
    )


TRAIN, HELD = people(600), people(600)
COPIER, HONEST = TRAIN.sample(500, random_state=0, ignore_index=True), people(500)


@pytest.fixture(autouse=True)
def fewer_guesses(monkeypatch):
    monkeypatch.setattr(records, "GUESSES", 600)


def test_a_copier_is_singled_out_linked_and_comes_back():
    attacks, returns = records.all_attacks(TRAIN, HELD, COPIER)
    assert [a.name for a in attacks] == ["singling out", "linkage"]
    assert all(a.known and a.risk.value > 0.1 and a.risk.low > 0 for a in attacks)
    assert [r["more"] for r in returns] == [True, True] and returns[0]["alone"] > 450
    assert "500 generated records of 500 (100.00%)" in returns[0]["says"]


def test_nothing_is_said_of_an_honest_table():
    attacks, returns = records.all_attacks(TRAIN, HELD, HONEST)
    assert not any(a.known for a in attacks) and not any(r["more"] for r in returns)
    assert all(a.least > 0 for a in attacks)


def test_quasi_identifiers_are_those_named():
    made = HONEST.assign(age=TRAIN["age"].iloc[:500].to_numpy(), town=TRAIN["town"].iloc[:500].to_numpy())
    returns = records.all_attacks(TRAIN, HELD, made, ["age", "town"])[1]
    assert returns[1]["fields"] == "age, town" and returns[1]["made"]["value"] == 1
    with pytest.raises(UsageError, match=r'no column "aeg".*age'):
        records.all_attacks(TRAIN, HELD, made, ["aeg"])


def test_missing_values_equal_each_other_and_too_few_records_are_not_asked():
    some = TRAIN.assign(income=np.nan)
    row = records.coming_back("all", list(some.columns), some, HELD, some.iloc[:30])
    assert row["made"]["value"] == 1 and row["held"]["value"] == 0
    assert records.all_attacks(TRAIN, HELD.iloc[:10], HONEST) == ([], [])


def test_the_gain_is_what_is_reached_beyond_the_control():
    """Equation 5 of Giomi et al.: (0.6 - 0.2) / (1 - 0.2)."""
    found = records.gain("x", "", np.arange(100) < 60, np.arange(100) < 20)
    assert found.risk.value == pytest.approx(0.5) and found.known and found.risk.low > 0.3
    assert not records.gain("x", "", np.arange(100) < 22, np.arange(100) < 20).known
