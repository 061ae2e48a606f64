"""Notes of provenance that lie beside a file, as anybody may have left them."""

import pytest

from ganworks.core.errors import UsageError
from ganworks.files import provenance
from ganworks.files.provenance.note import LARGEST


def test_a_note_beside_a_file_is_read_as_one_of_a_stranger(tmp_path):
    beside = tmp_path / "a.csv.mark.json"
    beside.write_text('{"generated": true}')
    assert provenance.read(tmp_path / "a.csv") == {"generated": True}
    for text in ('{"generated": ', "[" * 100_000, '"\\ud800"'):
        beside.write_text(text)
        with pytest.raises(UsageError, match=r"a\.csv\.mark\.json is not valid JSON"):
            provenance.read(tmp_path / "a.csv")
    beside.write_text(" " * (LARGEST + 1))
    assert provenance.read(tmp_path / "a.csv") is None
