"""Charts of the report: their data is finite, bounded and safe, whatever a log holds."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import fake_run
from report_page import page_of

from ganworks.report.page.charts import TIME_STEPS, Floor, Line, downsample, line_chart


def finite(value: object) -> bool:
    """Whether a tree of JSON holds nothing but finite numbers, texts, truth values and gaps."""
    if isinstance(value, dict | list):
        return all(map(finite, value.values() if isinstance(value, dict) else value))
    return value is None or isinstance(value, str | bool) or (isinstance(value, int | float) and math.isfinite(value))


def test_charts_survive_any_numbers() -> None:
    bad = [
        (1.0, math.nan),
        (2.0, math.inf),
        (3.0, 1.0),
        (4.0, -1.0),
        (5.0, 0.0),
        (math.nan, 1.0),
        (6.0, 1e300),
    ]
    for log in (False, True):
        chart = line_chart([Line("<b>", bad)], title="t", x_label="x", log=log, floor=Floor("f", math.nan))
        assert chart and "nan" not in chart.data.lower() and "inf" not in chart.data.lower()
        data = json.loads(chart.data)
        assert finite(data) and "floor" not in data and data["lines"][0]["name"] == "<b>"
        assert data["lines"][0]["y"] == ([1.0] if log else [1.0, -1.0, 0.0])
        for axis, column in (("x", "x"), ("y", "y")):
            low, high = data[axis]["range"]
            assert low < high and all(low <= v <= high for v in data["lines"][0][column])
        assert not log or data["y"]["range"][0] > 0
    assert line_chart([Line("a", [(1, math.nan)])], title="t", x_label="x") is None
    single = line_chart([Line("a", [(5, 2.0)] * 3)], title="t", x_label="x")
    assert single and len(json.loads(single.data)["lines"][0]["x"]) == 3 and single.lines[0].last == "2.00"


def test_many_points_become_few_and_a_gap_stays_a_gap() -> None:
    points = [(float(i), math.nan if 40_000 <= i < 60_000 else math.sin(i)) for i in range(100_000)]
    pieces = downsample(points)
    assert len(pieces) == 2 and sum(map(len, pieces)) <= 160
    assert all(b.low < -0.99 and b.high > 0.99 and abs(b.mean) < 0.01 for piece in pieces for b in piece)
    chart = line_chart([Line("a", points)], title="t", x_label="x")
    assert chart and len(chart.data) < 30_000
    line = json.loads(chart.data)["lines"][0]
    assert line["y"].count(None) == 1 and line["x"] == sorted(line["x"])
    at = line["y"].index(None)
    assert 40_000 <= line["x"][at] < 60_000 and line["low"][at] is line["high"][at] is None
    assert all(a <= b <= c for a, b, c in zip(line["low"], line["y"], line["high"], strict=True) if b is not None)


def test_one_spike_does_not_flatten_the_rest() -> None:
    points = [(float(i), 1000.0 if i == 70 else i / 150) for i in range(150)]
    chart = line_chart([Line("a", points)], title="t", x_label="x")
    assert chart and json.loads(chart.data)["y"]["range"][1] < 2 and chart.lines[0].highest == "1,000"


def test_the_reference_and_zero_lie_inside_the_chart() -> None:
    chart = line_chart([Line("a", [(0, 5.0), (1, 6.0)])], title="t", x_label="x", floor=Floor("real", 9.0), y_zero=True)
    data = json.loads(chart.data) if chart else {}
    assert data["floor"] == {"name": "real", "value": 9.0} and data["y"]["range"][0] == 0 and data["y"]["range"][1] > 9
    logged = line_chart([Line("a", [(0, 5.0), (1, 6.0)])], title="t", x_label="x", floor=Floor("real", 0.0), log=True)
    assert logged and "floor" not in json.loads(logged.data)


def test_ticks_of_time_are_round() -> None:
    """Each step fits whole into a minute, an hour or days, and none is left out that an axis would need."""
    assert all(60 % s == 0 or (3600 % s == 0 and s % 60 == 0) or (86400 % s == 0 and s % 3600 == 0) for s in TIME_STEPS)
    assert all(1 < b / a <= 3 for a, b in itertools.pairwise(TIME_STEPS))
    for time in (True, False):
        chart = line_chart([Line("a", [(0, 1.0), (90, 2.0)])], title="t", x_label="x", time=time)
        axis = json.loads(chart.data)["x"] if chart else {}
        assert axis["time"] is time and axis.get("steps") == (list(TIME_STEPS) if time else None)


def test_hostile_names_stay_data_in_a_chart(tmp_path: Path) -> None:
    """Names of losses come from the log: they are neither tags nor scripts, with JavaScript and without."""
    name = "</script></noscript><script>alert('x')</script>\"><!--\u2028&quot;_loss"
    lines = fake_run.events(rounds=3, scored=0)
    for line in lines:
        line.get("losses", {})[name] = 1.0
    page, text = page_of(fake_run.build(tmp_path, lines=lines, evaluated=False, pictures=False))
    charts = [json.loads(str(a["data-chart"])) for a in page.all("div") if a.get("class") == "chart"]
    names = [line["name"] for chart in charts for line in chart["lines"]]
    assert any(n.startswith("</script></noscript><script>alert") for n in names)
    assert page.open == [] and len(page.all("script")) == 1 and text.count("</script>") == 1
    assert text.count("</noscript>") == len(charts) == len(page.all("noscript"))
