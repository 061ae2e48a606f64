"""Small tables for tests."""

import numpy as np
import pandas as pd


def people(count=600, seed=0):
    """Columns of every kind, with a dependence that a model can learn: city decides the currency, age the income."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 90, count)
    city = rng.choice(["Rome", "Oslo", "New York"], count, p=[0.6, 0.3, 0.1])
    money = pd.Series(city).map({"Rome": "EUR", "Oslo": "NOK", "New York": "USD"}).to_numpy()
    income = np.round(900 + 40 * age + 300 * rng.standard_normal(count), 2)
    gaps = rng.random(count) < 0.2
    joined = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, count), unit="D")
    return pd.DataFrame(
        {
            "id": np.arange(1000, 1000 + count),
            "age": age,
            "city": city,
            "money": money,
            "income": np.where(gaps, np.nan, income),
            "joined": joined,
            "member": rng.random(count) < 0.25,
            "unit": "kg",
        }
    )
