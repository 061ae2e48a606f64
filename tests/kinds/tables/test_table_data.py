"""Reading tables, and columns as codes and back."""

import datetime as dt
import io
import json

import numpy as np
import pandas as pd
import pytest
from table_data import people

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.files.tables.write import frame_csv
from ganworks.kinds.tables.data import columns as table_columns
from ganworks.kinds.tables.data import reading as table_read
from ganworks.kinds.tables.data.layout import TableLayout, to_frame
from ganworks.kinds.tables.domain import Table


def there_and_back(frame, **settings):
    """The rows of a table as the networks see them, written as a table again."""
    data = Table(held_out=0.1, **settings).open(frame)
    spec = Spec.from_dict(json.loads(json.dumps(data.spec.to_dict())))  # as a published file holds it
    rows = data.rows(np.arange(len(data))).numpy()
    return data, to_frame(spec, rows, np.arange(len(data)), 0)


def test_every_kind_comes_back_in_its_dtype():
    frame = people()
    data, again = there_and_back(frame)
    kinds = {c["name"]: c["kind"] for c in data.columns}
    assert kinds == {
        "id": "id",
        "age": "number",
        "city": "category",
        "money": "category",
        "income": "number",
        "joined": "date",
        "member": "category",
        "unit": "constant",
    }
    assert (again.dtypes.astype(str) == frame.dtypes.astype(str)).all()
    seen = data.train  # values that only held-out rows have are not known
    for name in ("age", "city", "money", "member", "unit"):
        assert (again[name].iloc[seen] == frame[name].iloc[seen]).all(), name
    assert (again["joined"].iloc[seen] == frame["joined"].iloc[seen]).all()
    gaps = frame["income"].isna()
    assert (again["income"].isna() == gaps).all()
    assert np.allclose(
        again["income"][~gaps],
        frame["income"][~gaps].clip(*np.nanquantile(frame["income"].iloc[seen], [0, 1])),
        atol=0.011,
    )
    assert not set(again["id"]) & set(frame["id"].iloc[seen]) and again["id"].is_unique


def test_words_in_files_become_numbers_dates_and_names_that_stay_as_they_are(tmp_path):
    frame = people(200)
    frame["zip"] = [f"{k % 40:05d}" for k in range(200)]
    frame["odd"] = ["?" if k % 50 == 0 else str(k % 7) for k in range(200)]
    path = tmp_path / "a.csv"
    frame.to_csv(path, index=False)
    data, again = there_and_back(path)
    kinds = {c["name"]: (c["kind"], c["dtype"]) for c in data.columns}
    assert kinds["zip"][0] == "category" and set(again["zip"]) <= set(frame["zip"])  # leading zeros stay
    assert kinds["joined"][0] == "date" and again["joined"].iloc[0] == frame["joined"].iloc[0].strftime("%Y-%m-%d")
    assert kinds["odd"][0] == "number" and "odd: 4 '?' as marks for missing values" in data.facts["notes"]
    assert again["age"].dtype == "int64" and str(again["odd"].dtype) == "Int64"  # whole numbers stay whole with gaps
    text = io.StringIO()
    again.to_csv(text, index=False)
    assert pd.read_csv(io.StringIO(text.getvalue()))["age"].dtype == "int64"


def test_many_categories_cost_few_inputs():
    rng = np.random.default_rng(0)
    names = [f"shop {k}" for k in range(5000)]
    frame = pd.DataFrame({"shop": names * 2, "key": rng.permutation(10_000), "x": rng.integers(0, 3, 10_000)})
    data, again = there_and_back(frame, ids="key")
    assert data.layout.width < 160
    known = frame["shop"].isin(data.columns[0]["values"])
    assert (again["shop"][known] == frame["shop"][known]).all() and again["key"].is_unique


def test_more_names_than_there_is_room_for_are_other(monkeypatch):
    monkeypatch.setattr(table_columns, "KEPT", 100)
    frame = pd.DataFrame({"w": [f"w{k % 400}" for k in range(2000)], "x": np.arange(2000) % 5})
    data, again = there_and_back(frame)
    assert len(data.columns[0]["values"]) == 100 and (again["w"] == "(other)").any()
    assert any("most frequent are kept" in n for n in data.facts["notes"])


def test_texts_that_all_differ_are_made_anew():
    frame = pd.DataFrame(
        {
            "code": [f"C-{k:04d}/x" for k in range(100)],
            "mail": [f"{k * 7919 % 997}@b{k}.org" for k in range(100)],
            "x": np.arange(100) % 4,
        }
    )
    _, again = there_and_back(frame)
    assert again["code"].iloc[0] == "C-0100/x" and again["code"].is_unique and again["mail"].is_unique


def test_positions_in_modes_and_missing_come_back():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, 500), rng.normal(50, 2, 500)])
    x[::10] = np.nan
    frame = pd.DataFrame({"x": x, "y": np.arange(1000) % 3})
    data, again = there_and_back(frame, numbers="modes")
    assert 2 <= len(data.columns[0]["means"]) <= 10
    assert (again["x"].isna() == frame["x"].isna()).all()
    assert np.nanmax(np.abs(again["x"] - frame["x"])) < 0.5


def test_columns_are_learnt_from_training_rows_alone():
    frame = people(400)
    data = Table(held_out=0.2).open(frame)
    lonely = frame.copy()
    lonely.loc[data.held, "city"] = "Atlantis"
    again = Table(held_out=0.2).open(lonely)
    held = set(again.frame["city"].iloc[again.train])
    assert set(next(c for c in again.columns if c["name"] == "city")["values"]) == held


