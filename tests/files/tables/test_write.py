"""CSV that a spreadsheet opens: no text of others runs as a formula, and numbers stay numbers."""

import csv
import io

import numpy as np
import pandas as pd
import pytest

from ganworks.files.tables.write import csv_text, frame_csv, spreadsheet_safe

FORMULAS = ["=1+1", "+1+1", "-1+1|cmd", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "  @x", "\ufeff=1", "--5", "+-5",
            "＝1+1", "＋1", "－1", "＠x", "-1e5x", "-inf", "-", "="]  # fmt: skip
HARMLESS = ["", "a=1", "1=1", "5", "-5", "+2.5", " -5 ", "-1e-05", "+.5E+7", "-7.", "x@y", "naïve"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_begins_with_an_apostrophe(text):
    assert spreadsheet_safe(text) == f"'{text}"
    assert next(csv.reader(io.StringIO(csv_text([[text, 1]]), newline=""))) == [f"'{text}", "1"]
    assert frame_csv(pd.DataFrame({text: [text], "n": [1]})) == csv_text([[text, "n"], [text, 1]])


@pytest.mark.parametrize("text", HARMLESS)
def test_numbers_and_words_stay(text):
    assert spreadsheet_safe(text) == text


@pytest.mark.parametrize("cell", ["a\r=1", "a\n=1", "a\r\n=1", 'a"b', "a,b", "é"])
def test_a_cell_stays_one_cell(cell):
    rows = [["x", "y"], [cell, "1"]]
    for text in (csv_text(rows), frame_csv(pd.DataFrame([[cell, "1"]], columns=["x", "y"]))):
        assert list(csv.reader(io.StringIO(text, newline=""))) == rows


def test_numbers_are_written_as_such():
    rows = [["x", "=y"], [-0.1, np.float32(-1e-5)], [float("-inf"), np.int64(-3)]]
    assert csv_text(rows, digits=4) == "x,'=y\n-0.1,-1e-05\n-inf,-3\n"
    assert csv_text([[-0.25, None, True]]) == "-0.25,,True\n"
