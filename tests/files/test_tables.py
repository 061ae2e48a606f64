"""What cells, first lines and columns of a table mean: marks, numbers, dates, codes, headers, clocks."""

import math

import numpy as np
import pytest

from ganworks.files.tables.cells import commas_in, read_column
from ganworks.files.tables.clock import ClockColumn, find_clock
from ganworks.files.tables.dates import DateForm, moments
from ganworks.files.tables.header import find_header, remarks
from ganworks.files.tables.numbers import decimal_places, shortest
from ganworks.files.tables.split import find_separator

DAY = 86400.0


@pytest.mark.parametrize("mark", ["?", "-", "n/a", "NULL", ".", "NaN", "N/A", "NA", "--"])
def test_a_mark_is_missing_only_among_numbers_or_dates(mark):
    numbers = read_column([mark, "1", "2.5", mark, ""])
    assert numbers.kind == "number" and numbers.marks == {mark: 2}
    assert np.isnan(numbers.values([mark, "1"])).tolist() == [True, False]
    assert read_column([mark, "2020-01-01", "2020-01-02"]).kind == "date"
    words = read_column([mark, "DE", "FR"])
    assert words.kind == "word" and not words.marks


def test_marks_may_be_most_of_a_column_and_are_told():
    found = read_column(["?"] * 30 + [str(k) for k in range(10)], "age")
    assert found.kind == "number" and found.notes("age") == ["age: 30 '?' as marks for missing values"]
    odd = read_column([str(k) for k in range(40)] + ["about 5"], "age")
    assert odd.kind == "number" and odd.notes("age") == ["age: 1 word among numbers ('about 5') counts as missing"]
    assert read_column([str(k) for k in range(10)] + ["about 5"]).kind == "word"


NUMBERS = [
    (["1,5", "-12,25"], [1.5, -12.25], ["1,5", "-12,25"]),
    (["1.234,56 €", "12,00 €"], [1234.56, 12], ["1.234,56 €", "12,00 €"]),
    (["$1,234.50", "-$3.00", "$7.00"], [1234.5, -3, 7], ["$1,234.50", "-$3.00", "$7.00"]),
    (["(2.00)", "5.25"], [-2, 5.25], ["(2.00)", "5.25"]),
    (["45%", "3.5%"], [45, 3.5], ["45%", "3.5%"]),
    (["1,234", "999", "12,345,678"], [1234, 999, 12345678], ["1,234", "999", "12,345,678"]),
    (["1 234,5", "12 000,0"], [1234.5, 12000], ["1 234,5", "12 000,0"]),
    (["5 kg", "7.5 kg"], [5, 7.5], ["5 kg", "7.5 kg"]),
    (["EUR 5.20", "EUR 17.10"], [5.2, 17.1], ["EUR 5.20", "EUR 17.10"]),
]  # fmt: skip


@pytest.mark.parametrize(("cells", "values", "written"), NUMBERS, ids=lambda v: str(v[0]))
def test_numbers_as_people_write_them(cells, values, written):
    found = read_column(cells)
    assert found.kind == "number" and found.values(cells).tolist() == values
    assert [found.number.write(v, decimal_places(np.array(values))) if not found.number.plain else w
            for v, w in zip(values, written, strict=True)] == written  # fmt: skip


def test_a_comma_before_three_digits_is_decided_by_the_other_columns():
    cells = ["1,234", "5,678"]
    assert read_column(cells).values(cells).tolist() == [1234, 5678]
    assert commas_in([cells, ["1,5", "2,25"]]) and not commas_in([cells, ["1.5"]])
    assert read_column(cells, commas=True).values(cells).tolist() == [1.234, 5.678]
    assert read_column(["1.234", "5.678"], commas=True).values(["1.234"]).tolist() == [1234]


@pytest.mark.parametrize("cells", [["02134", "10115"], ["010", "011"], ["+4917012345678"], ["12345678901234567"]])
def test_codes_are_not_numbers(cells):
    assert read_column(cells).kind == "code"


