"""Packed texts are read within limits by every kind that reads them."""

import gzip

import pytest

from ganworks.core.errors import UsageError
from ganworks.files import array_files
from ganworks.files.tables.unpack import content, open_text
from ganworks.kinds.series.data.reading import read_series
from ganworks.kinds.tables.data.reading import read
from ganworks.kinds.text.data.reading import read_lines

READERS = {"txt": read_lines, "csv": read, "tsv": read_series}


@pytest.mark.parametrize("suffix", READERS)
def test_a_bomb_of_text_is_not_unpacked(tmp_path, suffix):
    path = tmp_path / f"bomb.{suffix}.gz"
    path.write_bytes(gzip.compress((b"1," + b"2" * 1000 + b"\n") * 20_000))
    with pytest.raises(UsageError, match=r"bomb\.\w+\.gz.* more than 200 times; this looks like a decompression bomb"):
        READERS[suffix](path)


@pytest.mark.parametrize("size, refused", [(1000, False), (1001, True)])
def test_growth_is_counted_to_the_byte(tmp_path, monkeypatch, size, refused):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"a" * size))
    monkeypatch.setattr(array_files, "RATIO_FROM", 1000)
    monkeypatch.setattr(array_files, "MAX_RATIO", 1)
    if refused:
        with pytest.raises(UsageError, match="1,001 bytes, more than 1 times"):
            content(path, 1 << 20, 1)
    else:
        assert content(path, 1 << 20, 1) == b"a" * size


def test_a_file_is_read_as_it_is(tmp_path):
    raw = bytes(range(256)) * 9000
    (tmp_path / "a.txt").write_bytes(raw)
    (tmp_path / "a.txt.GZ").write_bytes(gzip.compress(raw))
    for name in ("a.txt", "a.txt.GZ"):
        with open_text(tmp_path / name) as file:
            assert (file.read(7), file.readline(), file.read()) == (raw[:7], raw[7:11], raw[11:])
        assert content(tmp_path / name, 1 << 30, 1) == raw
        assert len(raw) > len(content(tmp_path / name, 1 << 20, 1)) > 1 << 20


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize("packed", [gzip.compress(b"a,b\n1,2\n" * 900)[:-9], b"no gzip"], ids=["cut", "no-gzip"])
def test_a_torn_file_is_told(tmp_path, suffix, packed):
    path = tmp_path / f"torn.{suffix}.gz"
    path.write_bytes(packed)
    with pytest.raises(UsageError, match="torn"):
        READERS[suffix](path)
