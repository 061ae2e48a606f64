"""The pack: what is stored, the split, the fingerprint, caches, faults, and memory that stays flat."""

import json
import os
import subprocess
import sys
import textwrap
import time
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from small_disks import on_disk

import ganworks.files.packing.cache as caching
import ganworks.files.packing.pack as packing
import ganworks.files.packing.writer as writing
from ganworks.core.errors import UsageError
from ganworks.files import atomic
from ganworks.files.packing import sums
from ganworks.files.packing.cache import cache_folder
from ganworks.files.packing.packed import split
from ganworks.kinds.images.domain import Images

RNG = np.random.default_rng(2)
X = RNG.integers(0, 256, (300, 6, 5, 3), np.uint8)
Y = np.arange(300) % 3


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GANWORKS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def images(root, count=12, size=(8, 8)):
    root.mkdir(exist_ok=True)
    for k in range(count):
        Image.fromarray(RNG.integers(0, 256, (*size, 3), np.uint8)).save(root / f"{k:03d}.png")
    return root


def test_rows_batches_and_labels():
    data = Images().open((X, Y))
    assert data.spec.to_dict() == {
        "kind": "images",
        "shape": [3, 6, 5],
        "classes": ["0", "1", "2"],
        "low": 0.0,
        "high": 255.0,
        "dtype": "uint8",
    }
    assert len(data) == 300 and np.array_equal(data.labels, Y)
    rows = np.array([5, 299, 5, 0])
    assert np.array_equal(data.raw(rows), X[rows].transpose(0, 3, 1, 2)) and data.raw(rows).dtype == np.uint8
    batch = data.fetch(rows)
    assert batch["x"].dtype == torch.float32 and batch["y"].dtype == torch.int64 and batch["y"].tolist() == [2, 2, 2, 0]
    expected = torch.from_numpy(X[rows].transpose(0, 3, 1, 2).astype(np.float32)) / 127.5 - 1
    torch.testing.assert_close(batch["x"], expected, atol=1e-6, rtol=0)
    both = Images().open(np.array([[[0, 255]]], np.uint8)).fetch([0])
    assert both["x"].flatten().tolist() == [-1.0, 1.0] and "y" not in both


def test_many_files_in_threads_keep_their_order(tmp_path, monkeypatch):
    root = images(tmp_path / "many", 101)
    monkeypatch.setattr(writing.os, "cpu_count", lambda: 3)
    seen = []
    for size in (8, 2000):  # 2000 x 2000: two rows a chunk
        data = Images(size=size, fit="stretch").open(
            root if size == 8 else images(tmp_path / "few", 7), on_progress=lambda d, t: seen.append((d, t))
        )
        assert len(data) == (101 if size == 8 else 7)
    assert seen[0] == (0, 101) and (101, 101) in seen and seen[-1] == (7, 7) and seen[-2] == (6, 7)
    data = Images(size=8).open(root)
    for k in (0, 16, 100):
        assert np.array_equal(data.raw([k])[0], np.asarray(Image.open(root / f"{k:03d}.png")).transpose(2, 0, 1))


def test_second_open_reads_nothing_and_is_quick(tmp_path, monkeypatch):
    first = Images().open(images(tmp_path / "d"))
    monkeypatch.setattr(Images, "plan", lambda *_: pytest.fail("packed again"))
    begin = time.monotonic()
    second = Images().open(tmp_path / "d")
    assert time.monotonic() - begin < 0.5
    assert second.fingerprint == first.fingerprint and second.summary == first.summary


def test_changed_files_or_settings_pack_anew(tmp_path):
    root = images(tmp_path / "d")
    prints = [Images(**s).open(root).fingerprint for s in ({}, {"size": 4}, {"channels": 1}, {"background": "black"})]
    assert len(set(prints)) == 3 and prints[0] == prints[3]  # opaque images: the background changes nothing
    Image.new("RGB", (8, 8)).save(root / "000.png")
    assert Images().open(root).fingerprint not in prints
    assert len(Images(held_out=0.5).open(root).held) == 6


