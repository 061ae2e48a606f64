"""Tables keep their values: forms of numbers and dates, long integers, decimals, codes, headers, repeated rows."""

import json

import numpy as np
import pandas as pd
import pytest

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.kinds.tables.data import rules as table_rules
from ganworks.kinds.tables.data.layout import to_frame
from ganworks.kinds.tables.data.reading import read
from ganworks.kinds.tables.domain import Table
from ganworks.kinds.tables.metrics import measures as likeness
from ganworks.use.samples import Samples


def opened(tmp_path, text, **settings):
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    return Table(**settings).open(path)


def again(data):
    """All rows of a table as a published network would write them."""
    spec = Spec.from_dict(json.loads(json.dumps(data.spec.to_dict())))
    return to_frame(spec, data.rows(np.arange(len(data))).numpy(), np.arange(len(data)), 0)


def column(data, name):
    return next(c for c in data.columns if c["name"] == name)


def german(count=60):
    days = pd.date_range("2024-01-01", periods=count, freq="D")
    rows = [
        f"{d:%d.%m.%Y};{k % 24:02d}:15;{1000 + k},50 €;{k % 9},5%;{k % 7 * 911 + 1067:05d};{['NA', 'DE'][k % 2]};"
        f"{'-' if k % 10 == 0 else k % 5};;"
        for k, d in enumerate(days)
    ]
    return "Datum;Zeit;Preis;Anteil;PLZ;Land;Wert;;\n" + "\n".join(rows) + "\n;;;;;;;;\n"


def test_a_file_of_another_country_comes_back_as_it_is(tmp_path):
    data = opened(tmp_path, german())
    made = again(data)
    assert list(made) == ["Datum", "Zeit", "Preis", "Anteil", "PLZ", "Land", "Wert"] and len(made) == 60
    seen = data.train
    for name in list(made)[:6]:
        assert made[name].iloc[seen].tolist() == data.frame[name].iloc[seen].tolist(), name
    assert column(data, "Wert")["missing"] == 1 and made["Wert"].isna().sum() == 6
    said = " ".join(data.summary["taken"])
    assert "date (day.month.year): Datum" in said and "time of day (hour:minute): Zeit" in said
    assert "Wert: 6 '-' as marks for missing values" in data.facts["notes"]


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("Datum=05.01.2024", 1),
        ("Datum=2024-01-05", 1),
        ("Datum<03.01.2024", 2),
        ("Zeit=05:15", 3),
        ("Preis='1.005,50 €'", 0),
        ("Preis='1005,50 €'", 1),
        ("Preis=1005.5", 1),
    ],
)
def test_a_condition_is_read_in_the_form_of_the_column(tmp_path, where, count):
    data = opened(tmp_path, german(), held_out=0.0)
    try:
        asked = table_rules.conditions(where, data.columns)
    except UsageError:
        assert count == 0
        return
    keeps = table_rules.RowFilter(data.columns, asked)
    assert keeps(data.rows(np.arange(len(data))).numpy()).sum() == count


def test_an_ambiguous_date_is_refused_and_rules_follow_the_column(tmp_path):
    data = opened(tmp_path, german(), held_out=0.0)
    with pytest.raises(UsageError, match=r"may be (month/day|day/month)/year or"):
        table_rules.conditions("Datum=05/06/2024", data.columns)
    with pytest.raises(UsageError, match=r"holds dates, 'soon' is none; say for example 01\.01\.2024"):
        table_rules.conditions("Datum=soon", data.columns)
    opened(tmp_path, german(), rules="Datum < 01.03.2024")
    with pytest.raises(UsageError, match="rows of the table break them"):
        opened(tmp_path, german(), rules="Datum < 15.01.2024")


def test_where_counts_in_the_time_zone_of_the_column():
    stamps = pd.date_range("2024-06-01", periods=60, freq="h", tz="Europe/Rome")
    data = Table(held_out=0.0).open(pd.DataFrame({"at": stamps, "x": np.arange(60) % 3}))
    asked = table_rules.conditions("at >= '2024-06-03 00:00'", data.columns)
    assert table_rules.RowFilter(data.columns, asked)(data.rows(np.arange(60)).numpy()).sum() == 12


@pytest.mark.parametrize("gaps", [False, True])
def test_integers_beyond_2_53_are_exact(tmp_path, gaps):
    low = 2**61
    few = [None if gaps and k % 3 == 0 else low + k % 5 for k in range(60)]
    ids = np.arange(60, dtype="uint64") * np.uint64(3) + np.uint64(2**63 + 1)
    frame = pd.DataFrame({"few": pd.array(few, "Int64") if gaps else few, "id": ids, "x": np.arange(60) % 3})
    frame.to_parquet(tmp_path / "t.parquet")
    for source in (frame, tmp_path / "t.parquet"):
        data = Table(held_out=0.0).open(source)
        made = again(data)
        assert made["few"].dropna().tolist() == [v for v in few if v is not None]
        assert made["id"].dtype == "uint64" and made["id"].is_unique
        assert made["id"].min() >= 2**63 and any("MADE UP" in note for note in data.facts["notes"])


def test_decimals_of_coordinates_and_of_float32():
    rng = np.random.default_rng(0)
    where = np.round(48 + rng.random(400), 7)
    tenths = (rng.integers(0, 20, 400) / 10).astype(np.float32)
    data = Table(held_out=0.0).open(pd.DataFrame({"lat": where, "t": tenths}))
    assert column(data, "lat")["decimals"] == 7 and column(data, "t")["decimals"] == 1
    asked = table_rules.conditions("t=0.1", data.columns)
    kept = table_rules.RowFilter(data.columns, asked)(data.rows(np.arange(400)).numpy())
    assert kept.sum() == (tenths == np.float32(0.1)).sum() > 0
    made = again(data)
    assert made["t"].dtype == "float32" and (made["t"] == tenths).all()
    assert (np.round(made["lat"], 7) == made["lat"]).all()