def test_codes_by_name_and_what_only_looks_like_one():
    assert read_column(["75001", "69003"], "zip_code").kind == "code"
    assert read_column(["75001", "69003"], "price").kind == "number"
    assert read_column(["0", "0.5", "00.25"]).kind == "number" and read_column(["1_000", "2_000"]).kind == "word"


DATES = [
    (["03/19/2024 08:18 AM", "12/01/2024 11:00 PM"], "%m/%d/%Y %I:%M %p", 1710836280),
    (["19-03-2024", "01-04-2024"], "%d-%m-%Y", 1710806400),
    (["05.06.2024", "07.06.2024"], "%d.%m.%Y", 1717545600),
    (["2024-05-31T08:00:00+02:00", "2024-06-01T08:30:00+02:00"], "%Y-%m-%dT%H:%M:%S%f%z", 1717135200),
    (["2024-05-31 08:00:00.125", "2024-06-01 09:00:00.250"], "%Y-%m-%d %H:%M:%S%f", 1717142400.125),
    (["2024-05-31T08:00:00Z", "2024-06-01T08:00:00Z"], "%Y-%m-%dT%H:%M:%S%f%z", 1717142400),
    (["2024-05-31 08:00:00 UTC", "2024-06-01 08:00:00 UTC"], "%Y-%m-%d %H:%M:%S%f %z", 1717142400),
    (["2024-05-31T08", "2024-06-01T09"], "%Y-%m-%dT%H", 1717142400),
    (["20240531", "20240601"], "%Y%m%d", 1717113600),
    (["2021Q3", "2021Q4"], "%YQ%q", 1625097600),
    (["2021-W05", "2021-W52"], "%G-W%V", 1612137600),
    (["3/1/2020 1:00", "12/31/2020 13:00"], "%m/%d/%Y %H:%M", 1583024400),
    (["31 Mar 2021", "1 Apr 2021"], "%d %b %Y", 1617148800),
    (["5 March 2021", "16 April 2021"], "%d %B %Y", 1614902400),
]  # fmt: skip


@pytest.mark.parametrize(("cells", "form", "first"), DATES, ids=lambda v: v[0] if isinstance(v, list) else "")
def test_dates_are_read_and_written_in_their_own_form(cells, form, first):
    found = read_column(cells)
    assert found.kind == "date" and found.date is not None and found.date.format == form
    values = found.values(cells)
    assert values[0] == first
    again = DateForm.of(found.date.to_dict())
    assert [again.write(v) for v in values] == cells


def test_times_of_the_day():
    for cells, seconds in (
        (["08:15", "18:30"], 29700),
        (["8:15 AM", "6:30 PM"], 29700),
        (["18.00.00", "19.30.00"], 64800),
    ):
        found = read_column(cells)
        assert found.kind == "time" and found.date is not None and found.values(cells)[0] == seconds
        assert [found.date.write(v) for v in found.values(cells)] == cells


def test_the_order_of_day_and_month_follows_from_the_rows():
    monthly = [f"01/{k % 12 + 1:02d}/{2018 + k // 12}" for k in range(30)]
    found = read_column(monthly)
    assert found.date is not None and found.date.format == "%d/%m/%Y" and found.other is not None
    assert "would also fit month/day/year" in found.notes("when")[0]
    sure = read_column([*monthly, "25/01/2021"])
    assert sure.date is not None and sure.date.format == "%d/%m/%Y" and sure.other is None


def test_a_text_of_a_user_is_read_in_the_form_of_the_column_first():
    own = DateForm("%d.%m.%Y")
    assert [form for _, form in moments("05.06.2024", own)] == [own]
    assert len(moments("05/06/2024", own)) == 2 and len(moments("25/06/2024", own)) == 1
    assert len(moments("2024-06-05", own)) == 1 and moments("soon", own) == []


ROWS = [[f"P{k}", str(k % 40), ["Lyon", "Nice"][k % 2], f"{k % 7}.5"] for k in range(32)]