def test_split_depends_on_content_alone():
    data, order = Images().open((X, Y)), RNG.permutation(300)
    moved = Images().open((X[order], Y[order]))
    assert set(order[moved.held]) == set(data.held) and moved.fingerprint != data.fingerprint
    assert len({Images().open(d).fingerprint for d in ((X, Y), X, (X, Y[::-1]), (X, Y + 1))}) == 4
    assert sorted([*data.train, *data.held]) == list(range(300)) and len(data.held) == 30
    assert len(Images(held_out=0.0).open((X, Y)).held) == 0


def test_exact_duplicates_stay_on_one_side():
    many = X[RNG.integers(0, 40, 300)]
    data = Images(held_out=0.3).open(many)
    contents = [{data.raw([k]).tobytes() for k in side} for side in (data.train, data.held)]
    assert contents[1] and not contents[0] & contents[1]
    assert data.duplicates == 300 - len(np.unique(many, axis=0)) == data.summary["duplicates"]


@pytest.mark.parametrize("count", [1, 2, 3, 10, 19])
def test_small_sets_work_with_a_warning(count):
    data = Images().open(X[:count])
    assert len(data.train) >= 1 and len(data.train) + len(data.held) == count
    assert len(data.held) == (0 if count == 1 else max(1, round(count / 10)))
    assert count == 1 or any("say little" in n for n in data.summary["notes"])


def test_empty_and_identical_sets():
    with pytest.raises(UsageError, match="holds no images"):
        Images().open(X[:0])
    data = Images().open(np.zeros((50, 4, 4), np.uint8))
    assert len(data.train) == 50 and len(data.held) == 0 and "all images are identical" in data.summary["notes"]


def test_at_most_ten_thousand_are_held_out():
    hashes = np.arange(400_000, dtype=np.uint64).reshape(-1, 2)
    train, held, duplicates, _ = split(hashes, 0.1)
    assert len(held) == 10_000 and len(train) == 190_000 and duplicates == 0


def test_corrupt_files_are_an_error_or_counted_and_named(tmp_path):
    root = images(tmp_path / "d", 20)
    (root / "003.png").write_bytes(b"")
    (root / "007.png").write_bytes((root / "007.png").read_bytes()[:60])
    (root / "011.png").write_text("<html>not found</html>")
    with pytest.raises(UsageError, match=r"003\.png.*empty.*on_corrupt=skip"):
        Images().open(root)
    data = Images(on_corrupt="skip").open(root)
    assert len(data) == 17 and data.summary["corrupt"] == 3
    assert [n.split(":")[0] for n in data.summary["corrupt_names"]] == ["003.png", "007.png", "011.png"]
    assert np.array_equal(data.raw([3])[0], np.asarray(Image.open(root / "004.png")).transpose(2, 0, 1))
    with pytest.raises(UsageError, match=r"003\.png"):  # although a pack exists now
        Images().open(root)
    for path in root.iterdir():
        path.write_bytes(b"x")
    with pytest.raises(UsageError, match=r"None of the 20|none of the images"):
        Images(on_corrupt="skip").open(root)


def test_labels_follow_when_files_are_skipped(tmp_path):
    for k, name in enumerate(("a", "b", "c")):
        images(tmp_path / "d", 0)
        images(tmp_path / "d" / name, k + 2)
    (tmp_path / "d" / "a" / "000.png").write_bytes(b"")
    data = Images(on_corrupt="skip").open(tmp_path / "d")
    assert data.labels.tolist() == [0, 1, 1, 1, 2, 2, 2, 2]
    assert data.summary["classes"] == {"a": 1, "b": 3, "c": 4}
    assert Images(on_corrupt="skip", labels="off").open(tmp_path / "d").labels is None


