"""Opening folders, zips, arrays, IDX files: layouts, names, and what is refused."""

import gzip
import io
import os
import socket
import struct
import sys
import unicodedata
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ganworks.core.errors import UsageError
from ganworks.files.arrays import channel_axes
from ganworks.files.sources import open_source

RNG = np.random.default_rng(1)


def png(value=0):
    file = io.BytesIO()
    Image.new("L", (4, 4), value).save(file, "PNG")
    return file.getvalue()


def fill(root, *names):
    for k, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(k))
    return root


def zipped(path, entries, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def opened(source):
    return [
        (source.name(k), None if source.labels is None else source.classes[source.labels[k]])
        for k in range(len(source))
    ]


def test_flat_folder(tmp_path):
    source = open_source(fill(tmp_path, "b.png", "a.PNG", "c.jpeg", "notes.txt", ".hidden.png"))
    assert opened(source) == [("a.PNG", None), ("b.png", None), ("c.jpeg", None)]
    assert source.get(0) == png(1) and any("1 file is none of the images" in n for n in source.notes)


def test_folder_per_class_and_naturally_sorted_classes(tmp_path):
    fill(tmp_path, "obj10/x.png", "obj2/deep/er/y.png", "obj2/a.png", "obj1/z.png", "__MACOSX/obj1/z.png")
    source = open_source(str(tmp_path))
    assert source.classes == ("obj1", "obj2", "obj10")
    assert opened(source) == [
        ("obj1/z.png", "obj1"),
        ("obj10/x.png", "obj10"),
        ("obj2/a.png", "obj2"),
        ("obj2/deep/er/y.png", "obj2"),
    ]
    assert open_source(tmp_path, labels=False).labels is None


def test_outer_folders_are_skipped_and_only_train_is_used(tmp_path):
    fill(tmp_path, *[f"set/{s}/{c}/{k}.png" for s in ("train", "test") for c in ("cat", "dog") for k in "ab"])
    source = open_source(tmp_path)
    assert source.classes == ("cat", "dog") and len(source) == 4 and "only train/ is used" in source.notes[-1]
    assert len(open_source(tmp_path / "set" / "test")) == 4


def test_images_beside_folders_give_no_classes_and_say_so(tmp_path):
    source = open_source(fill(tmp_path, "a.png", "x/b.png"))
    assert source.labels is None and any("beside sub-folders" in n for n in source.notes)


@pytest.mark.parametrize(
    "text",
    [
        "filename,label\na.png,cat\nb.png,dog\n",
        "\ufeffa.png;cat\r\nb.png;dog\r\n",
        "label,file\ncat,./a.png\ndog,b.png",
        "a.png\tcat\nb.png\tdog",
    ],
)
def test_labels_csv(tmp_path, text):
    fill(tmp_path, "a.png", "b.png")
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    source = open_source(tmp_path)
    assert opened(source) == [("a.png", "cat"), ("b.png", "dog")]
    assert open_source(
        zipped(tmp_path / "z.zip", [("in/a.png", png()), ("in/b.png", png()), ("in/labels.csv", text.encode())])
    ).classes == ("cat", "dog")


@pytest.mark.parametrize("text", [b"a.png,cat\n", b"a.png\n", b"\xff\xfe", b""])
def test_labels_csv_that_does_not_fit_is_an_error(tmp_path, text):
    fill(tmp_path, "a.png", "b.png")
    (tmp_path / "labels.csv").write_bytes(text)
    with pytest.raises(UsageError, match=r"labels\.csv"):
        assert open_source(tmp_path).labels
    assert open_source(tmp_path, labels=False).labels is None


def test_zip_is_read_in_place(tmp_path):
    path = zipped(tmp_path / "d.zip", [("d/cat/1.png", png(1)), ("d/dog/2.png", png(2)), ("d/dog/.x.png", b"")])
    before = sorted(tmp_path.iterdir())
    source = open_source(path)
    assert opened(source) == [("d/cat/1.png", "cat"), ("d/dog/2.png", "dog")] and source.get(1) == png(2)
    assert len(open_source(path / "d" / "dog")) == 1
    assert sorted(tmp_path.iterdir()) == before


def special(name, mode):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    "entries, why",
    [
        ([("../../x.png", b"")], "outside"),
        ([("a/../../x.png", b"")], "outside"),
        ([("/etc/x.png", b"")], "outside"),
        ([("..\\x.png", b"")], "outside"),
        ([("C:\\x.png", b"")], "outside"),
        ([(special("x.png", 0o120777), b"/etc/passwd")], "link or a device"),
        ([(special("x.png", 0o020666), b"")], "link or a device"),
        ([("a.png", b""), ("A.png", b"")], "case"),
        ([("caf\u00e9.png", b""), ("cafe\u0301.png", b"")], "form"),
    ],
)
def test_suspicious_zip_members_are_refused(tmp_path, entries, why):
    path = zipped(tmp_path / "bad.zip", [("ok.png", png()), *entries])
    with pytest.raises(UsageError, match=why):
        open_source(path)


