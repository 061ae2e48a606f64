"""Shapes of personal data, columns that single out rows, and cells as numbers."""

import numpy as np
import pytest

from ganworks.audit.data import personal, words


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to jane.doe@example.org today", "e-mail addresses"),
        ("call +49 30 123456-78", "phone numbers"),
        ("call (555) 123-4567", "phone numbers"),
        ("card 4111 1111 1111 1111", "account or card numbers"),
        ("DE89 3704 0044 0532 0130 00", "account or card numbers"),
        ("078-05-1120", "ids of persons"),
        ("from 192.168.0.1", "network addresses"),
    ],
)
def test_shapes_are_recognised(text, kind):
    assert personal.shapes_in(text) == {kind}


@pytest.mark.parametrize(
    "text",
    ["a man rides 2 horses", "2021-03-04 10:11:12", "3.1415926535", "meet @ noon", "4111 1111 1111 1112", "1,234.89",
     "999.1.1.1", "12345678", "-12.5e-7"],
)  # fmt: skip
def test_what_is_no_such_shape_is_left_alone(text):
    assert personal.shapes_in(text) == set()


def test_columns_are_judged_by_name_and_cells():
    people = [f"{a} {b}" for a in ("Ann", "Bob", "Eve", "Jon", "Kim") for b in ("Smith", "Jones", "Brown", "Moore")]
    assert [h.kind for h in personal.in_column("FullName", people)] == ["names of persons"]
    assert personal.in_column("name", ["apple", "pear"] * 20) == []  # products: few different ones
    births = [f"19{k:02d}-01-02" for k in range(40, 60)]
    assert [h.kind for h in personal.in_column("date_of_birth", births)] == ["birth dates"]
    assert personal.in_column("measured", births) == []
    assert personal.in_column("empty", ["", ""]) == []


def test_unique_columns_and_rare_combinations():
    assert personal.singling("id", [f"A{k:04d}" for k in range(50)])
    assert not personal.singling("weight", [f"{k / 7:.4f}" for k in range(50)])
    rng = np.random.default_rng(0)
    table = {name: [str(v) for v in rng.integers(3, size=900)] for name in ("a", "b", "c", "d")}
    assert personal.rare_together(table) is None  # 27 combinations, about 33 rows each
    table["age"] = [str(v) for v in rng.integers(80, size=900)]
    triple, rows, looked = personal.rare_together(table)
    assert "age" in triple and looked == 900 and len(rows) > 300


def test_cells_and_texts_as_numbers():
    ranks = words.column_vectors([str(k) for k in range(10)] + [""])
    assert ranks.shape == (11, 2) and ranks[:10, 0].tolist() == sorted(ranks[:10, 0]) and ranks[10].tolist() == [0.5, 1]
    assert words.column_vectors(["x", "y", "x"]).tolist() == [[1, 0], [0, 1], [1, 0]]
    assert words.spread([*map(str, range(100)), "1e9"])[-1] == 50
    texts = ["A man rides a horse.", "a man rides a HORSE!", "two dogs are in a park"]
    x = words.text_vectors(texts)
    assert x[0] @ x[1] > 0.99 and abs(x[0] @ x[2]) < 0.5
    assert words.same_plainly(texts) == [(0, 1, 0.0)]