def test_a_failed_packing_leaves_nothing_behind(tmp_path, cache, monkeypatch):
    root = images(tmp_path / "d")
    for error, kind in (
        (OSError(28, "No space left on device"), UsageError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ):
        monkeypatch.setattr(writing.hashlib, "blake2b", writing.hashlib.blake2b)
        with monkeypatch.context() as patch:
            patch.setattr(writing.PackWriter, "finish", lambda *_, error=error, **__: (_ for _ in ()).throw(error))
            with pytest.raises(kind):
                Images().open(root)
        assert list(cache.iterdir()) == []
    assert len(Images().open(root)) == 12


def test_too_little_space_is_said_before_packing(tmp_path, monkeypatch):
    monkeypatch.setattr(packing.shutil, "disk_usage", lambda _: type("U", (), {"free": 1000}))
    with pytest.raises(UsageError, match="GANWORKS_CACHE"):
        Images().open(X)


def test_a_damaged_pack_is_made_again_with_a_word(cache):
    good = Images().open(X)
    last = good.raw([299])
    for harm in (
        lambda f: (f / "x.npy").write_bytes((f / "x.npy").read_bytes()[:-9]),
        lambda f: (f / "hash.npy").unlink(),
        lambda f: (f / "fingerprint.json").write_text("{"),
        lambda f: (f / "sums.json").write_text("{"),
        lambda f: _flip(f / "x.npy", -1),
        lambda f: _flip(f / "x.npy", 5000),
        lambda f: _flip(f / "hash.npy", -3),
        lambda f: _flip(f / "fingerprint.json", 40),
    ):
        harm(good.folder)
        with pytest.warns(UserWarning, match=r'"\S+array-\w+" was damaged \(.*\), and is packed again'):
            again = Images().open(X)
        assert again.fingerprint == good.fingerprint and np.array_equal(again.raw([299]), last)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Images().open(X)
    assert len(list(cache.iterdir())) == 1


def _flip(path, at):
    """One bit of a file, with the time of its last change as it was."""
    content, time = bytearray(path.read_bytes()), path.stat().st_mtime_ns
    content[at] ^= 4
    path.write_bytes(content)
    os.utime(path, ns=(time, time))


def test_a_pack_without_sums_gets_them(cache):
    folder = Images().open(X).folder
    (folder / "sums.json").unlink()
    Images().open(X)
    assert json.loads((folder / "sums.json").read_text()).keys() == {"x.npy", "hash.npy", "fingerprint.json"}


def test_large_packs_are_read_through_once_a_day(cache, monkeypatch):
    folder = Images().open(X).folder
    monkeypatch.setattr(sums, "EACH_TIME", 1000)
    _flip(folder / "x.npy", 5000)
    assert not sums.harm(folder)
    now = (folder / "sums.json").stat().st_mtime
    os.utime(folder / "sums.json", (now - 90_000, now - 90_000))
    assert sums.harm(folder)
    os.utime(folder / "sums.json", (now, now))
    os.utime(folder / "y.npy" if (folder / "y.npy").exists() else folder / "x.npy", (now + 9, now + 9))
    assert sums.harm(folder), "written after the last reading"


def test_sums_of_files_of_several_blocks(tmp_path, monkeypatch):
    (tmp_path / "x.npy").write_bytes(bytes(range(256)) * 10)
    (tmp_path / "empty.npy").touch()
    monkeypatch.setattr(sums, "_BLOCK", 1000)
    monkeypatch.setattr(sums, "_PIECE", 100)
    sums.write(tmp_path)
    content = (tmp_path / "x.npy").read_bytes()
    blocks = [zlib.crc32(content[k : k + 1000]) for k in (0, 1000, 2000)]
    assert json.loads((tmp_path / "sums.json").read_text()) == {"empty.npy": [0], "x.npy": blocks}
    for at in (0, 999, 1000, 2559):
        _flip(tmp_path / "x.npy", at)
        assert sums.harm(tmp_path)
        _flip(tmp_path / "x.npy", at)
    assert not sums.harm(tmp_path)


def test_what_killed_runs_left_is_removed(cache):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    alive = atomic.temporary_beside(cache / "photos-0")
    dead = alive.with_name(alive.name.replace(f"-{os.getpid()}-", f"-{child.pid}-"))
    for folder in (dead, alive):
        folder.mkdir(parents=True)
        (folder / "x.npy").write_bytes(b"x")
        os.utime(folder, (1, 1))
    Images().open(X)
    assert not dead.exists() and alive.exists()


def test_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        Images().open(X, cache=tmp_path / "file")
    monkeypatch.delenv("GANWORKS_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setattr(caching.tempfile, "gettempdir", lambda: str(tmp_path))
    root, notes = cache_folder(None)
    assert root.is_relative_to(tmp_path) and root.stat().st_mode & 0o77 == 0 and "temporary" not in notes
    assert any("cannot be written" in n for n in Images().open(X).summary["notes"])


def test_fingerprint_file_is_plain_json(tmp_path):
    data = Images().open((X, Y))
    facts = json.loads((data.folder / "fingerprint.json").read_text())
    assert facts["count"] == 300 and facts["spec"]["shape"] == [3, 6, 5] and facts["sizes"] == {"6x5": 300}
    assert len(data.fingerprint) == 64 and json.loads(json.dumps(data.summary)) == data.summary


def test_files_may_vanish_after_packing(tmp_path):
    data = Images().open(images(tmp_path / "d"))
    kept = data.raw([4]).copy()
    for path in (*(tmp_path / "d").iterdir(), *data.folder.iterdir()):
        path.unlink()
    assert np.array_equal(data.raw([4]), kept)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_stays_flat(tmp_path):
    """200,000 images of 1.6 kB (320 MB): packing, a pass over all, and opening again in far less than that."""
    code = textwrap.dedent("""
        import numpy as np, torch
        from ganworks.core.order import Order
        from ganworks.kinds.images.domain import Images

        class Many:
            path, kind, notes, bytes, labels, classes = "many", "array", [], 0, None, ()
            shape, dtype, item_shape = (200_000, 40, 40), np.dtype("uint8"), (1, 40, 40)
            row = np.arange(1600, dtype=np.uint32)
            def __len__(self): return 200_000
            def name(self, k): return str(k)
            def get(self, k): return (self.row * (k + 1) >> 3).astype(np.uint8).reshape(1, 40, 40)
            def stamp(self): return "1"

        def resident():
            return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) / 1024

        from ganworks.files.packing import pack, packed
        from ganworks.core.spec import Spec
        torch.set_num_threads(1)
        packed.RELEASE_AFTER = 32 << 20
        start = resident()
        plan = pack.Conversion(Spec("images", (1, 40, 40)), lambda x, name: pack.ConvertedItem(x, (40, 40), "L"))
        data = pack.pack(Many(), lambda: plan, {}, cache=CACHE)
        after, order = resident(), Order(len(data.train), 0)
        total = 0
        for k in range(0, len(data.train), 256):
            total += len(data.fetch(data.train[order.take(k, 256)])["x"])
        assert data.raw([7])[0, 0].ravel()[5] == 5
        print(start, after - start, resident() - after)
    """)
    command = [sys.executable, "-c", f"CACHE = {str(tmp_path)!r}\n{code}"]
    out = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    _, packing_grew, reading_grew = map(float, out.stdout.split())
    assert packing_grew < 60, out.stdout
    assert reading_grew < 160, out.stdout


ON_SMALL = """
import sys
import numpy as np
from ganworks.core.errors import UsageError
from ganworks.kinds.images.domain import Images
try:
    Images().open(np.random.default_rng(0).integers(0, 256, (300, 6, 5, 3), np.uint8), cache=sys.argv[1])
except UsageError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("options", "limit", "part"),
    [
        ("nr_inodes=3", "", "no inodes left"),
        ("size=9m", "ulimit -f 20", "`ulimit -f` allows"),
        ("ro", "", "cannot be written (Read-only file system)"),
    ],
)
def test_packing_on_disks_that_refuse_it(tmp_path, options, limit, part):
    (tmp_path / "cache").mkdir()
    done = on_disk(tmp_path / "cache", options, ON_SMALL, str(tmp_path / "cache"), limit=limit)
    assert part in done.stdout and "GANWORKS_CACHE" in done.stdout and "Traceback" not in done.stderr