def test_zip_bombs_are_refused(tmp_path, monkeypatch):
    big = zipped(tmp_path / "big.zip", [("a.png", b"\0" * (20 << 20))], compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(UsageError, match="bomb"):
        open_source(big)
    monkeypatch.setattr("ganworks.files.listings.MAX_COUNT", 5)
    with pytest.raises(UsageError, match="6 members; the limit is 5"):
        open_source(zipped(tmp_path / "many.zip", [(f"{k}.png", b"") for k in range(6)]))
    with pytest.raises(UsageError, match="more than 5 files"):
        open_source(fill(tmp_path / "many", *[f"{k}.png" for k in range(6)]))
    monkeypatch.setattr("ganworks.files.array_files.MAX_TOTAL", 1000)
    with pytest.raises(UsageError, match="would grow"):
        open_source(zipped(tmp_path / "total.zip", [(f"{k}.png", b"x" * 400) for k in range(3)]))


def test_damaged_zip(tmp_path):
    path = zipped(tmp_path / "d.zip", [("a.png", png(1) * 50), ("b.png", png(2))])
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    source = open_source(path)
    with pytest.raises(UsageError, match=r'"a.png" cannot be read'):
        source.get(0)
    assert source.get(1) == png(2)
    path.write_bytes(data[:-30])
    with pytest.raises(UsageError, match="no readable zip"):
        open_source(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX")
def test_links_out_loops_pipes_and_sockets_are_left_out(tmp_path, monkeypatch):
    outside = fill(tmp_path / "outside", "secret.png")
    root = fill(tmp_path / "root", "a.png", "sub/b.png")
    (root / "out.png").symlink_to(outside / "secret.png")
    (root / "outdir").symlink_to(outside)
    (root / "loop.png").symlink_to(root / "loop.png")
    (root / "up").symlink_to(root)
    (root / "zero.png").symlink_to("/dev/zero")
    (root / "gone.png").symlink_to(root / "nothing.png")
    (root / "inside.png").symlink_to(root / "sub" / "b.png")
    os.mkfifo(root / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(root)
        server.bind("sock.png")
        source = open_source(root)
    assert [source.name(k) for k in range(len(source))] == ["a.png", "inside.png", "sub/b.png"]
    assert source.get(1) == png(1) and any("8 links" in n for n in source.notes)
    (root / "a.png").unlink()
    os.mkfifo(root / "a.png")  # changed after listing: refused, without waiting for a writer
    with pytest.raises(UsageError, match="no regular file"):
        source.get(0)
    (root / "inside.png").unlink()
    (root / "inside.png").symlink_to(outside / "secret.png")
    with pytest.raises(UsageError, match="link out of the folder"):
        source.get(1)
    for path in (root / "pipe.png", "/dev/zero", root / "sock.png"):
        with pytest.raises(UsageError, match="no regular file"):
            open_source(path)


@pytest.mark.parametrize("data", ["", "/nowhere/at/all", "a" * 5000, "x\0y", "hub:never/there"])
def test_paths_that_do_not_open(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError):
        open_source(data)


def test_files_of_other_kinds_are_named(tmp_path):
    (tmp_path / "x.pt").write_bytes(b"\x80\x02}q\0.")
    with pytest.raises(UsageError, match="not a kind of file"):
        open_source(tmp_path / "x.pt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no images"):
        open_source(tmp_path / "empty")


def test_strange_names_are_all_listed_in_a_stable_order(tmp_path):
    names = [
        "-rf.png",
        "new\nline.png",
        "🐱.png",
        "e\u0301.png",
        "\u00e9.png",
        "CON.png",
        "a.b..png",
        "x" * 200 + ".png",
        os.fsdecode(b"\xff\xfe.png"),
        " .png",
    ]
    source = open_source(fill(tmp_path, *names))
    shown = [source.name(k) for k in range(len(source))]
    assert len(shown) == len(names) and all(n.isprintable() and n.encode() for n in shown)
    assert r"new\nline.png" in shown and r"\udcff\udcfe.png" in shown
    assert [source.get(k) for k in range(len(names))] == [png(names.index(n)) for n in sorted(names, key=source_order)]
    assert source.stamp() == open_source(tmp_path).stamp()


def source_order(name):
    return unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape"), name.encode(
        "utf-8", "surrogateescape"
    )


def test_stamp_changes_with_the_files(tmp_path):
    fill(tmp_path, "a.png", "b.png")
    first = open_source(tmp_path).stamp()
    os.utime(tmp_path / "a.png", (1, 1))
    second = open_source(tmp_path).stamp()
    (tmp_path / "b.png").rename(tmp_path / "c.png")
    assert len({first, second, open_source(tmp_path).stamp()}) == 3


@pytest.mark.parametrize(
    "shape, item",
    [
        ((9, 5, 6), (1, 5, 6)),
        ((9, 5, 6, 3), (3, 5, 6)),
        ((9, 3, 5, 6), (3, 5, 6)),
        ((9, 8, 8, 7), (7, 8, 8)),
        ((9, 7, 8, 8), (7, 8, 8)),
        ((9, 5, 6, 1), (1, 5, 6)),
        ((9, 3, 3, 3), (3, 3, 3)),
    ],
)
def test_where_the_channels_are(shape, item):
    x = RNG.integers(0, 255, shape, np.uint8)
    source = open_source(x)
    assert source.item_shape == item == source.get(2).shape
    first = channel_axes(shape)[1].endswith("[N, C, H, W]")
    assert np.array_equal(source.get(2), x[2] if first else np.moveaxis(np.atleast_3d(x[2]), -1, 0))


def test_npy_and_npz(tmp_path):
    x, y = RNG.integers(0, 255, (10, 6, 5, 3), np.uint8), np.arange(10) % 3 * 10
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    np.savez(tmp_path / "a.npz", images=x, labels=y)
    np.savez_compressed(tmp_path / "b.npz", x, y[:, None])
    np.savez(tmp_path / "c.npz", x=np.asfortranarray(x), y=np.eye(3)[np.arange(10) % 3])
    for name in ("x.npy", "a.npz", "b.npz", "c.npz"):
        source = open_source(tmp_path / name)
        assert (
            np.array_equal(source.get(7), x[7].transpose(2, 0, 1))
            and source.labels.tolist() == (np.arange(10) % 3).tolist()
        )
        assert source.classes == (("0", "1", "2") if name == "c.npz" else ("0", "10", "20"))
    assert open_source((x, list("aabbccddee"))).classes == tuple("abcde")


def test_pickles_and_bad_arrays_are_refused(tmp_path):
    trap = np.array([Trap(tmp_path / "probe")], dtype=object)
    np.save(tmp_path / "x.npy", trap, allow_pickle=True)
    np.savez(tmp_path / "x.npz", x=trap)
    np.savez(tmp_path / "y.npz", x=np.zeros((4, 4, 4), np.uint8), y=trap)
    for name in ("x.npy", "x.npz", "y.npz"):
        with pytest.raises(UsageError):
            assert open_source(tmp_path / name).labels is None
    assert not (tmp_path / "probe").exists()
    for bad in (
        np.zeros(5),
        np.zeros((5, 5)),
        np.zeros((2, 3, 4, 5, 6)),
        np.zeros((5, 0, 5)),
        np.array(["a"]),
    ):
        with pytest.raises(UsageError):
            open_source(bad)
    with pytest.raises(UsageError, match="one label per image"):
        assert open_source((np.zeros((4, 4, 4)), np.zeros(3))).labels
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((100, 512, 512), np.uint8))
    with pytest.raises(UsageError, match="bomb"):
        open_source(tmp_path / "bomb.npz")


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def idx(array, pack=bytes):
    return pack(struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes())


@pytest.mark.parametrize("suffix, pack", [("", bytes), (".gz", gzip.compress)])
def test_idx(tmp_path, suffix, pack):
    x, y = RNG.integers(0, 255, (6, 5, 4), np.uint8), np.array([3, 1, 3, 0, 1, 3], np.uint8)
    for split, n in (("t10k", 2), ("train", 6)):
        (tmp_path / f"{split}-images-idx3-ubyte{suffix}").write_bytes(idx(x[:n], pack))
        (tmp_path / f"{split}-labels-idx1-ubyte{suffix}").write_bytes(idx(y[:n], pack))
    for path, n in ((tmp_path, 6), (tmp_path / f"t10k-images-idx3-ubyte{suffix}", 2)):
        source = open_source(path)
        assert len(source) == n and np.array_equal(source.get(1), x[1:2])
        assert [source.classes[k] for k in source.labels] == [str(v) for v in y[:n]]


def test_damaged_idx(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    good = idx(RNG.integers(0, 255, (6, 50, 40), np.uint8))
    for data in (
        gzip.compress(good[:-5]),
        gzip.compress(good)[:-400],
        b"\x1f\x8bnothing",
        gzip.compress(b"abcdefgh"),
        gzip.compress(good[:9]),
    ):
        path.write_bytes(data)
        with pytest.raises(UsageError):
            open_source(path).get(0)
    path.write_bytes(gzip.compress(struct.pack(">BBBB3I", 0, 0, 8, 3, 2**20, 2**12, 2**12)))
    with pytest.raises(UsageError, match="bomb"):
        open_source(path)


def test_digits():
    source = open_source("digits")
    assert len(source) == 1797 and source.get(0).shape == (1, 8, 8) and source.get(0).max() == 239
    assert source.classes == tuple("0123456789") and source.labels[:5].tolist() == [0, 1, 2, 3, 4]


def test_hub_without_the_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UsageError, match=r"ganworks\[hub\]"):
        open_source("hub:mnist")


def test_hub_data_sets(monkeypatch):
    kinds = {"img": type("Image", (), {})(), "label": type("ClassLabel", (), {"names": ["cat", "dog"]})()}

    class Rows:
        features, info, _fingerprint = kinds, SimpleNamespace(dataset_size=99), "abc"

        def cast_column(self, column, feature):
            assert column == "img" and feature == "bytes"
            return self

        def __len__(self):
            return 2

        def __getitem__(self, at):
            return [1, 0] if at == "label" else {"img": {"bytes": png(at)}}

    fake = SimpleNamespace(load_dataset=lambda name, split: Rows() if (name, split) == ("me/pets", "test") else 1 / 0)
    fake.Image = lambda decode: "pixels" if decode else "bytes"
    monkeypatch.setitem(sys.modules, "datasets", fake)
    source = open_source("hub:me/pets:test")
    assert opened(source) == [("hub:me/pets:test[0]", "dog"), ("hub:me/pets:test[1]", "cat")] and source.get(1) == png(
        1
    )
    with pytest.raises(UsageError, match="cannot be loaded"):
        open_source("hub:me/cars")
