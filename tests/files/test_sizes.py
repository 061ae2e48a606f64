"""Sizes that files state or hold, held against the memory before they are read."""

import io

import numpy as np
import pytest

from ganworks.core.errors import UsageError
from ganworks.files.array_files import load_arrays, load_npy
from ganworks.files.rows import check_cells
from ganworks.kinds.points.domain import Points
from ganworks.kinds.series.data.reading import parse_table, read_series
from ganworks.kinds.tables.data import reading as tables

FITS = r"would take about .* of memory; at most .* fit here \(70% of what is free\)"


@pytest.fixture
def small(monkeypatch):
    """A machine of 1 MB."""
    monkeypatch.setattr("ganworks.core.machine.memory.available", lambda: 1_000_000)


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def lying(shape: tuple[int, ...]) -> bytes:
    """An .npy file of 8 bytes whose header states a shape."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_2_0(stream, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return stream.getvalue() + bytes(8)


@pytest.mark.parametrize("shape", [(10**12,), (10**9, 10**9), (-1, -8)])
def test_arrays_that_promise_more_than_they_hold_are_refused(shape, tmp_path):
    with pytest.raises(UsageError, match="cannot be read: it says it has shape"):
        load_npy(io.BytesIO(lying(shape)), "x.npy")
    (tmp_path / "x.npy").write_bytes(lying(shape))
    for read in (load_arrays, read_series, Points().open):
        with pytest.raises(UsageError, match="cannot be read"):
            read(tmp_path / "x.npy")


def test_arrays_are_read_whole(tmp_path):
    x = np.arange(12.0).reshape(4, 3)
    assert np.array_equal(load_npy(io.BytesIO(npy(x)), "x.npy"), x)
    np.savez(tmp_path / "a.npz", x=x, y=x[:, 0])
    found = load_arrays(tmp_path / "a.npz")
    assert list(found) == ["x", "y"] and np.array_equal(found["x"], x)


@pytest.mark.usefixtures("small")
def test_arrays_that_do_not_fit_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((50_000, 2)))
    np.savez(tmp_path / "x.npz", x=np.zeros((50_000, 2)))
    for name in ("x.npy", "x.npz"):
        with pytest.raises(UsageError, match=FITS):
            load_arrays(tmp_path / name)


@pytest.mark.usefixtures("small")
def test_tables_of_text_count_by_their_cells(tmp_path):
    check_cells([b"1,2\n" * 1000], "few cells")
    rows = b"1,2\n" * 3000  # 12 kB, 6,000 cells
    with pytest.raises(UsageError, match=FITS):
        check_cells([rows], '"x"')
    with pytest.raises(UsageError, match=FITS):
        parse_table(rows, "x")
    (tmp_path / "x.csv").write_bytes(b"a,b\n" + rows)
    for read in (Points().open, tables.read):
        with pytest.raises(UsageError, match=FITS):
            read(tmp_path / "x.csv")


def test_a_table_that_is_read_in_parts_is_the_same(tmp_path, monkeypatch):
    (tmp_path / "x.csv").write_text("# remark\na,b\n" + "".join(f"{k},w{k % 7}\n" for k in range(5000)))
    whole, _ = tables.read(tmp_path / "x.csv")
    monkeypatch.setattr(tables, "_PART", 2000)
    parts, _ = tables.read(tmp_path / "x.csv")
    assert parts.equals(whole) and list(parts.index) == list(range(5000)) and whole["b"][4999] == "w1"
    monkeypatch.setattr(tables, "MAX_CELLS", 6000)
    with pytest.raises(UsageError, match="more than 6,000 cells"):
        tables.read(tmp_path / "x.csv")


def test_a_long_text_that_all_rows_share_counts_as_often_as_it_occurs(tmp_path, monkeypatch):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    text = arrow.DictionaryArray.from_arrays(np.zeros(2000, np.int32), ["x" * 10_000]).cast("string")
    parquet.write_table(arrow.table({"text": text, "n": np.arange(2000)}), tmp_path / "x.parquet")
    assert (tmp_path / "x.parquet").stat().st_size < 100_000
    assert len(tables.read(tmp_path / "x.parquet")[0]) == 2000
    monkeypatch.setattr("ganworks.core.machine.memory.available", lambda: 10_000_000)
    for read in (tables.read, read_series):
        with pytest.raises(UsageError, match=r"x.parquet\" would take about 40.0 MB"):
            read(tmp_path / "x.parquet")
