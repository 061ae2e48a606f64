"""Rows of tables by conditions, by known values, and in several forms."""

import io
import json

import numpy as np
import pandas
import pyarrow
import pytest
from http_service import client_of, run

from ganworks.kinds.tables.data import conditions
from ganworks.use.model import Model

URL = "/v1/tables/generations"


@pytest.fixture(scope="module")
def client():
    with client_of("table", "text") as made:
        yield made


@pytest.fixture(scope="module")
def columns():
    return {c["name"]: c for c in Model.load(run("table")).spec.facts["columns"]}


def words(columns):
    """A column of words, and two of its values."""
    name, column = next((name, c) for name, c in columns.items() if c["kind"] == "category")
    return name, column["values"][:2]


def test_every_form_holds_the_same_rows(client):
    made = Model.load(run("table")).sample(20, 3)
    forms = ("csv", "parquet", "json", "jsonl", "arrow")
    answers = {form: client.post(URL, json={"n": 20, "seed": 3, "output_format": form}) for form in forms}
    assert answers["csv"].content == made.content(".csv") and answers["parquet"].content == made.content(".parquet")
    rows = answers["json"].json()["data"]
    assert rows == [json.loads(line) for line in answers["jsonl"].text.splitlines()] and len(rows) == 20
    arrow = pyarrow.ipc.open_stream(answers["arrow"].content).read_all()
    assert arrow.num_rows == 20 and json.loads(arrow.schema.metadata[b"ganworks"])["generated"]
    assert "generated" in json.loads(answers["csv"].headers["x-ganworks-mark"])


def test_conditions_are_met(client, columns):
    name, (first, second) = words(columns)
    wishes = [{"n": 3, "values": {name: first}}, {"n": 2, "values": {name: second}}]
    answer = client.post(URL, json={"conditions": wishes, "output_format": "json"})
    assert [row[name] for row in answer.json()["data"]] == [first] * 3 + [second] * 2
    known = client.post(URL, json={"known": [{name: second}, {name: first}], "output_format": "csv"})
    assert list(pandas.read_csv(io.StringIO(known.text))[name]) == [second, first]
    where = client.post(URL, json={"n": 4, "where": f"{name}='{second}'"})
    assert set(pandas.read_csv(io.StringIO(where.text))[name]) == {second}


def test_conditions_that_hardly_a_row_meets_are_told_with_their_share(client, columns, monkeypatch):
    monkeypatch.setattr(conditions, "MOST_DRAWS", 1)
    monkeypatch.setattr(conditions.RowFilter, "__call__", lambda self, x: np.arange(len(x)) % 40 == 9)
    name, (first, _) = words(columns)
    answer = client.post(URL, json={"n": 50, "where": f"{name}='{first}'"})
    assert answer.status_code == 422, answer.text
    error = answer.json()["error"]
    assert error["code"] == "conditions_not_met" and 0 < error["share"] < 0.05


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"n": 0}, 422),
        ({"n": 10**7}, 422),
        ({"where": "nope = 3"}, 400),
        ({"where": "and and"}, 400),
        ({"n": 3, "known": [{"a": 1}]}, 422),
        ({"known": [{}]}, 422),
        ({"known": [{"a": "'\"`"}]}, 422),
        ({"conditions": [{"values": {"a": [1]}}]}, 422),
        ({"output_format": "xlsx"}, 422),
        ({"model": "text"}, 400),
        ({"model": "nope"}, 404),
        ({"rows": 3}, 422),
    ],
)
def test_wrong_wishes_are_refused(client, body, status):
    answer = client.post(URL, json=body)
    assert answer.status_code == status and len(answer.json()["error"]["message"]) > 10, answer.text
