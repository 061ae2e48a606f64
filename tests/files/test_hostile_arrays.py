"""Array files that lie are refused in a sentence, before anything is allocated, by everything that reads arrays."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from ganworks.core.errors import UsageError
from ganworks.files import provenance
from ganworks.files.array_files import load_npy, load_npz, map_npy
from ganworks.files.sources import open_source
from ganworks.kinds.audio.vocoder.domain import read_mel
from ganworks.kinds.points.domain import Points
from ganworks.kinds.series.domain import SeriesDomain


def npy(shape="(4, 8, 8)", descr="'|u1'", data=bytes(256), version=(1, 0), head=None):
    head = head or f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H" if version == (1, 0) else "<I", len(head)) + head + data


HOSTILE = {
    "negative": npy("(-4, 8, 8)"),
    "minus one": npy("(-1,)"),
    "huge": npy("(1000000, 100000, 3)"),
    "overflow": npy("(4294967296, 4294967296, 16)"),
    "digits": npy(f"({'9' * 400}, 2)"),
    "long digits": npy(f"({'9' * 5000}, 2)"),
    "float": npy("(4.0, 8, 8)"),
    "list": npy("[4, 8, 8]"),
    "deep": npy(f"({'1, ' * 40})"),
    "objects": npy("(4,)", "'|O'"),
    "structured": npy("(4,)", "[('x', '|u1', (8, 8))]"),
    "code": npy(head=b"__import__('os')\n"),
    "nested": npy(head=b"(" * 300 + b")" * 300),
    "open": npy(head=b"{'descr': "),
    "version": npy(version=(9, 9)),
    "cut": npy()[:40],
    "no data": npy(data=b""),
    "magic": b"\x93NUMPY",
    "empty": b"",
    "bytes": npy(head=b"\xff\xfe" * 20),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_arrays_are_refused_by_every_reader(name, tmp_path):
    path, packed, noted = (tmp_path / file for file in ("x.npy", "x.npz", "noted.npz"))
    path.write_bytes(HOSTILE[name])
    for file, member in ((packed, "x.npy"), (noted, "mark.npy")):
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(member, HOSTILE[name])
    readers = (
        lambda: load_npy(path),
        lambda: load_npy(io.BytesIO(HOSTILE[name]), "it"),
        lambda: map_npy(path),
        lambda: load_npz(packed),
        lambda: open_source(path),
        lambda: open_source(packed),
        lambda: Points().open(path),
        lambda: Points().open(packed),
        lambda: SeriesDomain().open(path),
        lambda: SeriesDomain().open(packed),
        lambda: read_mel(HOSTILE[name], "x.npy", 8),
        lambda: provenance.read(noted),
    )
    tracemalloc.start()
    for read in readers:
        with pytest.raises(UsageError) as caught:
            read()
        assert len(str(caught.value)) < 600
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 50 << 20


def test_honest_arrays_are_read_as_they_are(tmp_path):
    x = np.arange(24, dtype=">f4").reshape(2, 3, 4)
    for number, array in enumerate((x, np.asfortranarray(x), x[:0], np.float64(3), np.array(["a", "bc"]))):
        path = tmp_path / f"{number}.npy"
        np.save(path, array)
        for found in (load_npy(path), map_npy(path)):
            assert found.dtype == np.asarray(array).dtype and np.array_equal(found, array)
        np.savez(tmp_path / "all.npz", array=array)
        assert np.array_equal(load_npz(tmp_path / "all.npz")["array"], array)


def test_a_zip_member_without_a_name_is_left_out(tmp_path):
    from ganworks.files.listings import ZipListing

    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("", "a/", "a/b.png"):
            archive.writestr(zipfile.ZipInfo(name), b"x")
    assert ZipListing(tmp_path / "x.zip", "").names == ["a/b.png"]


def test_a_label_beyond_the_limit_of_a_cell_is_refused():
    from ganworks.files.tables.labels import labels_in

    with pytest.raises(UsageError, match=r"labels.csv of .x. cannot be read"):
        labels_in("labels.csv", b"file,label\na.png," + b"x" * 200_000, "x", (".png",))
