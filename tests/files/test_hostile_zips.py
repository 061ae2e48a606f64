"""Zips whose members lie elsewhere than their directory says are told, by everything that reads more than pictures."""

import zipfile

import pytest

from ganworks.core.errors import UsageError
from ganworks.files.sources import open_source
from ganworks.kinds.series.data.reading import read_series


@pytest.mark.parametrize(
    "members, read",
    [(["a.png", "labels.csv"], lambda path: open_source(path).classes), (["b.csv", "a.csv"], read_series)],
)
def test_a_zip_whose_members_lie_elsewhere_is_told(tmp_path, members, read):
    path = tmp_path / "d.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in members:
            archive.writestr(name, b"file,label\na.png,1\n" * 9)
    data = path.read_bytes()
    at = data.rfind(b"PK\x03\x04")
    path.write_bytes(data[:at] + b"PK\x03\x05" + data[at + 4 :])
    with pytest.raises(UsageError, match=rf'^"{members[-1]}" cannot be read: its bytes cannot be read \(Bad magic'):
        read(path)
