"""Series keep their values: clocks, grids, codes, headers, pandas; columns that hold one thing or nothing."""

import numpy as np
import pandas as pd
import pytest
from series_data import SMALL

import ganworks as gw
from ganworks.core.errors import UsageError
from ganworks.files.recognise import recognise
from ganworks.kinds.series.data.code import decode
from ganworks.kinds.series.data.layout import SeriesColumn
from ganworks.kinds.series.data.reading import parse_table
from ganworks.kinds.series.domain import SeriesDomain
from ganworks.kinds.series.metrics.evaluator import SeriesEvaluator
from ganworks.use.samples import Samples

STAMPS = pd.date_range("2010-01-01", periods=300, freq="h")
LOAD = np.round(5 + np.sin(np.arange(300) / 4) + 0.1 * np.random.default_rng(0).standard_normal(300), 2)


def file(tmp_path, header, row, name="a.csv", count=300):
    path = tmp_path / name
    lines = ([header] if header else []) + [row(k, STAMPS[k]) for k in range(count)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


CLOCKS = {
    "parts": ("No,year,month,day,hour,load", lambda k, t: f"{k + 1},{t.year},{t.month},{t.day},{t.hour},{LOAD[k]}"),
    "date and hour": ("instant,dteday,hr,load", lambda k, t: f"{k + 1},{t.date()},{t.hour},{LOAD[k]}"),
    "air": ("Date;Time;CO;;", lambda k, t: f"{t:%d/%m/%Y};{t:%H.%M.%S};{str(LOAD[k]).replace('.', ',')};;"),
    "power": ("Date;Time;P", lambda k, t: f"{t.day}/{t.month}/{t.year};{t:%H:%M:%S};{LOAD[k]}"),
    "am and pm": ("when,load", lambda k, t: f"{t:%m/%d/%Y %I:%M %p},{LOAD[k]}"),
    "offset": ("when,load", lambda k, t: f"{t.isoformat()}+02:00,{LOAD[k]}"),
    "epoch": ("timestamp,load", lambda k, t: f"{int(t.timestamp()) * 1000},{LOAD[k]}"),
}


@pytest.mark.parametrize("name", CLOCKS)
def test_every_row_is_a_step_of_one_hour(name, tmp_path):
    path = file(tmp_path, *CLOCKS[name])
    found = recognise(path)
    assert found.recipe == "series" and "1 hour" in found.because and "ganworks train table data=" in found.otherwise
    data = SeriesDomain().open(path)
    assert len(data) == 277 and data.layout.clock["step"] == 3600 and len(data.layout.numbers) == 1
    assert data.layout.clock["start"] == "2010-01-01T00:00:00" and data.layout.numbers[0].decimals == 2
    assert np.array_equal(data.together[:, 0], LOAD)


def test_a_clock_that_repeats_is_refused_with_what_to_do(tmp_path):
    days = pd.date_range("2020-01-01", periods=100)
    path = file(tmp_path, "date,shop,sold", lambda k, t: f"{days[k // 3].date()},{'abc'[k % 3]},{k % 7}")
    with pytest.raises(UsageError, match=r"200 of 300 rows repeat .* domain\.series=shop.*domain\.duplicates=mean"):
        SeriesDomain().open(path)
    assert len({len(x) for x in SeriesDomain(series="shop").open(path).found.numbers}) == 1
    assert len(SeriesDomain(duplicates="mean").open(path).together) == 100
    hours = file(tmp_path, "hour,load", lambda k, t: f"{k % 24},{LOAD[k]}", "h.csv")
    assert len(SeriesDomain().open(hours).together) == 300
    with pytest.raises(UsageError, match="repeat the stamp"):
        SeriesDomain(time="hour").open(hours)


def test_values_stay_on_the_grid_of_those_that_are_there(tmp_path):
    def row(k, t):
        t = STAMPS[k - 1] if k == 50 else t
        return "" if k == 100 else f"{t},{'' if k % 40 == 7 else k % 9},{'?' if k % 40 == 9 else f'{LOAD[k]:.2f}'}"

    data = SeriesDomain().open(file(tmp_path, "date,count,price", row))
    count, price = data.layout.numbers
    assert count.integer and price.decimals == 2
    assert (data.together[:, 0] == np.round(data.together[:, 0])).all()
    assert np.array_equal(data.together[:, 1], np.round(data.together[:, 1], 2))
    assert any("price: 7 '?'" in note or "price: 8 '?'" in note for note in data.notes)


def test_counts_do_not_come_out_below_zero():
    column = SeriesColumn("n", integer=True, decimals=0, grid=1.0, low=2.0, high=9.0)
    assert column.rounded(np.array([-3.0, -0.4, 0.2, 12.0])).tolist() == [0, 0, 0, 12]
    assert SeriesColumn("p", decimals=2, low=0.5, high=3.0).rounded(np.array([-0.7, 1.234])).tolist() == [0, 1.23]
    assert SeriesColumn("p", low=-1.0, high=3.0).rounded(np.array([-2.5])).tolist() == [-2.5]
    assert SeriesColumn("p", low=-4.0, high=-1.0).rounded(np.array([2.5])).tolist() == [0]


def test_long_integers_float32_and_codes(tmp_path):
    frame = pd.DataFrame({"x": LOAD.astype(np.float32), "who": 2**60 + np.arange(300) % 3})
    data = SeriesDomain().open(frame)
    assert data.layout.numbers[0].decimals == 2 and np.array_equal(data.together[:, 0], LOAD)
    assert data.found.values["who"] == tuple(str(2**60 + k) for k in range(3))
    table = parse_table(b"plant,x\n" + b"".join(b"%05d,%d\n" % (k % 3 + 67, k) for k in range(30)), "t")
    assert table["plant"].tolist()[:2] == ["00067", "00068"] and table["x"].dtype == np.float64


def test_a_first_line_that_is_a_row_is_kept(tmp_path):
    path = file(tmp_path, "", lambda k, t: f"{t},{LOAD[k]},{k % 7}")
    data = SeriesDomain().open(path)
    assert len(data.together) == 300 and any("domain.header=on" in note for note in data.notes)
    assert len(SeriesDomain(header="on").open(path).together) == 299
    assert list(parse_table(b"#g,x,c\na,1,2\nb,2,3\n", "t")) == ["g", "x", "c"]


def test_a_frame_is_ordered_by_its_index():
    frame = pd.DataFrame({"v": LOAD[::-1], 7: np.arange(300) % 5}, index=STAMPS[::-1])
    data = SeriesDomain().open(frame)
    assert data.layout.clock["step"] == 3600 and np.array_equal(data.together[:, 0], LOAD)
    made = Samples(data.raw(data.train[:1]), data.spec, 0, np.arange(1), None, {}, SeriesDomain())
    assert 7 in made.items[0] and "v" in made.items[0]


def test_levels_of_an_index_are_series():
    index = pd.MultiIndex.from_product([["m1", "m2", "m3"], STAMPS[:100]], names=["machine", "time"])
    frame = pd.DataFrame({"v": LOAD}, index=index)
    found = recognise(frame)
    assert found.recipe == "series" and "1 hour" in found.because
    data = SeriesDomain().open(frame)
    assert [len(x) for x in data.found.numbers] == [100] * 3 and data.layout.clock["name"] == "time"
    plain = SeriesDomain().open(pd.DataFrame({"v": LOAD}, index=np.arange(300)[::-1]))
    assert np.array_equal(plain.together[:, 0], LOAD)


def test_lists_of_frames_are_series():
    frames = [pd.DataFrame({"v": LOAD[:50] + k, "u": LOAD[:50]}, index=STAMPS[:50]) for k in range(30)]
    assert recognise(frames).recipe == recognise((frames, ["a", "b"] * 15)).recipe == "series"
    data = SeriesDomain().open((frames, ["a", "b"] * 15))
    assert len(data) == 30 and data.spec.classes == ("a", "b") and data.found.names == ["v", "u"]
    assert len(SeriesDomain().open({str(k): f for k, f in enumerate(frames)})) == 30


ODD = {
    "words": [["a", "b", "c"][k % 3] for k in range(120)],
    "two": [k % 2 for k in range(120)],
    "x": LOAD[:120].tolist(),
    "constant date": ["2020-01-01"] * 120,
    "constant word": ["u"] * 120,
    "constant": [1.5] * 120,
    "missing": [np.nan] * 120,
    "missing words": [None] * 120,
    "missing dates": pd.Series([pd.NaT] * 120),
}


@pytest.mark.parametrize("other", [name for name in ODD if name != "x"])
def test_columns_of_one_thing_or_nothing_do_no_harm(other):
    data = SeriesDomain(length=8).open(pd.DataFrame({"x": ODD["x"], other: ODD[other]}))
    assert "x" in data.found.names and len(data.together) == 120
    if "constant" in other:
        made = Samples(data.raw(data.train[:1]), data.spec, 0, np.arange(1), None, {}, SeriesDomain())
        assert made.items[0][other].astype(str).str.startswith(str(ODD[other][0])).all()


@pytest.mark.parametrize("names", [["constant"], ["missing"], ["constant word", "missing words"], ["constant date"]])
def test_nothing_to_learn_is_a_sentence(names):
    with pytest.raises(UsageError, match="no column that changes"):
        SeriesDomain().open(pd.DataFrame({name: ODD[name] for name in names}))


@pytest.mark.parametrize("held_out", [0.2, 0.0])
def test_series_of_words_alone_are_learnt(tmp_path, held_out):
    frame = pd.DataFrame({name: ODD[name] for name in ("words", "constant date")})
    settings = {"budget": 20, "batch": 10, "train.threads": 1, "train.precision": "fp32", "domain.length": 8}
    small = {f"networks.{name}": value for name, value in SMALL.items()}
    settings |= {"domain.held_out": held_out, "train.judge": False}
    list(gw.train("series", frame, tmp_path / "run", **settings, **small))
    made = gw.load(tmp_path / "run").sample(2).items
    assert set(made[0]["words"]) <= set("abc") and len(made[0]) == 8
    data = SeriesDomain(length=8, held_out=held_out).open(frame)
    judge = SeriesEvaluator(data, None, lambda *_: None)
    real = judge.real(40, 0)
    found = judge.plain(real, real, judge.decoded(data.held) if len(data.held) else None, 0)
    assert "told_by_trees" in found and np.isfinite(list(found.values())).all()
    assert decode(data.layout, data.raw(data.train[:2]))[0].shape == (2, 8, 0)
