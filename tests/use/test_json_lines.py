"""Records of JSON lines: what a kill leaves, what is no table, and links."""

import pytest

from ganworks.core.errors import GanworksError
from ganworks.use.job_record import JsonLines


def test_a_torn_line_goes_when_the_next_one_comes_and_not_before(tmp_path):
    path = tmp_path / "done.jsonl"
    path.write_bytes(b'{"a": 1}\nnonsense\n[2]\n{"b": 2}\n{"c": ')
    record = JsonLines(path)
    assert record.lines == [{"a": 1}, {"b": 2}] and path.read_bytes().endswith(b'{"c": ')
    record.add({"d": 4})
    record.add({"e": 5})
    assert record.lines == JsonLines(path).lines == [{"a": 1}, {"b": 2}, {"d": 4}, {"e": 5}]
    assert path.read_bytes().startswith(b'{"a": 1}\nnonsense\n') and b'"c"' not in path.read_bytes()


def test_a_record_begins_with_its_first_line_and_is_not_written_through_a_link(tmp_path):
    record = JsonLines(tmp_path / "new.jsonl")
    assert record.lines == [] and not record.path.exists()
    record.add({"a": 1})
    assert record.path.read_bytes() == b'{"a": 1}\n'
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "new.jsonl")
    with pytest.raises(GanworksError):
        JsonLines(tmp_path / "link.jsonl").add({"b": 2})
    assert record.path.read_bytes() == b'{"a": 1}\n'
