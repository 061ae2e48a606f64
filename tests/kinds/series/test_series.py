"""Time series as found and cut: files, stamps, gaps, columns, windows, split, vectors and back."""

import zipfile

import numpy as np
import pytest
import torch

from ganworks.core.errors import UsageError
from ganworks.core.spec import Draw, Spec
from ganworks.kinds.series.data.clock import find_time, in_order, read_stamps
from ganworks.kinds.series.data.code import decode
from ganworks.kinds.series.data.layout import SeriesLayout, active_steps, from_uniform, quantiles, to_uniform
from ganworks.kinds.series.data.reading import parse_table, read_series
from ganworks.kinds.series.domain import SeriesDomain, tables_of
from ganworks.use.samples import Samples


def hourly(count, start=0):
    at = np.datetime64("2020-01-01T00:00:00") + np.arange(start, start + count) * np.timedelta64(1, "h")
    return [str(t).replace("T", " ") for t in at]


def rows(path, stamps, values, header="date,load,count"):
    lines = [header, *(f"{t},{v},{int(10 * v) % 7}" for t, v in zip(stamps, values, strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def readings(tmp_path):
    at = np.arange(300)
    values = np.round(5 + np.sin(at / 4) + 0.1 * np.random.default_rng(0).standard_normal(300), 3)
    return rows(tmp_path / "readings.csv", hourly(300), values)


def whole(tmp_path, lengths=(8, 30)):
    """A zip with 40 series, a table of labels by number at the end of the name, and a file that is no series."""
    rng = np.random.default_rng(1)
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        marks = ["#id, class, weight"]
        for k in range(1, 41):
            n = int(rng.integers(*lengths))
            x = np.cumsum(rng.standard_normal((n, 2)), 0) + (k % 2) * 5
            body = "\n".join(f"{a:.4f}, {b:.4f}" for a, b in x)
            archive.writestr(f"data/run_{k}.csv", f"#left, right\n{body}\n")
            marks.append(f"{k}, {'+1' if k % 2 else '-1'}, {k * 1.5}")
        archive.writestr("data/marks.csv", "\n".join(marks))
        archive.writestr("readme.txt", "nothing here")
    return path


def test_one_long_series_becomes_windows_and_no_value_is_on_both_sides(readings):
    data = SeriesDomain().open(readings)
    assert data.layout.steps == 24 and len(data) == 277 and len(data.held) > 0
    span = lambda rows: {t for p in data.starts[rows] for t in range(p[1], p[1] + p[2])}  # noqa: E731
    assert not span(data.train) & span(data.held)
    assert any("by itself" in note for note in data.summary["notes"])


def test_a_split_by_chance_would_leak(readings):
    """The defect that the split by stretches of time avoids."""
    data = SeriesDomain().open(readings)
    order = np.random.default_rng(0).permutation(len(data))
    spans = [{t for p in data.starts[part] for t in range(p[1], p[1] + p[2])} for part in (order[:30], order[30:])]
    assert len(spans[0] & spans[1]) > 0.9 * len(spans[0])


def test_values_come_back_rounded_as_they_were(readings):
    data = SeriesDomain().open(readings)
    values, _, attributes, lengths = decode(data.layout, data.raw(data.train[:20]))
    assert np.abs(values - data.values(data.train[:20])[0]).max() < 1e-9
    assert data.layout.numbers[1].integer and (values[:, :, 1] == np.round(values[:, :, 1])).all()
    assert attributes["time_of_day"][0] == "00:00" and (lengths == 24).all()


def test_dequantisation_moves_values_by_half_a_step_at_most(readings):
    data = SeriesDomain().open(readings)
    draw = Draw(3, 20, slice(None))
    spread = data.vectors(data.train[:20], draw).numpy()
    assert not np.array_equal(spread, data.raw(data.train[:20]))
    values = decode(data.layout, spread)[0]
    assert np.abs(values - data.values(data.train[:20])[0])[:, :, 1].max() <= 1


def test_many_series_with_attributes_and_lengths(tmp_path):
    data = SeriesDomain().open(whole(tmp_path))
    assert len(data) == 40 and data.layout.variable and data.spec.classes == ("-1", "1")
    assert [c.name for c in data.layout.attributes] == ["weight"]
    got = decode(data.layout, data.raw(np.arange(40)))[3]
    assert (got == data.starts[:, 2]).all()
    assert not set(data.train) & set(data.held) and len(data.held)


def test_a_column_may_name_the_series(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text(
        "id,kind,t,x\n" + "".join(f"{k},{'ab'[k % 2]},{t},{k + t * 0.5}\n" for k in range(30) for t in range(6))
    )
    data = SeriesDomain().open(path)
    assert len(data) == 30 and data.layout.steps == 6 and data.spec.classes == ("a", "b")


def test_gaps_are_filled_long_ones_end_a_series(tmp_path):
    stamps = hourly(60) + hourly(60, 62) + hourly(60, 300)
    at = np.array([*range(60), *range(62, 122), *range(300, 360)])
    table = parse_table(rows(tmp_path / "gaps.csv", stamps, at * 1.0).read_bytes(), "gaps")
    tables, clock, notes = in_order(table, find_time([table], "date"), "fill", "mean", 10)
    assert clock.step == 3600 and [len(t["load"]) for t, _ in tables] == [122, 60]
    assert np.allclose(tables[0][0]["load"], np.arange(122)) and "2 stamps filled" in notes[0]
    with pytest.raises(UsageError, match="gaps=fill"):
        in_order(table, find_time([table], "date"), "error", "mean", 10)


def test_irregular_stamps_are_named(tmp_path):
    days = [str(np.datetime64("2020-01-06") + d) for d in range(200) if d % 7 < 5]
    data = SeriesDomain(length=10).open(rows(tmp_path / "week.csv", days, np.sin(np.arange(len(days)))))
    assert any("irregular" in note or "each row counts as one step" in note for note in data.notes)


def test_duplicate_and_unordered_stamps(tmp_path):
    stamps = ["2020-01-02", "2020-01-01", "2020-01-03", "2020-01-03"]
    table = parse_table(rows(tmp_path / "x.csv", stamps, [2.0, 1.0, 3.0, 5.0]).read_bytes(), "x")
    tables, _, notes = in_order(table, find_time([table], "date"), "auto", "mean", 3)
    only, first = tables[0]
    assert only["load"].tolist() == [1.0, 2.0, 4.0] and len(notes) == 2 and first == read_stamps(["2020-01-01"])[0]
    with pytest.raises(UsageError, match="repeats the stamp"):
        in_order(table, find_time([table], "date"), "auto", "error", 3)


@pytest.mark.parametrize(
    "text", ["2021-03-04 05:06:00", "04.03.2021 05:06", "2021/03/04 05:06", "2021-03-04T05:06:00Z"]
)
def test_stamps_in_many_forms(text):
    assert read_stamps([text])[0] == 1614834360


def test_missing_values_are_filled_and_counted():
    x = np.sin(np.arange(200) / 5)[:, None].repeat(2, 1)
    x[5:8, 0], x[0, 1], x[-1, 1], x[50, 1] = np.nan, np.nan, np.nan, np.inf
    data = SeriesDomain().open(x)
    values = data.together
    assert np.isfinite(values).all() and np.allclose(values[5:8, 0], np.interp([5, 6, 7], [4, 8], x[[4, 8], 0]))
    assert any("6 missing" in note for note in data.notes)
    with pytest.raises(UsageError, match="missing=interpolate"):
        SeriesDomain(missing="error").open(x)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n3\n", "cells where there should be"),
        ("", "no rows"),
        ("a,b\n", "no rows"),
        ("a\n1\n", "the longest series has 1 step"),
        ("a,b\n" + "1,2\n" * 50, "no column that changes"),
        ("a,b\n" + "".join(f"{'' if k % 3 else k},{k}\n" for k in range(60)), "too many to fill"),
    ],
)
def test_bad_tables_are_refused_by_name(tmp_path, content, said):
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises(UsageError, match=said):
        SeriesDomain().open(path)


def test_other_bad_input(tmp_path):
    with pytest.raises(UsageError, match="empty"):
        SeriesDomain().open([])
    with pytest.raises(UsageError, match="array of numbers"):
        SeriesDomain().open([np.array(["a", "b"])])
    with pytest.raises(UsageError, match="longest series has 30"):
        SeriesDomain(length=40).open(np.sin(np.arange(30.0)))
    with pytest.raises(UsageError, match="does not exist"):
        SeriesDomain().open(tmp_path / "none.csv")
    (tmp_path / "nul.csv").write_bytes(b"a,b\n1,\x002\n")
    with pytest.raises(UsageError, match="NUL"):
        SeriesDomain().open(tmp_path / "nul.csv")
    with pytest.raises(UsageError, match=r"domain\.length"):
        SeriesDomain(length=70000).open(np.random.default_rng(0).standard_normal(70001))


def test_length_zero_one_and_ragged_lists():
    rng = np.random.default_rng(0)
    series = [np.cumsum(rng.standard_normal(n)) for n in (0, 1, *range(2, 40))]
    data = SeriesDomain().open(series)
    assert len(data) == 39 and any("without a single step" in note for note in data.notes)
    lengths = decode(data.layout, data.raw(np.arange(39)))[3]
    assert lengths.min() == 1 and (lengths == data.starts[:, 2]).all()


def test_arrays_frames_npz_and_headers(tmp_path):
    x = np.random.default_rng(0).standard_normal((30, 12, 2)).cumsum(1)
    np.savez(tmp_path / "a.npz", x=x, lengths=np.full(30, 9), y=np.arange(30) % 3, columns=["u", "v"])
    data = SeriesDomain().open(tmp_path / "a.npz")
    assert data.layout.steps == 9 and data.spec.num_classes == 3 and data.found.names == ["u", "v"]
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"time": pandas.date_range("2020-01-01", periods=100, freq="D"), "v": np.arange(100) ** 0.5}
    )
    data = SeriesDomain().open(frame)
    assert data.layout.clock["step"] == 86400 and data.layout.attributes[0].name == "day_of_week"
    assert list(parse_table(b"\xef\xbb\xbfx,x,\n1,2,3\n", "bom")) == ["x", "x.2", "column 3"]
    assert list(parse_table(b"1;2\n3;4\n", "plain")) == ["c0", "c1"]


