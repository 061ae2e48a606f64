"""What is said when the system refuses a file, and names that are refused before the work."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from small_disks import on_disk

from ganworks.cli import main as cli
from ganworks.core.errors import UsageError
from ganworks.core.machine.places import NoRoomError, explain, place

CODES = [name for name in errno.errorcode.values() if name not in ("EPIPE", "EWOULDBLOCK")]


@pytest.mark.parametrize("name", CODES)
def test_every_error_of_the_system_is_a_sentence_with_the_path(name, tmp_path):
    code = getattr(errno, name)
    said = str(explain(OSError(code, os.strerror(code)), tmp_path / "file"))
    assert str(tmp_path / "file") in said and said.endswith(".") and "Errno" not in said


@pytest.mark.parametrize(
    ("code", "part"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "quota there is used up"),
        (errno.EFBIG, "`ulimit -f`"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission denied"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EIO, "may be failing"),
        (errno.ELOOP, "Remove the link"),
        (errno.ENAMETOOLONG, "too long"),
        (errno.ENOTDIR, "is a file, not a folder"),
        (errno.EISDIR, "a folder of this name"),
        (errno.ESTALE, "network share does not answer"),
    ],
)
def test_the_sentence_says_what_to_do(code, part, tmp_path):
    found = explain(OSError(code, os.strerror(code)), tmp_path / "file")
    assert part in str(found) and isinstance(found, NoRoomError) == (code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


def test_an_error_without_a_number_is_a_full_disk_only_where_it_is_full(tmp_path, monkeypatch):
    bare = OSError("4096 requested and 0 written")
    assert "4096 requested" in str(explain(bare, tmp_path / "a"))
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("usage", (), {"free": 10}))
    assert isinstance(explain(bare, tmp_path / "a"), NoRoomError)


def test_an_error_names_its_own_file_or_none():
    assert "Cannot use /x/y: permission denied" in str(explain(PermissionError(13, "no", "/x/y"), doing="use"))
    assert "Cannot use a file: " in str(explain(OSError("odd"), doing="use"))
    assert "There is no room left: the disk is full" in str(explain(OSError(errno.ENOSPC, "full"), doing="use"))


FILL = """
import sys
from pathlib import Path
from ganworks.core.errors import GanworksError
from ganworks.files.atomic import replace_file
try:
    for k in range(1000):
        replace_file(Path(sys.argv[1]) / str(k), b"x" * 100)
except GanworksError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("options", "part"), [("size=64k", "the disk is full"), ("nr_inodes=20", "no inodes left"), ("ro", "read-only")]
)
def test_real_disks_that_are_full_or_read_only(tmp_path, options, part):
    done = on_disk(tmp_path, options, FILL, str(tmp_path))
    assert part in done.stdout and done.stdout.endswith(".\n") and not done.stderr


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("", "out= is empty"),
        ("  ", "out= is empty"),
        ("a\0b", "a zero byte"),
        ("caf\udce9/x", "cannot be written as text"),
        ("a" * 300, "300 bytes, and 255 are possible"),
        ("界" * 100 + "/x", "300 bytes"),
        ("a/" * 2100, "a path in it has"),
    ],
)
def test_impossible_names_are_refused_at_the_start(name, part):
    with pytest.raises(UsageError, match=part):
        place(name)


def test_possible_names_are_paths(tmp_path):
    assert place("runs/a") == Path("runs/a") and place(tmp_path / ("a" * 255)).name == "a" * 255
    assert place(Path()) == Path()
    with pytest.raises(UsageError, match=r"^sheet= is empty.*leave sheet out"):
        place("", "sheet")


@pytest.mark.parametrize(
    "words",
    [
        ("train", "mlp", "digits", "out="),
        ("train", "mlp", "digits", "out=" + "a" * 300),
        ("train", "mlp", "digits", "out=\udcff"),
        ("data", "digits", "out="),
        ("data", "digits", "out=" + "a" * 300),
    ],
)
def test_verbs_refuse_them_before_the_work(words, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ganworks.files.sources.open_source", None)  # nothing is read
    assert cli.main(list(words)) == 2
    assert "Wrong use: out=" in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "/etc/x"), "Failed: Cannot use /etc/x: permission denied."),
        (OSError(errno.ENOSPC, "full"), "Failed: There is no room left: the disk is full."),
        (MemoryError(), "Failed: The memory ran out. Give less at a time"),
    ],
)
def test_what_nobody_puts_into_words_is_a_sentence_at_the_end(error, said, capsys, monkeypatch):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("ganworks.cli.main._dispatch", fail)
    assert cli.main(["info", "x"]) == 1
    assert said in capsys.readouterr().err