def test_whole_numbers_with_gaps_are_written_alike_in_every_draw(tmp_path):
    data = opened(tmp_path, "a,b\n" + "".join(f"{k % 9 if k % 4 else '?'},{k % 5}\n" for k in range(80)))
    rows = data.rows(np.arange(len(data))).numpy()
    there = data.frame["a"].to_numpy() != "?"
    texts = []
    for part in (rows, rows[there]):
        made = Samples(part, data.spec, 0, np.arange(len(part)), None, {}, Table())
        texts.append(Table().encode(made, ".csv", True).decode())
        assert str(made.items["a"].dtype) == "Int64"
    assert "." not in "".join(texts) and texts[0].startswith("a,b\n")


def test_a_first_line_that_is_a_row_is_kept(tmp_path):
    rows = "".join(f"P{k},{k % 40},{['Lyon', 'Nice'][k % 2]},{k % 7}.5\n" for k in range(32))
    data = opened(tmp_path, "Anna,34,Lyon,5.1\n" + rows)
    assert len(data) == 33 and [c["name"] for c in data.columns] == [f"column_{k + 1}" for k in range(4)]
    assert any("'34', '5.1'" in note and "domain.header=on" in note for note in data.facts["notes"])
    twice = opened(tmp_path, "Lyon,34,Lyon,5.1\n" + rows)
    assert len(twice) == 33
    named = opened(tmp_path, "#who,age,city,x\n" + rows)
    assert [c["name"] for c in named.columns] == ["who", "age", "city", "x"] and len(named) == 32
    assert "domain.header=off" in named.summary["header"]


def test_names_that_are_whole_numbers_come_back_as_such():
    frame = pd.DataFrame({0: np.arange(60) % 3, 1: np.arange(60) % 5})
    data = Table().open(frame)
    made = Samples(data.rows(np.arange(4)).numpy(), data.spec, 0, np.arange(4), None, {}, Table())
    assert list(made.items) == [0, 1] and Table().encode(made, ".csv", False).startswith(b"0,1\n")


def test_ids_keep_their_pattern():
    rng = np.random.default_rng(0)
    plates = [f"{chr(65 + k % 26)}{chr(65 + k // 26)}-{rng.integers(1000, 9999)}-{chr(65 + k % 7)}" for k in range(100)]
    made = again(Table().open(pd.DataFrame({"plate": plates, "x": np.arange(100) % 4})))
    assert made["plate"].str.fullmatch(r"[A-Z]{2}-\d{4}-[A-Z]").all() and made["plate"].is_unique


def test_rows_that_repeat_by_nature_are_held_out_one_by_one():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.choice(list("ab"), 2000, p=[0.7, 0.3]) for name in "pqrs"})
    data = Table(held_out=0.2).open(frame)
    assert len(data.held) == 400 and data.duplicates == 2000 - 16
    coder = likeness.Coder(data.columns, frame.iloc[data.train])
    real = likeness.pairs(coder, frame.iloc[data.held], frame.iloc[data.train])
    assert np.mean(list(real.values())) > 0.9
    shuffled = Table(held_out=0.2).open(frame.iloc[rng.permutation(2000)].reset_index(drop=True))
    assert len(shuffled.held) == 400
    copies = pd.DataFrame({"x": np.repeat(rng.normal(size=500), 3), "y": np.repeat(np.arange(500) % 7, 3)})
    data = Table(held_out=0.2).open(copies)
    assert not set(copies["x"].iloc[data.train]) & set(copies["x"].iloc[data.held])


def test_pairs_see_what_happens_beside_a_heavy_value():
    rng = np.random.default_rng(0)
    gain = np.where(rng.random(4000) < 0.9, 0.0, np.round(rng.lognormal(8, 1, 4000)))
    frame = pd.DataFrame({"gain": gain, "x": rng.normal(size=4000)})
    columns = [{"name": n, "kind": "number", "dtype": "float64", "decimals": None} for n in frame]
    coder = likeness.Coder(columns, frame.iloc[:2000])

    def score(made):
        return likeness.pairs(coder, frame.iloc[2000:], made)["gain", "x"]

    real = score(frame.iloc[:2000])
    none = score(frame.iloc[:2000].assign(gain=lambda f: f["gain"] + 1))
    noise = score(frame.iloc[:2000].assign(gain=rng.uniform(0, 9000, 2000)))
    assert real > 0.9 and none < 0.2 and noise < 0.2
    spread, sizes = coder.bins(frame)
    assert len(np.unique(spread[:, 0])) > 4 and sizes[0] <= 2 * likeness.BINS


def test_a_file_is_read_in_parts_as_at_once(tmp_path, monkeypatch):
    lines = [f"{k:05d},{k % 7 or '?'},{k / 4}" for k in range(2500)]
    lines.insert(2200, ",,")
    (tmp_path / "a.csv").write_text("\n".join(["code,n,x", *lines]) + "\n")
    whole, facts = read(tmp_path / "a.csv")
    monkeypatch.setattr("ganworks.kinds.tables.data.reading._PART", 1)
    parts, same = read(tmp_path / "a.csv")
    assert parts.equals(whole) and same == facts and parts.index.equals(whole.index)
    assert len(parts) == 2500 and parts["code"].iloc[-1] == "02499" and "empty rows left out: 1" in facts["notes"]