def write(tmp_path, text, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


ROWS = "".join(f"{k % 5},{k % 3}x\n" for k in range(40))


@pytest.mark.parametrize(
    "text, said",
    [
        ("a,a\n" + ROWS, "duplicate column name"),
        ("a,b\n" + "1,2\n" * 3, "needs at least 20"),
        ("", "is empty"),
        ("a,b\n" + ROWS + "1,2,3,4\n", "cannot be read as a table"),
        ("a,b\n" + ROWS.replace("4,", "inf,"), "infinite values"),
        (b"a,b\n\xff\xfe\xfa" + ROWS.encode(), "latin-1"),
        (b"\0\0\0" * 100, "zero bytes"),
        (",".join(f"c{k}" for k in range(100_000)) + "\n" + ROWS, "100,000 columns"),
        ("a,b\n" + "1,2\n" * 40, "nothing to learn"),
    ],
)
def test_odd_files_are_refused_by_name(tmp_path, text, said):
    with pytest.raises(UsageError, match=said):
        Table().open(write(tmp_path, text))


def test_marks_of_order_separators_and_missing_headers(tmp_path):
    data = Table().open(write(tmp_path, b"\xef\xbb\xbfa;b\n" + ROWS.replace(",", ";").encode()))
    assert [c["name"] for c in data.columns] == ["a", "b"]
    bare = Table().open(write(tmp_path, "".join(f"{k % 5},{k % 3}.5\n" for k in range(40))))
    assert [c["name"] for c in bare.columns] == ["column_1", "column_2"] and len(bare) == 40
    commented = Table().open(write(tmp_path, "# made by\na,b\n" + ROWS))
    assert len(commented) == 40
    for other in ({"a": [[1]] * 30, "b": range(30)}, {"a": [{}] * 30, "b": range(30)}):
        with pytest.raises(UsageError):
            Table().open(pd.DataFrame(other))
    with pytest.raises(UsageError, match="no file"):
        table_read.read("nowhere.csv")


def test_columns_without_anything_to_learn_do_no_harm():
    frame = people(100).assign(empty=np.nan, one=3, mixed=[1, "a"] * 50)
    _, again = there_and_back(frame)
    assert again["empty"].isna().all() and (again["one"] == 3).all()
    assert set(map(type, again["mixed"])) <= {int, str}


def test_formulas_do_not_leave_as_formulas():
    frame = pd.DataFrame({"=a": ["=cmd()|x", "-5", "+2.5", "@x", " =1+1", "fine"], "n": range(6)})
    assert frame_csv(frame).split("\n") == ["'=a,n", "'=cmd()|x,0", "-5,1", "+2.5,2", "'@x,3", "' =1+1,4", "fine,5", ""]
    assert frame["=a"].iloc[0] == "=cmd()|x"


def test_wide_tables_stay_small():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(3000, 300)), columns=[f"c{k}" for k in range(300)])
    data = Table().open(frame)
    assert len(json.dumps(data.spec.facts)) < 1_000_000 and data.layout.width < 65536


@pytest.mark.parametrize(
    "cells, dtype",
    [
        (pd.array([1, 2, None] * 20, dtype="Int64"), "Int64"),
        (pd.array([True, None] * 30, dtype="boolean"), "boolean"),
        (pd.Categorical(list("abc") * 20, categories=list("abcd"), ordered=True), "category"),
        (pd.date_range("2020-01-01", periods=60, freq="h", tz="Europe/Rome"), "datetime64[us, Europe/Rome]"),
        (pd.array(["x", None] * 30, dtype="string"), "string"),
        (np.arange(60).astype("uint8") % 7, "uint8"),
        (pd.arrays.SparseArray([0, 0, 1] * 20), "int64"),
        ([dt.date(2020, 1, 1 + k % 20) for k in range(60)], "datetime64"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_dtypes_of_pandas_come_back(cells, dtype):
    frame = pd.DataFrame({"z": np.arange(60) % 3, "x": cells})
    data, again = there_and_back(frame)
    assert str(again["x"].dtype).startswith(dtype)
    seen = data.train
    words = [["" if pd.isna(v) else str(v)[:10] for v in f["x"].iloc[seen]] for f in (frame, again)]
    assert words[0] == words[1]


@pytest.mark.parametrize("cells", [pd.to_timedelta(range(60), unit="h"), [b"a", b"b"] * 30, np.arange(60) * 1j])
def test_cells_that_no_table_holds_are_refused(cells):
    with pytest.raises(UsageError, match="a cell is a number, a word or a date"):
        Table().open(pd.DataFrame({"z": np.arange(60) % 3, "x": cells}))


def test_tiny_numbers_are_no_whole_ones_and_long_ones_no_numbers():
    rng = np.random.default_rng(0)
    long = [str(k) for k in rng.integers(10**17, 10**18, 60)]
    data, again = there_and_back(
        pd.DataFrame({"tiny": rng.normal(size=60) * 1e-12, "long": long, "z": np.arange(60) % 3})
    )
    assert data.columns[0]["decimals"] is None and again["tiny"].std() > 1e-13
    assert data.columns[1]["kind"] == "id"


def test_a_layout_that_would_need_much_memory_is_refused():
    data = Table().open(people(60))
    facts = json.loads(json.dumps(data.spec.facts))
    next(c for c in facts["columns"] if c["sizes"])["sizes"] = [30000, 30000]
    with pytest.raises(UsageError, match="describes no table"):
        TableLayout.of(Spec("table", (60000,), facts=facts))