@pytest.mark.parametrize(
    ("first", "named"),
    [
        ("Anna,34,Lyon,5.1", False),
        ("Anna,?,Lyon,5.1", False),
        ("name,age,city,x", True),
        (",age,,x", True),
    ],
)
def test_the_first_line_is_a_row_where_its_types_are_those_below(first, named):
    assert find_header(first.split(","), ROWS).named == named


def test_headers_of_years_and_of_words_alone():
    years = [["fr", "1", "20", "3"], ["de", "4", "50", "6"], ["it", "7", "80", "9"]]
    assert find_header(["land", "2019", "2020", "2021"], years).named
    words = [["red", "square"], ["blue", "round"], ["red", "round"]]
    assert find_header(["colour", "shape"], words).named and not find_header(["red", "round"], words).named
    assert not find_header(["red", "round"], words).sure


def test_remarks_are_not_headers():
    def cells(line):
        return line.count(",") + 1

    assert remarks(["#g,x,c", "1,2,3"], cells) == 0
    assert remarks(["# made, by hand", "a,b,c", "1,2,3"], cells) == 1
    assert remarks(['# {"a": 1, "b": 2}', "a,b", "1,2"], cells) == 1
    assert remarks(['# generated by ganworks {"a": 1, "b": 2}', "a,b", "1,2"], cells) == 1


def test_separators():
    assert find_separator(["a;b;c", "1,5;2,5;3,5", "1,5;2,25;4,5"]) == ";"
    assert find_separator(["a,b", '"x; y",1', '"z; w",2']) == ","
    assert find_separator(["1 2  3", "4 5  6"]) == " " and find_separator(["one two", "three"]) == ""


def clock(**columns):
    return find_clock({name: ClockColumn.of_cells([str(v) for v in cells], name) for name, cells in columns.items()})


HOURS = range(60)


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ({"year": [2010] * 60, "month": [1] * 60, "day": [k // 24 + 1 for k in HOURS], "hour": [k % 24 for k in HOURS]},
         ("year", "month", "day", "hour")),
        ({"dteday": [f"2011-01-{k // 24 + 1:02d}" for k in HOURS], "hr": [k % 24 for k in HOURS]}, ("dteday", "hr")),
        ({"Date": [f"{k // 24 + 10}/03/2004" for k in HOURS], "Time": [f"{k % 24:02d}.00.00" for k in HOURS]},
         ("Date", "Time")),
        ({"Year": range(1950, 2010), "v": range(60)}, ("Year",)),
        ({"t": [k / 10 for k in HOURS], "v": [k % 7 for k in HOURS]}, ("t",)),
        ({"timestamp": [1_700_000_000 + 600 * k for k in HOURS]}, ("timestamp",)),
        ({"No": range(1, 61), "v": [k % 7 for k in HOURS]}, ("No",)),
    ],
    ids=lambda v: "+".join(v) if isinstance(v, tuple) else "",
)  # fmt: skip
def test_what_a_clock_is_made_of(columns, names):
    found, _ = clock(**columns)
    assert found is not None and found.columns == names and found.repeated() == 0
    assert found.counter == (names == ("No",))


@pytest.mark.parametrize("name", ["day", "month", "year", "hour"])
def test_a_column_that_repeats_is_no_clock(name):
    found, nearest = clock(**{name: [k % 12 + 1 for k in range(60)], "load": range(60)})
    assert found is None and nearest is None


def test_dates_that_repeat_are_told_but_not_taken():
    found, nearest = clock(date=[f"2020-01-{k % 20 + 1:02d}" for k in range(60)], v=range(60))
    assert found is None and nearest is not None and nearest.repeated() == 40


def test_hours_are_seconds():
    found, _ = clock(year=[2010, 2010], month=[1, 2], day=[31, 1], hour=[24, 1])
    assert found is not None and np.diff(found.seconds).tolist() == [3600.0]


def test_decimals_and_numbers_of_few_bits():
    assert decimal_places(np.array([48.1234567, 2.5])) == 7
    assert decimal_places(np.random.default_rng(0).normal(size=100)) is None
    assert decimal_places(np.array([1.0, math.nan, 3.0])) == 0
    assert shortest(np.float32([0.1, 2.7])).tolist() == [0.1, 2.7]
