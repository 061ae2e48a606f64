"""Conditions and rules: read, kept in every row, and refused when they cannot be."""

import numpy as np
import pandas as pd
import pytest
import torch
from table_data import people

from ganworks.core.errors import UsageError
from ganworks.kinds.tables.data import rules as table_rules
from ganworks.kinds.tables.data.conditions import ConditionedGenerator
from ganworks.kinds.tables.data.layout import to_frame
from ganworks.kinds.tables.domain import Table
from ganworks.kinds.tables.networks import CTGAN, ColumnNetworks

COLUMNS = [
    {
        "name": "a-b",
        "kind": "number",
        "atoms": [1.0, 2.0, 3.0],
        "sizes": [4],
        "missing": 1,
        "low": 1.0,
        "high": 3.0,
        "decimals": 0,
        "scalar": False,
    },
    {
        "name": " city",
        "kind": "category",
        "values": [" Rome", ">50K", "and so"],
        "other": 0,
        "missing": 1,
        "sizes": [4],
        "scalar": False,
    },
    {
        "name": "x",
        "kind": "number",
        "atoms": [0.0],
        "edges": [1.0, 2.0, 4.0, 9.0],
        "sizes": [5],
        "missing": 1,
        "low": 0.0,
        "high": 9.0,
        "decimals": None,
        "scalar": True,
    },
    {
        "name": "day",
        "kind": "date",
        "atoms": [0.0, 86400.0],
        "sizes": [2],
        "missing": 0,
        "low": 0.0,
        "high": 86400.0,
        "scalar": False,
        "dtype": "datetime64[us]",
    },
    {"name": "id", "kind": "id", "sizes": [], "missing": 0, "scalar": False},
]


@pytest.mark.parametrize(
    "where, column, may",
    [
        ("a-b >= 2", 0, [0, 1, 1, 0]),
        ("a-b != 2", 0, [1, 0, 1, 0]),
        ("a-b in (1, 3)", 0, [1, 0, 1, 0]),
        ("a-b is missing", 0, [0, 0, 0, 1]),
        ("a-b is not missing and a-b<3", 0, [1, 1, 0, 0]),
        ("city=Rome", 1, [1, 0, 0, 0]),
        ("CITY = ' Rome '", 1, [1, 0, 0, 0]),
        ("city='>50K'", 1, [0, 1, 0, 0]),
        ("city=>50K", 1, [0, 1, 0, 0]),
        ("city not in ('and so', \"Rome\")", 1, [0, 1, 0, 0]),
        ("' city' = 'and so'", 1, [0, 0, 1, 0]),
        ("x > 2.5", 2, [0, 0, 1, 1, 0]),
        ("x <= 0.5", 2, [1, 0, 0, 0, 0]),
        ("x = 3", 2, [0, 0, 1, 0, 0]),
        ("day > 1970-01-01", 3, [0, 1]),
    ],
)
def test_conditions_choose_codes(where, column, may):
    found = table_rules.allowed(table_rules.conditions(where, COLUMNS), COLUMNS)
    assert list(found) == [column] and found[column].astype(int).tolist() == may


@pytest.mark.parametrize(
    "where, said",
    [
        ("town=Rome", 'no column "town"'),
        ("city=Paris", "no row of"),
        ("city>Rome", "holds words"),
        ("a-b=one", "holds numbers"),
        ("a-b>3", "goes from 1 to 3"),
        ("day=soon", "holds dates"),
        ("id=3", "cannot be asked for"),
        ("nonsense", "cannot be read"),
        ("a-b is 3", "comes"),
        ("a-b=1 and a-b=2", "nothing in"),
    ],
)
def test_wrong_conditions_are_named(where, said):
    with pytest.raises(UsageError, match=said):
        table_rules.allowed(table_rules.conditions(where, COLUMNS), COLUMNS)


@pytest.fixture(scope="module")
def data():
    frame = people(800).assign(wide=[f"w{k % 300}" for k in range(800)])
    return Table(held_out=0.1, rules="age >= 20; joined is not missing").open(frame[frame["age"] >= 20])


def made(data, networks, where, n=300):
    torch.manual_seed(0)
    G = networks.build(data.spec)["G"].eval()
    net = Table().prepare(G, data.spec, {"where": where})
    with torch.inference_mode():
        x = net(torch.randn(n, net.z_dim))
    return to_frame(data.spec, x.numpy(), np.arange(n), 0)


@pytest.mark.parametrize(
    "networks", [ColumnNetworks(width=16, depth=1, pac=1), CTGAN(width=16, pac=1)], ids=["columns", "residual"]
)
def test_asked_values_are_in_every_row(data, networks):
    rows = made(data, networks, "city=Oslo and income > 2500.5 and income <= 4000 and age<60 and member=True")
    assert (rows["city"] == "Oslo").all() and rows["member"].all()
    assert ((rows["income"] > 2500.5) & (rows["income"] <= 4000)).all() and (rows["age"] < 60).all()
    assert made(data, networks, "income is missing")["income"].isna().all()
    rules_alone = made(data, networks, "")
    assert (rules_alone["age"] >= 20).all() and rules_alone["income"].isna().any()


def test_values_of_two_digits_can_be_asked_for(data):
    assert (made(data, ColumnNetworks(width=16, depth=1, pac=1), "wide=w299")["wide"] == "w299").all()


def test_what_hardly_any_row_keeps_is_refused(data):
    class Never:
        def __init__(self):
            self.codes = {}

        def __call__(self, x):
            return np.zeros(len(x), bool)

    G = ColumnNetworks(width=16, depth=1, pac=1).build(data.spec)["G"].eval()
    with pytest.raises(UsageError, match="fewer than one made row"), torch.inference_mode():
        ConditionedGenerator(G, Never())(torch.randn(2, G.z_dim))


def test_sums_orders_and_ranges_hold_in_every_row():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 60, 500), rng.integers(0, 40, 500)
    frame = pd.DataFrame(
        {
            "a": a,
            "b": b,
            "c": 100 - a - b,
            "net": a * 1.5,
            "tax": b * 0.25,
            "gross": a * 1.5 + b * 0.25,
            "low": a,
            "high": a + b,
        }
    )
    rules = "a + b + c = 100; net + tax = gross; low <= high; a >= 0"
    data = Table(rules=rules).open(frame)
    rows = made(data, ColumnNetworks(width=16, depth=1, pac=1), "b<20 and c>=30")
    assert (rows["a"] + rows["b"] + rows["c"] == 100).all() and (rows["low"] <= rows["high"]).all()
    assert np.allclose(rows["net"] + rows["tax"], rows["gross"]) and (rows["b"] < 20).all() and (rows["c"] >= 30).all()
    assert (rows.dtypes == frame.dtypes).all()
    for wrong in ("a + b = 50", "high < low", "a > 5"):
        with pytest.raises(UsageError, match="break them"):
            Table(rules=wrong).open(frame)