def test_categories_and_constants(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("a,state,site\n" + "".join(f"{np.sin(k):.5f},{'on' if k % 5 else '=off'},7\n" for k in range(120)))
    data = SeriesDomain(length=12).open(path)
    assert data.layout.constants == {"site": 7.0} and data.layout.categories[0].values == ("=off", "on")
    made = Samples(data.raw(data.train[:3]), data.spec, 0, np.arange(3), None, {}, SeriesDomain())
    table = next(tables_of(made))
    assert list(table) == ["series", "step", "a", "state", "site"] and table["site"].dtype.kind == "i"
    text = SeriesDomain().encode(made, ".csv", True).decode()
    assert text.startswith("series,step,a,state,site\n") and ",'=off," in text and ",=off" not in text
    assert SeriesDomain().encode(made, ".csv", True) == SeriesDomain().encode(made, ".csv", True)


def test_a_column_that_equals_another_is_its_copy():
    x = np.random.default_rng(0).standard_normal((100, 2)).cumsum(0)
    data = SeriesDomain(length=10).open(np.concatenate([x, x[:, :1]], 1))
    assert len(data.layout.numbers) == 2 and data.layout.same == {"c2": "c0"}
    table = next(tables_of(Samples(data.raw(data.train[:1]), data.spec, 0, np.arange(1), None, {}, SeriesDomain())))
    assert list(table)[-3:] == ["c0", "c1", "c2"] and np.array_equal(table["c0"], table["c2"])


def test_files_come_out(tmp_path, readings):
    data = SeriesDomain().open(readings)
    made = Samples(data.raw(data.train[:4]), data.spec, 0, np.arange(4), None, {}, SeriesDomain())
    assert len(made.items) == 4 and len(made.items[0]) == 24
    made.save(tmp_path / "out.csv")
    again = read_series(tmp_path / "out.csv")
    assert {"series", "step", "elapsed_seconds", "time_of_day", "load", "count"} == set(again.tables[0])
    parquet = pytest.importorskip("pyarrow.parquet")
    made.save(tmp_path / "out.parquet")
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.num_rows == 96 and b"ganworks" in table.schema.metadata


def test_measure_by_the_distribution_function_and_back():
    values = np.random.default_rng(0).gamma(0.5, 3, 5000)
    table = torch.tensor([quantiles(values)], dtype=torch.float64)
    u = to_uniform(table, torch.from_numpy(values)[:, None])
    assert abs(float(u.mean())) < 0.01 and abs(float(u.std()) - 0.577) < 0.01
    assert np.allclose(from_uniform(table, u.double())[:, 0], values, atol=1e-4)


def test_flags_say_how_long():
    flags = active_steps(torch.tensor([1.0, 3.0, 2.5]), 4)
    assert flags.tolist() == [[1, -1, -1, -1], [1, 1, 1, -1], [1, 1, 0, -1]]


def test_damaged_facts_are_refused(readings):
    facts = SeriesDomain().open(readings).spec.to_dict()["facts"]
    assert SeriesLayout.from_facts(facts).steps == 24
    for name, value in (
        ("steps", 10**9),
        ("middles", []),
        ("columns", [{"nome": 1}]),
        ("scale", "x"),
        ("basis", {"mean": []}),
    ):
        with pytest.raises(UsageError, match="damaged"):
            SeriesLayout.from_facts({**facts, name: value})
    assert Spec.from_dict(SeriesDomain().open(readings).spec.to_dict()).facts["steps"] == 24
